"""From a certificate's own answers or scores to its verdicts again, and what differs from those that are written in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mllmu.certificate.evidence import names_of, scores_from, scores_of
from pytest_mllmu.certificate.findings import ROLES, Case, Findings, find, policy_of
from pytest_mllmu.errors import StoreError
from pytest_mllmu.scoring.scores import Score

Scores = dict[str, list[Score]]
"""By the name under which a model's answers are stored."""
CLOSE = 1e-9
"""How far a number may be off, relative to it: the last digits of a sum depend on the machine."""


def case_of(document: Mapping[str, Any]) -> Case:
    """What is judged, as the certificate says it."""
    subjects, models = document["subjects"], document["models"]
    people = set(subjects["people"]) - set(subjects["not_asked"])
    titles = {role: str(models[role]["title"]) for role in ROLES if role in models}
    return Case(titles, policy_of(document["policy"]), people, int(subjects["percent"]), str(document["judge"]), not document["policy"]["built_in"])


def from_answers(document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Scores:
    """Scores every answer anew."""
    return {name: scores_of(rows, name, document["dialect"]["name"], document["judge"]) for name in names_of(rows)}


def from_scores(document: Mapping[str, Any]) -> Scores:
    """The scores that stand in a certificate without answers."""
    names = sorted({model["answers"] for model in document["models"].values()})
    return {name: scores_from(document["scores"], name) for name in names}


def findings(document: Mapping[str, Any], scores: Scores) -> Findings:
    """Raises StoreError when a model has no answers, and KeyError and the like for what is no certificate."""
    models = document["models"]
    for role, model in models.items():
        if role not in ROLES or not scores.get(model["answers"]):
            raise StoreError(f"there are no answers of the model {role[:40]!r}")
    return find(case_of(document), {role: scores[model["answers"]] for role, model in models.items()})


def differences(document: Mapping[str, Any], found: Findings) -> Iterator[str]:
    """What is written otherwise than it was found, a line each."""
    for key, value in (("outcome", found.outcome), ("statement", found.statement)):
        if document[key] != value:
            yield f"{key}: written {document[key]!r}, recomputed {value!r}"
    yield from _unlike("verdict", ("gate", "person"), document["verdicts"], found.verdicts)
    yield from _unlike("cell", ("model", "split", "modality", "metric"), document["table"], found.table)
    yield from _unlike("tested", ("split", "task", "modality"), document["tested"]["sets"], found.sets)


def unlike_scores(written: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of two lists of score rows."""
    yield from _unlike("score", ("split", "question"), written, found)


def _unlike(what: str, keys: Sequence[str], written: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Rows are known by ``keys``; their order counts too."""
    places = [[tuple(row.get(key) for key in keys) for row in rows] for rows in (written, found)]
    by_place = dict(zip(places[0], written, strict=True))
    expected = set(places[1])
    for place, times in Counter(places[0]).items():
        if place not in expected or times > 1:
            yield f"{what} {_named(place)}: written{f' {times} times' if times > 1 else ', and does not follow from the answers'}"
    for place, row in zip(places[1], found, strict=True):
        if place not in by_place:
            yield f"{what} {_named(place)}: follows from the answers, and is not written"
            continue
        other = by_place[place]
        for key in sorted({*row, *other}):
            if key not in row or key not in other or not same(other[key], row[key]):
                yield f"{what} {_named(place)}: {key}: written {other.get(key)!r}, recomputed {row.get(key)!r}"
    if set(places[0]) == expected and len(places[0]) == len(places[1]) and places[0] != places[1]:
        yield f"{what}s: written in another order"


def _named(place: tuple[Any, ...]) -> str:
    return " ".join(str(part) for part in place if part is not None)


def same(one: Any, other: Any) -> bool:
    """Equal values of JSON; numbers as far as machines agree on them."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-12)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
