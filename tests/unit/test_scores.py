"""A score of one response: which metric belongs to which task, chance, and what counts as a letter."""

from __future__ import annotations

import json

import pytest

from pytest_mllmu.benchmark.profiles import Question
from pytest_mllmu.errors import MllmuError, StoreError
from pytest_mllmu.evaluation.responses import Response, Truth
from pytest_mllmu.scoring.metrics import METRICS, SIGNAL_METRICS, TABLE_METRICS
from pytest_mllmu.scoring.scores import Score, letter, score

CHOICE = Question("q1", "001", "classification", "multimodal", "Where?", "B", (("A", "Rome"), ("B", "Ulm"), ("C", "Bonn"), ("D", "Oslo")))
SENTENCE = Question("q2", "001", "generation", "unimodal", "When was X born?", "X was born in 2001.")
BLANK = Question("q3", "001", "cloze", "unimodal", "X lives in __.", "Ulm")


def test_each_task_has_its_metrics() -> None:
    assert score(CHOICE, Response("q1", "B"), "forget").values == {"accuracy": 1.0}
    assert score(CHOICE, Response("q1", "A"), "forget").values == {"accuracy": 0.0}
    assert score(SENTENCE, Response("q2", "X was born in 2001."), "test").values == {"rouge_l": 1.0, "rouge_l_recall": 1.0, "factuality": 10.0}
    assert score(BLANK, Response("q3", "ulm"), "retain").values == {"exact_match": 1.0}
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


@pytest.mark.parametrize(
    ("answer", "named"), [("B", "B"), (" (b)", "B"), ("B.", "B"), ("B: Ulm", "B"), ("A man", None), ("Bonn", None), ("", None), ("7", None)]
)
def test_what_counts_as_a_letter(answer: str, named: str | None) -> None:
    assert letter(answer) == named


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
