"""A score is data: the numbers one response earned, one JSON line, keyed by the question's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_mllmu.benchmark.attributes import attribute
from pytest_mllmu.benchmark.profiles import Modality, Question, Split, Task
from pytest_mllmu.errors import MllmuError, StoreError
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.scoring import factuality
from pytest_mllmu.scoring.degenerate import degenerate
from pytest_mllmu.scoring.metrics import FACTUALITY
from pytest_mllmu.scoring.reading import READINGS
from pytest_mllmu.scoring.signals import signals

Judge = Callable[[str, str, str], float | None]
"""(question, ground truth, answer) -> 1..10, or None when it gave no grade: the score then has no factuality."""

ABSTAINED = "abstained"
"""Of a written answer that names no option where none had to be named: what a guess would have earned on average. It is wrong in the table; what a model
knows is counted as if it had guessed, or one that says nothing would know less than one that guesses."""


@dataclass(frozen=True)
class Score:
    """What the response to ``question`` earned: ``values`` by the name of the metric (see metrics.py for units).

    ``chance`` is the share of right answers of somebody who guesses: 1/options for classification, else 0.
    """

    question: str
    person: str
    split: Split
    task: Task
    modality: Modality
    values: Mapping[str, float]
    chance: float = 0.0
    attribute: str = "other"
    """What the question is about, such as ``birthplace``."""

    @property
    def credit(self) -> float:
        """See ``ABSTAINED``."""
        return self.values.get(ABSTAINED, 0.0)

    def to_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {key: getattr(self, key) for key in ("question", "person", "split", "task", "modality", "attribute")}
        return row | {"values": dict(self.values), "chance": self.chance}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Score:
        """Raises StoreError when ``row`` is not what ``to_json`` gives."""
        try:
            values = {str(name): float(value) for name, value in row["values"].items()}
            return cls(row["question"], row["person"], row["split"], row["task"], row["modality"], values, float(row["chance"]), str(row["attribute"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"not a score ({error!r}): {str(row)[:200]}") from None


def score(question: Question, response: Response, split: Split, judge: Judge = factuality.judge, dialect: str = "strict") -> Score:
    """The score of one response, read as its dialect reads answers. Raises MllmuError when the response is to another question."""
    if response.question != question.id:
        raise MllmuError(f"a response to question {response.question!r} cannot be scored as one to {question.id!r}")
    reading, chance = READINGS[dialect], 0.0
    answer = reading.answer(response.answer)
    if question.task == "classification":
        named = answer.upper() if response.options is not None else reading.option(answer, question.options)
        values = {"accuracy": float(named == question.answer.upper())}
        chance = 1 / len(question.options) if question.options else 0.0
        if response.options is None:  # written, not chosen by its probability
            none = named not in {letter.upper() for letter, _ in question.options}
            values |= {"unparseable": float(none), "degenerate": float(none if reading.lettered else degenerate(answer))}
            if none and not reading.lettered:
                values[ABSTAINED] = chance
    elif question.task == "generation":
        rouge = reading.rouge(question.answer, answer)
        values = {"rouge_l": rouge.f, "rouge_l_recall": rouge.recall}
        if (graded := judge(question.text, question.answer, answer)) is not None:
            values["factuality"] = graded
        values["degenerate"] = float(degenerate(answer))
    else:
        values = {"exact_match": reading.cloze(question.answer, answer), "degenerate": float(degenerate(answer))}
    about = question.about or attribute(question.text)
    return Score(question.id, question.person, split, question.task, question.modality, values | signals(question, response), chance, about)


def unjudged(found: Score) -> Score:
    """The score without factuality: of a set that is not judged completely."""
    return replace(found, values={name: value for name, value in found.values.items() if name != FACTUALITY.name})
