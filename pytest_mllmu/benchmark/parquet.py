"""The released layout: a folder per config, parquet shards inside, one row per person. Read, and written.

Training pairs of a person, in this order of preference:
1. the ``metadata`` column of ``ft_Data`` (profiles only); where ``ft_Data`` exists it must know everybody in ``Full_Set``;
2. a ``metadata`` column of the set itself (our export adds one to the celebrities, who have none in the release);
3. else, for profiles and celebrities: the description pair (multimodal), then the generation questions with their ground truths,
   then the multiple-choice questions with the text of the right option, each with its own modality.
Transformed people of ``Test_Set`` are evaluated, never trained on: they have pairs only if that set has ``metadata``.

Rows are numbered from 0 within their file. People come in the order of their ids, whatever the order of shards and rows.
Tolerated, since the release or a tool in its path may do so: ``image`` or ``images`` in every set, task columns as JSON strings,
null or blank options (dropped), null descriptions (empty), null lists (nobody asked). Everything else is one DataError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pytest_mllmu.benchmark.profiles import MODALITIES, TASKS, Benchmark, Modality, Picture, Profile, Question, Task, TrainingPair
from pytest_mllmu.benchmark.splits import SplitIds, check_percent, draw, order
from pytest_mllmu.errors import DataError, did_you_mean

__all__ = ["SplitIds", "read_benchmark", "read_ids", "write_benchmark"]

FULL, TEST, CELEBRITIES, TRAINING = "Full_Set", "Test_Set", "Retain_Set", "ft_Data"
REQUIRED = (FULL, TEST, CELEBRITIES)
KINDS = {FULL: "full", TEST: "test", CELEBRITIES: "celebrity"}
DESCRIPTION = ("biography", "question", "answer")
LISTS: dict[Task, str] = {"classification": "Classification_Task", "generation": "Generation_Task", "cloze": "Mask_Task"}
TYPES: dict[str, Modality] = {"Image_Textual": "multimodal", "Pure_Text": "unimodal"}
TYPE_OF = {modality: name for name, modality in TYPES.items()}
LABEL = b"pytest_mllmu"
"""Key in the file's own key-value metadata where an export keeps the benchmark's name and that it is synthetic."""

MAX_JSON = 10_000_000
MAX_PICTURE = 100_000_000
"""Bounds (characters of a JSON cell, bytes of a picture file): data is untrusted."""

TEST_SHARD_ROWS = 50
ROW_GROUP = 100


def read_ids(folder: Path, percent: int, seed: int) -> SplitIds:
    """Who is to be forgotten and who retained, reading nothing but ``ID`` columns.

    ``forget_P`` and ``retain_{100-P}`` decide when both exist; when neither does, the people are drawn from ``Full_Set``.
    """
    check_percent(percent)
    everybody = _ids(folder, FULL)
    if not everybody:
        raise DataError("no rows; the set should hold everybody's profile", file=folder / FULL)
    forget, retain = f"forget_{percent}", f"retain_{100 - percent}"
    there = [name for name in (forget, retain) if (folder / name).is_dir()]
    if not there:
        return draw(tuple(everybody), percent, seed)
    if len(there) == 1:
        missing = retain if there == [forget] else forget
        raise DataError(f"there is a folder {there[0]!r} but no {missing!r}; a split needs both, or neither to have it drawn with the seed", file=folder)
    forgotten, retained = _ids(folder, forget), _ids(folder, retain)
    for rows in (forgotten, retained):
        for person, place in rows.items():
            if person not in everybody:
                raise place.error(f"{person!r} is not in {FULL}; a split names people of {FULL} only")
    for person, place in forgotten.items():
        if person in retained:
            other = retained[person]
            raise place.error(f"{person!r} is to be forgotten and, in {other.file}, row {other.row}, to be retained; choose one")
    return SplitIds(tuple(sorted(forgotten, key=order)), tuple(sorted(retained, key=order)))


def read_benchmark(folder: Path, percent: int, seed: int) -> Benchmark:
    """The whole benchmark; pictures stay in their files until somebody looks at them."""
    split = read_ids(folder, percent, seed)
    transformed = _profiles(folder, TEST)
    known = {profile.id for profile in transformed}
    for person in split.forget:
        if person not in known:
            problem = f"no row for {person!r}, who is to be forgotten; the set needs transformed images of everybody to forget"
            raise DataError(problem, file=folder / TEST, column="ID")
    name, synthetic = _label(folder)
    return Benchmark(
        name=name,
        synthetic=synthetic,
        profiles=_trained(folder, _profiles(folder, FULL)),
        transformed=transformed,
        celebrities=_profiles(folder, CELEBRITIES),
        forget_ids=split.forget,
        retain_ids=split.retain,
    )


@dataclass(frozen=True)
class _Place:
    """Where a value stands, down to the field inside a nested column."""

    file: Path
    row: int | None = None
    column: str | None = None

    def inside(self, key: str | int) -> _Place:
        step = f"[{key}]" if isinstance(key, int) else f".{key}"
        return replace(self, column=f"{self.column}{step}" if self.column else str(key))

    def error(self, problem: str) -> DataError:
        return DataError(problem, file=self.file, row=self.row, column=self.column)


# Files


def _shards(folder: Path, config: str) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"no such folder; it should hold {', '.join(REQUIRED)}", file=folder)
    if not (folder / config).is_dir():
        there = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        raise DataError(
            f"no folder {config!r}{did_you_mean(config, there)}; here are: {', '.join(there) or 'none'}; "
            f"needed: {', '.join(REQUIRED)}; optional: {TRAINING}, forget_P with retain_(100-P)",
            file=folder,
        )
    shards = sorted(path for path in (folder / config).glob("*.parquet") if not path.name.startswith("."))
    if not shards:
        raise DataError("no parquet file in this folder; expected train-00000-of-00001.parquet or several shards", file=folder / config)
    return shards


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(str(path)) as file:
            names = file.schema_arrow.names
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise DataError("the file has two columns of this name; keep one", file=path, column=twice[0])
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"unreadable parquet: {_first_line(error)}", file=path) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _rows(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of some columns as Python values; an optional column that is not there is left out of every row."""
    with _opened(path) as file:
        names = file.schema_arrow.names
        for column in columns:
            if column not in names:
                raise DataError(f"no such column{did_you_mean(column, names)}; the file has: {', '.join(names)}", file=path, column=column)
        wanted = [*columns, *(column for column in optional if column in names)]
        table = file.read(columns=wanted)
    return [{column: _cell(table[column], _Place(path, row, column)) for column in wanted} for row in range(table.num_rows)]


def _cell(column: Any, place: _Place) -> Any:
    try:
        return column[place.row].as_py()
    except ValueError as error:
        raise place.error(f"unreadable value: {_first_line(error)}; text must be UTF-8") from None


def _ids(folder: Path, config: str) -> dict[str, _Place]:
    """Where the row of each person is."""
    found: dict[str, _Place] = {}
    for path in _shards(folder, config):
        for row, values in enumerate(_rows(path, ["ID"])):
            place = _Place(path, row, "ID")
            person = _person(values["ID"], place)
            if person in found:
                first = found[person]
                raise place.error(f"{person!r} is here a second time (first in {first.file}, row {first.row}); an ID stands once in a set")
            found[person] = place
    return found


def _label(folder: Path) -> tuple[str, bool]:
    """What tables print: from an export of ours its own name, else the name of the folder."""
    path = _shards(folder, FULL)[0]
    with _opened(path) as file:
        label = (file.schema_arrow.metadata or {}).get(LABEL)
    if label is None:
        return folder.resolve().name, False
    place = _Place(path)
    try:
        fields = _json(label.decode(), place)
    except UnicodeDecodeError:
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str) or not isinstance(fields.get("synthetic"), bool):
        raise place.error(f'the file\'s {LABEL.decode()!r} metadata is not {{"name": text, "synthetic": true or false}}; export the data anew')
    return _text(fields["name"], place, blank=True), fields["synthetic"]


# Pictures


@dataclass(frozen=True)
class _Images:
    """The picture column of one file, read once and only when somebody looks at a picture."""

    folder: Path
    file: Path
    column: str

    @cached_property
    def cells(self) -> Any:
        # By row group: arrow cannot read a nested column of more than 2 GiB in one piece.
        with _opened(self.file) as file:
            groups = [file.read_row_group(number, columns=[self.column])[self.column] for number in range(file.num_row_groups)]
        return pa.chunked_array([chunk for group in groups for chunk in group.chunks])

    def read(self, row: int, position: int | None) -> bytes:
        place = _Place(self.file, row, self.column)
        try:
            value = self.cells[row].as_py()
        except DataError as error:
            raise place.error(str(error).removeprefix(f"{self.file}: ")) from None
        except ValueError as error:
            raise place.error(f"unreadable value: {_first_line(error)}") from None
        picture = value if position is None else value[position]
        data, path = (picture or {}).get("bytes"), (picture or {}).get("path")
        if data is not None:
            return bytes(data)
        if not path:
            raise place.error("no picture: neither bytes nor a path")
        return self._beside(path, place)

    def _beside(self, name: str, place: _Place) -> bytes:
        root = self.folder.resolve()
        try:
            path = (root / name).resolve()
            if not path.is_relative_to(root):
                raise place.error(f"the picture {name!r} lies outside the data folder {root}; give its bytes, or a path inside the folder")
            if not path.is_file():
                raise place.error(f"no picture file {name!r} in the data folder {root}")
            if path.stat().st_size > MAX_PICTURE:
                raise place.error(f"the picture file {name!r} has more than {MAX_PICTURE:,} bytes")
            return path.read_bytes()
        except (OSError, ValueError) as error:
            raise place.error(f"the picture {name!r} cannot be read: {_first_line(error)}") from None


def _pictures(folder: Path, path: Path) -> list[tuple[Picture, ...]]:
    """The pictures of every row: their number is known from the ``path`` leaf, their bytes are left alone."""
    with _opened(path) as file:
        schema = file.schema_arrow
        column = next((name for name in ("images", "image") if name in schema.names), None)
        if column is None:
            raise DataError(f"no such column, nor 'images'; the file has: {', '.join(schema.names)}", file=path, column="image")
        _check_pictures(schema.field(column).type, column == "images", _Place(path, None, column))
        leaves = [file.schema.column(number).path for number in range(len(file.schema))]
        leaf = next(name for name in leaves if name.startswith(f"{column}.") and name.endswith(".path"))
        cells = file.read(columns=[leaf])[column]
    images = _Images(folder, path, column)
    several = column == "images"
    rows: list[tuple[Picture, ...]] = []
    for row in range(len(cells)):
        place = (str(path), row, column)
        count = len(cells[row].as_py() or ()) if several else 1
        if not count:
            raise _Place(path, row, column).error("no picture; every person needs at least one")
        rows.append(tuple(Picture(partial(images.read, row, number if several else None), place) for number in range(count)))
    return rows


def _check_pictures(kind: Any, several: bool, place: _Place) -> None:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    inner = kind.value_type if is_list else kind
    fields = {inner.field(number).name: inner.field(number).type for number in range(inner.num_fields)} if pa.types.is_struct(inner) else {}
    is_binary = any(fields.get("bytes") == wanted for wanted in (pa.binary(), pa.large_binary()))
    is_text = any(fields.get("path") == wanted for wanted in (pa.string(), pa.large_string()))
    if is_list != several or not is_binary or not is_text:
        wanted = "list of struct{bytes, path}" if several else "struct{bytes, path}"
        raise place.error(f"the column is a {_shorter(str(kind))}; it should be a {wanted}")


# People


def _profiles(folder: Path, config: str) -> tuple[Profile, ...]:
    _ids(folder, config)
    found: list[Profile] = []
    for path in _shards(folder, config):
        rows = _rows(path, ["ID", *DESCRIPTION, *LISTS.values()], optional=["metadata"])
        for row, (values, pictures) in enumerate(zip(rows, _pictures(folder, path), strict=True)):
            found.append(_profile(values, pictures, _Place(path, row), config))
    return tuple(sorted(found, key=lambda profile: order(profile.id)))


def _profile(values: dict[str, Any], pictures: tuple[Picture, ...], place: _Place, config: str) -> Profile:
    person = _person(values["ID"], place.inside("ID"))
    biography, question, answer = (_text("" if values[name] is None else values[name], place.inside(name), blank=True) for name in DESCRIPTION)
    profile = Profile(person, pictures, biography, question, answer, _questions(values, place, KINDS[config], person))
    if values.get("metadata") is not None:
        return replace(profile, pairs=_metadata(values["metadata"], place.inside("metadata")))
    return profile if config == TEST else replace(profile, pairs=_derived(profile))


def _trained(folder: Path, profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
    """The profiles with the training pairs of ``ft_Data`` when there is one."""
    if not (folder / TRAINING).is_dir():
        return profiles
    _ids(folder, TRAINING)
    pairs: dict[str, tuple[TrainingPair, ...]] = {}
    for path in _shards(folder, TRAINING):
        for row, values in enumerate(_rows(path, ["ID", "metadata"])):
            pairs[values["ID"]] = _metadata(values["metadata"], _Place(path, row, "metadata"))
    for profile in profiles:
        if profile.id not in pairs:
            raise DataError(
                f"no row for {profile.id!r} of {FULL}; {TRAINING} must have everybody's training pairs (or be away: they then come from {FULL})",
                file=folder / TRAINING,
                column="ID",
            )
    return tuple(replace(profile, pairs=pairs[profile.id]) for profile in profiles)


def _metadata(value: Any, place: _Place) -> tuple[TrainingPair, ...]:
    if not isinstance(value, str):
        raise place.error(f"{_named(value)}; it should be a text: a JSON list of {{Question, Answer}}")
    pairs = []
    for record, spot in _records(value, place):
        kind = record.get("Type")
        modality = None if kind is None else _modality(kind, spot.inside("Type"))
        pairs.append(TrainingPair(_said(record, "Question", spot), _said(record, "Answer", spot), modality))
    return tuple(pairs)


def _derived(profile: Profile) -> tuple[TrainingPair, ...]:
    """Training pairs for data that brings none: see the head of this module."""
    described = bool(profile.question.strip() and profile.answer.strip())
    description = (TrainingPair(profile.question, profile.answer, "multimodal"),) if described else ()
    asked = [question for task in ("generation", "classification") for question in profile.questions if question.task == task]
    return description + tuple(TrainingPair(question.text, question.answer_text, question.modality) for question in asked)


# Questions


def _questions(values: dict[str, Any], place: _Place, kind: str, person: str) -> tuple[Question, ...]:
    """In the order of modality, task and row; an id is made of them, so data that is written and read again keeps its ids."""
    bodies: dict[tuple[Modality, Task], list[tuple[str, str, tuple[tuple[str, str], ...]]]]
    bodies = {(modality, task): [] for modality in MODALITIES for task in TASKS}
    for task, column in LISTS.items():
        spot = place.inside(column)
        for modality, record, inner in _chosen(values[column], spot) if task == "classification" else _open(values[column], spot):
            body = _choice(record, inner) if task == "classification" else (_said(record, "Question", inner), _said(record, "Ground_Truth", inner), ())
            bodies[modality, task].append(body)
    return tuple(
        Question(f"{kind}-{person}-{task}-{modality}-{number}", person, task, modality, *body)
        for (modality, task), rows in bodies.items()
        for number, body in enumerate(rows)
    )


def _chosen(value: Any, place: _Place) -> Iterator[tuple[Modality, dict[str, Any], _Place]]:
    value = _json(value, place) if isinstance(value, str) else value
    if value is None:
        return
    if not isinstance(value, dict):
        raise place.error(f"{_named(value)}; it should hold {' and '.join(f'{name}_Questions' for name in TYPES)}")
    for name, modality in TYPES.items():
        field = f"{name}_Questions"
        for record, spot in _records(_field(value, field, place), place.inside(field)):
            yield modality, record, spot


def _open(value: Any, place: _Place) -> Iterator[tuple[Modality, dict[str, Any], _Place]]:
    for record, spot in _records(value, place):
        yield _modality(_field(record, "Type", spot), spot.inside("Type")), record, spot


def _choice(record: dict[str, Any], place: _Place) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    text, answer = _said(record, "Question", place), _said(record, "Correct_Answer", place).strip()
    spot = place.inside("Options")
    options = _field(record, "Options", place)
    if not isinstance(options, dict):
        raise spot.error(f"{_named(options)}; it should hold an option per letter")
    given = {letter: _text(option, spot.inside(letter), blank=True) for letter, option in options.items() if option is not None}
    kept = tuple(sorted((letter, option) for letter, option in given.items() if option.strip()))
    wrong = [letter for letter, _ in kept if len(letter) != 1 or not "A" <= letter <= "Z"]
    if wrong:
        raise spot.error(f"{wrong[0]!r} is no option letter; use A, B, C, D")
    letters = [letter for letter, _ in kept]
    if len(letters) < 2:
        raise spot.error(f"{len(letters)} option(s); a multiple-choice question needs at least two")
    if answer not in letters:
        raise place.inside("Correct_Answer").error(f"{_shorter(answer)!r} is none of the options' letters {', '.join(letters)}")
    return text, answer, kept


def _modality(value: Any, place: _Place) -> Modality:
    if not isinstance(value, str) or value not in TYPES:
        hint = did_you_mean(value, TYPES) if isinstance(value, str) else ""
        raise place.error(f"{_named(value)}{hint}; it should be {' or '.join(TYPES)}")
    return TYPES[value]


# Values


def _records(value: Any, place: _Place) -> Iterator[tuple[dict[str, Any], _Place]]:
    """The objects of a list, given as one or as JSON, with the place of each."""
    value = _json(value, place) if isinstance(value, str) else value
    if not isinstance(value, list | None):
        raise place.error(f"{_named(value)}; it should be a list")
    for number, record in enumerate(value or ()):
        if not isinstance(record, dict):
            raise place.inside(number).error(f"{_named(record)}; it should be an object with named fields")
        yield record, place.inside(number)


def _json(text: str, place: _Place) -> Any:
    if len(text) > MAX_JSON:
        raise place.error(f"JSON of {len(text):,} characters; at most {MAX_JSON:,} are accepted")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise place.error(f"malformed JSON: {_first_line(error)}") from None


def _field(record: dict[str, Any], name: str, place: _Place) -> Any:
    if name not in record:
        raise place.error(f"no field {name!r}{did_you_mean(name, record)}; it has: {_shorter(', '.join(record)) or 'none'}")
    return record[name]


def _said(record: dict[str, Any], name: str, place: _Place) -> str:
    return _text(_field(record, name, place), place.inside(name))


def _person(value: Any, place: _Place) -> str:
    return _text(value, place)


def _text(value: Any, place: _Place, blank: bool = False) -> str:
    if not isinstance(value, str):
        raise place.error(f"{_named(value)}; it should be a text")
    if not blank and not value.strip():
        raise place.error("empty; it should be a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise place.error("text with half a character (a lone surrogate); it should be valid Unicode") from None
    return value


def _named(value: Any) -> str:
    """A wrong value in a few words."""
    if value is None:
        return "nothing here (null)"
    return f"{_shorter(repr(value))} ({type(value).__name__})"


def _shorter(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


# Export


def write_benchmark(benchmark: Benchmark, folder: Path, percent: int) -> None:
    """Export in the released layout, into a new or empty folder; ``read_benchmark(folder, percent, seed)`` gives an equal benchmark.

    ``percent`` names the folders of the benchmark's own split. Ours alone: ``metadata`` of celebrities, ``Type`` in training pairs.
    """
    check_percent(percent)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError("is not empty: old and new shards would mix; choose a new or an empty folder", file=folder)
    sets = {
        FULL: benchmark.profiles,
        f"forget_{percent}": benchmark.people("forget"),
        f"retain_{100 - percent}": benchmark.people("retain"),
        TRAINING: benchmark.profiles,
        TEST: benchmark.transformed,
        CELEBRITIES: benchmark.celebrities,
    }
    letters = sorted({*"ABCD", *(letter for rows in sets.values() for profile in rows for question in profile.questions for letter, _ in question.options)})
    label = {LABEL: json.dumps({"name": benchmark.name, "synthetic": benchmark.synthetic}).encode()}
    for config, profiles in sets.items():
        several = config == TEST or any(len(profile.pictures) != 1 for profile in profiles)
        trained = config in (TRAINING, CELEBRITIES) or (config == TEST and any(profile.pairs for profile in profiles))
        schema = _schema(letters, several, trained).with_metadata(label)
        shards = 2 if config == TEST and len(profiles) > TEST_SHARD_ROWS else 1
        _write(profiles, folder / config, shards, schema, partial(_row, several=several, trained=trained))


def _schema(letters: Iterable[str], several: bool, trained: bool) -> Any:
    text = pa.string()
    picture = pa.struct([("bytes", pa.binary()), ("path", text)])
    choice = pa.struct([("Question", text), ("Options", pa.struct([(letter, text) for letter in letters])), ("Correct_Answer", text)])
    task = pa.list_(pa.struct([("Question", text), ("Ground_Truth", text), ("Type", text)]))
    return pa.schema(
        [
            ("ID", text),
            ("images", pa.list_(picture)) if several else ("image", picture),
            *((name, text) for name in DESCRIPTION),
            (LISTS["classification"], pa.struct([(f"{name}_Questions", pa.list_(choice)) for name in TYPES])),
            (LISTS["generation"], task),
            (LISTS["cloze"], task),
            *([("metadata", text)] if trained else []),
        ]
    )


def _write(profiles: Sequence[Profile], folder: Path, shards: int, schema: Any, row: Callable[[Profile], dict[str, Any]]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for shard in range(shards):
            first, last = len(profiles) * shard // shards, len(profiles) * (shard + 1) // shards
            with pq.ParquetWriter(str(folder / f"train-{shard:05d}-of-{shards:05d}.parquet"), schema) as writer:
                for start in range(first, last, ROW_GROUP):
                    rows = [row(profile) for profile in profiles[start : min(start + ROW_GROUP, last)]]
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot be written: {_first_line(error)}", file=folder) from None


def _row(profile: Profile, several: bool, trained: bool) -> dict[str, Any]:
    pictures = [{"bytes": picture.data, "path": None} for picture in profile.pictures]
    row: dict[str, Any] = {"ID": profile.id, "biography": profile.biography, "question": profile.question, "answer": profile.answer}
    row |= {"images": pictures} if several else {"image": pictures[0]}
    row[LISTS["classification"]] = {
        f"{name}_Questions": [
            {"Question": question.text, "Options": dict(question.options), "Correct_Answer": question.answer}
            for question in profile.ask("classification", modality)
        ]
        for name, modality in TYPES.items()
    }
    for task in ("generation", "cloze"):
        asked = [question for modality in MODALITIES for question in profile.ask(task, modality)]
        row[LISTS[task]] = [{"Question": question.text, "Ground_Truth": question.answer, "Type": TYPE_OF[question.modality]} for question in asked]
    if trained:
        row["metadata"] = json.dumps([_pair(pair) for pair in profile.pairs], ensure_ascii=False)
    return row


def _pair(pair: TrainingPair) -> dict[str, str]:
    return {"Question": pair.question, "Answer": pair.answer} | ({"Type": TYPE_OF[pair.modality]} if pair.modality else {})
