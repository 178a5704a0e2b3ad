"""A run against a baseline run: what got worse, by estimate and interval.

What is compared is named like the gates, ``retain.cloze.unimodal``, and ROUGE-L beside factuality, ``retain.rouge_l.unimodal``. A point is a hundredth
of a metric's scale: a percentage point of accuracy, 0.01 of ROUGE-L, 0.09 of factuality. The same questions are compared in pairs, clustered by person;
where the data differ, the two runs are independent.

A limit such as ``retain.*:-2`` is broken when the number fell by more than two points and the 95% interval of the change is all below
zero; when only the estimate says so, the change is inconclusive.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from pytest_mllmu.analysis.gates import KEPT, PEOPLE_AT_LEAST, Light
from pytest_mllmu.analysis.statistics import Estimate, Interval, estimate, t_interval
from pytest_mllmu.analysis.table import Cell, Row, Table
from pytest_mllmu.analysis.verdicts import count
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Modality, Split
from pytest_mllmu.errors import SettingsError, did_you_mean
from pytest_mllmu.scoring.metrics import DECISIVE, METRICS, ROUGE_L, Metric

MEASURES: dict[str, Metric] = {**{str(task): metric for task, metric in DECISIVE.items()}, "rouge_l": ROUGE_L}
NAMES: tuple[str, ...] = tuple(f"{split}.{measure}.{modality}" for split in SPLITS for measure in MEASURES for modality in MODALITIES)
_TASKS = {metric.name: str(task) for task, metric in DECISIVE.items()}
"""A metric may be named by its own name, too."""
_LIMIT = re.compile(r"(?P<pattern>[^:]+):(?P<amount>[+-]\d+(?:\.\d+)?)(?P<relative>%?)")

Outcome = Literal["same", "better", "changed", "inconclusive", "worse"]


@dataclass(frozen=True)
class Limit:
    """``amount`` below 0: no fall by more; above 0: no rise. In points, or with ``relative`` in percent of the baseline."""

    text: str
    pattern: str
    amount: float
    relative: bool

    def matches(self, name: str) -> bool:
        return fnmatchcase(name, self.pattern) or fnmatchcase(name, f"{self.pattern}.*")


@dataclass(frozen=True)
class Change:
    """One number of one candidate: ``before`` and ``after`` in the metric's unit, ``points`` and its interval in hundredths of its scale."""

    candidate: str
    forget: int
    name: str
    before: float
    after: float
    points: float
    low: float
    high: float
    questions: int
    people: int
    paired: bool
    outcome: Outcome
    limit: str = ""
    red: bool = False

    @property
    def metric(self) -> Metric:
        return MEASURES[self.name.split(".")[1]]

    @property
    def message(self) -> str:
        ends = "" if math.isnan(self.low) else f" [{self.low:+.1f}, {self.high:+.1f}]"
        n = f"n = {count(self.questions, 'question')} about {count(self.people, 'person', 'people')}, {'paired' if self.paired else 'other data'}"
        against = f"; limit {self.limit}" if self.limit else ""
        return f"{self.name}: {self.metric.show(self.before)} -> {self.metric.show(self.after)}, {self.points:+.1f}{ends} points ({n}){against}"

    def to_json(self) -> dict[str, Any]:
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Change:
        numbers = {key: math.nan if row[key] is None else float(row[key]) for key in ("before", "after", "points", "low", "high")}
        return cls(**{**row, **numbers})


def limits(texts: Iterable[str]) -> tuple[Limit, ...]:
    """Raises SettingsError for one that cannot be read or that matches nothing."""
    return tuple(map(_limit, texts))


def in_force(asked: Sequence[Limit], usual: Sequence[Limit], name: str) -> list[Limit]:
    """The user's limits on a number, else the usual ones: to name one set must not lift the limits on the others."""
    own = [limit for limit in asked if limit.matches(name)]
    return own or [limit for limit in usual if limit.matches(name)]


def _limit(text: str) -> Limit:
    found = _LIMIT.fullmatch(text.strip())
    if not found or not float(found["amount"]):
        raise SettingsError(f"--mllmu-fail-on: {text!r}: a limit such as retain.*:-2 (points) or forget.cloze:+5% is expected, with its sign")
    named = [_TASKS.get(part, part) for part in found["pattern"].strip().split(".")]
    limit = Limit(text.strip(), ".".join(named), float(found["amount"]), bool(found["relative"]))
    if not any(map(limit.matches, NAMES)):
        near = did_you_mean(limit.pattern, [*NAMES, *(f"{split}.*" for split in SPLITS), *(f"*.{measure}.*" for measure in MEASURES)])
        raise SettingsError(f"--mllmu-fail-on: {text!r} matches nothing that is compared{near} (a name is set.task.modality)")
    if limit.amount > 0 and all(name.partition(".")[0] in KEPT for name in NAMES if limit.matches(name)):
        raise SettingsError(f"--mllmu-fail-on: {text!r}: more of what is to be kept is no regression; a fall is written with -")
    return limit


def refused(baseline: Mapping[str, Any], run: Mapping[str, Any], across: Sequence[str]) -> str:
    """Why two runs, by what they are about, cannot be compared: nothing when they can, or when the user says that they may."""
    different = [key for key in run if baseline.get(key) != run[key]]
    for key in different:
        if key not in across:
            before, after = (_short(part.get(key)) for part in (baseline, run))
            return f"another {key} ({before} there, {after} here): not comparable; --mllmu-across={','.join(different)} compares all the same"
    return ""


def _short(value: Any) -> str:
    """Numbers of people for lists of them, the beginning of a fingerprint."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(part)}" for key, part in value.items() if part is not None)
    if isinstance(value, list):
        return f"{len(value)} people ({', '.join(map(str, value[:3]))}{', ...' if len(value) > 3 else ''})"
    text = str(value)
    return text[:8] if re.fullmatch(r"[0-9a-f]{32,}", text) else text[:80]


def compare(
    baseline: Table,
    run: Table,
    asked: Sequence[Limit],
    *,
    paired: bool,
    usual: Sequence[Limit] = (),
    inconclusive: Light = "yellow",
    people_at_least: int = PEOPLE_AT_LEAST,
) -> list[Change]:
    """All numbers that both tables have, candidate by candidate. ``paired``: both asked the same questions about the same people.
    ``usual`` limits hold for numbers that ``asked`` says nothing about. Of fewer than ``people_at_least`` people no change is clear.

    Raises SettingsError when the two have no candidate in common.
    """
    changes: list[Change] = []
    for before, after in matched(baseline, run):
        for name, split, metric, modality in _names():
            cells = before.cell(split, modality, metric.name), after.cell(split, modality, metric.name)
            if cells[0] is not None and cells[1] is not None:
                change = _change(after, name, cells[0], cells[1], paired)
                changes.append(_judged(change, in_force(asked, usual, name), inconclusive, people_at_least))
    return changes


def idle(asked: Iterable[Limit], changes: Sequence[Change]) -> list[str]:
    """The limits that no number of this comparison is under: whoever sets one must hear that it judged nothing."""
    return [limit.text for limit in asked if not any(limit.matches(change.name) for change in changes)]


def lacking(baseline: Table, run: Table) -> list[str]:
    """What the baseline has of a candidate and the run has not, because only some sets or tasks were selected."""
    found = []
    for before, after in matched(baseline, run):
        for name, split, metric, modality in _names():
            if before.cell(split, modality, metric.name) and not after.cell(split, modality, metric.name):
                found.append(name)
    return found


def remarks(baseline: Table, run: Table) -> list[str]:
    """What a reader of a comparison would not expect: other methods behind the two numbers, and candidates that only the run has."""
    pairs = matched(baseline, run)
    found = [f"mind: {before.title} of the baseline is compared with {after.title}" for before, after in pairs if before.name != after.name]
    beside = [row.title for row in run.rows if row.on_trial and not any(row is after for _, after in pairs)]
    return [*found, *([f"not compared, as the baseline has no such candidate: {', '.join(beside)}"] if beside else [])]


def matched(baseline: Table, run: Table) -> list[tuple[Row, Row]]:
    """The candidates of both, by name and share of people to forget; two single candidates are compared whatever their names are."""
    before, after = ({(row.name, row.forget): row for row in table.rows if row.on_trial} for table in (baseline, run))
    pairs = [(before[key], row) for key, row in after.items() if key in before]
    if not pairs and len(before) == len(after) == 1:
        pairs = list(zip(before.values(), after.values(), strict=True))
    if not pairs:
        names = [", ".join(sorted({name for name, _ in rows})) or "no candidate" for rows in (before, after)]
        raise SettingsError(f"nothing to compare: the baseline has {names[0]}, this run {names[1]}")
    return pairs


def _names() -> Iterator[tuple[str, Split, Metric, Modality]]:
    for split in SPLITS:
        for measure, metric in MEASURES.items():
            for modality in MODALITIES:
                yield f"{split}.{measure}.{modality}", split, metric, modality


def _change(row: Row, name: str, before: Cell, after: Cell, paired: bool) -> Change:
    metric = METRICS[after.metric]
    one, other = (_points(cell, metric) for cell in (before, after))
    same = paired and {person: count for person, (_, count) in before.groups.items()} == {person: count for person, (_, count) in after.groups.items()}
    if not same:  # a person of one run has nothing to do with the one of that name in the other
        one = Estimate(one.value, {f"baseline/{person}": moved for person, moved in one.influence.items()}, one.people)
    change = other - one
    interval = t_interval(change) if one.people and other.people else Interval(math.nan, math.nan)
    return Change(row.name, row.forget, name, before.value, after.value, change.value, interval.low, interval.high, after.questions, after.people, same, "same")


def _points(cell: Cell, metric: Metric) -> Estimate:
    found = estimate(cell.groups) if cell.groups else Estimate(cell.value)
    return found.scaled(100 / (metric.best - metric.worst), -100 * metric.worst / (metric.best - metric.worst))


def _judged(change: Change, asked: Sequence[Limit], inconclusive: Light, people_at_least: int) -> Change:
    sure = change.people >= people_at_least and (change.low > 0 or change.high < 0)
    good_up = change.name.partition(".")[0] in KEPT
    outcome: Outcome = "same" if not sure else "better" if (change.points > 0) == good_up else "changed"
    found = replace(change, outcome=outcome)
    for limit in asked:
        amount = limit.amount * _scale(change) if limit.relative else limit.amount
        beyond = change.points < amount if limit.amount < 0 else change.points > amount
        if beyond and sure:
            return replace(found, outcome="worse", limit=limit.text, red=True)
        if beyond:
            found = replace(found, outcome="inconclusive", limit=limit.text, red=inconclusive == "red")
    return found


def _scale(change: Change) -> float:
    """Points that are a percent of the baseline."""
    metric = change.metric
    return (change.before - metric.worst) / (metric.best - metric.worst)
