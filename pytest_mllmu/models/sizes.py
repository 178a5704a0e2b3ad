"""Sizes of the embedded models, known before any is built: a checkpoint that is handed in beside one is compared with them."""

HIDDEN, LAYERS = 96, 3
"""Of the language model."""
