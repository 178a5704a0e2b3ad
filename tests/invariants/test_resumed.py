"""An evaluation that is stopped in the middle goes on with what is not answered yet, and ends with the same answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.evaluation.engine import Engine
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.models.loading import save
from pytest_mllmu.pipeline import Pipeline
from pytest_mllmu.settings import Settings
from tests.models import SILENT, taught_bundle

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def pipeline(folder: Path, cache: Path, **more: Any) -> Pipeline:
    settings = Settings(method=("none",), model=str(folder), vanilla=str(folder), profiles=6, celebrities=3, forget=(34,), cache=cache, **more)
    return Pipeline(settings, SILENT)


def answers(made: Pipeline) -> bytes:
    made.responses(made.models.vanilla(), "retain")
    (file,) = made.store.root.glob("responses/*/responses.jsonl")
    return file.read_bytes()


def test_stopped_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(taught_bundle(), tmp_path / "model")
    whole = answers(pipeline(tmp_path / "model", tmp_path / "whole"))
    ask, asked = Engine.answer, list[int]()

    def stopped(self: Engine, prompts: Any, answered: Callable[[Sequence[Response]], object], known: dict[str, Response]) -> list[Response]:
        asked.append(len(prompts) - len(known))

        def then_stop(found: Sequence[Response]) -> None:
            answered(found)
            if len(asked) < 3:
                raise KeyboardInterrupt

        return ask(self, prompts, then_stop, known)

    monkeypatch.setattr(Engine, "answer", stopped)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            answers(pipeline(tmp_path / "model", tmp_path / "cache", batch=7))
        (journal,) = (tmp_path / "cache" / "answers").iterdir()
    found = answers(pipeline(tmp_path / "model", tmp_path / "cache", batch=7))
    assert asked == [72, 65, 58]
    assert journal_lines(found) == journal_lines(whole)
    assert not journal.exists()


def journal_lines(text: bytes) -> list[Any]:
    """Without the last digit of log-probabilities, in which batches may differ."""
    rows = [json.loads(line) for line in text.decode().splitlines()]
    return [(row["question"], row["answer"], {letter: round(value, 3) for letter, value in row.get("options", {}).items()}) for row in rows]
