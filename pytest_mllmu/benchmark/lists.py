"""Lists of a user's own people as they lie on disk: a .csv or .jsonl file, or a folder with an image and a text file for each person.

Every form gives ``Record``s: cells by plain name (``Shoe size`` is ``shoe_size``), each with its place. Rows are counted as an editor or a
spreadsheet counts them, the header being row 1. Data is untrusted: everything is bounded, and whatever is wrong is one DataError.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mllmu.benchmark.cells import Place, first_line, listed, named, shorter, text_of
from pytest_mllmu.benchmark.loose import plain
from pytest_mllmu.errors import DataError, did_you_mean

NAME, IMAGE, ID, SET = "name", "image", "id", "set"
TABLES = ("people.csv", "people.jsonl")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")

MAX_FILE = 50_000_000
"""Bytes of a list."""
MAX_PEOPLE, MAX_COLUMNS = 5_000, 60
MAX_CELL, MAX_LABEL = 300, 60
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


def records(path: Path) -> list[Record]:
    """The people of a list, in the order in which they stand. Raises DataError."""
    path = table_of(path) or path
    read = _of_folder if path.is_dir() else _of_csv if path.suffix.lower() == ".csv" else _of_jsonl
    found: list[Record] = []
    for record in read(path):
        if len(found) == MAX_PEOPLE:
            raise record.place.error(f"more than {MAX_PEOPLE:,} people; give a shorter list")
        found.append(record)
    if not found:
        raise DataError("nobody in this list; a row for each person is expected", file=path)
    return found


def table_of(path: Path) -> Path | None:
    """The table in a folder, when there is one. Raises DataError when there are two."""
    there = [path / name for name in TABLES if (path / name).is_file()] if path.is_dir() else []
    if len(there) > 1:
        raise DataError(f"{there[0].name!r} and {there[1].name!r} are two lists of people; keep one", file=path)
    return _inside(there[0], path) if there else None


def texts_of(folder: Path) -> list[Path]:
    """The text files of people in a folder, by name. Raises DataError for a link that leads out of it."""
    texts = (entry for entry in folder.iterdir() if entry.suffix.lower() == ".txt" and not entry.name.startswith(".") and entry.is_file())
    return [_inside(path, folder) for path in sorted(texts)]


def _inside(path: Path, folder: Path) -> Path:
    """``path``, unless it is a link to somewhere else: a folder that somebody else made shows no other files."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError("a link that leads out of the folder; copy the file there", file=path)
    return path


# --- the three forms ---


def _of_csv(path: Path) -> Iterator[Record]:
    rows = _rows(csv.reader(io.StringIO(_text(path), newline=""), strict=True), path)
    number, header = next(((number, cells) for number, cells in rows if any(map(str.strip, cells))), (1, []))
    place = Place(path, number)
    if len(header) == 1 and (other := re.search(r"[;\t]", header[0])):
        raise place.error(f"the columns are separated by {other[0]!r}; they should be separated by commas")
    columns = _columns(header, place)
    for key in (NAME, IMAGE):
        if key not in columns:
            raise place.error(f"no column {key!r}{did_you_mean(key, header)}; the file has: {listed(header)}")
    for number, cells in rows:
        if not any(map(str.strip, cells)):
            continue
        place = Place(path, number)
        if len(cells) < len(header) or any(map(str.strip, cells[len(header) :])):
            raise place.error(f"{len(cells)} cells, and the header has {len(header)} columns; put a cell that holds a comma in double quotes")
        yield _record(place, [(name, text, place.inside(name)) for name, text in zip(header, cells, strict=False)], columns)


def _rows(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"malformed CSV: {first_line(error)}", file=path, row=number) from None
        yield number, cells


def _of_jsonl(path: Path) -> Iterator[Record]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            place = Place(path, number)
            fields = [(name, value, place.inside(shorter(name))) for name, value in _object(line, place)]
            items = [(name, _plain_text(name, value, spot), spot) for name, value, spot in fields]
            yield _record(place, items, _columns([name for name, _, _ in items], place))


def _object(line: str, place: Place) -> list[tuple[str, Any]]:
    """Names and values of one JSON object; numbers stay as they are written."""

    def nested(items: list[tuple[str, Any]]) -> tuple[str, list[tuple[str, Any]]]:
        return "object", items

    def constant(word: str) -> Any:
        raise ValueError(f"{word} is no number")

    try:
        value = json.loads(line, object_pairs_hook=nested, parse_int=str, parse_float=str, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise place.error(f'malformed JSON: {first_line(error)}; each line should be an object such as {{"name": "...", "image": "..."}}') from None
    if not isinstance(value, tuple):
        raise place.error(f"{named(value)}; each line should be an object with a name, an image and attributes")
    items: list[tuple[str, Any]] = value[1]
    return items


def _plain_text(name: str, value: Any, place: Place) -> str:
    """A field as a cell would hold it; null is empty, several images are a list."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value) and plain(name) == IMAGE:
        return ";".join(value)
    if isinstance(value, tuple):
        raise place.error("an object; it should be a text or a number")
    if value is not None and not isinstance(value, str):
        raise place.error(f"{named(value)}; it should be a text or a number")
    return value or ""


def _of_folder(folder: Path) -> Iterator[Record]:
    """A text file of ``attribute = value`` lines and a picture of the same stem for each person."""
    pictures: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if entry.suffix.lower() in PICTURES and not entry.name.startswith("."):
            pictures.setdefault(entry.stem, []).append(entry)
    used: set[str] = set()
    for path in texts_of(folder):
        record = _of_text(path, pictures.get(path.stem, []))
        if IMAGE in record.cells:
            used.update(name.strip() for name in record.cells[IMAGE].text.split(";"))
        yield record
    left = [path for found in pictures.values() for path in found if path.name not in used]
    if left:
        raise DataError(f"no text file {left[0].stem + '.txt'!r} beside this picture; what is known about the person goes there", file=left[0])


def _of_text(path: Path, pictures: Sequence[Path]) -> Record:
    place = Place(path)
    items: list[Item] = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        spot = Place(path, number)
        if not equals or not name.strip():
            raise spot.error(f"{shorter(line.strip())!r} is no line of the form attribute = value")
        if value.strip():
            items.append((name, value, spot.inside(shorter(name.strip()))))
    columns = _columns([name for name, _, _ in items], place)
    if IMAGE not in columns:
        if len(pictures) > 1:
            raise place.error(f"{pictures[0].name!r} and {pictures[1].name!r} are both its picture; name one in a line: image = {pictures[0].name}")
        if not pictures:
            raise place.error(f"no picture of this name, such as {path.stem + '.png'!r}, in the folder; put it there, or name it in a line: image = ...")
        items.append((IMAGE, pictures[0].name, place.inside(IMAGE)))
    if NAME not in columns:
        items.append((NAME, path.stem, place.inside(NAME)))
    return _record(place, items, _columns([name for name, _, _ in items], place))


# --- cells ---


def _record(place: Place, items: Sequence[Item], labels: Mapping[str, str]) -> Record:
    cells: dict[str, Cell] = {}
    for name, text, spot in items:
        if not text.strip():
            continue
        if not name.strip():
            raise place.error(f"{shorter(repr(text))} stands in a column without a name")
        key = plain(name)
        limit = MAX_CELL * (10 if key == IMAGE else 1)
        cells[key] = Cell(sound(text, spot, limit, spoken=key not in (ID, IMAGE, SET)), labels[key], spot)
    return Record(place, cells)


def _columns(names: Sequence[str], place: Place) -> dict[str, str]:
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


def sound(text: str, place: Place, limit: int, spoken: bool = True) -> str:
    """``text`` on one line and in NFC, without space around it. ``spoken``: it becomes part of a question or an answer. Raises DataError."""
    text = unicodedata.normalize("NFC", " ".join(text_of(text, place).split()))
    if len(text) > limit:
        raise place.error(f"{len(text):,} characters ({shorter(text, 20)!r}); at most {limit} are accepted")
    hidden = [letter for letter in text if unicodedata.category(letter) == "Cc" or letter in _DIRECTIONS]
    if hidden:
        raise place.error(f"a character that nobody sees ({hidden[0]!r}); take it out")
    if spoken and not any(letter.isalnum() for letter in text):
        raise place.error(f"{text!r} has neither letter nor digit; leave the cell empty when the value is not known")
    if spoken and (token := re.search(r"<[^<>\s]+>|__", text)):
        meaning = "the blank of a question" if token[0] == "__" else "a special token of some models"
        raise place.error(f"{token[0]!r} in {shorter(text)!r} is {meaning}; write it in another way")
    return text


def _text(path: Path) -> str:
    """A file as text, its lines ending in \\n. Raises DataError."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise DataError(f"more than {MAX_FILE:,} bytes; a list of people is smaller", file=path)
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=path) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"byte 0x{data[error.start]:02x} is no UTF-8; save the file as UTF-8 text", file=path, row=row) from None
    if "\0" in text:
        raise DataError("a NUL byte; the file is no plain text", file=path, row=text.count("\n", 0, text.index("\0")) + 1)
    return text.replace("\r\n", "\n").replace("\r", "\n")
