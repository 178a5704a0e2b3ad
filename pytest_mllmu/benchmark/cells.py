"""What the cells of a row say: questions, options, training pairs. Every value is checked, and a wrong one is told with its place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_mllmu.benchmark.profiles import MODALITIES, TASKS, Modality, Profile, Question, Task, TrainingPair
from pytest_mllmu.errors import DataError, did_you_mean

LISTS: dict[Task, str] = {"classification": "Classification_Task", "generation": "Generation_Task", "cloze": "Mask_Task"}
TYPES: dict[str, Modality] = {"Image_Textual": "multimodal", "Pure_Text": "unimodal"}
TYPE_OF = {modality: name for name, modality in TYPES.items()}
MAX_JSON = 10_000_000
"""Characters of a JSON cell: data is untrusted."""


Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Body:
    """A question before it has an id."""

    modality: Modality
    task: Task
    text: str
    answer: str
    options: Options = ()
    about: str = ""


@dataclass(frozen=True)
class Place:
    """Where a value stands, down to the field inside a nested column."""

    file: Path
    row: int | None = None
    column: str | None = None

    def inside(self, key: str | int) -> Place:
        step = f"[{key}]" if isinstance(key, int) else f".{key}"
        return replace(self, column=f"{self.column}{step}" if self.column else str(key))

    def error(self, problem: str) -> DataError:
        return DataError(problem, file=self.file, row=self.row, column=self.column)


def pairs_of(value: Any, place: Place) -> tuple[TrainingPair, ...]:
    if not isinstance(value, str):
        raise place.error(f"{named(value)}; it should be a text: a JSON list of {{Question, Answer}}")
    pairs = []
    for record, spot in _records(value, place):
        kind = record.get("Type")
        modality = None if kind is None else _modality(kind, spot.inside("Type"))
        pairs.append(TrainingPair(_said(record, "Question", spot), _said(record, "Answer", spot), modality))
    return tuple(pairs)


def derived_pairs(profile: Profile) -> tuple[TrainingPair, ...]:
    """Training pairs for data that brings none: see the head of parquet.py."""
    described = bool(profile.question.strip() and profile.answer.strip())
    description = (TrainingPair(profile.question, profile.answer, "multimodal"),) if described else ()
    asked = [question for task in ("generation", "classification") for question in profile.questions if question.task == task]
    return description + tuple(TrainingPair(question.text, question.answer_text, question.modality) for question in asked)


def numbered(bodies: Iterable[Body], kind: str, person: str) -> tuple[Question, ...]:
    """In the order of modality, task and row; an id is made of them, so data that is written and read again keeps its ids."""
    rows: dict[tuple[Modality, Task], list[Body]] = {(modality, task): [] for modality in MODALITIES for task in TASKS}
    for body in bodies:
        rows[body.modality, body.task].append(body)
    return tuple(
        Question(f"{kind}-{person}-{task}-{modality}-{number}", person, task, modality, body.text, body.answer, body.options, body.about)
        for (modality, task), found in rows.items()
        for number, body in enumerate(found)
    )


def bodies_of(values: dict[str, Any], place: Place) -> Iterator[Body]:
    """The questions of a row, as MLLMU-Bench releases them."""
    for task, column in LISTS.items():
        spot = place.inside(column)
        if task == "classification":
            yield from (_choice(modality, record, inner) for modality, record, inner in _chosen(values[column], spot))
        else:
            for modality, record, inner in _open(values[column], spot):
                yield Body(modality, task, _said(record, "Question", inner), _said(record, "Ground_Truth", inner))


def _chosen(value: Any, place: Place) -> Iterator[tuple[Modality, dict[str, Any], Place]]:
    value = json_of(value, place) if isinstance(value, str) else value
    if value is None:
        return
    if not isinstance(value, dict):
        raise place.error(f"{named(value)}; it should hold {' and '.join(f'{name}_Questions' for name in TYPES)}")
    for name, modality in TYPES.items():
        field = f"{name}_Questions"
        for record, spot in _records(_field(value, field, place), place.inside(field)):
            yield modality, record, spot


def _open(value: Any, place: Place) -> Iterator[tuple[Modality, dict[str, Any], Place]]:
    for record, spot in _records(value, place):
        yield _modality(_field(record, "Type", spot), spot.inside("Type")), record, spot


def _choice(modality: Modality, record: dict[str, Any], place: Place) -> Body:
    text, answer = _said(record, "Question", place), _said(record, "Correct_Answer", place).strip()
    options = options_of(_field(record, "Options", place), place.inside("Options"))
    return Body(modality, "classification", text, checked(answer, options, place.inside("Correct_Answer")), options)


def options_of(value: Any, place: Place) -> Options:
    """The options by letter; null and blank ones are dropped."""
    if not isinstance(value, dict):
        raise place.error(f"{named(value)}; it should hold an option per letter")
    given = {letter: text_of(option, place.inside(letter), blank=True) for letter, option in value.items() if option is not None}
    kept = tuple(sorted((letter, option) for letter, option in given.items() if option.strip()))
    wrong = [letter for letter, _ in kept if len(letter) != 1 or not "A" <= letter <= "Z"]
    if wrong:
        raise place.error(f"{shorter(repr(wrong[0]))} is no option letter; use A, B, C, D")
    if len(kept) < 2:
        raise place.error(f"{len(kept)} option(s); a multiple-choice question needs at least two")
    return kept


def checked(letter: str, options: Options, place: Place) -> str:
    """The letter of the right option, if it is one."""
    letters = [known for known, _ in options]
    if letter not in letters:
        raise place.error(f"{shorter(letter)!r} is none of the options' letters {', '.join(letters)}")
    return letter


def _modality(value: Any, place: Place) -> Modality:
    if not isinstance(value, str) or value not in TYPES:
        hint = did_you_mean(value, TYPES) if isinstance(value, str) else ""
        raise place.error(f"{named(value)}{hint}; it should be {' or '.join(TYPES)}")
    return TYPES[value]


def _records(value: Any, place: Place) -> Iterator[tuple[dict[str, Any], Place]]:
    """The objects of a list, given as one or as JSON, with the place of each."""
    value = json_of(value, place) if isinstance(value, str) else value
    if not isinstance(value, list | None):
        raise place.error(f"{named(value)}; it should be a list")
    for number, record in enumerate(value or ()):
        if not isinstance(record, dict):
            raise place.inside(number).error(f"{named(record)}; it should be an object with named fields")
        yield record, place.inside(number)


def json_of(text: str, place: Place) -> Any:
    if len(text) > MAX_JSON:
        raise place.error(f"JSON of {len(text):,} characters; at most {MAX_JSON:,} are accepted")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise place.error(f"malformed JSON: {first_line(error)}") from None


def _field(record: dict[str, Any], name: str, place: Place) -> Any:
    if name not in record:
        raise place.error(f"no field {name!r}{did_you_mean(name, record)}; it has: {listed(record)}")
    return record[name]


def _said(record: dict[str, Any], name: str, place: Place) -> str:
    return text_of(_field(record, name, place), place.inside(name))


def told(value: Any, place: Place) -> str:
    """A text that nobody needs; null is none."""
    return text_of("" if value is None else value, place, blank=True)


def text_of(value: Any, place: Place, blank: bool = False) -> str:
    if not isinstance(value, str):
        raise place.error(f"{named(value)}; it should be a text")
    if not blank and not value.strip():
        raise place.error("empty; it should be a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise place.error("text with half a character (a lone surrogate); it should be valid Unicode") from None
    return value


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def named(value: Any) -> str:
    """A wrong value in a few words."""
    if value is None:
        return "nothing here (null)"
    return f"{shorter(repr(value))} ({type(value).__name__})"


def listed(names: Iterable[str]) -> str:
    """Names that data gave, on one line."""
    return shorter(", ".join(name if name.isprintable() else repr(name) for name in names)) or "none"


def shorter(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
