"""Two benchmarks, one reader: MLLMU-Bench and UMU-Bench differ in what the cells of a row say, not in folders, rows, splits and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mllmu.benchmark import cells, umu
from pytest_mllmu.benchmark.cells import LISTS, Body, Place
from pytest_mllmu.benchmark.profiles import TrainingPair
from pytest_mllmu.benchmark.released import DESCRIPTION, FULL, opened, shards

METADATA = "metadata"


@dataclass(frozen=True)
class Dialect:
    """How a row is read. Columns of ``asked`` are in every set; those of ``training`` in the sets of ``trained``, elsewhere they may be."""

    asked: tuple[str, ...]
    training: tuple[str, ...]
    trained: tuple[str, ...]
    transforms: bool
    """Whether there must be a set of transformed pictures."""
    person: Callable[[Any, Place], str]
    description: Callable[[dict[str, Any], Place], tuple[str, str, str]]
    """Biography, question and answer."""
    bodies: Callable[[dict[str, Any], Place], Iterator[Body]]
    pairs: Callable[[dict[str, Any], Place], tuple[TrainingPair, ...] | None]
    """None where the row has no training pairs of its own."""

    def columns(self, config: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The columns that a set of people needs, and those that it may have."""
        return (self.asked + self.training, ()) if config in self.trained else (self.asked, self.training)


def _released_pairs(values: dict[str, Any], place: Place) -> tuple[TrainingPair, ...] | None:
    return None if values.get(METADATA) is None else cells.pairs_of(values[METADATA], place.inside(METADATA))


def _released_description(values: dict[str, Any], place: Place) -> tuple[str, str, str]:
    biography, question, answer = (cells.told(values[name], place.inside(name)) for name in DESCRIPTION)
    return biography, question, answer


RELEASED = Dialect(
    asked=(*DESCRIPTION, *LISTS.values()),
    training=(METADATA,),
    trained=(),
    transforms=True,
    person=cells.text_of,
    description=_released_description,
    bodies=cells.bodies_of,
    pairs=_released_pairs,
)
UMU = Dialect(
    asked=(umu.BIOGRAPHY, *umu.TASKS.values()),
    training=tuple(umu.PAIRS.values()),
    trained=(FULL,),
    transforms=False,
    person=umu.person_of,
    description=lambda values, place: (cells.told(values[umu.BIOGRAPHY], place.inside(umu.BIOGRAPHY)), "", ""),
    bodies=umu.bodies_of,
    pairs=umu.pairs_of,
)


def dialect_of(folder: Path) -> Dialect:
    """Known by the columns of the set that has everybody."""
    with opened(shards(folder, FULL)[0]) as file:
        names = set(file.schema_arrow.names)
    known = {dialect: len(names.intersection(dialect.asked + dialect.training)) for dialect in (RELEASED, UMU)}
    return UMU if known[UMU] > known[RELEASED] else RELEASED
