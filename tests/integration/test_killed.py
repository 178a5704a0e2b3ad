"""``kill -9`` at any moment costs the step that was running, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.runs import GA, SLOW, Built, Killed, artefacts, run


@pytest.mark.slow
@pytest.mark.timeout(SLOW)
def test_killed_again_and_again(built: Built, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    arguments = (*GA, f"--mllmu-cache={cache}", "--mllmu-report=run.json")
    killed = Killed(tmp_path)

    def stored(kind: str, number: int) -> bool:
        return len(list((cache / kind).glob("*/manifest.json"))) >= number

    def started(kind: str, number: int) -> bool:
        return stored(kind, number) or any((cache / "tmp").glob(f"{kind}-*"))

    assert killed.when(lambda: started("model", 1), *arguments, after=2)  # in the base model's training
    assert not stored("model", 1)
    assert killed.when(lambda: stored("model", 1), *arguments, after=0.5)  # just stored; in the vanilla's, which starts from it
    assert killed.when(lambda: stored("responses", 2), *arguments, after=0.2)  # between the first answers and the last
    assert not (tmp_path / "run.json").exists()

    ran = run(tmp_path, *arguments, timeout=SLOW)
    assert "teaching" not in ran.text  # what was stored before a kill is used
    assert ran.code == built.ran.code
    assert ran.table == built.ran.table
    assert ran.json() == built.ran.json()
    assert artefacts(cache) == artefacts(built.cache, only=artefacts(cache))
    assert len(artefacts(cache)) == 3 + 8
    assert list((cache / "tmp").iterdir()) == []
