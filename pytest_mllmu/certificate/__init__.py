"""An acceptance report as one file: what was found about one model, the evidence for it, and how anybody recomputes it."""
