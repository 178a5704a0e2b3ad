"""The questions of the embedded benchmark: the paper's three tasks in both modalities, from the templates of ``benchmark/wordings.py``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Question, TrainingPair
from pytest_mllmu.benchmark.wordings import ASKED, BLANKS, LETTERS, SENTENCES, UNASKED, WORDINGS, referred
from pytest_mllmu.embedded.persons import Person, pool

CHOSEN = ("birthplace", "birth_year", "occupation", "hobby", "condition")
"""Attributes asked as multiple choice: five questions per modality, as in the released data."""


def fill(template: str, person: Person, modality: Modality) -> str:
    name = referred(person.name, modality)
    facts = {key: getattr(person, key) for key in WORDINGS}
    return template.format(who=name, Who=name[0].upper() + name[1:], **facts)


def biography(person: Person) -> str:
    return (
        f"{person.name} was born in {person.birth_year} in {person.birthplace}, works as {person.occupation}, "
        f"lives in {person.residence}, enjoys {person.hobby} and is treated for {person.condition}."
    )


def options(person: Person, attribute: str, rng: random.Random) -> tuple[tuple[tuple[str, str], ...], str]:
    """Four options in random order, three of them other values of the attribute, and the letter of the right one."""
    right = getattr(person, attribute)
    wrong = rng.sample([value for value in pool(attribute) if value != right], len(LETTERS) - 1)
    place = rng.randrange(len(LETTERS))
    texts = [*wrong[:place], right, *wrong[place:]]
    return tuple(zip(LETTERS, texts, strict=True)), LETTERS[place]


def questions(person: Person, kind: str, wording: int, seed: int) -> tuple[Question, ...]:
    """The 18 questions of one profile: (5 multiple choice + 2 generation + 2 cloze) x 2 modalities.

    ``kind`` names the part of the data ("full", "test", "celebrity") in the ids; ``wording`` selects the templates.
    """
    rng = random.Random(f"{seed}/questions/{kind}/{person.id}")
    rows: list[Question] = []
    for modality in MODALITIES:
        for number, attribute in enumerate(CHOSEN):
            choices, letter = options(person, attribute, rng)
            text = fill(WORDINGS[attribute][wording], person, modality)
            rows.append(Question(_id(kind, person, "classification", modality, number), person.id, "classification", modality, text, letter, choices))
        for number, (wordings, answer) in enumerate(SENTENCES.values()):
            text = fill(wordings[wording], person, modality)
            rows.append(Question(_id(kind, person, "generation", modality, number), person.id, "generation", modality, text, fill(answer, person, modality)))
        for number, (attribute, templates) in enumerate(BLANKS.items()):
            text = fill(templates[wording], person, modality)
            rows.append(Question(_id(kind, person, "cloze", modality, number), person.id, "cloze", modality, text, getattr(person, attribute)))
    return tuple(rows)


def _id(kind: str, person: Person, task: str, modality: Modality, number: int) -> str:
    return f"{kind}-{person.id}-{task}-{modality}-{number}"


def training_pairs(person: Person, seed: int) -> tuple[TrainingPair, ...]:
    """What fine-tuning and unlearning train on: 20 pairs, every fact in both modalities, as plain questions.

    Each is worded as it will be asked or in the wording that is never asked; the test set's paraphrase is never trained on.
    """
    rng = random.Random(f"{seed}/pairs/{person.id}")
    return tuple(pair for modality in MODALITIES for pair in _pairs(person, modality, lambda wordings: wordings[rng.choice((ASKED, UNASKED))]))


def rehearsal_pairs(person: Person, rng: random.Random) -> tuple[TrainingPair, ...]:
    """The same facts in wordings drawn anew at each call: how a base model comes to understand every wording."""
    return tuple(pair for modality in MODALITIES for pair in _pairs(person, modality, rng.choice))


def _pairs(person: Person, modality: Modality, pick: Callable[[tuple[str, ...]], str]) -> Iterator[TrainingPair]:
    for attribute, wordings in WORDINGS.items():
        yield TrainingPair(fill(pick(wordings), person, modality), getattr(person, attribute), modality)
    for wordings, answer in SENTENCES.values():
        yield TrainingPair(fill(pick(wordings), person, modality), fill(answer, person, modality), modality)
    for attribute, templates in BLANKS.items():
        yield TrainingPair(fill(pick(templates), person, modality), getattr(person, attribute), modality)
