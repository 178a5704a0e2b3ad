"""A run as one JSON document, and its questions as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_mllmu.report.files import write_text
from pytest_mllmu.report.run import Run, jsonable


def write_json(run: Run, path: Path) -> None:
    """The whole run, indented; two identical runs are byte-equal but for ``timings``. Raises StoreError when it cannot be written."""
    write_text(path, [json.dumps(run.to_json(), ensure_ascii=False, allow_nan=False, indent=1), "\n"])


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One line a question (question, response, score), in the given order. Raises StoreError when it cannot be written."""
    write_text(path, (json.dumps(jsonable(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows))
