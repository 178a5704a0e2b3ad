"""The released layout: a folder per config, parquet shards inside, one row per person. Read here, written by export.py.

The cells may be MLLMU-Bench's (cells.py) or UMU-Bench's (umu.py); the columns of ``Full_Set`` tell which.

Training pairs of a person, in this order of preference:
1. the ``metadata`` column (UMU-Bench: ``MM_QA`` and ``UM_QA``) of ``ft_Data`` (profiles only); where ``ft_Data`` exists it must know everybody in ``Full_Set``;
2. such a column of the set itself (UMU-Bench has them in every set; our export adds one to the celebrities, who have none in the release);
3. else, for profiles and celebrities: the description pair (multimodal), then the generation questions with their ground truths,
   then the multiple-choice questions with the text of the right option, each with its own modality.
Transformed people of ``Test_Set`` are evaluated, never trained on: they have pairs only if that set has such a column.
UMU-Bench has no ``Test_Set``: nobody is then transformed, and nothing is asked of the test split.

Rows are numbered from 0 within their file. People come in the order of their ids, whatever the order of shards and rows.
Tolerated, since the release or a tool in its path may do so: ``image`` or ``images`` in every set, task columns as JSON strings,
null or blank options (dropped), null descriptions (empty), null lists (nobody asked). Everything else is one DataError.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_mllmu.benchmark.cells import Place, derived_pairs, json_of, named, numbered, text_of
from pytest_mllmu.benchmark.dialects import Dialect, dialect_of
from pytest_mllmu.benchmark.pictures import pictures_of
from pytest_mllmu.benchmark.profiles import Benchmark, Picture, Profile, TrainingPair
from pytest_mllmu.benchmark.released import (
    CELEBRITIES,
    FULL,
    KINDS,
    LABEL,
    TEST,
    TRAINING,
    located,
    opened,
    read_ids_of,
    read_rows,
    shards,
)
from pytest_mllmu.benchmark.splits import SplitIds, check_percent, draw, order
from pytest_mllmu.errors import DataError

__all__ = ["SplitIds", "read_benchmark", "read_ids"]


def read_ids(folder: Path, percent: int, seed: int) -> SplitIds:
    """Who is to be forgotten and who retained, reading nothing but ``ID`` columns.

    ``forget_P`` and ``retain_{100-P}`` decide when both exist; when neither does, the people are drawn from ``Full_Set``.
    """
    check_percent(percent)
    person_of = dialect_of(folder).person
    everybody = read_ids_of(folder, FULL, person_of)
    if not everybody:
        raise DataError("no rows; the set should hold everybody's profile", file=located(folder, FULL))
    forget, retain = f"forget_{percent}", f"retain_{100 - percent}"
    there = [name for name in (forget, retain) if (folder / name).is_dir()]
    if not there:
        return draw(tuple(everybody), percent, seed)
    if len(there) == 1:
        missing = retain if there == [forget] else forget
        raise DataError(f"there is a folder {there[0]!r} but no {missing!r}; a split needs both, or neither to have it drawn with the seed", file=folder)
    forgotten, retained = read_ids_of(folder, forget, person_of), read_ids_of(folder, retain, person_of)
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
    dialect = dialect_of(folder)
    name, synthetic = _label(folder)
    return Benchmark(
        name=name,
        synthetic=synthetic,
        profiles=_trained(folder, _profiles(folder, FULL, dialect), dialect),
        transformed=_transformed(folder, split, dialect),
        celebrities=_profiles(folder, CELEBRITIES, dialect),
        forget_ids=split.forget,
        retain_ids=split.retain,
    )


def _label(folder: Path) -> tuple[str, bool]:
    """What tables print: from an export of ours its own name, else the name of the folder."""
    path = shards(folder, FULL)[0]
    with opened(path) as file:
        label = (file.schema_arrow.metadata or {}).get(LABEL)
    if label is None:
        return folder.resolve().name, False
    place = Place(path)
    try:
        fields = json_of(label.decode(), place)
    except UnicodeDecodeError:
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str) or not isinstance(fields.get("synthetic"), bool):
        raise place.error(f'the file\'s {LABEL.decode()!r} metadata is not {{"name": text, "synthetic": true or false}}; export the data anew')
    return text_of(fields["name"], place, blank=True), fields["synthetic"]


def _transformed(folder: Path, split: SplitIds, dialect: Dialect) -> tuple[Profile, ...]:
    if not dialect.transforms and not located(folder, TEST).is_dir():
        return ()
    profiles = _profiles(folder, TEST, dialect)
    known = {profile.id for profile in profiles}
    for person in split.forget:
        if person not in known:
            problem = f"no row for {person!r}, who is to be forgotten; the set needs transformed images of everybody to forget"
            raise DataError(problem, file=folder / TEST, column="ID")
    return profiles


def _profiles(folder: Path, config: str, dialect: Dialect) -> tuple[Profile, ...]:
    read_ids_of(folder, config, dialect.person)
    needed, optional = dialect.columns(config)
    found: list[Profile] = []
    for path in shards(folder, config):
        rows = read_rows(path, ["ID", *needed], optional)
        for row, (values, pictures) in enumerate(zip(rows, pictures_of(folder, path), strict=True)):
            found.append(_profile(values, pictures, Place(path, row), config, dialect))
    return tuple(sorted(found, key=lambda profile: order(profile.id)))


def _profile(values: dict[str, Any], pictures: tuple[Picture, ...], place: Place, config: str, dialect: Dialect) -> Profile:
    person = dialect.person(values["ID"], place.inside("ID"))
    description = dialect.description(values, place)
    profile = Profile(person, pictures, *description, numbered(dialect.bodies(values, place), KINDS[config], person))
    pairs = dialect.pairs(values, place)
    if pairs is not None:
        return replace(profile, pairs=pairs)
    return profile if config == TEST else replace(profile, pairs=derived_pairs(profile))


def _trained(folder: Path, profiles: tuple[Profile, ...], dialect: Dialect) -> tuple[Profile, ...]:
    """The profiles with the training pairs of ``ft_Data`` when there is one."""
    if not (folder / TRAINING).is_dir():
        return profiles
    read_ids_of(folder, TRAINING, dialect.person)
    pairs: dict[str, tuple[TrainingPair, ...]] = {}
    for path in shards(folder, TRAINING):
        for row, values in enumerate(read_rows(path, ["ID", *dialect.training])):
            place = Place(path, row)
            found = dialect.pairs(values, place)
            if found is None:
                raise place.inside(dialect.training[0]).error(f"{named(None)}; {TRAINING} must have everybody's training pairs")
            pairs[dialect.person(values["ID"], place.inside("ID"))] = found
    for profile in profiles:
        if profile.id not in pairs:
            raise DataError(
                f"no row for {profile.id!r} of {FULL}; {TRAINING} must have everybody's training pairs (or be away: they then come from {FULL})",
                file=folder / TRAINING,
                column="ID",
            )
    return tuple(replace(profile, pairs=pairs[profile.id]) for profile in profiles)
