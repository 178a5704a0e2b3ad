"""A run as a table in long form, a number a line, for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_mllmu.analysis.table import REFERENCES, Row
from pytest_mllmu.analysis.tradeoff import points
from pytest_mllmu.files import write_text
from pytest_mllmu.report.grid import printable
from pytest_mllmu.report.layout import blocks
from pytest_mllmu.report.run import Run

COLUMNS = (
    "block",
    "model",
    "data",
    "seed",
    "forget",
    "method",
    "title",
    "role",
    "collapsed",
    "trained",
    "split",
    "modality",
    "metric",
    "value",
    "low",
    "high",
    "interval",
    "questions",
    "people",
    "chance",
)
"""``block``: rows of one block can be compared. ``forget``: percent of the people. ``collapsed``: yes where a collapse guard failed.
``trained``: what unlearning trained on, empty where nothing did. ``modality``: of the questions, "both" pools them.
``value`` is in the metric's own unit: shares from 0 to 1, factuality from 1 to 10. ``interval`` says what ``low`` and ``high`` are: "95%"
over people, or "sd" of several seeds, which ``seed`` then lists: ``value`` is their mean, the ends are a standard deviation off. Empty where there is none."""
RETAINED = "retained"
RETAINED_MEANS = "What is left of what the vanilla knew, over all tasks: 0 is the floor (the oracle on forget and test, where there is one), 1 is all."
"""What that metric is."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def text(run: Run) -> str:
    """The document; two identical runs give the same bytes."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _rows(run):
        writer.writerow([_number(value) if isinstance(value, float) else _word(value) if isinstance(value, str) else value for value in row])
    return file.getvalue()


def write_csv(run: Run, path: Path) -> None:
    """Raises StoreError when the file cannot be written."""
    write_text(path, [text(run)])


def _rows(run: Run) -> Iterator[list[str | int | float]]:
    made = _made(run)
    for block in blocks(run):
        left = {(point.row.name, point.row.title): point.left for point in points(block.rows)}
        for row in block.rows:
            head: list[str | int | float] = [
                block.title,
                str(run.settings.get("model", "")),
                run.benchmark_name,
                " ".join(map(str, row.seeds or (run.seed,))),
                row.forget,
                row.name,
                row.title,
                _role(row),
                "yes" if row.name in block.collapsed else "",
                _trained(made, row),
            ]
            for cell in row.cells:
                ends = cell.low, cell.high, _interval(row, cell.low)
                yield [*head, cell.split, cell.modality, cell.metric, cell.value, *ends, cell.questions, cell.people, cell.chance]
            for (split, view), one in left.get((row.name, row.title), {}).items():
                yield [*head, split, view, RETAINED, one.value, one.low, one.high, _interval(row, one.low), one.questions, one.people, 0.0]


def _interval(row: Row, low: float) -> str:
    return "" if math.isnan(low) else "sd" if row.seeds else "95%"


def _role(row: Row) -> str:
    return row.name if row.name in REFERENCES else "control" if row.control else "candidate"


def _made(run: Run) -> dict[str, Any]:
    """How each method was made, by its name; runs side by side have methods of their own, and of one name the first counts."""
    found: dict[str, Any] = {}
    for one in (run, *(part for _, part in run.parts)):
        methods = one.settings.get("methods", {})
        found = {**methods, **found} if isinstance(methods, Mapping) else found
    return found


def _trained(made: Mapping[str, Any], row: Row) -> str:
    """The modality; a control was trained as the candidate that it stands beside: ``ga.merged`` as ``ga``."""
    parts = row.name.split(".")
    shorter = [".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]  # without a share, what a control is, or what tells a row apart
    known = next((made[name] for name in (row.name, f"{row.name}.{row.forget}", *shorter) if name in made), None)
    return str(known.get("modality", "")) if isinstance(known, Mapping) else ""


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


def _word(value: str) -> str:
    """On one line, and no formula: a spreadsheet would compute what begins like one."""
    line = printable(value)
    return f"'{line}" if value.startswith(_FORMULA) or line.startswith(_FORMULA) else line
