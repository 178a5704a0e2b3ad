"""Fictitious people, made with Faker: names, places, occupations and what else a profile tells.

Every person is drawn from (seed, role, number) alone, so 100 people are the first 100 of 500. A name's hash decides
which role may bear it: profiles, celebrities and background people can never share a name, whatever their numbers.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from faker import Faker

Role = Literal["profile", "celebrity", "background"]

LOCALES = ("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL", "sv_SE", "cs_CZ")
COUNTRIES, REGIONS, OCCUPATIONS = 70, 240, 145  # as many as the paper's Table 1 counts
BIRTH_YEARS = range(1950, 2016)  # "from the 1950s to the 2010s"
HOBBIES = (
    "archery", "astronomy", "baking", "beekeeping", "bird watching", "calligraphy", "canoeing", "chess", "climbing", "cycling", "dancing",
    "drumming", "embroidery", "falconry", "fencing", "fishing", "gardening", "geocaching", "gliding", "hiking", "juggling", "karate", "kite flying",
    "knitting", "mountaineering", "origami", "painting", "photography", "pottery", "puppetry", "quilting", "rowing", "sailing", "sculpting",
    "skating", "skiing", "snorkelling", "surfing", "weaving", "wood carving",
)  # fmt: skip
CONDITIONS = (
    "anaemia", "arthritis", "asthma", "bronchitis", "colour blindness", "diabetes", "eczema", "epilepsy", "gastritis", "glaucoma", "gout",
    "hay fever", "hepatitis", "hypertension", "insomnia", "lactose intolerance", "migraine", "narcolepsy", "osteoporosis", "psoriasis",
    "sciatica", "scoliosis", "sleep apnoea", "tendonitis", "tinnitus", "vertigo",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """What is known about one person; the attributes that questions ask for have the names of ``ATTRIBUTES``."""

    id: str
    role: Role
    name: str
    birthplace: str
    birth_year: str
    occupation: str
    hobby: str
    condition: str
    residence: str


ATTRIBUTES = ("birthplace", "birth_year", "occupation", "hobby", "condition", "residence")


def people(role: Role, count: int, seed: int) -> tuple[Person, ...]:
    """The first ``count`` people of a role. Deterministic in all three arguments for one Faker version."""
    taken: set[str] = set()
    return tuple(_person(role, number, seed, taken) for number in range(1, count + 1))


def pool(attribute: str) -> tuple[str, ...]:
    """All values an attribute can take: where answers and wrong options come from."""
    return _pools()[attribute]


def _person(role: Role, number: int, seed: int, taken: set[str]) -> Person:
    rng = random.Random(f"{seed}/{role}/{number}")
    values = {attribute: rng.choice(pool(attribute)) for attribute in ATTRIBUTES}
    prefix = {"profile": "", "celebrity": "C", "background": "B"}[role]
    return Person(id=f"{prefix}{number:03d}", role=role, name=_name(role, rng, taken), **values)


def _name(role: Role, rng: random.Random, taken: set[str]) -> str:
    fakers = _fakers()
    while True:
        faker = fakers[rng.choice(LOCALES)]
        faker.seed_instance(rng.getrandbits(64))
        name = f"{faker.first_name()} {faker.last_name()}"
        if name not in taken and _bearer(name) == role:
            taken.add(name)
            return name


def _bearer(name: str) -> Role:
    roles: tuple[Role, ...] = get_args(Role)
    return roles[hashlib.sha256(name.casefold().encode()).digest()[0] % len(roles)]


@cache
def _fakers() -> dict[str, Faker]:
    return {locale: Faker(locale) for locale in LOCALES}


@cache
def _pools() -> dict[str, tuple[str, ...]]:
    faker = Faker("en_US")
    faker.seed_instance(2411)  # fixed: the pools are part of the benchmark's form and not of a run's seed
    towns = [Faker(locale) for locale in ("de_DE", "fr_FR", "pl_PL", "sv_SE", "cs_CZ", "hu_HU")]
    for town in towns:
        town.seed_instance(2411)
    rng = random.Random(2411)
    regions = _distinct(lambda: rng.choice(towns).city(), REGIONS, longest=12)
    return {
        "birthplace": _distinct(faker.country, COUNTRIES, longest=14),
        "birth_year": tuple(str(year) for year in BIRTH_YEARS),
        "occupation": _distinct(lambda: faker.job().lower(), OCCUPATIONS, longest=22),
        "hobby": HOBBIES,
        "condition": CONDITIONS,
        "residence": regions,
    }


def _distinct(draw: Callable[[], str], count: int, longest: int) -> tuple[str, ...]:
    """``count`` different plain values: short ones, without commas, slashes or brackets, which would blur a list of options."""
    values: dict[str, None] = {}
    while len(values) < count:
        value = draw()
        if len(value) <= longest and not set(value) & set(",/()'"):
            values[value] = None
    return tuple(values)
