"""Table 2 of the paper as data: one row a model, one cell a split x modality x metric, each with its interval and its n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, get_args

from pytest_mllmu.analysis.statistics import Groups, group, mean, mean_interval
from pytest_mllmu.benchmark.profiles import SPLITS, Split
from pytest_mllmu.errors import StoreError
from pytest_mllmu.scoring.metrics import ACCURACY, DEGENERATE, METRICS, TABLE_METRICS, Metric
from pytest_mllmu.scoring.scores import Score

View = Literal["multimodal", "unimodal", "both"]
"""Which questions a cell counts; "both" pools them."""

VIEWS: tuple[View, ...] = get_args(View)
Share = tuple[float, float, float, int, int]
"""A share, the ends of its interval or spread, and n: questions and people."""
Shares = Mapping[tuple[Split, View], Share]
"""By set and modality of the questions."""
NAN = float("nan")
REFERENCES = ("vanilla", "oracle")
"""The names of rows that are no candidate's."""
KEPT = frozenset({*(metric.name for metric in TABLE_METRICS), DEGENERATE.name})
"""Metrics whose sums per person are stored with a table, so that a later run can be compared with it in pairs."""


@dataclass(frozen=True)
class Cell:
    """The mean of one metric with its 95% interval, in the metric's unit, over ``questions`` questions about ``people`` people.

    ``chance`` is what guessing earns. ``groups`` (sums and counts per person) lets two models be compared in pairs.
    """

    metric: str
    split: Split
    modality: View
    value: float
    low: float
    high: float
    questions: int
    people: int
    chance: float
    groups: Groups = field(default_factory=dict, repr=False, compare=False)
    credit: Groups = field(default_factory=dict, repr=False, compare=False)
    """What guesses would have earned where no option was named, by person; empty where one always was."""

    def to_json(self) -> dict[str, Any]:
        row = {part.name: getattr(self, part.name) for part in fields(self) if part.name not in ("groups", "credit")}
        if self.metric not in KEPT or self.modality == "both":
            return row
        sums, asked = zip(*self.groups.values(), strict=True) if self.groups else ((), ())
        return row | {"sums": list(sums), "asked": list(asked)}  # not rounded: a run that did not change has to compare as unchanged

    @classmethod
    def from_json(cls, row: Mapping[str, Any], people: Sequence[str] = ()) -> Cell:
        """``people`` are those whose sums and counts the row holds."""
        value, low, high, chance = (NAN if row[key] is None else float(row[key]) for key in ("value", "low", "high", "chance"))
        sums = zip(people, row["sums"], row["asked"], strict=True) if row.get("sums") else ()
        groups = {person: (float(total), int(count)) for person, total, count in sums}
        return cls(row["metric"], row["split"], row["modality"], value, low, high, int(row["questions"]), int(row["people"]), chance, groups)


@dataclass(frozen=True)
class Row:
    """One model: ``name`` is its key (``ga``), ``title`` what is printed (``GA``), ``forget`` the percent of people to forget it was asked about."""

    name: str
    title: str
    cells: tuple[Cell, ...]
    forget: int = 0
    control: bool = False
    """Whether it stands beside the candidates for comparison: no method that is on trial."""
    block: str = ""
    """The title of the block that it stands in, where several runs share a table."""
    seeds: tuple[int, ...] = ()
    """Of the runs that its cells are the mean of, ``low`` and ``high`` being a standard deviation off. Empty for one run, whose intervals are over people."""
    shares: Shares | None = field(default=None, compare=False, repr=False)
    """What is left of what the vanilla knew, where a mean over runs has no sums to compute it from (tradeoff.py). Not stored."""

    @property
    def on_trial(self) -> bool:
        return self.name not in REFERENCES and not self.control

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str], Cell]:
        return {(cell.split, cell.modality, cell.metric): cell for cell in self.cells}

    def cell(self, split: Split, modality: View, metric: str) -> Cell | None:
        """None when no such question was asked."""
        return self._by_key.get((split, modality, metric))

    def to_json(self) -> dict[str, Any]:
        """Whom the sums of a cell are about is said once for all cells with the same people."""
        people: list[list[str]] = []
        rows = []
        for cell in self.cells:
            row = cell.to_json()
            if row.get("sums"):
                about = list(cell.groups)
                if about not in people:
                    people.append(about)
                row["about"] = people.index(about)
            rows.append(row)
        control = {"control": True} if self.control else {}
        joined = {**({"block": self.block} if self.block else {}), **({"seeds": list(self.seeds)} if self.seeds else {})}
        return {"name": self.name, "title": self.title, "forget": self.forget, **control, **joined, "people": people, "cells": rows}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Row:
        people = [[str(person) for person in about] for about in row["people"]]
        cells = [Cell.from_json(cell, people[cell["about"]] if cell.get("sums") else ()) for cell in row["cells"]]
        joined = {"block": row.get("block", ""), "seeds": tuple(row.get("seeds", ()))}
        return cls(row["name"], row["title"], tuple(cells), row["forget"], bool(row.get("control", False)), **joined)


@dataclass(frozen=True)
class Table:
    """The rows in the order in which they are printed."""

    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        return {"rows": [row.to_json() for row in self.rows]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Table:
        """Raises StoreError when ``data`` is not what ``to_json`` gives."""
        try:
            return cls(tuple(Row.from_json(row) for row in data["rows"]))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise StoreError(f"its table of results cannot be read: {what}") from None


def build_row(name: str, title: str, scores: Sequence[Score], forget: int = 0) -> Row:
    """The row of one model from its scores, in any order. Cells without a question are left out."""
    ordered = sorted(scores, key=lambda score: (score.split, score.question))
    cells = [
        _cell(metric, split, view, [score for score in asked if metric.name in score.values])
        for split in SPLITS
        for view in VIEWS
        for asked in [[score for score in ordered if score.split == split and view in (score.modality, "both")]]
        for metric in METRICS.values()
    ]
    return Row(name, title, tuple(cell for cell in cells if cell.questions), forget)


def _cell(metric: Metric, split: Split, view: View, scores: Sequence[Score]) -> Cell:
    values = [score.values[metric.name] for score in scores]
    people = [score.person for score in scores]
    groups = group(values, people)
    interval = mean_interval(groups, metric.worst, metric.best)
    chance = mean([score.chance for score in scores]) if metric.chance is None else metric.chance
    credit = group([score.credit for score in scores], people) if metric is ACCURACY and any(score.credit for score in scores) else {}
    return Cell(metric.name, split, view, mean(values), interval.low, interval.high, len(values), len(groups), chance, groups, credit)
