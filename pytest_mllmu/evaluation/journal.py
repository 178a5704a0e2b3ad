"""Responses as they come: an evaluation that is killed goes on with what is not answered yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_mllmu.evaluation.responses import Response


class Journal:
    """A file of JSON lines that belongs to one set of questions to one model; whoever asks them holds its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Response]:
        """What was answered before, by question. A line that was not written to its end, and all after it, is as if it were not there."""
        known: dict[str, Response] = {}
        if not self.path.is_file():
            return known
        sound = 0
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    found = Response.from_line(line.decode()) if line.endswith(b"\n") else None
                except (ValueError, KeyError, TypeError, AttributeError):
                    found = None
                if found is None:
                    break
                known[found.question] = found
                sound += len(line)
        with self.path.open("rb+") as file:
            file.truncate(sound)
        return known

    def add(self, responses: Sequence[Response]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write("".join(response.to_line() + "\n" for response in responses).encode())

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
