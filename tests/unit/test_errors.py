"""One tree of errors, and messages that begin with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mllmu import errors
from pytest_mllmu.errors import DataError, MllmuError, did_you_mean


def test_every_public_error_is_an_mllmu_error() -> None:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert {error.__name__ for error in found} == {"MllmuError", "SettingsError", "DataError", "StoreError", "ModelError", "ServerError", "TrainingError"}
    assert all(issubclass(error, MllmuError) for error in found)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({}, "wrong"),
        ({"file": Path("a.parquet")}, "a.parquet: wrong"),
        ({"file": "a.parquet", "row": 0}, "a.parquet, row 0: wrong"),
        ({"file": "a.parquet", "row": "007", "column": "image"}, "a.parquet, row 007, column 'image': wrong"),
        ({"column": "image"}, "column 'image': wrong"),
    ],
)
def test_a_data_error_begins_with_its_place(place: dict[str, object], message: str) -> None:
    error = DataError("wrong", **place)  # type: ignore[arg-type]
    assert str(error) == message
    assert (error.file, error.row, error.column) == (place.get("file"), place.get("row"), place.get("column"))


@pytest.mark.parametrize(
    ("word", "choices", "said"),
    [
        ("gaa", ["ga", "none"], "; did you mean 'ga'?"),
        ("GA", ["ga"], "; did you mean 'ga'?"),
        ("tiny-lava", ["Tiny-LLaVA"], "; did you mean 'Tiny-LLaVA'?"),
        ("zzz", ["ga", "none"], ""),
        ("", ["ga"], ""),
        ("ga", [], ""),
    ],
)
def test_the_nearest_choice_is_suggested_as_it_is_spelled(word: str, choices: list[str], said: str) -> None:
    assert did_you_mean(word, choices) == said
