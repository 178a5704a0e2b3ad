"""A run as one JSON document, and its questions as JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_mllmu.errors import StoreError
from pytest_mllmu.files import write_text
from pytest_mllmu.report.run import Run, jsonable

_LIST = re.compile(r'\[\n\s*((?:-?[\d.eE+-]+|"[^"\\\n]*")(?:,\n\s*(?:-?[\d.eE+-]+|"[^"\\\n]*"))*)\n\s*\]')
"""A list of numbers or plain words over several lines. A line end inside a string is written as ``\\n``, so no string can look like one."""


def write_json(run: Run, path: Path) -> None:
    """The whole run, indented; two identical runs are byte-equal but for ``timings``. Raises StoreError when it cannot be written."""
    write_text(path, [text(run)])


def text(run: Run) -> str:
    """The document, with a list of numbers or words on one line: the sums per person would else be most of its lines."""
    whole = json.dumps(run.to_json(), ensure_ascii=False, allow_nan=False, indent=1)
    return _LIST.sub(lambda found: "[" + ", ".join(part.strip() for part in found[1].split(",\n")) + "]", whole) + "\n"


def read_json(path: Path) -> Run:
    """A stored run that every writer can print. Raises StoreError when the file is none."""
    from pytest_mllmu.report.checking import check

    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not a report of a run: {getattr(error, 'strerror', None) or error}") from None
    try:
        run = Run.from_json(row)
        check(run)
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from None
    return run


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One line a question (question, response, score), in the given order. Raises StoreError when it cannot be written."""
    write_text(path, (json.dumps(jsonable(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows))
