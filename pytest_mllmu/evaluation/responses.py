"""A response is data: what a model answered to one question, one JSON line, keyed by the question's id."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mllmu.errors import StoreError


@dataclass(frozen=True)
class Truth:
    """What the model thinks of the right answer when it is read token by token, whatever the model would write itself.

    ``log_probs``: of each of the right answer's tokens, the end token last, given those before it. ``hits``: whether that token was the most
    probable one. ``wrong``: mean log-probability per token (end token included) of each perturbed answer.
    """

    log_probs: tuple[float, ...]
    hits: tuple[bool, ...]
    wrong: tuple[float, ...] = ()

    def to_json(self) -> dict[str, object]:
        row: dict[str, object] = {"log_probs": list(self.log_probs), "hits": [int(hit) for hit in self.hits]}
        return row | ({"wrong": list(self.wrong)} if self.wrong else {})

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Truth:
        return cls(tuple(map(float, row["log_probs"])), tuple(map(bool, row["hits"])), tuple(map(float, row.get("wrong", ()))))


@dataclass(frozen=True)
class Response:
    """What was answered to the question ``question``.

    ``answer`` is the generated text, or the letter of the most probable option for multiple choice by probability;
    ``options`` then holds the mean log-probability per token of each option, by letter (of a served model: of its first token).
    ``refused``: a server's filter, and not the model, gave no answer.
    """

    question: str
    answer: str
    options: Mapping[str, float] | None = None
    truth: Truth | None = None
    refused: bool = False

    def to_line(self) -> str:
        row: dict[str, object] = {"question": self.question, "answer": self.answer}
        if self.options is not None:
            row["options"] = dict(self.options)
        if self.truth is not None:
            row["truth"] = self.truth.to_json()
        if self.refused:
            row["refused"] = True
        return json.dumps(row, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_line(cls, line: str) -> Response:
        """Raises ValueError, KeyError, TypeError or AttributeError for a line that is no response."""
        row = json.loads(line)
        truth = Truth.from_json(row["truth"]) if "truth" in row else None
        return cls(str(row["question"]), str(row["answer"]), row.get("options"), truth, bool(row.get("refused")))


def write_responses(path: Path, responses: Iterable[Response]) -> None:
    """One JSON line a response, in the order of the question ids."""
    lines = [response.to_line() + "\n" for response in sorted(responses, key=lambda response: response.question)]
    path.write_text("".join(lines), encoding="utf-8")


def read_responses(path: Path, only: Collection[str] | None = None) -> Iterator[Response]:
    """All, or those to the questions ``only``, for which the other lines are not parsed. Raises StoreError, naming file and line, for a line that is none."""
    wanted = [json.dumps(question, ensure_ascii=False) for question in only] if only is not None else [""]
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not any(question in line for question in wanted):
                continue
            try:
                response = Response.from_line(line)
                if only is None or response.question in only:
                    yield response
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise StoreError(f"{path}, line {number}: not a response ({error})") from None
