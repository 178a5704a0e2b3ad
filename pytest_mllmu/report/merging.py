"""The rows of several runs in blocks: which stand side by side, which are one, and what tells the others apart."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from statistics import fmean, stdev
from typing import Any

from pytest_mllmu.analysis.table import REFERENCES, Cell, Row, Share, Shares
from pytest_mllmu.analysis.tradeoff import points
from pytest_mllmu.benchmark.profiles import Split
from pytest_mllmu.report.apart import differences
from pytest_mllmu.report.layout import seeded, title
from pytest_mllmu.report.run import Run, jsonable

SAME = ("model", "vanilla", "dialect", "demonstrations", "judge", "general", "known", "limit", "scenario", "steps", "quantize", "dtype")
"""Settings that two runs must share for their numbers to be comparable, beside data and people."""
DATA = ("data", "profiles", "celebrities")
TRAINED = ("trainable", "labels", "accumulate", "lr", "epochs", "train_batch")
ON_TRIAL = ("candidate", "endpoint", "endpoint_model", "endpoint_revision")
"""Settings that decide what a candidate is, beside what is stored of its method."""


@dataclass(frozen=True)
class Entry:
    """One row of one run. ``made``: with what it was trained; ``key``: its model's fingerprint."""

    label: str
    run: Run
    row: Row
    name: str
    made: Mapping[str, Any]
    key: str


@dataclass
class Side:
    """Runs whose rows of one share can be compared: ``about`` is what they have in common."""

    forget: int
    about: Mapping[str, Any]
    parts: list[tuple[str, Run]] = field(default_factory=list)
    title: str = ""

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({run.seed for _, run in self.parts}))


@dataclass(frozen=True)
class Merged:
    """The rows of a block, which entries are behind each title, and what is to be said."""

    rows: tuple[Row, ...]
    sources: tuple[tuple[str, tuple[Entry, ...]], ...]
    notes: tuple[str, ...]


def blocks(parts: Sequence[tuple[str, Run]]) -> list[Side]:
    """In the order of the runs, each with a title of its own."""
    found: list[Side] = []
    for label, run in parts:
        for forget in dict.fromkeys(row.forget for row in run.table.rows):
            about = {name: jsonable(run.settings.get(name, "standard" if name == "scenario" else None)) for name in SAME}
            side = next((side for side in found if side.forget == forget and side.about == about and _same_people(side, run)), None)
            if side is None:
                side = Side(forget, about)
                found.append(side)
            side.parts.append((label, run))
    for side in found:
        side.title = title(side.parts[0][1], side.forget, side.seeds)
    for name in dict.fromkeys(side.title for side in found):
        alike = [side for side in found if side.title == name]
        told = differences([{**side.about, **{key: side.parts[0][1].settings.get(key) for key in DATA}} for side in alike])
        for side, more in zip(alike, told, strict=True):
            if len(alike) > 1:
                side.title = f"{name}, {more or ', '.join(label for label, _ in side.parts)}"
    return found


def _same_people(side: Side, run: Run) -> bool:
    """Whether a run has the people of a block: the same ones, or those that another seed draws from the same data."""
    mine, others = _people(run, side.forget), [(other, _people(other, side.forget)) for _, other in side.parts]
    if any(people == mine for _, people in others):
        return True
    if any(other.seed == run.seed for other, _ in others):
        return False
    return any([other.settings.get(key) for key in DATA] == [run.settings.get(key) for key in DATA] for other, _ in others)


def _people(run: Run, forget: int) -> str:
    prints = run.fingerprints
    shares = prints.get("forget")
    own = shares.get(str(forget)) if isinstance(shares, Mapping) else shares
    return json.dumps([prints.get("profiles"), prints.get("transformed"), prints.get("celebrities"), prints.get("general"), jsonable(own)], sort_keys=True)


def merged(side: Side) -> Merged:
    """Its rows: references first, controls last, methods in the order of the runs."""
    notes: list[str] = []
    groups: dict[str, list[list[Entry]]] = {}
    for entries in _alike([entry for label, run in side.parts for entry in _entries(side, label, run)]):
        for group in _by_seed(entries, notes):
            groups.setdefault(group[0].row.title, []).append(group)
    shares = _shares(side)
    rows: list[tuple[Row, tuple[Entry, ...]]] = []
    for name, found in groups.items():
        for group, more in zip(found, _told_apart(found), strict=True):
            row = _one_row(group, shares, side, notes)
            partial = [] if set(_seeds(group)) == set(side.seeds) else [seeded(_seeds(group))]
            beside = [more] if more == group[0].label else []
            told = f"{name}, {more}" if more and not beside else name
            told += f" ({', '.join([*beside, *partial])})" if beside or partial else ""
            unique = row.name if row.name in REFERENCES or not more else f"{row.name}.{more}"
            rows.append((replace(row, name=unique, title=told, block=side.title), tuple(group)))
    rows.sort(key=lambda row: (REFERENCES.index(row[0].name) if row[0].name in REFERENCES else len(REFERENCES), row[0].control))
    notes += [said for row, _ in rows if (said := _says(row))]
    if any(row.seeds for row, _ in rows) and len({_people(run, side.forget) for _, run in side.parts}) > 1:
        notes.append("the seed also draws the people and their questions: a standard deviation over seeds is over both training and people")
    return Merged(tuple(row for row, _ in rows), tuple((row.title, entries) for row, entries in rows), tuple(notes))


def _says(row: Row) -> str:
    """``GA, mean ± standard deviation over 3 seeds (0, 1, 2): left is 36% ±9 of what vanilla knew of the forget set (each seed: n = 180 about 10), ...``"""
    sets: tuple[Split, ...] = ("forget", "retain")
    found = {split: row.shares[split, "both"] for split in sets if row.shares and (split, "both") in row.shares}
    parts = [
        f"{value:.0%} ±{100 * (high - low) / 2:.0f} of what vanilla knew of the {split} set (each seed: n = {questions} about {people})"
        for split, (value, low, high, questions, people) in found.items()
    ]
    if not row.on_trial or not row.seeds or not parts:
        return ""
    return f"{row.title}, mean ± standard deviation over {seeded(row.seeds)}: left is {', '.join(parts)}"


def _entries(side: Side, label: str, run: Run) -> Iterator[Entry]:
    methods = run.settings.get("methods")
    keys = run.fingerprints.get("models")
    for row in run.table.rows:
        if row.forget != side.forget:
            continue
        made = methods.get(row.name) if isinstance(methods, Mapping) else None
        chosen: dict[str, Any] = {}
        if row.on_trial or row.control:
            own = dict(made) if isinstance(made, Mapping) else {}
            chosen = {**own, **{name: run.settings.get(name) for name in (ON_TRIAL if "hyper" not in own else TRAINED)}}
            if "hyper" in own:  # what was trained with stands there, whoever chose it
                chosen = {name: value for name, value in chosen.items() if name not in ("lr", "epochs", "train_batch")}
            chosen.pop("title", None)
        known = keys if isinstance(keys, Mapping) else {}
        key = known.get(row.title, known.get(f"{row.title} ({row.forget}%)", ""))
        yield Entry(label, run, row, row.name.removesuffix(f".{row.forget}"), chosen, str(key))


def _alike(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Rows that differ in nothing but their seed, as far as settings say."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(json.dumps([entry.name, entry.row.title, jsonable(entry.made)], sort_keys=True), []).append(entry)
    return list(found.values())


def _by_seed(entries: Sequence[Entry], notes: list[str]) -> list[list[Entry]]:
    """One group, the entries of each seed united; or where two runs of a seed disagree, a group for each result: a mean would hide that."""
    results: list[list[Entry]] = []
    for entry in entries:
        same = next((result for result in results if result[0].run.seed == entry.run.seed and all(_agree(entry, other) for other in result)), None)
        if same is None:
            results.append([entry])
        else:
            same.append(entry)
    seeds = [result[0].run.seed for result in results]
    if len(set(seeds)) == len(seeds):
        return [[entry for result in results for entry in result]]
    first = entries[0].row
    if first.name not in REFERENCES:
        notes.append(f"{first.title}: runs of one seed differ ({', '.join(result[0].label for result in results)}), so that no mean is taken")
    return results


def _agree(one: Entry, other: Entry) -> bool:
    """The same model, and the same numbers wherever both were asked."""
    pairs = [(cell, found) for cell in one.row.cells if (found := other.row.cell(cell.split, cell.modality, cell.metric)) is not None]
    return one.key == other.key and all(_equal(cell, found) for cell, found in pairs)


def _equal(one: Cell, other: Cell) -> bool:
    pairs = [(getattr(one, part.name), getattr(other, part.name)) for part in fields(Cell) if part.compare]
    return all(mine == theirs or (mine != mine and theirs != theirs) for mine, theirs in pairs)  # nan is nan


def _told_apart(groups: Sequence[Sequence[Entry]]) -> list[str]:
    """What stands after a title that several rows have: the shortest difference of how they were made, else the label of their runs."""
    if len(groups) < 2:
        return [""]
    made = [{"name": group[0].name, **group[0].made} for group in groups]
    told = differences(made)
    return [more or group[0].label for more, group in zip(told, groups, strict=True)]


def _seeds(group: Sequence[Entry]) -> tuple[int, ...]:
    return tuple(sorted({entry.run.seed for entry in group}))


def _shares(side: Side) -> dict[tuple[str, str], Shares]:
    """What is left of what the vanilla knew, by run and row. The references of one run are those of all runs of its seed: with other floors there would be
    nothing to compare."""
    found: dict[tuple[str, str], Shares] = {}
    for label, run in side.parts:
        own = [row for row in run.table.rows if row.forget == side.forget]
        others = [row for _, other in side.parts if other.seed == run.seed for row in other.table.rows if row.forget == side.forget]
        for name in REFERENCES:
            if not any(row.name == name for row in own):
                own += [row for row in others if row.name == name][:1]
        for point in points(own):
            found[label, point.row.name] = {place: (left.value, left.low, left.high, left.questions, left.people) for place, left in point.left.items()}
    return found


def _one_row(group: Sequence[Entry], shares: Mapping[tuple[str, str], Shares], side: Side, notes: list[str]) -> Row:
    """The mean over seeds, or the one row with all that any run asked of it."""
    by_seed: dict[int, list[Entry]] = {}
    for entry in group:
        by_seed.setdefault(entry.run.seed, []).append(entry)
    united = [_united(entries, shares) for _, entries in sorted(by_seed.items())]
    first = united[0]
    if len(united) == 1:
        return replace(first, name=group[0].name)
    places = list(dict.fromkeys((cell.split, cell.modality, cell.metric) for row in united for cell in row.cells))
    found = {place: [cell for row in united if (cell := row.cell(*place)) is not None] for place in places}
    if any(len({(cell.questions, cell.people) for cell in cells}) > 1 or len(cells) < len(united) for cells in found.values()):
        notes.append(f"{side.title}: not every seed has the same n; the n under the table is that of one of them")
    cells = tuple(_mean(cells) for cells in found.values())
    means: dict[Any, Share] = {
        place: (*_spread([row.shares[place][0] for row in united if row.shares]), questions, people)
        for place, (_, _, _, questions, people) in (first.shares or {}).items()
        if all(place in (row.shares or {}) for row in united)
    }
    return replace(first, name=group[0].name, cells=cells, seeds=tuple(sorted(by_seed)), shares=means)


def _united(entries: Sequence[Entry], shares: Mapping[tuple[str, str], Shares]) -> Row:
    """One row of runs that agree: the cells of the first, and what others were asked beside."""
    cells: dict[tuple[str, str, str], Cell] = {}
    left: dict[Any, Share] = {}
    for entry in entries:
        for cell in entry.row.cells:
            cells.setdefault((cell.split, cell.modality, cell.metric), cell)
        for place, share in shares.get((entry.label, entry.row.name), {}).items():
            left.setdefault(place, share)
    return replace(entries[0].row, cells=tuple(cells.values()), shares=left)


def _mean(cells: Sequence[Cell]) -> Cell:
    """Of one cell in the runs of several seeds. Its ends are a sample's standard deviation off, also beyond the metric's scale: half of what is between them
    is printed as the standard deviation."""
    value, low, high = _spread([cell.value for cell in cells])
    return replace(cells[0], value=value, low=low, high=high, chance=fmean(cell.chance for cell in cells), groups={}, credit={})


def _spread(found: Sequence[float]) -> tuple[float, float, float]:
    values = [value for value in found if not math.isnan(value)]
    if not values:
        return math.nan, math.nan, math.nan
    mean, reach = fmean(values), stdev(values) if len(values) > 1 else math.nan
    return mean, mean - reach, mean + reach
