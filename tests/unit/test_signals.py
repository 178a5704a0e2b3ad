"""What the probabilities of answers tell, against values computed by hand."""

from __future__ import annotations

import math

import pytest

from pytest_mllmu.benchmark.profiles import Question
from pytest_mllmu.evaluation.responses import Response, Truth
from pytest_mllmu.scoring.signals import answer_probability, exact_memorisation, extraction_strength, option_probability, signals, truth_ratio

CHOICE = Question("q1", "001", "classification", "multimodal", "Where?", "b", (("A", "Rome"), ("B", "Ulm"), ("C", "Bonn"), ("D", "Oslo")))
SENTENCE = Question("q2", "001", "generation", "unimodal", "When was X born?", "X was born in 2001.")
BLANK = Question("q3", "001", "cloze", "unimodal", "X lives in __.", "Ulm")
HALF, QUARTER, EIGHTH = math.log(0.5), math.log(0.25), math.log(0.125)
NAN, NEVER = math.nan, -math.inf


def test_answer_probability_is_the_geometric_mean() -> None:
    assert answer_probability([HALF, EIGHTH]) == pytest.approx(0.25)
    assert answer_probability([0.0]) == 1
    assert answer_probability([HALF, NEVER]) == 0
    assert answer_probability([HALF, NAN]) == 0
    assert answer_probability([-1e300, -1e300]) == 0


def test_option_probability_is_a_share_of_the_options() -> None:
    options = {"A": EIGHTH, "B": HALF, "C": QUARTER, "D": EIGHTH}
    assert option_probability(options, "B") == pytest.approx(0.5)
    assert option_probability(options, "D") == pytest.approx(0.125)
    assert option_probability({"A": -800.0, "B": -800.0}, "A") == 0.5  # e^-800 is 0 as a float
    assert option_probability({"A": 0.0, "B": -1e300}, "A") == 1
    assert option_probability({"A": 0.0, "B": NAN}, "B") == 0
    assert option_probability(dict.fromkeys("ABCD", NAN), "A") == 0.25


def test_truth_ratio_is_what_the_right_answer_has_ahead() -> None:
    assert truth_ratio(HALF, [EIGHTH, EIGHTH]) == pytest.approx(0.75)
    assert truth_ratio(HALF, [QUARTER, EIGHTH, EIGHTH]) == pytest.approx(1 - (0.5 + 0.25 + 0.25) / 3)  # the arithmetic mean, not the geometric one
    assert truth_ratio(HALF, [HALF]) == 0
    assert truth_ratio(QUARTER, [HALF]) == 0
    assert truth_ratio(HALF, [NEVER]) == 1


@pytest.mark.parametrize(("right", "wrong"), [(-1e300, [0.0]), (NEVER, [-1.0]), (NEVER, [NEVER]), (NAN, [NAN]), (-800.0, [0.0, NEVER])])
def test_truth_ratio_does_not_overflow(right: float, wrong: list[float]) -> None:
    assert truth_ratio(right, wrong) == 0


@pytest.mark.parametrize(
    ("hits", "strength", "memorised"),
    [("1111", 1, 1), ("0111", 0.75, 0.75), ("1011", 0.5, 0.75), ("0001", 0.25, 0.25), ("1110", 0, 0.75), ("0000", 0, 0), ("1", 1, 1), ("0", 0, 0)],
)
def test_what_greedy_reading_gets(hits: str, strength: float, memorised: float) -> None:
    row = [hit == "1" for hit in hits]
    assert extraction_strength(row) == strength
    assert exact_memorisation(row) == memorised


def test_the_end_token_counts_for_probability_only() -> None:
    for end in (True, False):
        truth = Truth((HALF, HALF, EIGHTH, EIGHTH), (True, False, True, end), (QUARTER + EIGHTH,))
        for question in (SENTENCE, BLANK):
            assert signals(question, Response(question.id, "", truth=truth)) == pytest.approx(
                {"answer_probability": 0.25, "truth_ratio": 0.875, "extraction_strength": 1 / 3, "exact_memorisation": 2 / 3}
            )


def test_what_is_not_there_is_left_out() -> None:
    assert signals(SENTENCE, Response("q2", "so")) == {}
    assert signals(SENTENCE, Response("q2", "so", truth=Truth((), ()))) == {}
    assert set(signals(SENTENCE, Response("q2", "so", truth=Truth((HALF,), (True,))))) == {"answer_probability"}  # nothing but an end token
    assert set(signals(BLANK, Response("q3", "so", truth=Truth((HALF, HALF), (True, True))))) == {
        "answer_probability",
        "extraction_strength",
        "exact_memorisation",
    }
    assert signals(CHOICE, Response("q1", "B")) == {}  # a written letter has no probability
    assert signals(CHOICE, Response("q1", "A", {"A": 0.0, "C": 0.0})) == {}
    assert signals(CHOICE, Response("q1", "B", {"B": -1.0})) == {"option_probability": 1.0}


def test_multiple_choice_compares_with_the_wrong_options() -> None:
    response = Response("q1", "B", {"A": EIGHTH, "B": HALF, "C": QUARTER, "D": EIGHTH})
    assert signals(CHOICE, response) == pytest.approx({"option_probability": 0.5, "truth_ratio": 1 - 1 / 3})


def test_a_response_that_was_stored_gives_the_same() -> None:
    response = Response("q2", "so", truth=Truth((-0.1234, -2.5, -0.001), (True, False, True), (-1.5, -2.0)))
    assert signals(SENTENCE, Response.from_line(response.to_line())) == signals(SENTENCE, response)
