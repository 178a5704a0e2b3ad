"""Tests whose xdist worker is killed, by the system when memory is short or by hand: run again once, so that no verdict is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pytest_mllmu.trials import trial_of

OUTCOME = "rerun"
"""What pytest-rerunfailures calls it too."""


class Killed:
    """What the controller knows of workers that died. ``trials`` are the ids of what is on trial, ``say`` shows a line."""

    def __init__(self, trials: Iterable[str], say: Callable[[str], None]) -> None:
        self._trials, self._say = tuple(trials), say
        self._first: dict[str, str] = {}
        self._died = False
        self._collected: tuple[str, ...] = ()
        self._reported: set[str] = set()

    def again(self, test: str, report: Any, scheduler: Any) -> bool:
        """Has the test run by another worker, if it is one of ours and this is the first worker that died of it."""
        self._died = True
        worker = report.node.gateway.id
        if report.outcome == OUTCOME or trial_of(test, self._trials) is None:
            return False
        if test in self._first:
            report.longrepr = f"worker {worker!r} was killed, or ran out of memory, in {test}, as worker {self._first[test]!r} before it"
            return False
        try:
            scheduler.mark_test_pending(test)
        except NotImplementedError:  # such as that of --dist=each, where every worker runs every test
            return False
        self._first[test] = worker
        self._reported.discard(test)  # as far as it came
        report.outcome = OUTCOME
        self._say(f"mllmu: worker {worker} was killed in {test}, which is run again")
        return True

    def collected(self, tests: Sequence[str]) -> None:
        self._collected = tuple(tests)

    def reported(self, report: Any) -> None:
        if report.outcome != OUTCOME:
            self._reported.add(report.nodeid)

    def lost(self) -> int:
        """How many tests nobody has run after a worker died, because xdist may not start another (``--max-worker-restart``)."""
        return len(set(self._collected) - self._reported) if self._died else 0
