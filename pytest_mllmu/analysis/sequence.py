"""The sequential scenario (PULSE's sustainability) as numbers and gates: requests to forget, one after the other, on the same model.

==================  =====================================================================================================
sequence.forgotten  what is left of each part right after its own request, all parts pooled
sequence.sustained  how much more is left of the earlier parts after the last request than right after their own
sequence.kept       what is left after the last request of what is to be kept: retain, celebrities and general ability, their mean
sequence.one-shot   how much more of that is left than when everybody is forgotten in one request (negative: less)
==================  =====================================================================================================

All are shares of what vanilla knew above chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_mllmu.analysis.gates import KEPT, PEOPLE_AT_LEAST, Gate, Policy
from pytest_mllmu.analysis.guards import Found, concluded
from pytest_mllmu.analysis.knowledge import Retained, shown
from pytest_mllmu.analysis.scenarios import Findings, Measure, Scores, State, about, asked, control, finding, kept, left, measure, points, state, ungraded
from pytest_mllmu.analysis.statistics import t_interval
from pytest_mllmu.analysis.verdicts import DOES_NOTHING, Verdict, percent
from pytest_mllmu.scoring.scores import Score


@dataclass(frozen=True)
class Walk:
    """The scores of one method: of vanilla, after each request, and of the controls. ``parts`` are the people of each request."""

    method: str
    forget: int
    parts: Sequence[Sequence[str]]
    vanilla: Scores
    steps: Sequence[Scores]
    at_once: Scores
    merged: Scores | None = None

    @cached_property
    def last(self) -> Retained | None:
        """What is kept after the last request."""
        return kept(self.steps[-1], self.vanilla)

    @cached_property
    def once(self) -> Retained | None:
        """What is kept when everybody is forgotten in one request."""
        return kept(self.at_once, self.vanilla)

    def after_own(self, parts: int) -> list[Score]:
        """What the people of the first ``parts`` parts are scored right after their own request."""
        return [score for part, step in list(zip(self.parts, self.steps, strict=True))[:parts] for score in about(step["forget"], part)]


def judge_sequence(gate: Gate, walk: Walk, policy: Policy) -> Verdict:
    missing = ungraded(gate.splits, walk.vanilla, *walk.steps, walk.at_once)
    found = _nothing(missing) if missing else _GATES[gate.name](walk, gate)
    return concluded(gate, f"{gate.name}: ", found, walk.method, policy, walk.forget)


def findings(walk: Walk, titles: tuple[str, str], name: str) -> Findings:
    """``titles`` of the controls, at once and merged; ``name`` of the trial."""
    number = len(walk.parts)
    everybody = [person for part in walk.parts for person in part]
    states: list[State] = []
    for step, scores in enumerate(walk.steps, 1):
        gone = [person for part in walk.parts[:step] for person in part]
        states.append(state(f"after {step} of {number}", gone, scores, walk.vanilla))
    controls = [(title, scores) for title, scores in zip(titles, (walk.at_once, walk.merged), strict=True) if scores is not None]
    states += [state(title, everybody, scores, walk.vanilla) for title, scores in controls]
    matrix = [[_part(walk, part, after) for after in range(part, number)] for part in range(number)]
    rows = [control(f"{name}.{kind}", title, scores, walk.forget) for (title, scores), kind in zip(controls, ("at-once", "merged"), strict=False)]
    sizes = sorted({len(part) for part in walk.parts})
    people = f"{len(everybody)} people in {number} requests of {' or '.join(map(str, sizes))}"
    found = tuple(tuple(one for one in part if one is not None) for part in matrix)
    return Findings("sequential", walk.method, people, tuple(states), found, tuple(rows), tuple(_says(walk)))


def _part(walk: Walk, part: int, after: int) -> Measure | None:
    return measure(about(walk.steps[after]["forget"], walk.parts[part]), about(walk.vanilla["forget"], walk.parts[part]), "forget")


def _says(walk: Walk) -> list[str]:
    """PULSE's second finding, as far as it shows: requests one after the other cost more than the same people at once."""
    last, once = walk.last, walk.once
    if last is None or once is None or not last.memorised or ungraded(KEPT, walk.vanilla, walk.steps[-1], walk.at_once):
        return []
    if walk.steps[-1] == walk.at_once:
        return [f"{walk.method} answers everything alike after the last request and at once: nothing can be concluded"]
    ahead = last.share - once.share
    interval = t_interval(ahead)
    said = finding(
        "PULSE's finding shows here: one request after the other costs more than all at once",
        "the reverse of PULSE's finding: one request after the other costs less than all at once",
        interval,
        ahead.value,
        min(last.people, once.people),
    )
    sets = ", ".join(split for split in KEPT if split in walk.steps[-1])
    shares = f"{last.value:.0%}{shown(last.interval)} after the last request, {once.value:.0%}{shown(once.interval)} at once"
    n = f"n = {last.questions} questions, {last.people} people or items of the smallest"
    kinds = f"of {sets} together, as their mean ({n}), {walk.method} keeps {shares}"
    return [f"{kinds}: {points(ahead.value)} points{shown(interval)}; {said}"]


def _nothing(why: str) -> Found:
    return Found(why, status="inconclusive")


def _unusable(found: Retained | None, what: str) -> Found:
    """Why nothing can be concluded where nothing was asked, or not known."""
    if found is None:
        return _nothing(f"nothing was asked of {what}")
    few = f" (n = {found.people})" if found.people < PEOPLE_AT_LEAST else ""
    return _nothing(f"not memorised: vanilla does not clearly know {what}{few}")


def _forgotten(walk: Walk, gate: Gate) -> Found:
    found = left(walk.after_own(len(walk.parts)), walk.vanilla["forget"], "forget")
    if found is None or not found.memorised:
        return _unusable(found, "the people to forget")
    share = f"{percent(found.value, gate.at_most)}{shown(found.interval, gate.at_most)}"
    says = f"{walk.method} holds {share} of what vanilla knew of each part right after its request"
    return Found(says, found.value, found.interval, found.questions, found.people, exact=found.interval == DOES_NOTHING)


def _sustained(walk: Walk, gate: Gate) -> Found:
    earlier = [person for part in walk.parts[:-1] for person in part]
    if not earlier:
        return _nothing("there is one request only: nothing can come back")
    before = about(walk.vanilla["forget"], earlier)
    own, end = (left(scores, before, "forget") for scores in (walk.after_own(len(walk.parts) - 1), about(walk.steps[-1]["forget"], earlier)))
    if own is None or end is None or not own.memorised:
        return _unusable(own, "the earlier parts")
    back = end.share - own.share
    interval = t_interval(back)
    says = (
        f"of the earlier parts {walk.method} holds {own.value:.0%} right after their requests and {end.value:.0%} after the last one: "
        f"{points(back.value)} points{shown(interval, gate.at_most)}"
    )
    return Found(says, back.value, interval, end.questions, end.people)


def _kept(walk: Walk, gate: Gate) -> Found:
    found = walk.last
    if found is None or not found.memorised:
        return _unusable(found, "what is to be kept")
    share = f"{percent(found.value, gate.at_least)}{shown(found.interval, gate.at_least)}"
    says = f"after the last request {walk.method} keeps {share} of what vanilla knew of the rest"
    exact = found.interval == DOES_NOTHING
    return Found(says, found.value, found.interval, *asked(KEPT, walk.steps[-1]), fewest=found.people, exact=exact, items="general" in walk.vanilla)


def _one_shot(walk: Walk, gate: Gate) -> Found:
    last, once = walk.last, walk.once
    if last is None or once is None or not last.memorised:
        return _unusable(last, "what is to be kept")
    ahead = last.share - once.share
    interval = t_interval(ahead)
    says = (
        f"{walk.method} keeps {last.value:.0%} of the rest after {len(walk.parts)} requests and {once.value:.0%} when they are one: "
        f"{points(ahead.value)} points{shown(interval, gate.at_least)}"
    )
    return Found(says, ahead.value, interval, *asked(KEPT, walk.steps[-1]), fewest=last.people, items="general" in walk.vanilla)


_GATES: dict[str, Callable[[Walk, Gate], Found]] = {
    "sequence.forgotten": _forgotten,
    "sequence.sustained": _sustained,
    "sequence.kept": _kept,
    "sequence.one-shot": _one_shot,
}
