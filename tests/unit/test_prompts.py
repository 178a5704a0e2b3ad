"""The exact words of the three tasks."""

from __future__ import annotations

import pytest

from pytest_mllmu.benchmark.profiles import Modality, Question, Task
from pytest_mllmu.benchmark.prompts import blanked, instruction
from pytest_mllmu.models.llava import Llava
from tests.models import processor


def ask(task: Task, modality: Modality, text: str, options: tuple[tuple[str, str], ...] = ()) -> str:
    return instruction(Question("q", "001", task, modality, text, "A" if options else "x", options))


@pytest.mark.parametrize("modality", ["multimodal", "unimodal"])
def test_classification_lists_the_options_and_asks_for_one(modality: Modality) -> None:
    asked = ask("classification", modality, "Where does Ann live?", (("A", "Oslo"), ("B", "Rome"), ("D", "Bonn")))
    assert asked == "Where does Ann live?\nA: Oslo\nB: Rome\nD: Bonn\nAnswer with one of the options."


def test_generation_asks_for_one_sentence() -> None:
    shown = "Who is this?\nAnswer the question based on your trained knowledge in one sentence accurately in ENGLISH."
    assert ask("generation", "multimodal", "Who is this?") == shown
    named = "Who is Ann?\nAnswer the question based on your trained knowledge in one sentence in ENGLISH."
    assert ask("generation", "unimodal", "Who is Ann?") == named
    assert "accurately" not in named


@pytest.mark.parametrize("modality", ["multimodal", "unimodal"])
@pytest.mark.parametrize("blank", ["__", "____"])
def test_cloze_names_the_blank(modality: Modality, blank: str) -> None:
    asked = ask("cloze", modality, f"Ann lives in {blank}.")
    assert asked == "Ann lives in [Blank].\nPlease **ONLY** provide the correct answer that should replace the [Blank]."


@pytest.mark.parametrize(("text", "said"), [("a_b", "a_b"), ("__ and ___", "[Blank] and [Blank]"), ("", ""), ("_", "_")])
def test_a_blank_is_two_underscores_or_more(text: str, said: str) -> None:
    assert blanked(text) == said


def test_llava_puts_the_image_before_the_question() -> None:
    assert Llava().prompt(processor(), "Who?", "multimodal") == "USER: <image>\nWho?\nASSISTANT:"
    assert Llava().prompt(processor(), "Who?", "unimodal") == "USER:\nWho?\nASSISTANT:"
