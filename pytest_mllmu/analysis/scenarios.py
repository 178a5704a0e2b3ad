"""What a scenario measured of one method, as data: for each state of the model what is left and what is kept, and who came back after which request.

Every number is a share of what was known before unlearning (knowledge.py), with its interval and n, and beside it accuracy before and after.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_mllmu.analysis.gates import FORGOTTEN, KEPT, PEOPLE_AT_LEAST
from pytest_mllmu.analysis.guards import ALL
from pytest_mllmu.analysis.knowledge import MEMORISED, NOT_JUDGED, Retained, retained, unjudged
from pytest_mllmu.analysis.statistics import Interval, combination
from pytest_mllmu.analysis.table import Row, build_row
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Split
from pytest_mllmu.scoring.metrics import ACCURACY
from pytest_mllmu.scoring.scores import Score

Scores = Mapping[Split, Sequence[Score]]
"""Of one model, by set."""


@dataclass(frozen=True)
class Measure:
    """What is left of what was known before: ``value`` is a share, nan where nothing was known. ``accuracy`` of multiple choice, 0 to 1, before and after, by
    modality, where it was asked."""

    value: float
    low: float
    high: float
    questions: int
    people: int
    accuracy: Mapping[Modality, tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        row = {key: getattr(self, key) for key in ("value", "low", "high", "questions", "people")}
        return row | {"accuracy": {modality: list(pair) for modality, pair in self.accuracy.items()}}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Measure:
        value, low, high = (math.nan if row[key] is None else float(row[key]) for key in ("value", "low", "high"))
        pairs = {modality: row["accuracy"][modality] for modality in MODALITIES if modality in row["accuracy"]}
        accuracy = {modality: (float(before), float(after)) for modality, (before, after) in pairs.items()}
        return cls(value, low, high, int(row["questions"]), int(row["people"]), accuracy)


@dataclass(frozen=True)
class State:
    """One model of the scenario: ``requested`` people were to be forgotten by then; ``sets`` is what is left of each set."""

    title: str
    requested: int
    sets: Mapping[Split, Measure]

    def to_json(self) -> dict[str, Any]:
        return {"title": self.title, "requested": self.requested, "sets": {split: measure.to_json() for split, measure in self.sets.items()}}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> State:
        return cls(str(row["title"]), int(row["requested"]), {split: Measure.from_json(measure) for split, measure in row["sets"].items()})


@dataclass(frozen=True)
class Findings:
    """Of one method in one scenario. ``matrix``: row X, column Y is what is left of part X after request Y, from Y = X on; empty for the pretrained
    scenario. ``rows`` are those of the controls, for the table."""

    scenario: str
    method: str
    about: str
    """Who was to be forgotten, in words."""
    states: tuple[State, ...]
    matrix: tuple[tuple[Measure, ...], ...] = ()
    rows: tuple[Row, ...] = ()
    says: tuple[str, ...] = ()
    """What follows, a sentence each."""

    def to_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "method": self.method,
            "about": self.about,
            "states": [state.to_json() for state in self.states],
            "matrix": [[measure.to_json() for measure in part] for part in self.matrix],
            "rows": [row.to_json() for row in self.rows],
            "says": list(self.says),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Findings:
        matrix = tuple(tuple(Measure.from_json(measure) for measure in part) for part in row["matrix"])
        states, rows = tuple(map(State.from_json, row["states"])), tuple(map(Row.from_json, row["rows"]))
        return cls(str(row["scenario"]), str(row["method"]), str(row["about"]), states, matrix, rows, tuple(map(str, row["says"])))


def state(title: str, requested: Iterable[str], mine: Scores, before: Scores) -> State:
    """What a model has left of each set, of the forget and test set what is left of the people ``requested`` so far."""
    gone = set(requested)
    found = {split: (about(mine[split], gone), about(before[split], gone)) if split in FORGOTTEN else (mine[split], before[split]) for split in mine}
    sets = {split: measure(after, least, split) for split, (after, least) in found.items()}
    return State(title, len(gone), {split: one for split, one in sets.items() if one is not None})


def about(scores: Sequence[Score], people: Iterable[str]) -> list[Score]:
    wanted = set(people)
    return [score for score in scores if score.person in wanted]


def measure(mine: Sequence[Score], before: Sequence[Score], split: Split) -> Measure | None:
    """None when nothing was asked."""
    rows = _rows(mine, before)
    found = retained(*rows, None, split, ALL)
    if found is None:
        return None
    pairs = {modality: [row.cell(split, modality, ACCURACY.name) for row in rows] for modality in MODALITIES}
    accuracy = {modality: (then.value, now.value) for modality, (now, then) in pairs.items() if now and then}
    interval = found.interval
    # Of a few people nothing is clearly above the floor, and a share is shown with their number instead of an interval.
    known = found.memorised if found.people >= PEOPLE_AT_LEAST else found.theirs.value >= MEMORISED
    return Measure(found.value if known else math.nan, interval.low, interval.high, found.questions, found.people, accuracy)


def left(mine: Sequence[Score], before: Sequence[Score], split: Split) -> Retained | None:
    """What is left of one set, all kinds of questions pooled."""
    return retained(*_rows(mine, before), None, split, ALL)


def _rows(mine: Sequence[Score], before: Sequence[Score]) -> tuple[Row, Row]:
    return build_row("", "", mine), build_row("", "", before)


def control(name: str, title: str, scores: Scores, forget: int) -> Row:
    """The row of a model that stands beside the candidates in the table."""
    return replace(build_row(name, title, [score for found in scores.values() for score in found], forget), control=True)


def asked(splits: Iterable[Split], *models: Scores) -> tuple[int, int]:
    """Questions, and people or items, of some sets in which models were asked; those of different models are counted apart."""
    rows = [scores[split] for scores in models for split in splits if split in scores]
    return sum(map(len, rows)), sum(len({score.person for score in row}) for row in rows)


def ungraded(splits: Sequence[Split], *models: Scores) -> str:
    """Why nothing can be concluded, where a judge gave no grades for what one of the models wrote: the other tasks alone would answer another question."""
    missing = any(unjudged([build_row("", "", scores[split])], (split,), ALL) for scores in models for split in splits if split in scores)
    return NOT_JUDGED if missing else ""


def apart(found: Retained, where: str) -> Retained:
    """The same about people of that place: a celebrity of one set is not the person whose id is the same number in another."""
    mine, theirs = (replace(one, influence={f"{where}/{person}": moved for person, moved in one.influence.items()}) for one in (found.mine, found.theirs))
    return replace(found, mine=mine, theirs=theirs)


def kept(mine: Scores, before: Scores, retained_of: str = "") -> Retained | None:
    """What is left of everything that is to be kept: the mean over the sets that were asked, general ability among them. None when none was.

    ``retained_of`` names the people to retain where they are others than those of what it is compared with.
    """
    parts = {split: left(mine[split], before[split], split) for split in KEPT if split in mine and split in before}
    found = [apart(one, f"{split} {retained_of}" if split == "retain" else split) for split, one in parts.items() if one is not None]
    if not found:
        return None
    share = 1 / len(found)
    mean = [combination([(share, part) for part in parts]) for parts in ([one.mine for one in found], [one.theirs for one in found])]
    return Retained(mean[0], mean[1], min(one.people for one in found), sum(one.questions for one in found))


def points(share: float) -> str:
    """A difference of shares: ``+12``, and never ``-0``."""
    return f"{round(100 * share) or 0:+d}"


def finding(claim: str, reverse: str, interval: Interval, value: float, people: int) -> str:
    """``claim`` where the whole interval is below zero, ``reverse`` where it is above, else that no difference shows; nothing of so few people."""
    if math.isnan(interval.low) or people < PEOPLE_AT_LEAST:
        return f"too few people to tell (n = {people})"
    return claim if interval.high < 0 else reverse if interval.low > 0 else f"no difference shows: the interval around {points(value)} points includes 0"
