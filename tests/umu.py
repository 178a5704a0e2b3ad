"""Writes people as UMU-Bench does: the same folders and rows as MLLMU-Bench's, with cells that are texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pytest_mllmu.benchmark.profiles import Benchmark, Modality, Profile, Question, Task
from tests.files import ONLY

COLUMNS = ("Biography", "MM_QA", "UM_QA", "Classify", "Cloze", "Generation")
SIDES: dict[str, Modality] = {"unimodal": "unimodal", "muitimodal": "multimodal"}
SCHEMA = pa.schema([("ID", pa.string()), ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), *((column, pa.string()) for column in COLUMNS)])
Write = Callable[[Any], str]


def write(folder: Path, benchmark: Benchmark, percent: int, text: Write = repr, names: tuple[str, str] = ("full_data", "real_person")) -> None:
    """``text`` writes a cell, ``names`` are the folders of everybody and of the celebrities. Transformed people, if any, get a ``Test_Set``."""
    sets = {
        names[0]: benchmark.profiles,
        f"forget_{percent}": benchmark.people("forget"),
        f"retain_{100 - percent}": benchmark.people("retain"),
        names[1]: benchmark.celebrities,
    }
    for config, profiles in (sets | ({"Test_Set": benchmark.transformed} if benchmark.transformed else {})).items():
        (folder / config).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row(profile, text) for profile in profiles], schema=SCHEMA), folder / config / ONLY)


def row(profile: Profile, text: Write = repr) -> dict[str, Any]:
    tasks: dict[str, Task] = {"Classify": "classification", "Cloze": "cloze", "Generation": "generation"}
    pairs = {"MM_QA": "multimodal", "UM_QA": "unimodal"}
    return {
        "ID": profile.id,
        "image": {"bytes": profile.pictures[0].data, "path": None},
        "Biography": profile.biography,
        **{column: text(asked(profile, task)) for column, task in tasks.items()},
        **{column: text(trained((pair.question, pair.answer) for pair in profile.pairs if pair.modality == side)) for column, side in pairs.items()},
    }


def asked(profile: Profile, task: Task) -> dict[str, Any]:
    return {side: {f"fact {number}": item(question) for number, question in enumerate(profile.ask(task, modality))} for side, modality in SIDES.items()}


def item(question: Question) -> dict[str, Any]:
    options = {"options": dict(question.options)} if question.options else {}
    return {"question": question.text, **options, "answer": question.answer}


def trained(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    rows = list(pairs)
    return {"question": {str(number): row[0] for number, row in enumerate(rows)}, "answer": {str(number): row[1] for number, row in enumerate(rows)}}


def plain_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
