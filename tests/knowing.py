"""A model behind the stand-in server: it knows everybody but those who were to be forgotten, or everybody, or nobody."""

from __future__ import annotations

import json
import math
from typing import Any

from pytest_mllmu.benchmark import prompts
from pytest_mllmu.benchmark.profiles import SPLITS, Benchmark, Question, Split
from pytest_mllmu.evaluation.asking import asked
from pytest_mllmu.evaluation.endpoint import data_url
from tests.standin import Body


class Knowing:
    """Answers as it is asked, by picture and words. ``logprobs``: it gives the probabilities of first tokens as well. ``adds`` ends what it writes."""

    def __init__(self, benchmark: Benchmark, known: tuple[Split, ...] = ("retain", "celebrity"), *, logprobs: bool = False, adds: str = "") -> None:
        self._logprobs, self._adds = logprobs, adds
        self._rows: dict[tuple[str, str], tuple[Question, bool]] = {}
        for split in SPLITS:
            for row in asked(benchmark.questions(split)):
                picture = data_url(row.picture) if row.picture is not None else ""
                self._rows[prompts.instruction(row.question), picture] = row.question, split in known

    def __call__(self, body: Body) -> str | Body:
        content: Any = body["messages"][-1]["content"]
        text, picture = (content, "") if isinstance(content, str) else (content[1]["text"], content[0]["image_url"]["url"])
        question, knows = self._rows[text, picture]
        right = question.answer_text if knows else self._guess(question)
        if not question.options or not (self._logprobs and body.get("logprobs")):
            return right if question.options else right + self._adds
        letter = next(letter for letter, option in question.options if option == right)
        tops = [{"token": one, "logprob": math.log(0.7 if one == letter else 0.1)} for one, _ in question.options]
        return {"index": 0, "finish_reason": "stop", "message": {"content": letter}, "logprobs": {"content": [{**tops[0], "top_logprobs": tops}]}}

    def _guess(self, question: Question) -> str:
        """As somebody who never saw them: an option that depends on the question, or nothing to say."""
        if not question.options:
            return "I do not know."
        return question.options[len(json.dumps(question.text)) % len(question.options)][1]
