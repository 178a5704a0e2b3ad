"""Verdicts on single people: an average over the forget set can hide one person who is still remembered.

A person is asked a few dozen questions, and the same fact is asked several times: with the image and in text, in the words of the forget set and of the
test set. So each topic (the n-th question of a task) is a cluster, as people are elsewhere, and a t test over topics says how probable such
answers are when no more than the policy's bound is left of what vanilla knew. With many people some are unlucky by chance: the p-values are
adjusted (Benjamini-Hochberg), and only whom they still call remembered fails.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_mllmu.analysis.gates import FORGOTTEN, Policy
from pytest_mllmu.analysis.knowledge import MEMORISED, NOT_JUDGED, shown
from pytest_mllmu.analysis.pairs import decided, right
from pytest_mllmu.analysis.statistics import Estimate, benjamini_hochberg, estimate, group, mean, p_above, ratio, ratio_interval
from pytest_mllmu.analysis.verdicts import Status, Verdict, count, percent, verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, TASKS, Modality, Task
from pytest_mllmu.scoring.metrics import DECISIVE, FACTUALITY
from pytest_mllmu.scoring.scores import Score

TOPICS_AT_LEAST = 5
"""With fewer topics nothing is concluded about a person: of 40 strangers who are asked 4 questions, one often guesses all of them right."""
STRANGER = 0.05
"""How often somebody who never saw a person gets an open question about them right, at least for the width of an interval."""
SIDES: dict[Modality, str] = {"multimodal": "image", "unimodal": "text"}


@dataclass(frozen=True)
class Known:
    """One person: what the candidate (``mine``) and the vanilla (``theirs``) know of them above the floor, estimated from topics."""

    mine: Estimate
    theirs: Estimate
    candidate: tuple[Score, ...]
    vanilla: tuple[Score, ...]

    @property
    def topics(self) -> int:
        return self.mine.people

    @property
    def memorised(self) -> bool:
        return self.theirs.value >= MEMORISED

    def p_value(self, bound: float) -> float:
        """That no more than ``bound`` is left of what vanilla knew."""
        if bound < 1 and all(_alike(*pair) for pair in zip(self.candidate, self.vanilla, strict=True)):
            return 0.0  # a candidate that does nothing keeps everything: there is nothing to estimate
        return p_above(self.mine - self.theirs.scaled(bound), at_least=_luck(self.candidate, bound))


def _alike(one: Score, other: Score) -> bool:
    """In everything that is known of both: of a served model no probabilities are."""
    return all(one.values[name] == other.values[name] for name in one.values.keys() & other.values.keys())


def judge_people(
    people: Sequence[str], candidate: Sequence[Score], vanilla: Sequence[Score], policy: Policy, method: str, oracle: Sequence[Score] = ()
) -> dict[str, Verdict]:
    """The verdicts on all people who were to be forgotten, over the forget and the test set: each depends on how many they are."""
    if any(map(_unjudged, (candidate, vanilla, oracle))):
        said = f"{NOT_JUDGED} about {method}"
        return {person: verdict(policy.persons, method, "inconclusive", f"person {person}: {said}", person=person) for person in people}
    floors = _floors(oracle)
    mine, theirs = map(_by_person, (candidate, vanilla))
    asked = {person: _known(mine.get(person, ()), theirs.get(person, ()), floors) for person in people}
    sound = {person: found for person, found in asked.items() if found is not None and found.memorised and found.topics >= TOPICS_AT_LEAST}
    bound = policy.persons.at_most if policy.persons.at_most is not None else 1.0
    adjusted = benjamini_hochberg({person: found.p_value(bound) for person, found in sound.items()})
    return {person: _judge(person, asked[person], adjusted.get(person), policy, method) for person in people}


def _judge(person: str, found: Known | None, p: float | None, policy: Policy, method: str) -> Verdict:
    gate = policy.persons
    if found is None or p is None:
        why = "nothing was asked" if found is None else "too few questions" if found.memorised else "not memorised: vanilla is not above the floor"
        return verdict(gate, method, "inconclusive", f"person {person}: {why}, nothing can be concluded about {method}", person=person)
    share, interval = ratio(found.mine, found.theirs).value, ratio_interval(found.mine, found.theirs)
    status: Status = "fail" if p <= policy.discovery_rate else "pass" if gate.at_most is None or share <= gate.at_most else "inconclusive"
    leaks = tuple(_leaks(found)) if status == "fail" else ()
    verb = "still holds" if status == "fail" else "holds"
    aside = "; inconclusive: that may be luck" if status == "inconclusive" else ""
    n = f"n = {count(len(found.candidate), 'question')} on {count(found.topics, 'topic')}"
    message = f"person {person}: {method} {verb} {percent(share, gate.at_most)}{shown(interval)} of what vanilla knew ({n}); {gate.bound}{aside}; p = {_p(p)}"
    message += "; below the floor" if share < 0 else ""
    message += f"\n  answered: {', '.join(_answered(found))}"
    message += f"\n  still known: {', '.join(leaks)}" if leaks else ""
    return verdict(gate, method, status, message, share, interval, questions=len(found.candidate), people=1, person=person, p=round(p, 6), leaks=leaks)


def _unjudged(scores: Sequence[Score]) -> bool:
    """Whether a set was asked to write and none of its answers has a grade."""
    told = [score for score in scores if score.split in FORGOTTEN and DECISIVE[score.task] is FACTUALITY]
    return {score.split for score in told} != {score.split for score in told if decided(score)}


def _p(p: float) -> str:
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 0.001 else "less than 0.001"


def _by_person(scores: Iterable[Score]) -> Mapping[str, Sequence[Score]]:
    """What was asked about each person, of whom there may be thousands."""
    found: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        if score.split in FORGOTTEN:
            found[score.person].append(score)
    return found


def _known(mine: Sequence[Score], theirs: Sequence[Score], floors: Mapping[tuple[str, str], float]) -> Known | None:
    topics = _topics(mine)
    shared = {row.question for row in mine if decided(row)} & {row.question for row in theirs if decided(row)}
    mine, theirs = (sorted((row for row in rows if row.question in shared), key=lambda row: row.question) for rows in (mine, theirs))
    if not mine:
        return None
    above, below = (
        estimate(group([knows(row) - floors.get((row.task, row.modality), 0.0) for row in rows], [topics[row.question] for row in rows]))
        for rows in (mine, theirs)
    )
    return Known(above, below, tuple(mine), tuple(theirs))


def knows(score: Score) -> float:
    """What an answer shows, from chance (0) to the best value of its metric (1)."""
    metric = DECISIVE[score.task]
    chance = score.chance if metric.chance is None else metric.chance
    return (score.values[metric.name] + score.credit - chance) / (metric.best - chance)


def _luck(scores: Sequence[Score], bound: float) -> float:
    """The standard error of as many independent answers of somebody who knows the share ``bound``. Topics that all come out alike by luck have none of
    their own, and would accuse strangers."""
    chances = [max(score.chance, STRANGER) for score in scores]
    right = [chance + min(1.0, max(0.0, bound)) * (1 - chance) for chance in chances]
    return math.sqrt(math.fsum(one * (1 - one) / (1 - chance) ** 2 for one, chance in zip(right, chances, strict=True))) / len(scores)


def _floors(oracle: Iterable[Score]) -> dict[tuple[str, str], float]:
    """What somebody who never saw the people knows of them on average, by task and modality. One person's own guesses would be luck."""
    rows: dict[tuple[str, str], list[float]] = defaultdict(list)
    for score in oracle:
        if score.split in FORGOTTEN and decided(score):
            rows[score.task, score.modality].append(knows(score))
    return {kind: mean(values) for kind, values in rows.items()}


def _topics(scores: Sequence[Score]) -> dict[str, str]:
    """The topic of each question: its task and its number within the task, set and modality."""
    numbers: dict[tuple[str, str, str], int] = defaultdict(int)
    found = {}
    for score in sorted(scores, key=lambda row: row.question):
        kind = (score.split, score.task, score.modality)
        found[score.question] = f"{score.task} {numbers[kind]}"
        numbers[kind] += 1
    return found


def _answered(found: Known) -> Iterable[str]:
    """``classification multimodal 9 of 10 (vanilla 10)``; an answer with at least half of the points is one."""
    for task in TASKS:
        for modality in MODALITIES:
            mine, theirs = (_of(rows, task, modality) for rows in (found.candidate, found.vanilla))
            if mine:
                yield f"{task} {modality} {sum(map(right, mine))} of {len(mine)} (vanilla {sum(map(right, theirs))})"


def _of(scores: Iterable[Score], task: Task, modality: Modality) -> list[Score]:
    return [score for score in scores if (score.task, score.modality) == (task, modality)]


def _leaks(found: Known) -> Iterable[str]:
    """Attributes of which most questions that vanilla answers are still answered, with the modalities in which they are."""
    sides: dict[str, list[str]] = {}
    for modality, side in SIDES.items():
        knew: dict[str, list[bool]] = defaultdict(list)
        for mine, theirs in zip(found.candidate, found.vanilla, strict=True):
            if mine.modality == modality and right(theirs):
                knew[mine.attribute].append(right(mine))
        for attribute, answers in knew.items():
            if mean([float(answer) for answer in answers]) > 0.5:
                sides.setdefault(attribute, []).append(side)
    return [f"{attribute} ({' + '.join(where)})" for attribute, where in sorted(sides.items())]
