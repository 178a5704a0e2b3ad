"""What a list says of a person: cells by the plain name of their column (``Shoe size`` is ``shoe_size``), each checked and with its place.

Data is untrusted: texts become parts of questions, of prompts and of what a terminal shows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_mllmu.benchmark.cells import Place, shorter, text_of
from pytest_mllmu.benchmark.loose import plain

NAME, IMAGE, ID, SET = "name", "image", "id", "set"
MAX_COLUMNS = 60
MAX_CELL, MAX_LABEL, MAX_IMAGES = 300, 60, 3_000
"""Characters: a value is an answer of a few words and not a biography; a column's name is a part of a question."""
_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that make a terminal show other text than there is."""


Item = tuple[str, str, Place]
"""Name, text and place of a cell."""


@dataclass(frozen=True)
class Cell:
    """A value that is there. ``label`` is the name of its column, as a question would say it."""

    text: str
    label: str
    place: Place


@dataclass(frozen=True)
class Record:
    """One person: cells by plain name, without the empty ones."""

    place: Place
    cells: dict[str, Cell]


def record_of(place: Place, items: Sequence[Item], labels: Mapping[str, str]) -> Record:
    """A row with the ``labels`` of its columns. Raises DataError."""
    cells: dict[str, Cell] = {}
    for name, text, spot in items:
        if not text.strip():
            continue
        if not name.strip():
            raise place.error(f"{shorter(repr(text))} stands in a column without a name")
        key = plain(name)
        cells[key] = Cell(paths(text, spot) if key == IMAGE else sound(text, spot, MAX_CELL, spoken=key not in (ID, SET)), labels[key], spot)
    return Record(place, cells)


def labels_of(names: Sequence[str], place: Place) -> dict[str, str]:
    """The labels of some columns by plain name; columns without a name are left out. Raises DataError for two of one name."""
    if len(names) > MAX_COLUMNS:
        raise place.error(f"{len(names)} columns; at most {MAX_COLUMNS} are accepted")
    found: dict[str, str] = {}
    for name in filter(str.strip, names):
        spot = place.inside(shorter(name.strip()))
        label = sound(name, spot, MAX_LABEL)
        if plain(name) in found:
            raise spot.error("is here a second time (upper case, spaces and underscores do not count); keep one")
        found[plain(name)] = spoken(label)
    return found


def spoken(label: str) -> str:
    """A column's name in a question: ``Shoe_size`` is asked for as "shoe size", and IBAN stays IBAN."""
    words = label.replace("_", " ").split()
    return " ".join(word if word[1:] != word[1:].lower() else word.lower() for word in words)


def paths(text: str, place: Place) -> str:
    """File names as they are spelled: in them every space counts. Raises DataError."""
    return _bounded(text_of(text, place).strip(), place, MAX_IMAGES)


def sound(text: str, place: Place, limit: int, spoken: bool = True) -> str:
    """``text`` on one line and in NFC, without space around it. ``spoken``: it becomes part of a question or an answer. Raises DataError."""
    text = _bounded(unicodedata.normalize("NFC", " ".join(text_of(text, place).split())), place, limit)
    if spoken and not any(letter.isalnum() for letter in text):
        raise place.error(f"{text!r} has neither letter nor digit; leave the cell empty when the value is not known")
    if spoken and (token := re.search(r"<[^<>\s]+>|__", text)):
        meaning = "the blank of a question" if token[0] == "__" else "a special token of some models"
        raise place.error(f"{token[0]!r} in {shorter(text)!r} is {meaning}; write it in another way")
    return text


def _bounded(text: str, place: Place, limit: int) -> str:
    if len(text) > limit:
        raise place.error(f"{len(text):,} characters ({shorter(text, 20)!r}); at most {limit} are accepted")
    hidden = [letter for letter in text if unicodedata.category(letter) == "Cc" or letter in _DIRECTIONS]
    if hidden:
        raise place.error(f"a character that nobody sees ({hidden[0]!r}); take it out")
    return text
