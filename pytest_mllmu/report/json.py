"""A run as one JSON document, and its questions as JSON lines."""

from __future__ import annotations

import json
import re
import stat
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

    row = _read(path)
    try:
        run = Run.from_json(row)
        check(run)
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from None
    return run


def _read(path: Path) -> Mapping[str, Any]:
    """The object that a file holds. Raises StoreError that says what it is where it cannot be a run."""
    wrong, content = "not a report of a run", ""
    try:
        if not stat.S_ISREG(mode := path.stat().st_mode):  # whoever reads a pipe may wait for ever
            raise StoreError(f"{path}: {wrong}: {'a folder' if stat.S_ISDIR(mode) else 'no plain file'}")
        content = path.read_text(encoding="utf-8")
        row = json.loads(content)
    except OSError as error:
        raise StoreError(f"{path}: {wrong}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise StoreError(f"{path}: {wrong}: no text in UTF-8") from None
    except json.JSONDecodeError as error:
        if _lines_of_answers(path, content):
            raise StoreError(f"{path}: lines of answers (.jsonl), not a run: give the .json report") from None
        raise StoreError(f"{path}: {wrong}: no JSON at line {error.lineno}, column {error.colno}; give the .json report") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in brackets
        raise StoreError(f"{path}: {wrong}: larger numbers or deeper brackets than a report has") from None
    if isinstance(row, dict) and "certificate_schema" in row:
        raise StoreError(f"{path}: a certificate, not a run: mllmu verify reads it")
    if not isinstance(row, dict) or "schema_version" not in row:
        if _lines_of_answers(path, content):  # a single line is JSON as well
            raise StoreError(f"{path}: lines of answers (.jsonl), not a run: give the .json report")
        what = "an object without schema_version" if isinstance(row, dict) else "a list" if isinstance(row, list) else "a single value"
        raise StoreError(f"{path}: not a run ({what}): give a .json report that --mllmu-report wrote")
    return row


def _lines_of_answers(path: Path, content: str) -> bool:
    """Whether it is what ``write_jsonl`` writes, or calls itself so."""
    try:
        first = json.loads(content.partition("\n")[0])
    except (ValueError, RecursionError):
        first = None
    return path.suffix.lower() == ".jsonl" or (isinstance(first, dict) and {"question", "response"} <= set(first))


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One line a question (question, response, score), in the given order. Raises StoreError when it cannot be written."""
    write_text(path, (json.dumps(jsonable(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows))
