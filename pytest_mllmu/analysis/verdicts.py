"""Verdicts on gates: never without a reference, an interval and n.

A verdict has three values. A gate holds when the estimate and the whole 95% interval are inside its bound, it fails when both are outside, and
otherwise it is inconclusive: not memorised, too few people or questions, no reference. The policy says whether that is red.
The gates are in gates.py, what they bound in knowledge.py and guards.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from pytest_mllmu.analysis.gates import FORGOTTEN, PERSONS, Gate, Policy
from pytest_mllmu.analysis.knowledge import NOT_JUDGED, Retained, retained, shown, unjudged
from pytest_mllmu.analysis.statistics import NO_INTERVAL, Interval
from pytest_mllmu.analysis.table import Row
from pytest_mllmu.benchmark.profiles import Modality, Task
from pytest_mllmu.scoring.factuality import LABEL
from pytest_mllmu.scoring.metrics import DECISIVE, FACTUALITY, ROUGE_L

Status = Literal["pass", "fail", "inconclusive", "off"]
"""``off``: measured, and not judged because the policy sets no bound."""
Outcome = Literal["accepted", "refused", "not decided"]
"""What all verdicts on one candidate come to for whoever has to take or refuse it."""

DOES_NOTHING = Interval(1.0, 1.0)
"""Of a candidate that answers every question as the vanilla does."""


@dataclass(frozen=True)
class Verdict:
    """``gate`` is the gate's name; ``value`` is what it bounds (the retained knowledge, or what the guard measures) with its interval, nan where there is none.

    ``red``: whether it fails the test, by the status and the policy. ``forget``: percent of the people that were to be forgotten.
    """

    gate: str
    method: str
    status: Status
    message: str
    value: float
    low: float
    high: float
    at_most: float | None
    at_least: float | None
    questions: int
    people: int
    red: bool = False
    person: str | None = None
    p: float | None = None
    """Of a person: how probable such answers are when no more than the bound is left, adjusted for the number of people."""
    leaks: tuple[str, ...] = ()
    """Of a person who is still known: what of, such as ``birthplace (image)``."""
    forget: int = 0

    @property
    def collapsed(self) -> bool:
        """Whether it says that the candidate has collapsed, which is not forgetting."""
        return self.status == "fail" and self.gate.startswith("guard.collapse-")

    def to_json(self) -> dict[str, Any]:
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Verdict:
        numbers = {key: math.nan if row[key] is None else float(row[key]) for key in ("value", "low", "high")}
        return cls(**{**row, **numbers, "leaks": tuple(row["leaks"])})


def decide(value: float, interval: Interval, at_most: float | None, at_least: float | None) -> Status:
    """``pass`` when estimate and interval are within the bounds, ``fail`` when both are outside; nan ends agree with the estimate."""
    if at_most is None and at_least is None:
        return "off"
    low, high = (value if math.isnan(end) else end for end in (interval.low, interval.high))
    above = [at_most is not None and end > at_most for end in (value, low, high)]
    below = [at_least is not None and end < at_least for end in (value, low, high)]
    if all(above) or all(below):
        return "fail"
    return "inconclusive" if any(above) or any(below) or math.isnan(value) else "pass"


def verdict(
    gate: Gate,
    method: str,
    status: Status,
    message: str,
    value: float = math.nan,
    interval: Interval = NO_INTERVAL,
    *,
    questions: int = 0,
    people: int = 0,
    **beside: Any,
) -> Verdict:
    """With the colour that the gate says; a gate that is off judges nothing."""
    status = "off" if gate.off else status
    red = status == "fail" or (status == "inconclusive" and gate.inconclusive == "red")
    return Verdict(gate.name, method, status, message, value, interval.low, interval.high, gate.at_most, gate.at_least, questions, people, red, **beside)


def judge_gate(gate: Gate, candidate: Row, vanilla: Row, method: str, policy: Policy, *, oracle: Row | None = None, judge: str = LABEL) -> Verdict:
    """The verdict on one gate on a set. ``judge`` names who gave the factuality scores."""
    place = ", ".join([gate.split, *_kinds(gate)])
    if unjudged((candidate, vanilla, oracle if gate.split in FORGOTTEN else None), (gate.split,), gate.cells):
        return verdict(gate, method, "inconclusive", f"{place}: {NOT_JUDGED} about {method}")
    found = retained(candidate, vanilla, oracle, gate.split, gate.cells)
    if found is None:
        missing = retained(candidate, candidate, None, gate.split, gate.cells) is None
        return verdict(gate, method, "inconclusive", f"{place}: nothing was asked of {method if missing else 'vanilla'}")
    n: dict[str, Any] = {"questions": found.questions, "people": found.people}
    unit = ("item", "items") if gate.split == "general" else ("person", "people")
    counted = f"n = {count(found.questions, 'question')} about {count(found.people, *unit)}"
    floor = oracle if oracle is not None and gate.split in FORGOTTEN else None
    numbers = _numbers(gate, found, candidate, vanilla, floor, judge)
    least = "the oracle" if floor is not None else "chance"
    if not found.memorised:
        why = f"not memorised: vanilla is not clearly above {least}, nothing can be concluded about {method}"
        return verdict(gate, method, "inconclusive", f"{place}: {why} ({numbers}; {counted})", **n)
    value, interval = found.value, found.interval
    status = decide(value, interval, gate.at_most, gate.at_least)
    few = found.people < policy.people_at_least and interval != DOES_NOTHING  # which is certain, however few they are
    status = "inconclusive" if few and status != "off" else status
    message = f"{place}: {_claim(method, value, interval, gate, status)} ({numbers}; {counted}); {gate.bound}"
    return verdict(gate, method, status, message + _aside(value, interval, status, few, policy, least), value, interval, **n)


def count(number: int, one: str, many: str = "") -> str:
    """``1 question``, ``50 questions``"""
    return f"{number} {one if number == 1 else many or one + 's'}"


def percent(share: float, *bounds: float | None) -> str:
    """``95%``, or with a decimal where a bound would read the same."""
    whole = f"{share:.0%}"
    return f"{share:.1%}" if any(bound is not None and share != bound and whole == f"{bound:.0%}" for bound in bounds) else whole


def few_people(policy: Policy) -> str:
    return f"; too few people to tell: at least {policy.people_at_least} are needed"


def _kinds(gate: Gate) -> list[str]:
    _, task, modality = gate.name.split(".")
    return ["all questions"] if task == "all" else [task, modality]


def _claim(method: str, value: float, interval: Interval, gate: Gate, status: Status) -> str:
    share = percent(value, gate.at_most, gate.at_least)
    verb = "holds" if gate.split in FORGOTTEN else "keeps"
    if status == "fail":
        verb = "still holds" if gate.at_most is not None and value > gate.at_most else "keeps only"
    return f"{method} {verb} {share}{shown(interval, gate.at_most, gate.at_least)} of what vanilla knew"


def _numbers(gate: Gate, found: Retained, candidate: Row, vanilla: Row, oracle: Row | None, judge: str) -> str:
    """The numbers behind a share: those of the metric for one kind of question, of what there is to know for several."""
    if len(gate.cells) > 1:
        return f"above {'the oracle' if oracle else 'chance'} it knows {found.mine.value:.0%} of what there is to know, vanilla {found.theirs.value:.0%}"
    ((task, modality),) = gate.cells
    metric = DECISIVE[task]
    mine, theirs, least = (row.cell(gate.split, modality, metric.name) if row else None for row in (candidate, vanilla, oracle))
    assert mine is not None
    assert theirs is not None
    name = metric.name.replace("_", " ") + (f" by the {judge}" if metric is FACTUALITY else "")
    floor = f"oracle {metric.show(least.value)}" if least else f"chance {metric.show(mine.chance)}"
    said = f"{name} {metric.show(mine.value)}{metric.show_interval(mine.low, mine.high)}, vanilla {metric.show(theirs.value)}, {floor}"
    return said + _beside(gate, task, modality, candidate, vanilla)


def _beside(gate: Gate, task: Task, modality: Modality, candidate: Row, vanilla: Row) -> str:
    """ROUGE-L next to factuality: it decides nothing, but the paper prints it."""
    mine, theirs = (row.cell(gate.split, modality, ROUGE_L.name) for row in (candidate, vanilla))
    if task != ROUGE_L.task or mine is None or theirs is None:
        return ""
    return f"; {ROUGE_L.title} {ROUGE_L.show(mine.value)}, vanilla {ROUGE_L.show(theirs.value)}"


def _aside(value: float, interval: Interval, status: Status, few: bool, policy: Policy, floor: str) -> str:
    said = ""
    if status == "inconclusive":
        said += few_people(policy) if few else "; inconclusive: the 95% interval reaches over the bound"
    if value < 0:
        said += f"; below {floor}"
    if interval.high < 0:
        said += ": right answers are avoided rather than unknown"
    return said


def outcome_of(verdicts: Sequence[Verdict]) -> Outcome:
    """A fail refuses. What is inconclusive and red decides nothing, nor does a policy that asks nothing of what was to be forgotten."""
    if any(verdict.status == "fail" for verdict in verdicts):
        return "refused"
    undecided = any(verdict.red for verdict in verdicts) or not about_forgetting(verdicts)
    return "not decided" if undecided else "accepted"


def about_forgetting(verdicts: Sequence[Verdict]) -> bool:
    return any(verdict.status != "off" and (verdict.gate == PERSONS or verdict.gate.partition(".")[0] in FORGOTTEN) for verdict in verdicts)
