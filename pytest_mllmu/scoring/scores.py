"""A score is data: the numbers one response earned, one JSON line, keyed by the question's id."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mllmu.benchmark.profiles import Modality, Question, Split, Task
from pytest_mllmu.errors import MllmuError, StoreError
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.scoring import factuality
from pytest_mllmu.scoring.cloze import exact_match
from pytest_mllmu.scoring.rouge import rouge_l
from pytest_mllmu.scoring.signals import signals

Judge = Callable[[str, str, str], float]
"""(question, ground truth, answer) -> 1..10"""

_LETTER = re.compile(r"\W*([A-Za-z])\W*(?:$|(?<=[.:)])\s)")


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

    def to_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {key: getattr(self, key) for key in ("question", "person", "split", "task", "modality")}
        return row | {"values": dict(self.values), "chance": self.chance}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Score:
        """Raises StoreError when ``row`` is not what ``to_json`` gives."""
        try:
            values = {str(name): float(value) for name, value in row["values"].items()}
            return cls(row["question"], row["person"], row["split"], row["task"], row["modality"], values, float(row["chance"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"not a score ({error!r}): {str(row)[:200]}") from None


def letter(answer: str) -> str | None:
    """The option an answer names: ``B``, ``b``, ``(B)``, ``B.`` or ``B: a text``; None for anything else, such as "A man"."""
    found = _LETTER.match(answer)
    return found[1].upper() if found else None


def score(question: Question, response: Response, split: Split, judge: Judge = factuality.judge) -> Score:
    """The score of one response. Raises MllmuError when the response is to another question."""
    if response.question != question.id:
        raise MllmuError(f"a response to question {response.question!r} cannot be scored as one to {question.id!r}")
    chance = 0.0
    if question.task == "classification":
        values = {"accuracy": float(letter(response.answer) == question.answer.upper())}
        chance = 1 / len(question.options) if question.options else 0.0
    elif question.task == "generation":
        rouge = rouge_l(question.answer, response.answer)
        values = {"rouge_l": rouge.f, "rouge_l_recall": rouge.recall, "factuality": judge(question.text, question.answer, response.answer)}
    else:
        values = {"exact_match": exact_match(question.answer, response.answer)}
    return Score(question.id, question.person, split, question.task, question.modality, values | signals(question, response), chance)
