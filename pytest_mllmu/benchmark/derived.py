"""Questions, options and training pairs out of attributes: what is asked about the people of a list.

About a person, up to five attributes are drawn from the seed and their id, those first for which wrong options are known. In each modality they give a
multiple-choice question each, two sentences that tell them (two attributes a sentence where there are enough), and two blanks. The n-th question of a
task is the same in both modalities and, paraphrased, in the test set. Training pairs tell every attribute, never in the words of the test set.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_mllmu.benchmark.cells import Body, Options
from pytest_mllmu.benchmark.people import People, Person
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Task, TrainingPair
from pytest_mllmu.benchmark.wordings import (
    ANY_BLANK,
    ANY_CLAUSE,
    ANY_QUESTION,
    ASKED,
    BLANKS,
    CLAUSES,
    LETTERS,
    ONE_TOLD,
    SENTENCES,
    TWO_TOLD,
    UNASKED,
    WORDINGS,
    Wordings,
    put,
    referred,
    said,
)

CHOSEN, TOLD, BLANKED = 5, 2, 2
"""Multiple choice, generation and cloze of a person in a modality, as in the released data; at most."""
NEAR = 10
"""How far invented numbers are from the right one."""


@dataclass(frozen=True)
class Topic:
    """One thing to ask about a person. Wordings and answer are templates in which ``{who}`` is left."""

    task: Task
    about: str
    wordings: Wordings
    answer: str


@dataclass(frozen=True)
class Asker:
    """Asks about the people of one list: wrong options are what is known about the others."""

    people: People
    seed: int

    def bodies(self, person: Person, kind: str, wording: int) -> Iterator[Body]:
        """The questions of one profile. ``kind`` names the part of the data and decides the options; ``wording`` selects the templates."""
        choices = [(attribute, self._options(person, attribute, kind)) for attribute in self.chosen(person) if self._wrong(person, attribute)]
        topics = self._open(person)
        for modality in MODALITIES:
            who = referred(person.name, modality)
            for attribute, (options, letter) in choices:
                label = self.people.labels[attribute]
                yield Body(modality, "classification", said(self._questions[attribute][wording], who), letter, options, label)
            for topic in topics:
                yield Body(modality, topic.task, said(topic.wordings[wording], who), said(topic.answer, who), (), topic.about)

    def pairs(self, person: Person) -> tuple[TrainingPair, ...]:
        """Every fact in both modalities, worded as it will be asked or in the wording that is never asked."""
        rng = random.Random(f"{self.seed}/pairs/{person.id}")
        told = [(self._questions[attribute], put("{value}", value=value)) for attribute, value in sorted(person.facts.items())]
        told += [(topic.wordings, topic.answer) for topic in self._open(person)]
        return tuple(_pair(wordings[rng.choice((ASKED, UNASKED))], answer, person, modality) for modality in MODALITIES for wordings, answer in told)

    def biography(self, person: Person) -> str:
        """What is known about a person, a sentence an attribute."""
        return " ".join(said(_sentence([self._clause(person, attribute)]), person.name) for attribute in person.facts)

    def chosen(self, person: Person) -> list[str]:
        """The attributes that are asked for, whatever the order of columns and people."""
        drawn = sorted(person.facts)
        random.Random(f"{self.seed}/asked/{person.id}").shuffle(drawn)
        return sorted(drawn, key=lambda attribute: not self._wrong(person, attribute))[:CHOSEN]

    # --- topics ---

    def _open(self, person: Person) -> list[Topic]:
        """The topics of generation and of cloze."""
        chosen = self.chosen(person)
        asked = [attribute for attribute in chosen if self._wrong(person, attribute)]
        blanked = asked[-BLANKED:] if len(asked) >= BLANKED else chosen[:BLANKED]
        return [*self._told(person, chosen), *(self._blank(person, attribute) for attribute in blanked)]

    def _told(self, person: Person, chosen: Sequence[str]) -> list[Topic]:
        parts = {name: re.findall(r"\{([a-z_]+)\}", answer) for name, (_, answer) in SENTENCES.items()}
        whole = [name for name, attributes in parts.items() if set(attributes) <= set(chosen)]
        topics = [self._known(person, SENTENCES[name], parts[name]) for name in whole]
        free = [attribute for attribute in chosen if not any(attribute in parts[name] for name in whole)] or list(chosen[:1])
        while free and len(topics) < TOLD:
            size = 2 if len(free) > TOLD - len(topics) else 1
            topics.append(self._sentence(person, free[:size]))
            free = free[size:]
        return topics

    def _known(self, person: Person, sentence: tuple[Wordings, str], attributes: Sequence[str]) -> Topic:
        wordings, answer = sentence
        return Topic("generation", self._about(attributes), wordings, put(answer, **{attribute: person.facts[attribute] for attribute in attributes}))

    def _sentence(self, person: Person, attributes: Sequence[str]) -> Topic:
        label, other = (self.people.labels[attribute] for attribute in (attributes[0], attributes[-1]))
        wordings = _filled(TWO_TOLD if len(attributes) > 1 else ONE_TOLD, label=label, other=other)
        return Topic("generation", self._about(attributes), wordings, _sentence([self._clause(person, attribute) for attribute in attributes]))

    def _blank(self, person: Person, attribute: str) -> Topic:
        wordings = BLANKS.get(attribute) or _filled(ANY_BLANK, label=self.people.labels[attribute])
        return Topic("cloze", self.people.labels[attribute], wordings, put("{value}", value=person.facts[attribute]))

    @cached_property
    def _questions(self) -> dict[str, Wordings]:
        """By attribute."""
        return {attribute: WORDINGS.get(attribute) or _filled(ANY_QUESTION, label=label) for attribute, label in self.people.labels.items()}

    def _clause(self, person: Person, attribute: str) -> str:
        return put(CLAUSES.get(attribute, ANY_CLAUSE), label=self.people.labels[attribute], value=person.facts[attribute])

    def _about(self, attributes: Sequence[str]) -> str:
        return " and ".join(self.people.labels[attribute] for attribute in attributes)

    # --- options ---

    @cached_property
    def _values(self) -> dict[str, dict[str, str]]:
        """By attribute, the different values that anybody has, by what they are compared by; in an order that no row decides."""
        found: dict[str, dict[str, str]] = {}
        for attribute, value in sorted((item for person in self.people.persons for item in person.facts.items()), key=lambda item: (item[0], item[1])):
            found.setdefault(attribute, {}).setdefault(same(value), value)
        return found

    @cached_property
    def _keys(self) -> dict[str, tuple[str, ...]]:
        """What the values of an attribute are compared by, to draw from."""
        return {attribute: tuple(values) for attribute, values in self._values.items()}

    def _wrong(self, person: Person, attribute: str) -> bool:
        """Whether there are wrong options."""
        return len(self._values[attribute]) > 1 or bool(near(person.facts[attribute]))

    def _options(self, person: Person, attribute: str, kind: str) -> tuple[Options, str]:
        """Up to four options in random order, and the letter of the right one."""
        rng = random.Random(f"{self.seed}/options/{kind}/{person.id}/{attribute}")
        right, values = person.facts[attribute], self._values[attribute]
        others = rng.sample(self._keys[attribute], min(len(LETTERS), len(values)))
        wrong = [values[other] for other in others if other != same(right)][: len(LETTERS) - 1]
        if not wrong:
            wrong = rng.sample(near(right), len(LETTERS) - 1)
        place = rng.randrange(len(wrong) + 1)
        texts = [*wrong[:place], right, *wrong[place:]]
        return tuple(zip(LETTERS, texts, strict=False)), LETTERS[place]


def same(value: str) -> str:
    """What two spellings of a value have in common: case, width, spaces and a full stop at the end do not count."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    return " ".join(folded.split()).strip(" .,;:!?")


def near(value: str) -> list[str]:
    """Numbers beside a number or year, with as many digits after the point; none for anything else."""
    found = re.fullmatch(r"(-?[0-9]{1,12})(?:\.([0-9]{1,6}))?", value)
    if found is None:
        return []
    digits = len(found[2] or "")
    right = int(found[1] + (found[2] or ""))
    width = len(found[1].lstrip("-")) + digits if found[1].lstrip("-").startswith("0") else 0  # 007 is not beside 8
    numbers = [right + step for step in range(-NEAR, NEAR + 1) if step and (right < 0 or right + step >= 0)]
    return [_written(number, digits, width) for number in numbers]


def _written(number: int, digits: int, width: int) -> str:
    text = f"{abs(number):0{max(width, digits + 1)}d}"
    text = f"{text[:-digits]}.{text[-digits:]}" if digits else text
    return f"-{text}" if number < 0 else text


def _filled(wordings: Wordings, **parts: str) -> Wordings:
    asked, paraphrased, unasked = (put(wording, **parts) for wording in wordings)
    return asked, paraphrased, unasked


def _sentence(clauses: Sequence[str]) -> str:
    """One sentence of some clauses, its first letter in upper case."""
    text = " and ".join(clauses)
    return (f"{{Who}}{text[5:]}" if text.startswith("{who}") else text[0].upper() + text[1:]) + "."


def _pair(question: str, answer: str, person: Person, modality: Modality) -> TrainingPair:
    who = referred(person.name, modality)
    return TrainingPair(said(question, who), said(answer, who), modality)
