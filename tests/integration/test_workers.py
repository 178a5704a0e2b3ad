"""xdist changes nothing but the wall time."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.runs import GA, SLOW, Built, Ran, artefacts, run, without

WITHOUT_XDIST = without("xdist", "execnet") + 'assert "xdist" not in sys.modules\n'
CONFIGURATIONS = {
    "not installed": ("-p", "no:xdist", "-p", "no:xdist.looponfail", "-p", "without_xdist"),
    "n0": ("-n0",),
    "load": ("-n2", "--dist=load"),
    "worksteal": ("-n2", "--dist=worksteal"),
    "loadgroup": ("-n2", "--dist=loadgroup"),
    "auto": ("-n", "auto"),
}
DISTRIBUTIONS = ["load", *(pytest.param(dist, marks=pytest.mark.slow) for dist in ("worksteal", "loadgroup"))]
"""How xdist hands tests out: the other ways differ in who gets what, and are tried by hand."""


def judged(ran: Ran) -> int:
    """How many verdicts are in the report."""
    return len(json.loads(ran.json())["verdicts"])


def same(ran: Ran, built: Built) -> None:
    """The artefact of a run is that of the one without xdist."""
    assert "INTERNALERROR" not in ran.text
    assert ran.code == built.ran.code, ran.text
    assert ran.table == built.ran.table
    assert ran.json() == built.ran.json()


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name == "worksteal" else []) for name in CONFIGURATIONS])
def test_same_result(built: Built, tmp_path: Path, name: str) -> None:
    (tmp_path / "without_xdist.py").write_text(WITHOUT_XDIST)
    ran = built.warm(tmp_path, "--mllmu-report=run.json", *CONFIGURATIONS[name])
    same(ran, built)
    assert ran.progress == []
    workers = {"not installed": [], "n0": [], "auto": ["1 worker"]}.get(name, ["2 workers"])
    assert re.findall(r"^(\d workers?) \[\d+ items\]$", ran.text, re.M) == workers


KILLED = """
import os
import signal
from pathlib import Path

import pytest

TEST, MOMENT, TIMES = "test_kept[ga-cloze-multimodal]", {moment!r}, {times}

def die():
    if len(list(Path().glob("killed-*"))) < TIMES:
        Path(f"killed-{{os.getpid()}}").touch()
        os.kill(os.getpid(), signal.SIGKILL)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    ours = hasattr(item.config, "workerinput") and TEST in item.nodeid
    if ours and MOMENT == "before":
        die()
    result = yield
    if ours and MOMENT == "after":
        die()
    return result
"""


def dying(folder: Path, moment: str = "before", times: int = 1) -> None:
    """Has a worker of the runs in ``folder`` killed by a gate, before or after it is judged, as often as this."""
    (folder / "conftest.py").write_text(KILLED.format(moment=moment, times=times))


@pytest.mark.parametrize("dist", DISTRIBUTIONS)
def test_same_result_after_a_worker_is_killed(built: Built, tmp_path: Path, dist: str) -> None:
    dying(tmp_path)
    ran = built.warm(tmp_path, "--mllmu-report=run.json", "-n2", f"--dist={dist}")
    same(ran, built)
    assert len(list(tmp_path.glob("killed-*"))) == 1
    (line,) = ran.progress
    assert re.fullmatch(r"mllmu: worker gw[01] was killed in \S+::test_kept\[ga-cloze-multimodal\], which is run again", line)
    assert ", 1 rerun in " in ran.text.splitlines()[-1]


def test_same_result_after_a_worker_is_killed_when_it_has_judged(built: Built, tmp_path: Path) -> None:
    dying(tmp_path, "after")
    ran = built.warm(tmp_path, "--mllmu-report=run.json", "-n2")
    same(ran, built)
    assert ", 1 rerun in " in ran.text.splitlines()[-1]


@pytest.mark.parametrize("dist", DISTRIBUTIONS)
def test_a_gate_that_kills_each_worker_is_one_failure(built: Built, tmp_path: Path, dist: str) -> None:
    dying(tmp_path, times=99)
    ran = built.warm(tmp_path, "--mllmu-report=run.json", "--mllmu-gates=off", "-n2", f"--dist={dist}")
    assert ran.code == 1, ran.text
    assert len(list(tmp_path.glob("killed-*"))) == 2
    assert "INTERNALERROR" not in ran.text
    assert "Traceback" not in ran.text
    assert {"1 failed", "1 rerun", f"{judged(built.ran) - 1} measured"} <= set(ran.text.splitlines()[-1].strip("= ").partition(" in ")[0].split(", "))
    assert len(re.findall(r"^worker 'gw\d' was killed, or ran out of memory, in .*, as worker 'gw[01]' before it$", ran.text, re.M)) == 1
    assert judged(ran) == judged(built.ran) - 1


@pytest.mark.parametrize("dist", ["load", pytest.param("loadgroup", marks=pytest.mark.slow)])
def test_gates_that_nobody_has_run_are_no_success(built: Built, tmp_path: Path, dist: str) -> None:
    """xdist, told not to start another worker, ends without those that were to be run again."""
    dying(tmp_path)
    ran = built.warm(tmp_path, "--mllmu-gates=off", "-n1", f"--dist={dist}", "--max-worker-restart=0")
    assert ran.code == 1, ran.text
    assert re.search(r"^mllmu: \d+ tests were not run: workers were killed, and xdist started no other in their place$", ran.text, re.M)


def test_a_trial_has_a_worker_to_itself_in_loadgroup(built: Built, tmp_path: Path) -> None:
    """And a test's id stays what it is without xdist."""
    alone = built.warm(tmp_path, "--mllmu-report=alone.json", "-p", "no:xdist", method="ga,none")
    ran = built.warm(tmp_path, "--mllmu-report=run.json", "-n2", "--dist=loadgroup", "-v", method="ga,none")
    assert ran.table == alone.table
    assert ran.json() == alone.json("alone.json")
    pairs = set(re.findall(r"^\[(gw\d)\].*::test_\w+\[(ga|none)-[\w-]+\] *$", ran.text, re.M))
    assert sorted(trial for _, trial in pairs) == ["ga", "none"]
    assert len({worker for worker, _ in pairs}) == 2


# --- -n auto ---

AUTO = """
def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        print("\\nworkers:", config.getoption("numprocesses"))
"""
CPU = {"CUDA_VISIBLE_DEVICES": "0,1,2"}


def automatic(folder: Path, *arguments: str, **env: str) -> str:
    (folder / "conftest.py").write_text(AUTO)
    (folder / "test_own.py").write_text("def test_own(): pass")
    ran = run(folder, "-n", "auto", "--co", "-q", *arguments, env=env)
    assert ran.code == 0, ran.text
    found = re.search(r"^workers: (\d+)$", ran.text, re.M)
    assert found, ran.text
    return found[1]


def test_auto_is_xdists_own_without_a_method(tmp_path: Path) -> None:
    assert automatic(tmp_path, **CPU) == automatic(tmp_path, "-p", "no:mllmu", **CPU)


@pytest.mark.parametrize(
    ("arguments", "env", "ini"),
    [(["--mllmu-method=ga"], {}, ""), ([], {"MLLMU_METHOD": "ga"}, ""), ([], {}, "mllmu_method = ga"), (["--mllmu-candidate=base"], {}, "")],
    ids=["option", "environment", "ini", "candidate"],
)
def test_auto_is_one_worker_on_the_cpu(tmp_path: Path, arguments: list[str], env: dict[str, str], ini: str) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    assert automatic(tmp_path, *arguments, **env, **CPU) == "1"


def test_auto_is_a_worker_a_gpu(tmp_path: Path) -> None:
    assert automatic(tmp_path, "--mllmu-method=ga", "--mllmu-device=cuda", **CPU) == "3"


def test_auto_is_what_the_user_says(tmp_path: Path) -> None:
    assert automatic(tmp_path, "--mllmu-method=ga", **CPU, PYTEST_XDIST_AUTO_NUM_WORKERS="2") == "2"


PINNED = """
import os
from pathlib import Path

def pytest_sessionstart(session):
    if hasattr(session.config, "workerinput"):
        Path(os.environ["PYTEST_XDIST_WORKER"]).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
"""


def test_a_worker_gets_one_of_the_callers_gpus(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(PINNED)
    (tmp_path / "test_own.py").write_text("def test_own(): pass")
    chosen = ("test_own.py", "--mllmu-method=ga", "--mllmu-device=cuda", f"--mllmu-cache={tmp_path / 'cache'}")
    ran = run(tmp_path, *chosen, "-n", "auto", env={"CUDA_VISIBLE_DEVICES": "6,GPU-2"})
    assert ran.code == 0, ran.text
    assert [(tmp_path / worker).read_text() for worker in ("gw0", "gw1")] == ["6", "GPU-2"]


# --- cold ---


@pytest.mark.timeout(SLOW)
def test_cold_workers_build_once_and_the_same(built: Built, tmp_path: Path) -> None:
    reports = ("--mllmu-report=run.json", "--mllmu-report=run.jsonl")
    ran = run(tmp_path, *GA, f"--mllmu-cache={tmp_path / 'cache'}", *reports, "-n2", timeout=SLOW)
    done = Counter(line.partition(": done in ")[0] for line in ran.progress if ": done in " in line)
    assert done["mllmu: teaching tiny-llava (base)"] == 1  # a worker's line, on the controller's terminal
    assert set(done.values()) == {1}
    assert not re.search(r"[^\n]mllmu: ", ran.text)  # on a line of its own, not behind xdist's dots
    assert ran.code == built.ran.code
    assert ran.table == built.ran.table
    assert ran.json() == built.ran.json()
    assert (tmp_path / "run.jsonl").read_bytes() == (built.ran.folder / "run.jsonl").read_bytes()
    assert artefacts(tmp_path / "cache") == artefacts(built.cache, only=artefacts(tmp_path / "cache"))
    assert Counter(name.partition("/")[0] for name in artefacts(tmp_path / "cache")) == {"model": 3, "responses": 8}
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []
