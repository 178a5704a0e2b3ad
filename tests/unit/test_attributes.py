"""What a question is about is read from its words: every question of the embedded benchmark, and questions as the released data words them."""

from __future__ import annotations

import pytest

from pytest_mllmu.benchmark.attributes import attribute
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality
from pytest_mllmu.benchmark.wordings import ASKED, BLANKS, PARAPHRASED, SENTENCES, UNASKED, WORDINGS
from pytest_mllmu.embedded.persons import people
from pytest_mllmu.embedded.questions import CHOSEN, fill, questions

PEOPLE = people("profile", 60, 0) + people("celebrity", 20, 0)
ABOUT = {
    "birthplace": "birthplace",
    "birth_year": "birth year",
    "occupation": "occupation",
    "hobby": "hobby",
    "condition": "health",
    "residence": "residence",
}
"""What an attribute of the embedded people is called."""


def everybody(template: str, modality: Modality) -> set[str]:
    """A name must never decide what a question is about."""
    return {attribute(fill(template, person, modality)) for person in PEOPLE}


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("wording", [ASKED, PARAPHRASED, UNASKED], ids=["asked", "paraphrased", "unasked"])
@pytest.mark.parametrize("name", WORDINGS)
def test_every_wording_of_a_fact(name: str, wording: int, modality: Modality) -> None:
    assert everybody(WORDINGS[name][wording], modality) == {ABOUT[name]}


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("wording", [ASKED, PARAPHRASED, UNASKED], ids=["asked", "paraphrased", "unasked"])
@pytest.mark.parametrize("name", BLANKS)
def test_every_wording_of_a_blank(name: str, wording: int, modality: Modality) -> None:
    assert everybody(BLANKS[name][wording], modality) == {ABOUT[name]}


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize(("name", "expected"), [("origin", {"birth"}), ("life", {"occupation", "residence"})])
@pytest.mark.parametrize("wording", [ASKED, PARAPHRASED], ids=["asked", "paraphrased"])
def test_a_question_about_two_facts_is_about_one_of_them(name: str, expected: set[str], wording: int, modality: Modality) -> None:
    (found,) = everybody(SENTENCES[name][0][wording], modality)
    assert found in expected


@pytest.mark.parametrize("wording", [ASKED, PARAPHRASED], ids=["asked", "paraphrased"])
def test_no_question_that_is_asked_is_about_something_else(wording: int) -> None:
    for person in PEOPLE:
        found = [attribute(question.text) for question in questions(person, "full", wording, 0)]
        assert len(found) == 18
        assert "other" not in found
        assert [found[place] for place in range(len(CHOSEN))] == [ABOUT[name] for name in CHOSEN]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the date of birth of the person in the image?", "birth year"),
        ("When was she born?", "birth year"),
        ("Which city was the individual in the picture born in?", "birthplace"),
        ("Where does John Smith come from?", "birthplace"),
        ("What is the profession of this person?", "occupation"),
        ("What does Maria Lopez do for a living?", "occupation"),
        ("From which university did he graduate?", "education"),
        ("What are the parents of Mia Novak?", "family"),
        ("Which pastime does she enjoy?", "hobby"),
        ("What colour are the eyes of this person?", "appearance"),
        ("What is the height of the individual?", "appearance"),
        ("Which award did he receive?", "achievement"),
        ("In which town does he reside?", "residence"),
        ("Which medical condition does this person have?", "health"),
        ("What is this?", "other"),
        ("", "other"),
        ("这个人是谁？", "other"),
    ],
)
def test_other_questions(text: str, expected: str) -> None:
    assert attribute(text) == expected


def test_capitals_do_not_matter() -> None:
    assert attribute("WHAT IS THE OCCUPATION OF THIS PERSON?") == "occupation"


def test_only_the_beginning_of_an_endless_question_is_read() -> None:
    assert attribute("What is the hobby of this person? " + "born when year " * 1_000_000) == "birth year"
    assert attribute("What is it? " + "x" * 500 + " occupation") == "other"
    assert attribute("year when date does meet " * 1_000_000) == "other"
