"""What changed against a baseline, in lines for terminals and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_mllmu.analysis.comparison import Change, Outcome

OUTCOMES: dict[Outcome, str] = {
    "worse": "worse",
    "inconclusive": "inconclusive",
    "changed": "worse within the limit",
    "better": "better",
    "same": "no clear change",
}


def summary(changes: Sequence[Change]) -> str:
    """``1 worse, 0 inconclusive, 2 better, 29 no clear change``"""
    found = Counter(change.outcome for change in changes)
    return ", ".join(f"{found[outcome]} {title}" for outcome, title in OUTCOMES.items() if found[outcome] or outcome == "worse")


def lines(changes: Sequence[Change]) -> Iterator[str]:
    """Every change that is one, the worst first; numbers without a clear change are only counted."""
    several = len({(change.candidate, change.forget) for change in changes}) > 1
    for outcome, title in OUTCOMES.items():
        for change in changes:
            if change.outcome == outcome and outcome != "same":
                yield f"{title}: {f'{change.candidate} ' if several else ''}{change.message}"
