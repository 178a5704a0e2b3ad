"""Verdicts on gates: never without a reference, an interval and n.

A gate fails when the estimate of the retained knowledge is outside its bound and the 95% interval agrees. The interval is that
of the ratio itself: the same people are drawn for candidate, vanilla and oracle, so that a candidate which does nothing is
exactly 100% [100, 100] whatever the vanilla model knows. Without scores per person (a stored or published table) the
candidate's own interval is mapped, and without any interval the estimate decides.
The gates, and where their bounds come from, are in gates.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from pytest_mllmu.analysis.gates import FORGOTTEN, POLICIES, Gate, Policy
from pytest_mllmu.analysis.statistics import NO_INTERVAL, Interval, percentiles, resampled_means
from pytest_mllmu.analysis.table import Cell, Row
from pytest_mllmu.scoring.factuality import LABEL
from pytest_mllmu.scoring.metrics import DECISIVE, FACTUALITY, ROUGE_L, Metric

__all__ = ["POLICIES", "Gate", "Policy", "Status", "Verdict", "judge_gate", "retained"]

Status = Literal["pass", "fail", "inconclusive", "off"]
"""``off``: measured, and not judged because the policy sets no bound."""

RED: tuple[Status, ...] = ("fail", "inconclusive")
"""What fails a test: neither shows what was asked for."""

MEMORISED = 0.05
"""The vanilla model must be above the floor by this share of the metric's scale, or there is nothing to forget."""


@dataclass(frozen=True)
class Verdict:
    """``gate`` is the gate's id, or ``person``; ``low`` and ``high`` bound ``retained``, nan where there is none."""

    gate: str
    split: str
    method: str
    status: Status
    message: str
    retained: float
    low: float
    high: float
    at_most: float | None
    at_least: float | None
    questions: int
    people: int
    person: str | None = None
    forget: int = 0
    """Percent of the people that were to be forgotten."""

    def to_json(self) -> dict[str, Any]:
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Verdict:
        numbers = {key: math.nan if row[key] is None else float(row[key]) for key in ("retained", "low", "high")}
        return cls(**{**row, **numbers})


def retained(candidate: float, vanilla: float, floor: float) -> float:
    """(candidate - floor) / (vanilla - floor), not clipped; nan when the vanilla model is at the floor."""
    return (candidate - floor) / (vanilla - floor) if vanilla != floor else math.nan


def memorised(vanilla: float, low: float, floor: float, metric: Metric) -> bool:
    """Whether ``vanilla`` (``low``: lower end of its interval, or nan) is clearly above the floor."""
    return vanilla - floor >= MEMORISED * (metric.best - metric.worst) and not low <= floor


def judge_gate(gate: Gate, candidate: Row, vanilla: Row, method_title: str, *, oracle: Row | None = None, judge: str = LABEL, seed: int = 0) -> Verdict:
    """The verdict on one gate.

    The floor on forget and test is the oracle's score where there is an oracle, else chance; on retain and celebrity it is chance.
    ``judge`` names who gave the factuality scores; ``seed`` is the bootstrap's.
    """
    metric = DECISIVE[gate.task]
    mine, theirs = (row.cell(gate.split, gate.modality, metric.name) for row in (candidate, vanilla))
    reference = oracle.cell(gate.split, gate.modality, metric.name) if oracle is not None and gate.split in FORGOTTEN else None
    place = f"{gate.split}, {gate.task}, {gate.modality}"
    if mine is None or theirs is None:
        return _verdict(gate, method_title, "inconclusive", f"{place}: nothing was asked of {method_title if mine is None else 'vanilla'}", mine)
    floor = mine.chance if reference is None else reference.value
    numbers = _numbers(metric, mine, theirs, floor, reference is not None, judge) + _beside(gate, candidate, vanilla)
    n = f"n = {count(mine.questions, 'question')} about {count(mine.people, 'person', 'people')}"
    if not memorised(theirs.value, theirs.low, floor, metric):
        message = (
            f"{place}: not memorised: vanilla is not clearly above {'the oracle' if reference else 'chance'}, nothing can be concluded about {method_title}"
        )
        return _verdict(gate, method_title, "inconclusive", f"{message} ({numbers}, {n})", mine)
    share, interval = retained(mine.value, theirs.value, floor), retained_interval(mine, theirs, reference, floor, seed)
    status = decide(share, interval, gate.at_most, gate.at_least)
    message = f"{place}: {_claim(method_title, share, interval, gate, status)} ({numbers}, {n}); {gate.bound}{_aside(share, interval, status, reference)}"
    return _verdict(gate, method_title, status, message, mine, share, interval)


def decide(share: float, interval: Interval, at_most: float | None, at_least: float | None) -> Status:
    """``fail`` when estimate and interval are outside, ``inconclusive`` when only the estimate is; nan ends agree with the estimate."""
    if at_most is None and at_least is None:
        return "off"
    if at_most is not None and share > at_most:
        return "inconclusive" if interval.low <= at_most else "fail"
    if at_least is not None and share < at_least:
        return "inconclusive" if interval.high >= at_least else "fail"
    return "pass"


def retained_interval(candidate: Cell, vanilla: Cell, oracle: Cell | None, floor: float, seed: int) -> Interval:
    """The 95% interval of the retained knowledge over the people, who are drawn in pairs."""
    cells = [cell for cell in (candidate, vanilla, oracle) if cell is not None]
    if len(candidate.groups) >= 2 and all(cell.groups.keys() == candidate.groups.keys() for cell in cells):
        mine, theirs, *rest = (resampled_means(cell.groups, seed) for cell in cells)
        least = rest[0] if rest else np.full_like(mine, floor)
        known = theirs > least
        return percentiles((mine[known] - least[known]) / (theirs[known] - least[known]))
    if math.isnan(candidate.low) or math.isnan(candidate.high):
        return NO_INTERVAL
    return Interval(retained(candidate.low, vanilla.value, floor), retained(candidate.high, vanilla.value, floor))


def percent(share: float, bound: float | None) -> str:
    """``95%``, or with a decimal where the bound would read the same."""
    whole = f"{share:.0%}"
    return f"{share:.1%}" if bound is not None and share != bound and whole == f"{bound:.0%}" else whole


def _claim(title: str, share: float, interval: Interval, gate: Gate, status: Status) -> str:
    ends = "" if math.isnan(interval.low) else f" [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"
    if gate.split in FORGOTTEN:
        return f"{title} {'still holds' if status in RED else 'holds'} {percent(share, gate.at_most)}{ends} of what vanilla knew"
    return f"{title} {'keeps only' if status in RED else 'keeps'} {percent(share, gate.at_least)}{ends} of what vanilla knew"


def _numbers(metric: Metric, mine: Cell, theirs: Cell, floor: float, has_oracle: bool, judge: str) -> str:
    name = metric.name.replace("_", " ") + (f" by the {judge}" if metric is FACTUALITY else "")
    least = "oracle" if has_oracle else "chance"
    return f"{name} {metric.show(mine.value)}{metric.show_interval(mine.low, mine.high)}, vanilla {metric.show(theirs.value)}, {least} {metric.show(floor)}"


def _beside(gate: Gate, candidate: Row, vanilla: Row) -> str:
    """ROUGE-L next to factuality: it decides nothing, but the paper prints it."""
    mine, theirs = (row.cell(gate.split, gate.modality, ROUGE_L.name) for row in (candidate, vanilla))
    if gate.task != ROUGE_L.task or mine is None or theirs is None:
        return ""
    return f"; {ROUGE_L.title} {ROUGE_L.show(mine.value)}, vanilla {ROUGE_L.show(theirs.value)}"


def _aside(share: float, interval: Interval, status: Status, oracle: Cell | None) -> str:
    said = ""
    if status == "inconclusive":
        said += "; too few questions to tell: the 95% interval reaches the bound"
    if share < 0:
        said += f"; below {'the oracle' if oracle else 'chance'}"
    if interval.high < 0:
        said += ": right answers are avoided rather than unknown"
    return said


def _verdict(gate: Gate, method: str, status: Status, message: str, cell: Cell | None, share: float = math.nan, interval: Interval = NO_INTERVAL) -> Verdict:
    status = "off" if gate.at_most is None and gate.at_least is None else status
    questions, people = (cell.questions, cell.people) if cell is not None else (0, 0)
    return Verdict(gate.id, gate.split, method, status, message, share, interval.low, interval.high, gate.at_most, gate.at_least, questions, people)


def count(number: int, one: str, many: str = "") -> str:
    """``1 question``, ``50 questions``"""
    return f"{number} {one if number == 1 else many or one + 's'}"
