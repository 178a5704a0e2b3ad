"""The one public error tree: every message is a line that says what is wrong, where, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class MllmuError(Exception):
    """Base of every error this package raises on purpose."""


class SettingsError(MllmuError):
    """A choice of the user that cannot be followed (exit code 4)."""


class DataError(MllmuError):
    """A benchmark file that does not hold what it should.

    The message starts with the place: file, row and column as far as they are known.
    """

    def __init__(self, problem: str, *, file: Path | str | None = None, row: str | int | None = None, column: str | None = None) -> None:
        place = [str(file)] if file is not None else []
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{', '.join(place)}: {problem}" if place else problem)
        self.file, self.row, self.column = file, row, column


class StoreError(MllmuError):
    """The artefact store cannot be read or written."""


class ModelError(MllmuError):
    """A model that cannot be loaded or does not fit its family."""


class ServerError(MllmuError):
    """A judge or an endpoint that cannot be reached, refuses, or sends what is no answer, after all retries."""


class TrainingError(MllmuError):
    """A training run that cannot go on, such as a loss that is no longer finite."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``"; did you mean 'ga'?"`` for the choice nearest to ``word``, or nothing when none is near."""
    spelled = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), spelled, n=1, cutoff=0.5)
    return f"; did you mean {spelled[near[0]]!r}?" if near else ""
