"""Writes a benchmark in the released layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pytest_mllmu.benchmark.cells import LISTS, TYPE_OF, TYPES, first_line
from pytest_mllmu.benchmark.profiles import MODALITIES, Benchmark, Profile, TrainingPair
from pytest_mllmu.benchmark.released import CELEBRITIES, DESCRIPTION, FULL, LABEL, TEST, TRAINING
from pytest_mllmu.benchmark.splits import SplitIds, check_percent
from pytest_mllmu.errors import DataError

TEST_SHARD_ROWS = 50
ROW_GROUP = 100


def write_benchmark(benchmark: Benchmark, folder: Path, percent: int, others: Mapping[int, SplitIds] | None = None) -> None:
    """Export in the released layout, into a new or empty folder; ``read_benchmark(folder, percent, seed)`` gives an equal benchmark.

    ``percent`` names the folders of the benchmark's own split, ``others`` are splits to write beside it, by percent.
    Ours alone: ``metadata`` of celebrities, ``Type`` in training pairs.
    """
    check_percent(percent)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError("is not empty: old and new shards would mix; choose a new or an empty folder", file=folder)
    sets = {
        FULL: benchmark.profiles,
        **_split(percent, benchmark),
        TRAINING: benchmark.profiles,
        TEST: benchmark.transformed,
        CELEBRITIES: benchmark.celebrities,
    }
    for share, ids in (others or {}).items():
        check_percent(share)
        sets |= _split(share, replace(benchmark, forget_ids=ids.forget, retain_ids=ids.retain))
    letters = sorted({*"ABCD", *(letter for rows in sets.values() for profile in rows for question in profile.questions for letter, _ in question.options)})
    label = {LABEL: json.dumps({"name": benchmark.name, "synthetic": benchmark.synthetic}).encode()}
    for config, profiles in sets.items():
        several = config == TEST or any(len(profile.pictures) != 1 for profile in profiles)
        trained = config in (TRAINING, CELEBRITIES) or (config == TEST and any(profile.pairs for profile in profiles))
        schema = _schema(letters, several, trained).with_metadata(label)
        shards = 2 if config == TEST and len(profiles) > TEST_SHARD_ROWS else 1
        _write(profiles, folder / config, shards, schema, partial(_row, several=several, trained=trained))


def _split(percent: int, benchmark: Benchmark) -> dict[str, tuple[Profile, ...]]:
    return {f"forget_{percent}": benchmark.people("forget"), f"retain_{100 - percent}": benchmark.people("retain")}


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
        raise DataError(f"cannot be written: {first_line(error)}", file=folder) from None


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
