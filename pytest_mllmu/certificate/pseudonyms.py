"""People under other names: a certificate that says how many were forgotten and how well, and not who they are."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pytest_mllmu.errors import StoreError
from pytest_mllmu.scoring.scores import Score

SHORTEST = 12
"""Hexadecimal digits of a pseudonym, unless two people would have the same."""
LONGEST = 64
"""Hexadecimal digits of a sha256."""
WITHHELD = "withheld"
"""In the place of what a question is about: which fact of a person is still known is told to nobody else."""


def pseudonyms(ids: Iterable[str], salt: str) -> dict[str, str]:
    """``sha256(salt + id)``, shortened as far as all of them stay different. Raises StoreError when they are not even in full."""
    salted = hashlib.sha256(_bytes(salt))  # once, as a forged file may have a long salt and many people

    def digest(person: str) -> str:
        found = salted.copy()
        found.update(_bytes(person))
        return found.hexdigest()

    whole = {person: digest(person) for person in sorted(set(ids))}
    for length in range(SHORTEST, LONGEST + 1):
        if len({found[:length] for found in whole.values()}) == len(whole):
            return {person: found[:length] for person, found in whole.items()}
    raise StoreError("two people have the same pseudonym, which no two ids give")


def _bytes(text: str) -> bytes:
    """Different for different texts, half a surrogate pair and the letters of its escape among them."""
    return text.encode("utf-8", "surrogatepass")


@dataclass
class Renamed:
    """Renames people and questions, the same ones in the scores of every model.

    A question is numbered within its person, in the order of the ids: the verdicts on a person and on pairs depend on that order, and a number
    over all people would tell the how manyth of them somebody is.
    """

    people: dict[str, str]
    questions: dict[tuple[str, str], str] = field(default_factory=dict)

    def learn(self, scores: Iterable[Score]) -> None:
        """Which questions there are, over all sets and models."""
        asked: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for score in scores:
            asked[score.person].add((score.question, score.split))
        for person, questions in asked.items():
            width = len(str(len(questions)))
            self.questions |= {place: f"{self.people[person]}.{number:0{width}}" for number, place in enumerate(sorted(questions), 1)}

    def scores(self, scores: Sequence[Score]) -> list[Score]:
        return [replace(score, question=self.questions[score.question, score.split], person=self.people[score.person], attribute=WITHHELD) for score in scores]


def renamed(scores: Iterable[Sequence[Score]], people: Iterable[str], salt: str) -> Renamed:
    """For all scores of a certificate; ``people`` who were to be forgotten are part of it even when nothing was asked about them."""
    every = [score for part in scores for score in part]
    found = Renamed(pseudonyms([*people, *(score.person for score in every)], salt))
    found.learn(every)
    return found
