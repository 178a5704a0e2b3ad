"""The local judge: the share of the facts that are stated and not contradicted, on the scale of the paper."""

from __future__ import annotations

import pytest

from pytest_mllmu.scoring.factuality import LABEL, facts, judge

BIRTH = ("When and where was Cynthia Hill born?", "Cynthia Hill was born in 2001 in French Guiana.")
LIFE = ("What does this person do and where does this person live?", "This person works as public librarian and lives in Mnichovice.")


def test_facts_are_what_the_question_does_not_say() -> None:
    assert facts(*BIRTH) == [("2001",), ("french", "guiana")]
    assert facts(*LIFE) == [("public", "librarian"), ("mnichovic",)]
    # Another wording of the question asks for the same two.
    assert facts("Tell me the year and the place of birth of Cynthia Hill.", BIRTH[1]) == facts(*BIRTH)


def test_small_words_within_a_name_do_not_end_it() -> None:
    assert facts("Where?", "On the Isle of Wight.") == [("isl", "wight")]
    assert facts("Where?", "In Rio de Janeiro, Brazil.") == [("rio", "janeiro"), ("brazil",)]


@pytest.mark.parametrize(
    ("answer", "points"),
    [
        (BIRTH[1], 10.0),
        ("French Guiana, 2001", 10.0),
        ("She was born in Guiana, the French part, in the year 2001", 10.0),
        ("She was born in 2001 in Spain.", 5.5),
        ("Cynthia Hill was born in 1987 in French Guiana.", 5.5),
        ("Cynthia Hill was born in 1987 in Spain.", 1.0),
        ("Cynthia Hill was born.", 1.0),
        ("qwe zxc 77 !!", 1.0),
        ("", 1.0),
        ("   \n", 1.0),
    ],
)
def test_share_of_stated_facts(answer: str, points: float) -> None:
    assert judge(*BIRTH, answer) == points


@pytest.mark.parametrize(
    ("answer", "points"),
    [
        ("She was not born in 2001 in French Guiana.", 1.0),
        ("She wasn't born in 2001.", 1.0),
        ("She was not born in Spain, but in French Guiana.", 5.5),
        ("French Guiana is not where she was born.", 1.0),
        ("Born in French Guiana in 2001 or 2004", 5.5),
        ("2000, 2001, 2002, 2003", 1.0),
        ("Born in 2001 and graduated in 2019, French Guiana", 10.0),
        ("Not only French Guiana", 5.5),
    ],
)
def test_contradictions(answer: str, points: float) -> None:
    assert judge(*BIRTH, answer) == points


def test_someone_who_no_longer_lives_there() -> None:
    assert judge(*LIFE, "Works as public librarian; no longer lives in Mnichovice") == 5.5


def test_a_negation_of_the_truth_has_to_be_repeated() -> None:
    question, truth = "Does she smoke?", "She does not like tobacco."
    assert judge(question, truth, "She does not like tobacco") == 10
    assert judge(question, truth, "She does like tobacco") < 10


def test_accents_are_forgiven_and_scripts_are_read() -> None:
    assert judge("Where?", "In São Tomé.", "sao tome") == 10
    assert judge("Where?", "Москва", "москва") == 10
    assert judge("Where?", "Москва", "Киев") == 1


def test_a_truth_that_the_question_gives_away_is_still_asked_for() -> None:
    assert judge("Is it Paris or Rome?", "Paris", "Paris") == 10
    assert judge("Is it Paris or Rome?", "Paris", "Rome") == 1


def test_the_label_says_that_it_is_not_gpt() -> None:
    assert LABEL == "local judge"
