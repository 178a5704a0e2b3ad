"""The released layout: which folders and columns there are, and how their files are opened and their rows found.

UMU-Bench differs in the names of two folders (``ALIASES``) and in what the cells of a row say (umu.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pytest_mllmu.benchmark.cells import Place, first_line
from pytest_mllmu.errors import DataError, did_you_mean

FULL, TEST, CELEBRITIES, TRAINING = "Full_Set", "Test_Set", "Retain_Set", "ft_Data"
REQUIRED = (FULL, TEST, CELEBRITIES)
ALIASES = {FULL: ("full_data",), CELEBRITIES: ("Real_Person_Set", "real_person")}
"""What UMU-Bench calls them, in its description and in its repository."""
KINDS = {FULL: "full", TEST: "test", CELEBRITIES: "celebrity"}
DESCRIPTION = ("biography", "question", "answer")
LABEL = b"pytest_mllmu"
"""Key in the file's own key-value metadata where an export keeps the benchmark's name and that it is synthetic."""


def located(folder: Path, config: str) -> Path:
    """Where a set is, or would be."""
    there = [folder / name for name in (config, *ALIASES.get(config, ())) if (folder / name).is_dir()]
    if len(there) > 1:
        raise DataError(f"{there[0].name!r} and {there[1].name!r} are two names of one set; keep one", file=folder)
    return there[0] if there else folder / config


def shards(folder: Path, config: str) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"no such folder; it should hold {', '.join(REQUIRED)}", file=folder)
    place = located(folder, config)
    if not place.is_dir():
        there = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        others = ", ".join(f"{'/'.join(names)} for {name}" for name, names in ALIASES.items())
        raise DataError(
            f"no folder {config!r}{did_you_mean(config, there)}; here are: {', '.join(there) or 'none'}; "
            f"needed: {', '.join(REQUIRED)}; optional: {TRAINING}, forget_P with retain_(100-P); UMU-Bench: {others}, no {TEST}",
            file=folder,
        )
    shards = sorted(path for path in place.glob("*.parquet") if not path.name.startswith("."))
    if not shards:
        raise DataError("no parquet file in this folder; expected train-00000-of-00001.parquet or several shards", file=place)
    return shards


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(str(path)) as file:
            names = file.schema_arrow.names
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise DataError("the file has two columns of this name; keep one", file=path, column=twice[0])
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"unreadable parquet: {first_line(error)}", file=path) from None


def read_rows(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of some columns as Python values; an optional column that is not there is left out of every row."""
    with opened(path) as file:
        names = file.schema_arrow.names
        for column in columns:
            if column not in names:
                raise DataError(f"no such column{did_you_mean(column, names)}; the file has: {', '.join(names)}", file=path, column=column)
        wanted = [*columns, *(column for column in optional if column in names)]
        table = file.read(columns=wanted)
    return [{column: cell(table[column], Place(path, row, column)) for column in wanted} for row in range(table.num_rows)]


def cell(column: Any, place: Place) -> Any:
    try:
        return column[place.row].as_py()
    except ValueError as error:
        raise place.error(f"unreadable value: {first_line(error)}; text must be UTF-8") from None


def read_ids_of(folder: Path, config: str, person_of: Callable[[Any, Place], str]) -> dict[str, Place]:
    """Where the row of each person is; ``person_of`` reads an ``ID`` cell."""
    found: dict[str, Place] = {}
    for path in shards(folder, config):
        for row, values in enumerate(read_rows(path, ["ID"])):
            place = Place(path, row, "ID")
            person = person_of(values["ID"], place)
            if person in found:
                first = found[person]
                raise place.error(f"{person!r} is here a second time (first in {first.file}, row {first.row}); an ID stands once in a set")
            found[person] = place
    return found
