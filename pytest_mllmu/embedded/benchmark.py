"""The embedded benchmark: people, faces and questions put together. No network, no files; pictures are drawn when looked at."""

from __future__ import annotations

from functools import partial

from pytest_mllmu.benchmark.profiles import Benchmark, Picture, Profile, Question, TrainingPair
from pytest_mllmu.benchmark.splits import draw, synthetic_ids
from pytest_mllmu.benchmark.wordings import ASKED, DESCRIBE, PARAPHRASED
from pytest_mllmu.embedded.faces import portrait
from pytest_mllmu.embedded.persons import Person, people
from pytest_mllmu.embedded.questions import biography, questions, training_pairs

NAME = "synthetic"
PORTRAIT, TRANSFORMED = (0,), (1, 2, 3)
"""Poses of a profile's picture, and of the transformed ones: several, as in the release."""


def synthetic_benchmark(profiles: int, celebrities: int, percent: int, seed: int) -> Benchmark:
    """As many people as asked for (500 and 153 are the paper's size); the split is the one ``splits.draw`` tells from the ids alone."""
    persons = people("profile", profiles, seed)
    split = draw(synthetic_ids(profiles), percent, seed)
    return Benchmark(
        name=NAME,
        synthetic=True,
        profiles=tuple(_profile(person, seed, PORTRAIT, questions(person, "full", ASKED, seed), training_pairs(person, seed)) for person in persons),
        # Never trained on, so without pairs.
        transformed=tuple(_profile(person, seed, TRANSFORMED, questions(person, "test", PARAPHRASED, seed), ()) for person in persons),
        celebrities=tuple(
            _profile(person, seed, PORTRAIT, questions(person, "celebrity", ASKED, seed), training_pairs(person, seed))
            for person in people("celebrity", celebrities, seed)
        ),
        forget_ids=split.forget,
        retain_ids=split.retain,
    )


def _profile(person: Person, seed: int, poses: tuple[int, ...], asked: tuple[Question, ...], pairs: tuple[TrainingPair, ...]) -> Profile:
    text = biography(person)
    return Profile(person.id, tuple(_picture(seed, person.id, pose) for pose in poses), text, DESCRIBE, text, asked, pairs)


def _picture(seed: int, person: str, pose: int) -> Picture:
    return Picture(partial(portrait, seed, person, pose), (f"embedded face of {person}, pose {pose}", None, None))
