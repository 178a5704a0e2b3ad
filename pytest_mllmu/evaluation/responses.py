"""A response is data: what a model answered to one question, one JSON line, keyed by the question's id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_mllmu.errors import StoreError


@dataclass(frozen=True)
class Response:
    """What was answered to the question ``question``.

    ``answer`` is the generated text, or the letter of the most probable option for classification;
    ``options`` then holds the mean log-probability per token of each option, by letter.
    """

    question: str
    answer: str
    options: Mapping[str, float] | None = None

    def to_line(self) -> str:
        row: dict[str, object] = {"question": self.question, "answer": self.answer}
        if self.options is not None:
            row["options"] = dict(self.options)
        return json.dumps(row, ensure_ascii=False, sort_keys=True)


def write_responses(path: Path, responses: Iterable[Response]) -> None:
    """One JSON line a response, in the order of the question ids."""
    lines = [response.to_line() + "\n" for response in sorted(responses, key=lambda response: response.question)]
    path.write_text("".join(lines), encoding="utf-8")


def read_responses(path: Path) -> Iterator[Response]:
    """Raises StoreError, naming file and line, for a line that is no response."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                yield Response(question=str(row["question"]), answer=str(row["answer"]), options=row.get("options"))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise StoreError(f"{path}, line {number}: not a response ({error})") from None
