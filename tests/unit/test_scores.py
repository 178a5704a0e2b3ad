"""A score of one response: which metric belongs to which task, chance, and what counts as a letter."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_mllmu import parsing
from pytest_mllmu.benchmark.profiles import Question
from pytest_mllmu.errors import MllmuError, StoreError
from pytest_mllmu.evaluation.dialects import DIALECTS
from pytest_mllmu.evaluation.responses import Response, Truth
from pytest_mllmu.scoring.metrics import METRICS, SIGNAL_METRICS, TABLE_METRICS
from pytest_mllmu.scoring.reading import READINGS
from pytest_mllmu.scoring.scores import Score, score

CHOICE = Question("q1", "001", "classification", "multimodal", "Where?", "B", (("A", "Rome"), ("B", "Ulm"), ("C", "Bonn"), ("D", "Oslo")))
SENTENCE = Question("q2", "001", "generation", "unimodal", "When was X born?", "X was born in 2001.")
BLANK = Question("q3", "001", "cloze", "unimodal", "X lives in __.", "Ulm")


def test_each_task_has_its_metrics() -> None:
    assert score(CHOICE, Response("q1", "B"), "forget").values == {"accuracy": 1.0, "unparseable": 0.0, "degenerate": 0.0}
    assert score(CHOICE, Response("q1", "A"), "forget").values == {"accuracy": 0.0, "unparseable": 0.0, "degenerate": 0.0}
    assert score(SENTENCE, Response("q2", "X was born in 2001."), "test").values == {
        "rouge_l": 1.0,
        "rouge_l_recall": 1.0,
        "factuality": 10.0,
        "degenerate": 0.0,
    }
    assert score(BLANK, Response("q3", "ulm"), "retain").values == {"exact_match": 1.0, "degenerate": 0.0}
    assert [metric.title for metric in TABLE_METRICS] == ["Class.", "ROUGE-L", "Fact.", "Cloze"]


def test_what_the_probabilities_tell_stands_beside() -> None:
    truth = Truth((-0.5, -0.5), (True, True), (-2.0,))
    chosen = score(CHOICE, Response("q1", "B", {"A": -2.0, "B": -0.5, "C": -2.0, "D": -2.0}), "forget")
    found = [chosen, *(score(question, Response(question.id, question.answer, truth=truth), "forget") for question in (SENTENCE, BLANK))]
    for row in found:
        signals = {metric.name for metric in SIGNAL_METRICS if row.task in metric.tasks}
        assert signals <= set(row.values)
        assert {name for name in row.values if row.task not in METRICS[name].tasks} == set()
    assert set(chosen.values) == {"accuracy", "option_probability", "truth_ratio"}


def test_chance_is_one_in_the_options() -> None:
    assert score(CHOICE, Response("q1", "B"), "forget").chance == 0.25
    assert score(BLANK, Response("q3", "ulm"), "forget").chance == 0


def test_another_judge_can_be_asked() -> None:
    seen: list[tuple[str, str, str]] = []

    def judge(question: str, truth: str, answer: str) -> float:
        seen.append((question, truth, answer))
        return 7.0

    judged = score(SENTENCE, Response("q2", "so"), "forget", judge=judge)
    assert judged.values["factuality"] == 7
    assert seen == [("When was X born?", "X was born in 2001.", "so")]


def test_a_written_letter_may_be_unparseable_and_is_then_wrong() -> None:
    for answer, values in (
        ("Answer: B", {"accuracy": 1.0, "unparseable": 0.0, "degenerate": 0.0}),
        ("(C)", {"accuracy": 0.0, "unparseable": 0.0, "degenerate": 0.0}),
        ("As an AI", {"accuracy": 0.0, "unparseable": 1.0, "degenerate": 0.0}),
        ("Bonn", {"accuracy": 0.0, "unparseable": 0.0, "degenerate": 0.0}),
        ("E", {"accuracy": 0.0, "unparseable": 1.0, "degenerate": 0.0}),  # there is no such option
        ("", {"accuracy": 0.0, "unparseable": 1.0, "degenerate": 1.0}),
    ):
        found = score(CHOICE, Response("q1", answer), "forget")
        assert {name: value for name, value in found.values.items() if name != "abstained"} == values
        assert (found.chance, found.credit) == (0.25, 0.25 if values["unparseable"] else 0.0)  # who names no option is taken for one who guesses


@pytest.mark.parametrize("dialect", ["upstream", "upstream-submission"])
def test_upstream_reads_the_first_character(dialect: str) -> None:
    for answer, values in (
        ("B", {"accuracy": 1.0, "unparseable": 0.0, "degenerate": 0.0}),
        (" b) Ulm", {"accuracy": 1.0, "unparseable": 0.0, "degenerate": 0.0}),
        ("Bonn", {"accuracy": 1.0, "unparseable": 0.0, "degenerate": 0.0}),
        ("As an AI", {"accuracy": 0.0, "unparseable": 0.0, "degenerate": 0.0}),
        ("Answer: B", {"accuracy": 0.0, "unparseable": 0.0, "degenerate": 0.0}),
        ("I cannot", {"accuracy": 0.0, "unparseable": 1.0, "degenerate": 1.0}),
        ("(B)", {"accuracy": 0.0, "unparseable": 1.0, "degenerate": 1.0}),
        ("US US US", {"accuracy": 0.0, "unparseable": 1.0, "degenerate": 1.0}),
        ("ASSISTANT: B", {"accuracy": 0.0, "unparseable": 1.0, "degenerate": 1.0}),
        ("", {"accuracy": 0.0, "unparseable": 1.0, "degenerate": 1.0}),
    ):
        assert score(CHOICE, Response("q1", answer), "forget", dialect=dialect).values == values


def test_an_option_that_was_chosen_by_its_probability_needs_no_parsing() -> None:
    assert score(CHOICE, Response("q1", "B", {"A": -2.0, "B": -1.0}), "forget").values.items() >= {"accuracy": 1.0}.items()


@pytest.mark.parametrize(
    ("answer", "strict", "upstream"),
    [("ulm", 1, 1), ("Ulm.", 1, 1), ("It is Ulm", 0, 1), ("Schulmann", 0, 1), ("Rome", 0, 0), ("Rome\nASSISTANT: Ulm", 0, 0), ("", 0, 0)],
)
def test_cloze_is_an_exact_match_or_upstream_a_substring(answer: str, strict: int, upstream: int) -> None:
    assert score(BLANK, Response("q3", answer), "forget").values == {"exact_match": strict, "degenerate": float(not answer)}
    assert score(BLANK, Response("q3", answer), "forget", dialect="upstream").values == {"exact_match": upstream, "degenerate": float(not answer)}


def test_upstream_counts_ascii_words_only_and_no_second_turn() -> None:
    question = replace(SENTENCE, answer="X lives in Łódź.")
    whole, part = (score(question, Response("q2", answer), "forget", dialect="upstream").values for answer in ("X lives in Łódź.", "X lives in d."))
    assert whole["rouge_l"] == part["rouge_l"] == 1
    assert score(question, Response("q2", "X lives in d."), "forget").values["rouge_l"] == 0.75
    assert score(SENTENCE, Response("q2", "X was born in 2001.\nASSISTANT: more"), "forget", dialect="upstream").values["rouge_l"] == 1


def test_every_dialect_is_asked_and_read() -> None:
    assert tuple(READINGS) == tuple(DIALECTS) == parsing.DIALECTS


def test_json_goes_there_and_back() -> None:
    one = score(SENTENCE, Response("q2", "Х 2001"), "test")
    assert Score.from_json(json.loads(json.dumps(one.to_json()))) == one
    with pytest.raises(StoreError, match="not a score"):
        Score.from_json({"question": "q"})


def test_a_response_to_another_question_is_refused() -> None:
    with pytest.raises(MllmuError, match="q9"):
        score(CHOICE, Response("q9", "B"), "forget")


def test_how_numbers_are_shown() -> None:
    assert METRICS["accuracy"].show(0.978) == "97.8%"
    assert METRICS["rouge_l"].show(0.6449) == "0.645"
    assert METRICS["factuality"].show(6.78) == "6.78"
    assert METRICS["accuracy"].show(float("nan")) == "-"
    assert METRICS["truth_ratio"].show(0.9951) == "1.00"
    assert METRICS["truth_ratio"].show_half(0.1, 0.2) == "±0.05"
    assert METRICS["accuracy"].show_half(0.8, 1.0) == "±10.0"
