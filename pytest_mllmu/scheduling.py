"""xdist's schedulers by scope, for a session that goes on when a worker is killed. Imported by a hook of xdist only.

As of 3.8.0, ``loadscope``, ``loadfile`` and ``loadgroup`` give a killed worker's finished tests out again and wait for them for ever (xdist #1378), give a
worker a single test, which it does not start before it knows of the next (#1327), run the test that killed it again until no restart is left (#1371), and
cannot be asked to run it again once. With pytest 9.2, which keeps a test's id as it is, ``loadgroup`` finds no group in it either (#1386).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling, LoadGroupScheduling, LoadScopeScheduling

from pytest_mllmu.trials import Trial, trial_of

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController


class Surviving(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types to offer
    """What is left of a killed worker's tests waits for its replacement or whoever is free first."""

    def remove_node(self, node: WorkerController) -> str | None:
        work = self.assigned_work.pop(node)
        left = {scope: [test for test, done in unit.items() if not done] for scope, unit in work.items()}
        tests = [(scope, test) for scope, unit in left.items() for test in unit]
        for scope, test in tests[1:]:
            self.workqueue.setdefault(scope, {})[test] = False
        # Nobody is given any of it yet: a test that is to be run again has to join the rest of its scope first. The replacement's start gives it out.
        return tests[0][1] if tests else None

    def mark_test_pending(self, item: str) -> None:
        scope = self._split_scope(item)
        self.workqueue[scope] = {item: False, **self.workqueue.get(scope, {})}
        self.workqueue.move_to_end(scope, last=False)

    def _reschedule(self, node: WorkerController) -> None:
        if node not in self.registered_collections:  # still starting
            return
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)


class Scopes(Surviving):
    pass


class Files(Surviving, LoadFileScheduling):  # type: ignore[misc]
    pass


class Groups(Surviving, LoadGroupScheduling):  # type: ignore[misc]
    """A group a trial, so that each worker trains and holds another candidate; with a single trial, and for other tests, as xdist has it."""

    trials: Sequence[str] = ()

    def _split_scope(self, nodeid: str) -> str:
        trial = trial_of(nodeid, self.trials) if len(self.trials) > 1 else None
        return trial or str(super()._split_scope(nodeid))


SURVIVING: dict[str, type[Surviving]] = {"loadscope": Scopes, "loadfile": Files, "loadgroup": Groups}


def scheduler(config: pytest.Config, log: Producer, trials: Iterable[Trial]) -> Surviving | None:
    """The scheduler of the session's ``--dist``; None for one that needs no help."""
    kind = SURVIVING.get(config.getoption("dist"))
    if kind is None:
        return None
    made = kind(config, log)
    if isinstance(made, Groups):
        made.trials = [trial.id for trial in trials]
    return made
