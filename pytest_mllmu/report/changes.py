"""What changed against a baseline, in lines for terminals and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_mllmu.analysis.comparison import Change, Limit, Outcome, compare, limits
from pytest_mllmu.analysis.gates import PEOPLE_AT_LEAST, Light
from pytest_mllmu.parsing import FAIL_ON
from pytest_mllmu.report.run import Run

OUTCOMES: dict[Outcome, str] = {
    "worse": "worse",
    "inconclusive": "inconclusive",
    "changed": "worse within the limit",
    "better": "better",
    "same": "no clear change",
}


def between(before: Run, after: Run, asked: Sequence[Limit], inconclusive: Light, people_at_least: int = PEOPLE_AT_LEAST) -> list[Change]:
    """What changed from one run to another, by the user's limits and where there are none by the usual ones. Raises as ``compare``."""
    paired = before.about["data"] == after.about["data"]
    return compare(before.table, after.table, asked, paired=paired, usual=limits(FAIL_ON), inconclusive=inconclusive, people_at_least=people_at_least)


def summary(changes: Sequence[Change]) -> str:
    """``1 worse, 0 inconclusive, 2 better, 29 no clear change``"""
    found = Counter(change.outcome for change in changes)
    return ", ".join(f"{found[outcome]} {title}" for outcome, title in OUTCOMES.items() if found[outcome] or outcome == "worse")


def against(run: Run) -> str:
    """``compared with the baseline: 1 worse, 2 better, 29 no clear change``; nothing where nothing was compared."""
    return f"compared with the baseline: {summary(run.changes)}" if run.changes else ""


def red(run: Run) -> bool:
    """Whether the comparison is what makes the session red, or a reason beside the gates."""
    return any(change.red for change in run.changes)


def lines(changes: Sequence[Change]) -> Iterator[str]:
    """Every change that is one, the worst first; numbers without a clear change are only counted."""
    several = len({(change.candidate, change.forget) for change in changes}) > 1
    for outcome, title in OUTCOMES.items():
        for change in changes:
            if change.outcome == outcome and outcome != "same":
                yield f"{title}: {f'{change.candidate} ' if several else ''}{change.message}"
