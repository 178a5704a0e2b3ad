"""From a certificate's own answers or scores to its verdicts again, and what differs from those that are written in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mllmu.analysis.verdicts import count
from pytest_mllmu.certificate.evidence import asked_about, rows_in, scores_from, scores_of
from pytest_mllmu.certificate.findings import ROLES, Case, Findings, find, policy_of
from pytest_mllmu.certificate.gaps import not_tested
from pytest_mllmu.errors import StoreError
from pytest_mllmu.scoring.scores import Score

Scores = dict[str, list[Score]]
"""By the name under which a model's answers are stored."""
CLOSE = 1e-9
"""How far a number may be off, relative to it: the last digits of a sum depend on the machine."""
LONGEST, DEEPEST = 1_000, 10
"""Characters of what stands in every message (titles, the names of policy and judge), and models on one another: more would make a small forged file
a large computation."""


def case_of(document: Mapping[str, Any]) -> Case:
    """What is judged, as the certificate says it. Raises StoreError for names that are no names."""
    subjects, models = document["subjects"], document["models"]
    people = set(subjects["people"]) - set(subjects["not_asked"])
    titles = {role: str(models[role]["title"]) for role in ROLES if role in models}
    if any(len(str(name)) > LONGEST for name in (*titles.values(), document["policy"]["name"], document["judge"])):
        raise StoreError(f"the title of a model, or the name of the policy or the judge, has more than {LONGEST:,} characters")
    return Case(titles, policy_of(document["policy"]), people, int(subjects["percent"]), str(document["judge"]), not document["policy"]["built_in"])


def from_answers(document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Scores:
    """Scores every answer anew. Raises StoreError for answers of a model that the certificate does not name, and as ``scores_of``."""
    names = _stored(document)
    if odd := {name for row in rows for name in row["answers"]} - set(names):
        raise StoreError(f"there are answers of {min(odd)[:40]!r}, which is none of the models")
    return {name: scores_of(rows, name, document["dialect"]["name"], document["judge"]) for name in names}


def from_scores(document: Mapping[str, Any]) -> Scores:
    """The scores that stand in a certificate without answers."""
    return {name: scores_from(document["scores"], name) for name in _stored(document)}


def _stored(document: Mapping[str, Any]) -> list[str]:
    """Under which names answers are stored. Raises StoreError for models of other roles than there are, or on too many others."""
    models = document["models"]
    if odd := sorted(set(models) - set(ROLES)):
        raise StoreError(f"there is no role {odd[0][:40]!r}")
    for model in models.values():
        below, depth = model, 0
        while "on" in below and depth <= DEEPEST:
            below, depth = below["on"], depth + 1
        if depth > DEEPEST:
            raise StoreError(f"a model on more than {DEEPEST} others")
    return sorted({model["answers"] for model in models.values()})


def findings(document: Mapping[str, Any], scores: Scores) -> Findings:
    """Raises StoreError when a model has no answers, and KeyError and the like for what is no certificate."""
    models = document["models"]
    for role, model in models.items():
        if not scores.get(model["answers"]):
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
    yield from _other_people(document)
    yield from _other_gaps(document)


def _other_people(document: Mapping[str, Any]) -> Iterator[str]:
    """People who were to be forgotten and asked about, and are kept out of the list; or a list that is not as long as it says."""
    subjects, limit = document["subjects"], document["tested"]["limit"]
    people, left_out = set(subjects["people"]), set(subjects["not_asked"])
    if not len(people) == len(subjects["people"]) == subjects["n"]:
        listed = f"{count(len(people), 'person', 'people')} {'is' if len(people) == 1 else 'are'} listed"
        yield f"subjects: n is {subjects['n']}, and {listed}{'' if len(people) == len(subjects['people']) else ', some twice'}"
    rows = rows_in(document)  # a limit may take other people of the test set, where the data has them in another order
    if odd := sorted((asked_about(rows, ["forget"]) - (people - left_out)) | (asked_about(rows, ["test"]) - people)):
        yield f"subjects: {odd[0]!r}{f' and {len(odd) - 1} more' if odd[1:] else ''} asked about as to be forgotten, and not among those who were"
    expected = 0 if limit is None else max(0, len(people) - limit)
    if len(left_out) != expected or len(subjects["not_asked"]) != expected or left_out - people:
        yield f"subjects: not_asked holds {len(subjects['not_asked'])} of the {len(people)} people; with the limit {limit} it should be {expected}"


def _other_gaps(document: Mapping[str, Any]) -> Iterator[str]:
    """What is said not to have been tested follows from the rest of the certificate."""
    written, found = document["not_tested"], list(not_tested(document))
    missing, more = ([line for line in lines if line not in others] for lines, others in ((found, set(written)), (written, set(found))))
    yield from (f"not_tested: left out: {line}" for line in missing)
    yield from (f"not_tested: written, and does not follow: {line}" for line in more)
    if not missing and not more and written != found:
        yield "not_tested: written in another order, or twice"


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
