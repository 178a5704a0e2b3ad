"""xdist changes nothing but the wall time."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.runs import GA, SLOW, Built, artefacts, run


@pytest.mark.parametrize("arguments", [["-n0"], ["-n2", "--dist=worksteal"], ["-n2", "--dist=loadgroup"]], ids=" ".join)
def test_same_result(built: Built, tmp_path: Path, arguments: list[str]) -> None:
    ran = built.warm(tmp_path, "--mllmu-report=run.json", *arguments)
    assert ran.code == built.ran.code
    assert ran.progress == []
    assert ran.table == built.ran.table
    assert ran.json() == built.ran.json()


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
