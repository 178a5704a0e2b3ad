"""The pretrained scenario (PULSE) as numbers and a gate: the same number of people, known from pre-training or from fine-tuning.

``pretrained.fine-tuned`` is how much more is kept of what is to be kept (the people to retain, the other celebrities, general ability, their mean) when
knowledge from pre-training is unlearned than when knowledge from fine-tuning is; negative: less. Both as shares of what was known before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pytest_mllmu.analysis.gates import Gate, Policy
from pytest_mllmu.analysis.guards import Found, concluded
from pytest_mllmu.analysis.knowledge import Retained, shown
from pytest_mllmu.analysis.scenarios import Findings, Scores, apart, asked, control, finding, kept, left, points, state, ungraded
from pytest_mllmu.analysis.statistics import t_interval
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import SPLITS


@dataclass(frozen=True)
class Case:
    """One method on one kind of knowledge: who was to be forgotten, and the scores before and after."""

    title: str
    forget: int
    """Percent of the people, of profiles; 0 of celebrities."""
    people: tuple[str, ...]
    before: Scores
    after: Scores

    @cached_property
    def kept(self) -> Retained | None:
        """What is left of what is to be kept."""
        return kept(self.after, self.before, self.title)


@dataclass(frozen=True)
class Both:
    """Knowledge from pre-training, and the same number of people whom the model was fine-tuned on."""

    method: str
    pretrained: Case
    fine_tuned: Case


def judge_phases(gate: Gate, both: Both, policy: Policy) -> Verdict:
    if missing := ungraded(gate.splits, *(scores for case in (both.pretrained, both.fine_tuned) for scores in (case.before, case.after))):
        return concluded(gate, f"{gate.name}: ", Found(missing, status="inconclusive"), both.method, policy)
    found = [case.kept for case in (both.pretrained, both.fine_tuned)]
    if found[0] is None or found[1] is None or not (found[0].memorised and found[1].memorised):
        return concluded(
            gate,
            f"{gate.name}: ",
            Found("not memorised: one of the models does not clearly know what is to be kept", status="inconclusive"),
            both.method,
            policy,
        )
    ahead = found[0].share - found[1].share
    interval = t_interval(ahead)
    says = (
        f"{both.method} keeps {found[0].value:.0%} of the rest when knowledge from pre-training is unlearned and {found[1].value:.0%} when knowledge from "
        f"fine-tuning is: {points(ahead.value)} points{shown(interval, gate.at_least)}"
    )
    counts = asked(gate.splits, both.pretrained.after, both.fine_tuned.after)
    measured = Found(says, ahead.value, interval, *counts, fewest=min(one.people for one in found if one), items="general" in both.pretrained.before)
    return concluded(gate, f"{gate.name}: ", measured, both.method, policy)


def findings(both: Both, name: str) -> Findings:
    """``name`` of the trial."""
    cases = (both.pretrained, both.fine_tuned)
    states = tuple(state(case.title, case.people, case.after, case.before) for case in cases)
    beside = both.fine_tuned
    rows = [control(row, title, scores, beside.forget) for row, title, scores in (("vanilla", "Vanilla", beside.before), (name, both.method, beside.after))]
    about = f"{len(both.pretrained.people)} celebrities known from pre-training, and as many people known from fine-tuning"
    return Findings("pretrained", both.method, about, states, (), tuple(rows), tuple(_says(both)))


def _forgotten(case: Case) -> Retained | None:
    found = left(case.after["forget"], case.before["forget"], "forget")
    return apart(found, case.title) if found is not None else None


def _says(both: Both) -> list[str]:
    """PULSE's first finding, as far as it shows: what is known from pre-training costs more to unlearn."""
    lines: list[str] = []
    if ungraded(SPLITS, *(scores for case in (both.pretrained, both.fine_tuned) for scores in (case.before, case.after))):
        return lines
    for what, found in (
        ("to be kept", [case.kept for case in (both.pretrained, both.fine_tuned)]),
        ("to be forgotten", [_forgotten(case) for case in (both.pretrained, both.fine_tuned)]),
    ):
        one, other = found
        if one is None or other is None or not (one.memorised and other.memorised):
            continue
        ahead = one.share - other.share
        interval = t_interval(ahead)
        said = f"of what is {what} {both.method} leaves {one.value:.0%}{shown(one.interval)} from pre-training, "
        said += f"{other.value:.0%}{shown(other.interval)} from fine-tuning: {points(ahead.value)} points{shown(interval)}"
        if what == "to be kept":
            claim = "PULSE's finding shows here: unlearning what is known from pre-training costs more"
            said += f"; {finding(claim, 'the reverse of PULSE: it costs less', interval, ahead.value, min(one.people, other.people))}"
        lines.append(said)
    return lines
