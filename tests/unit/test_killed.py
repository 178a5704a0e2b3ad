"""Tests whose worker was killed, and the schedulers that give them to another one: with workers that are simulated."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mllmu.killed import OUTCOME, Killed
from pytest_mllmu.trials import trial_of

GATE = "test_forget_set.py::test_forgotten[ga-cloze-multimodal]"


# --- whose test it is ---


@pytest.mark.parametrize(
    ("test", "trial"),
    [
        (GATE, "ga"),
        ("test_persons.py::test_person_forgotten[ga.unimodal-004]", "ga.unimodal"),
        ("test_mine.py::test_scores[ga]", "ga"),
        ("test_mine.py::test_scores[1e-4-npo:beta=1e-1]@group", "npo:beta=1e-1"),
        ("test_mine.py::test_scores[ga-cloze-multimodal]", "ga"),
        ("test_mine.py::test_scores[gala]", None),
        ("test_mine.py::test_ga", None),
    ],
)
def test_trial_of_a_test(test: str, trial: str | None) -> None:
    assert trial_of(test, ["cloze", "npo:beta=1e-1", "ga.unimodal", "ga"]) == trial


# --- once again ---


class Scheduler:
    def __init__(self, able: bool = True) -> None:
        self.able, self.pending = able, list[str]()

    def mark_test_pending(self, item: str) -> None:
        if not self.able:
            raise NotImplementedError
        self.pending.append(item)


def crash(worker: str, test: str = GATE, outcome: str = "failed") -> Any:
    return SimpleNamespace(nodeid=test, outcome=outcome, longrepr="crashed", node=SimpleNamespace(gateway=SimpleNamespace(id=worker)))


def test_run_again_once_then_a_failure() -> None:
    said, scheduler = list[str](), Scheduler()
    killed, first, second = Killed(["ga"], said.append), crash("gw1"), crash("gw2")
    assert killed.again(GATE, first, scheduler)
    assert first.outcome == OUTCOME
    assert said == [f"mllmu: worker gw1 was killed in {GATE}, which is run again"]
    assert not killed.again(GATE, second, scheduler)
    assert second.outcome == "failed"
    assert second.longrepr == f"worker 'gw2' was killed, or ran out of memory, in {GATE}, as worker 'gw1' before it"
    assert scheduler.pending == [GATE]


@pytest.mark.parametrize(
    ("report", "scheduler"),
    [(crash("gw0", "test_own.py::test_own"), Scheduler()), (crash("gw0"), Scheduler(able=False)), (crash("gw0", outcome=OUTCOME), Scheduler())],
    ids=["a test of somebody else", "a scheduler that cannot", "another plugin had it run again"],
)
def test_left_as_it_is(report: Any, scheduler: Scheduler) -> None:
    before = report.outcome
    assert not Killed(["ga"], lambda line: None).again(report.nodeid, report, scheduler)
    assert (report.outcome, report.longrepr, scheduler.pending) == (before, "crashed", [])


def test_lost_is_what_nobody_has_run_after_a_kill() -> None:
    killed = Killed(["ga"], lambda line: None)
    killed.collected([GATE, "other", "third"])
    assert killed.lost() == 0  # as with -x: nobody was killed
    for test in (GATE, "other"):
        killed.reported(SimpleNamespace(nodeid=test, outcome="passed"))
    report = crash("gw0")
    killed.again(GATE, report, Scheduler())
    killed.reported(report)
    assert killed.lost() == 2
    killed.reported(SimpleNamespace(nodeid=GATE, outcome="passed"))
    assert killed.lost() == 1


# --- schedulers ---


class Worker:
    """A worker as xdist's are: it starts a test when it knows the next one, or that there is none."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.queue, self.shutting_down = list[int](), False

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.queue += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def runs(self) -> bool:
        return len(self.queue) > (0 if self.shutting_down else 1)


GROUPS = [f"a::test[{trial}-{number}]" for number in range(4) for trial in ("ga", "npo")]
SCOPES = [f"{name}.py::test[{number}]" for name in "abc" for number in range(3)]


@pytest.mark.parametrize("dist", ["loadgroup", "loadscope", "loadfile"])
@pytest.mark.parametrize("tests", [GROUPS, SCOPES, SCOPES[:1], SCOPES[:2]], ids=["trials", "files", "one test", "two tests"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("again", [True, False], ids=["run again", "not run again"])
def test_each_test_is_run_whenever_a_worker_is_killed(dist: str, tests: list[str], number: int, again: bool) -> None:
    for kill in range(len(tests)):
        done, crashed = simulate(dist, tests, number, {kill}, again)
        assert done == {test: 1 for test in tests if again or test not in crashed}, kill
        assert len(crashed) == 1


@pytest.mark.parametrize("dist", ["loadgroup", "loadscope", "loadfile"])
def test_each_test_is_run_when_workers_are_killed_all_the_time(dist: str) -> None:
    done, crashed = simulate(dist, GROUPS, 2, set(range(0, 20, 2)), again=True)
    assert done == dict.fromkeys(GROUPS, 1)
    assert len(crashed) > 3


def test_a_trial_has_a_worker_to_itself() -> None:
    who: dict[str, set[str]] = {}
    simulate("loadgroup", GROUPS, 2, set(), again=True, who=who)
    assert [{trial_of(test, ["ga", "npo"]) for test in tests} for tests in who.values()] in ([{"ga"}, {"npo"}], [{"npo"}, {"ga"}])


def simulate(dist: str, tests: list[str], number: int, kills: set[int], again: bool, who: dict[str, set[str]] | None = None) -> tuple[Counter[str], list[str]]:
    """What was run how often, and in which tests a worker died: in the how manyth test that was begun ``kills`` says. As xdist's DSession goes about it."""
    from pytest_mllmu.scheduling import scheduler

    option = {"dist": dist, "tx": ["popen"] * number, "loadscopereorder": True}
    config: Any = SimpleNamespace(getoption=option.get, getvalue=option.get, option=SimpleNamespace(loadscopereorder=True))
    log: Any = SimpleNamespace(loadscopesched=print, loadgroupsched=print, loadfilesched=print)
    sched: Any = scheduler(config, log, [SimpleNamespace(id="ga"), SimpleNamespace(id="npo")])  # type: ignore[list-item]
    assert sched is not None
    workers = [Worker(index) for index in range(number)]
    done, crashed = Counter[str](), list[str]()
    for worker in workers:
        sched.add_node(worker)
    for worker in workers:
        sched.add_node_collection(worker, tests)
    sched.schedule()
    alive = list(workers)
    for begun in range(1000):
        if sched.tests_finished:
            for worker in sched.nodes:
                worker.shutdown()
        running = [worker for worker in alive if worker.runs]
        if not running:
            break
        worker = running[begun % len(running)]
        if begun in kills:
            alive.remove(worker)
            test = sched.remove_node(worker)
            crashed.append(test)
            if again:
                sched.mark_test_pending(test)
            clone = Worker(len(workers))
            workers.append(clone)
            alive.append(clone)
            sched.add_node(clone)
            sched.add_node_collection(clone, tests)
            sched.schedule()
        else:
            index = worker.queue.pop(0)
            done[tests[index]] += 1
            if who is not None:
                who.setdefault(worker.gateway.id, set()).add(tests[index])
            sched.mark_test_complete(worker, index)
    assert not [worker for worker in alive if worker.queue or not worker.shutting_down]
    return done, crashed
