"""What forgetting costs, as points: how much each model forgot of what the vanilla knew, and how much it kept (paper, figures 3, 4 and 19).

Both are shares of what the vanilla knew above the floor (knowledge.py), so that the vanilla is at (0, 1) and an oracle, where there is one, at 1 forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_mllmu.analysis.gates import FORGOTTEN, PEOPLE_AT_LEAST
from pytest_mllmu.analysis.knowledge import MEMORISED, Kinds, retained
from pytest_mllmu.analysis.statistics import NO_INTERVAL
from pytest_mllmu.analysis.table import VIEWS, Row, Shares, View
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, TASKS, Modality, Split

UNIMODAL = "unimodal"
"""What a row's name says of unlearning on text: ``ga.unimodal.10``."""
ON_TEXT = " (on text)"
"""What its title says of it."""


@dataclass(frozen=True)
class Extent:
    """A share with its 95% interval and n; shares below 0 and above 1 are what they are. Of fewer than five people there is no interval (nan ends): it would
    only say that nothing is known. Of a row that is the mean over seeds the ends are a standard deviation off."""

    value: float
    low: float
    high: float
    questions: int = 0
    people: int = 0

    @property
    def rest(self) -> Extent:
        """What is missing to 1: forgotten, of what is left."""
        return Extent(1 - self.value, 1 - self.high, 1 - self.low, self.questions, self.people)


Extents = Mapping[tuple[Split, View], Extent]
"""What is left of what the vanilla knew, by set and modality of the questions; without what was not asked or not known."""


@dataclass(frozen=True)
class Point:
    """One row of the table. ``trained`` is the modality that unlearning trained on, None for a reference."""

    row: Row
    left: Extents
    trained: Modality | None

    def forgotten(self, asked: View = "both") -> Extent | None:
        found = self.left.get(("forget", asked))
        return found.rest if found else None

    def kept(self, split: Split, asked: View = "both") -> Extent | None:
        return self.left.get((split, asked))


def points(rows: Sequence[Row]) -> list[Point]:
    """Of the rows that were asked about the same people, their vanilla among them; none without it."""
    vanilla = next((row for row in rows if row.name == "vanilla"), None)
    oracle = next((row for row in rows if row.name == "oracle"), None)
    if vanilla is None:
        return []
    return [Point(row, extents(row, vanilla, oracle) if row.shares is None else _stored(row.shares), _trained(row)) for row in rows]


def extents(row: Row, vanilla: Row, oracle: Row | None) -> Extents:
    """Over all tasks, of each modality and of both together."""
    found = {}
    for split in SPLITS:
        for view in VIEWS:
            kinds: Kinds = [(task, modality) for task in TASKS for modality in MODALITIES if view in (modality, "both")]
            left = retained(row, vanilla, oracle if split in FORGOTTEN else None, split, kinds)
            known = left is not None and (left.memorised if left.people >= PEOPLE_AT_LEAST else left.theirs.value >= MEMORISED)
            if left is not None and known and not math.isnan(left.value):
                interval = left.interval if left.people >= PEOPLE_AT_LEAST else NO_INTERVAL
                found[split, view] = Extent(left.value, interval.low, interval.high, left.questions, left.people)
    return found


def _stored(shares: Shares) -> Extents:
    return {place: Extent(*share) for place, share in shares.items()}


def _trained(row: Row) -> Modality | None:
    if not (row.on_trial or row.control):
        return None
    return "unimodal" if UNIMODAL in row.name.split(".") else "multimodal"
