"""A model that would be fed wrongly is refused when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.errors import ModelError
from pytest_mllmu.models.chat import Chat
from pytest_mllmu.models.families import Family
from pytest_mllmu.models.loading import load
from pytest_mllmu.models.registry import family_of
from pytest_mllmu.models.selfcheck import misfit
from tests import zoo

SAID = "its LlavaNextProcessor gives inputs that are not supported: "


@pytest.fixture(scope="module")
def made() -> tuple[Any, Any]:
    return zoo.llava_next()


@pytest.mark.parametrize("kind", zoo.KINDS)
def test_nothing_is_wrong_with_what_is_supported(kind: str) -> None:
    model, processor = zoo.KINDS[kind].make()
    family = family_of(kind, processor)
    assert misfit(family, model, family.prepared(processor)) == ""


def test_too_few_image_tokens(made: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chat, "image_text", lambda *args: "<image>")
    assert misfit(Chat("llava_next"), *made) == f"{SAID}attention_mask, input_ids"


def test_an_input_that_is_not_made(made: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = Chat.pixels
    monkeypatch.setattr(Chat, "pixels", lambda *args: {key: value for key, value in pixels(*args).items() if key != "image_sizes"})
    assert misfit(Chat("llava_next"), *made) == f"{SAID}image_sizes"


def test_an_input_with_other_values(made: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    join = Family.join
    monkeypatch.setattr(Family, "join", lambda *args: {key: value + 1 for key, value in join(*args).items()})
    assert misfit(Chat("llava_next"), *made) == f"{SAID}image_sizes, pixel_values"


def test_a_processor_that_fails_is_said_in_one_line(tmp_path: Path) -> None:
    """An old LLaVA checkpoint does not say its patch size."""
    model, processor = zoo.llava()
    processor.patch_size = None
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    with pytest.raises(ModelError) as caught:
        load(tmp_path, "cpu")
    assert str(caught.value).startswith(f"{tmp_path}: its LlavaProcessor cannot be used: TypeError")
    assert "\n" not in str(caught.value)
