"""Which dialect a session speaks, and what the key of stored answers says of it. Nothing is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.embedded.tiny import EMBEDDED
from pytest_mllmu.errors import SettingsError
from pytest_mllmu.evaluation.dialects import Strict, Submission, Upstream
from pytest_mllmu.pipeline import Pipeline
from pytest_mllmu.progress import Progress
from pytest_mllmu.settings import Settings


def pipeline(cache: Path, **chosen: Any) -> Pipeline:
    return Pipeline(Settings(profiles=6, celebrities=2, forget=(34,), cache=cache, **chosen), Progress.silent())


def checkpoint(folder: Path, config: str) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(config)
    return str(folder)


def test_the_dialect_follows_the_settings_and_the_model(tmp_path: Path) -> None:
    assert pipeline(tmp_path, demonstrations=2, seed=3).dialect == Strict(3, 2)
    assert pipeline(tmp_path, dialect="upstream").dialect == Upstream(0, 2)
    assert pipeline(tmp_path, dialect="upstream-submission", model="tiny-idefics2").dialect == Submission(0)
    assert pipeline(tmp_path, dialect="upstream", model="tiny-idefics2").dialect == Upstream(0, 1)
    idefics2, other, adapter = (
        checkpoint(tmp_path / name, config) for name, config in (("i", '{"model_type": "idefics2"}'), ("o", '{"model_type": "gemma3"}'), ("a", "[]"))
    )
    assert pipeline(tmp_path, dialect="upstream", model=idefics2).dialect == Upstream(0, 1)
    assert pipeline(tmp_path, dialect="upstream", vanilla=idefics2).dialect == Upstream(0, 1)  # the base is then never asked
    assert pipeline(tmp_path, dialect="upstream", vanilla=adapter, model="tiny-idefics2").dialect == Upstream(0, 1)
    with pytest.raises(SettingsError, match="not for gemma3"):
        _ = pipeline(tmp_path, dialect="upstream", model=other).dialect


def test_embedded_models_are_named_after_their_type(tmp_path: Path) -> None:
    for name, made in EMBEDDED.items():
        assert pipeline(tmp_path, model=name).models.model_type == made.family.model_type


def test_answers_are_stored_by_what_was_asked(tmp_path: Path) -> None:
    """Zero-shot, the seed draws nothing of the prompts: it is in the model's key anyway."""

    def key(**chosen: Any) -> str:
        made = pipeline(tmp_path, **chosen)
        row = made._answers(made.models.vanilla(), "forget")
        return str({name: value for name, value in row.items() if name not in ("model", "questions")})

    different = [{}, {"demonstrations": 1}, {"demonstrations": 2}, {"demonstrations": 2, "seed": 1}]
    different += [{"dialect": name, "seed": seed} for name in ("upstream", "upstream-submission") for seed in (0, 1)]
    assert len({key(**chosen) for chosen in different}) == len(different)
    assert key() == key(seed=1)


def test_the_questions_of_a_model_are_those_that_are_scored(tmp_path: Path) -> None:
    made = pipeline(tmp_path, dialect="upstream")
    found = made.questions(made.models.vanilla(), "retain")
    assert [question.id for question in found] == [row.question.id for row in made.exam(34, "retain").rows]
    assert sum(question.task == "classification" for question in found) == 30
    assert len(made.people(made.models.vanilla(), "retain")) == 4
