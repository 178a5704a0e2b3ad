"""Who leaks: what a candidate still answers about each person who was to be forgotten, fact by fact and in which modality.

Counted over the forget and the test set, of the questions that the vanilla answers: what nobody ever knew cannot leak.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mllmu.analysis.gates import FORGOTTEN
from pytest_mllmu.analysis.pairs import decided, right
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality
from pytest_mllmu.scoring.scores import Score


@dataclass(frozen=True)
class Told:
    """Of ``asked`` questions about one fact, those that the vanilla answers (``knew``), and of these the ones that the candidate answers, too."""

    told: int
    knew: int
    asked: int


Facts = Mapping[tuple[str, Modality], Told]
"""By attribute and modality of the questions."""


@dataclass(frozen=True)
class Leaks:
    """Of one candidate: ``name`` and ``forget`` are those of its row."""

    name: str
    forget: int
    people: Mapping[str, Facts]

    @property
    def attributes(self) -> list[str]:
        return sorted({attribute for facts in self.people.values() for attribute, _ in facts})

    def to_json(self) -> dict[str, Any]:
        people = {
            person: [[attribute, modality, one.told, one.knew, one.asked] for (attribute, modality), one in facts.items()]
            for person, facts in self.people.items()
        }
        return {"name": self.name, "forget": self.forget, "people": people}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Leaks:
        """Raises KeyError, TypeError or ValueError for what is none."""
        people: dict[str, Facts] = {}
        for person, facts in row["people"].items():
            people[str(person)] = {(str(what), side): Told(int(told), int(knew), int(asked)) for what, side, told, knew, asked in facts}
            if any(side not in MODALITIES for _, side in people[str(person)]):
                raise ValueError(f"a modality that is none in {str(facts)[:100]}")
            if any(not 0 <= one.told <= one.knew <= one.asked for one in people[str(person)].values()):
                raise ValueError(f"counts that cannot be in {str(facts)[:100]}")
        return cls(str(row["name"]), int(row["forget"]), people)


def leaks(name: str, forget: int, people: Sequence[str], candidate: Sequence[Score], vanilla: Sequence[Score]) -> Leaks:
    """``people``: all who were to be forgotten, in their order; the scores may hold others and other sets."""
    knew = {score.question: right(score) for score in vanilla if score.split in FORGOTTEN and decided(score)}
    counts: dict[str, dict[tuple[str, Modality], list[int]]] = {person: defaultdict(lambda: [0, 0, 0]) for person in people}
    for score in candidate:
        if score.person in counts and score.question in knew and decided(score):
            found = counts[score.person][score.attribute, score.modality]
            found[0] += knew[score.question] and right(score)
            found[1] += knew[score.question]
            found[2] += 1
    return Leaks(name, forget, {person: {place: Told(*numbers) for place, numbers in sorted(facts.items())} for person, facts in counts.items()})
