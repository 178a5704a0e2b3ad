"""Verdicts on single people: an average over the forget set can hide one person who is still remembered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mllmu.analysis.gates import FORGOTTEN, Policy
from pytest_mllmu.analysis.statistics import NO_INTERVAL, mean
from pytest_mllmu.analysis.verdicts import Status, Verdict, count, decide, memorised, percent, retained
from pytest_mllmu.benchmark.profiles import MODALITIES, TASKS
from pytest_mllmu.scoring.metrics import DECISIVE, Metric
from pytest_mllmu.scoring.scores import Score


@dataclass(frozen=True)
class Part:
    """One task x modality of one person, forget and test together: values by question."""

    name: str
    metric: Metric
    candidate: tuple[float, ...]
    vanilla: tuple[float, ...]
    floor: float

    def known(self, values: Sequence[float]) -> float:
        """The mean of ``values`` as a share of what there is to know: 0 at the floor, 1 at the best value of the metric."""
        return (mean(values) - self.floor) / (self.metric.best - self.floor)

    @property
    def memorised(self) -> bool:
        return memorised(mean(self.vanilla), math.nan, self.floor, self.metric)

    def describe(self) -> str:
        """``classification multimodal 9 of 10 (vanilla 10)``; an answer with at least half of the points is one."""
        half = (self.metric.worst + self.metric.best) / 2
        mine, theirs = (sum(value >= half for value in values) for values in (self.candidate, self.vanilla))
        return f"{self.name} {mine} of {len(self.candidate)} (vanilla {theirs})"


def parts(person: str, candidate: Sequence[Score], vanilla: Sequence[Score], oracle: Sequence[Score] = ()) -> list[Part]:
    """What was asked about a person of both models, by task x modality. The floor is the oracle's mean where there is one, else chance."""
    found = []
    own = [[row for row in rows if row.person == person and row.split in FORGOTTEN] for rows in (candidate, vanilla, oracle)]
    for task in TASKS:
        for modality in MODALITIES:
            mine, theirs, least = (
                sorted((row for row in rows if row.task == task and row.modality == modality), key=lambda row: (row.split, row.question)) for rows in own
            )
            if mine and theirs:
                metric = DECISIVE[task]
                values, known, seen = (tuple(row.values[metric.name] for row in rows) for rows in (mine, theirs, least))
                chance = mean([row.chance for row in mine]) if metric.chance is None else metric.chance
                found.append(Part(f"{task} {modality}", metric, values, known, mean(seen) if seen else chance))
    return found


def judge_person(person_id: str, candidate: Sequence[Score], vanilla: Sequence[Score], policy: Policy, title: str, *, oracle: Sequence[Score] = ()) -> Verdict:
    """Whether one person is forgotten, over the task x modality cells of forget and test that the vanilla model had memorised.

    The retained knowledge is the candidate's mean over these cells by the vanilla's mean over them: a mean of the cells' own ratios
    would explode where the vanilla model knew little. One person has no interval, the estimate decides.
    """
    asked = parts(person_id, candidate, vanilla, oracle)
    cells = [part for part in asked if part.memorised]
    questions = sum(len(part.candidate) for part in cells)
    n = f"n = {count(questions, 'question')} of {count(len(cells), 'task x modality cell')}"
    if not cells:
        why = "not memorised: vanilla is not above the floor in any task, nothing can be concluded" if asked else "nothing was asked"
        return _verdict(person_id, title, policy, "inconclusive", f"person {person_id}: {why} about {title}", math.nan, 0)
    share = retained(mean([part.known(part.candidate) for part in cells]), mean([part.known(part.vanilla) for part in cells]), 0.0)
    status = decide(share, NO_INTERVAL, policy.person_at_most, None)
    bound = "no gate is set" if policy.person_at_most is None else f"the gate allows at most {policy.person_at_most:.0%}"
    verb = "still holds" if status == "fail" else "holds"
    message = f"person {person_id}: {title} {verb} {percent(share, policy.person_at_most)} of what vanilla knew ({n}); {bound}"
    if share < 0:
        message += "; below the floor"
    message += f"\n  answered: {', '.join(part.describe() for part in cells)}"
    return _verdict(person_id, title, policy, status, message, share, questions)


def _verdict(person: str, title: str, policy: Policy, status: Status, message: str, share: float, questions: int) -> Verdict:
    status = "off" if policy.person_at_most is None else status
    return Verdict("person", "forget", title, status, message, share, math.nan, math.nan, policy.person_at_most, None, questions, int(questions > 0), person)
