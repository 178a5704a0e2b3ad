"""A list of a user's own people as a benchmark."""

from __future__ import annotations

from pathlib import Path

from pytest_mllmu.benchmark.altered import altered
from pytest_mllmu.benchmark.cells import numbered
from pytest_mllmu.benchmark.derived import Asker
from pytest_mllmu.benchmark.people import Person, read_people, split_of
from pytest_mllmu.benchmark.profiles import Benchmark, Picture, Profile
from pytest_mllmu.benchmark.splits import SplitIds
from pytest_mllmu.benchmark.wordings import ASKED, DESCRIBE, PARAPHRASED


def own_ids(path: Path, percent: int, seed: int) -> SplitIds:
    """Who is to be forgotten and who retained; no picture is opened."""
    return split_of(read_people(path), percent, seed, path)


def own_benchmark(path: Path, percent: int, seed: int) -> Benchmark:
    """Everybody with their questions; pictures stay in their files until somebody looks at them. Raises DataError."""
    people = read_people(path)
    split = split_of(people, percent, seed, path)
    asker = Asker(people, seed)
    profiles = people.of(None, "forget", "retain")
    return Benchmark(
        name=path.resolve().name if path.is_dir() else path.stem,
        synthetic=False,
        profiles=tuple(_trained(asker, person, "full") for person in profiles),
        # Never trained on, so without pairs.
        transformed=tuple(_profile(asker, person, "test", PARAPHRASED, _transformed(person)) for person in profiles),
        celebrities=tuple(_trained(asker, person, "celebrity") for person in people.of("celebrity")),
        forget_ids=split.forget,
        retain_ids=split.retain,
    )


def _trained(asker: Asker, person: Person, kind: str) -> Profile:
    return _profile(asker, person, kind, ASKED, person.pictures[:1], trained=True)


def _profile(asker: Asker, person: Person, kind: str, wording: int, pictures: tuple[Picture, ...], trained: bool = False) -> Profile:
    biography = asker.biography(person)
    questions = numbered(asker.bodies(person, kind, wording), kind, person.id)
    return Profile(person.id, pictures, biography, DESCRIBE, biography, questions, asker.pairs(person) if trained else ())


def _transformed(person: Person) -> tuple[Picture, ...]:
    """The person's other pictures, or the only one transformed."""
    return person.pictures[1:] or (altered(person.pictures[0]),)
