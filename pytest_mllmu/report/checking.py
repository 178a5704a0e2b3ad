"""Whether a stored run can be printed: it is a file of somebody else's, and what is wrong with it must not wait for a table to show."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pytest_mllmu.analysis.comparison import NAMES
from pytest_mllmu.analysis.table import Cell
from pytest_mllmu.errors import StoreError
from pytest_mllmu.report.run import Run
from pytest_mllmu.scoring.metrics import METRICS

LARGEST = 1e15
"""No number of a run is beyond it."""
DEEPEST = 40
"""Levels of settings."""
SLACK = 1e-6
"""What a sum may be beyond its scale by rounding."""


def check(run: Run) -> None:
    """Raises StoreError for the first part of a stored run that is of another kind than the class says, or beyond what can be."""
    for problem in _wrong(run, Run, "run"):
        raise StoreError(f"not a run ({problem})")
    rows = [*run.table.rows, *(row for found in run.findings for row in found.rows)]
    for problem in [*(problem for row in rows for cell in row.cells for problem in _cell(cell, row.seeds)), *_others(run)]:
        raise StoreError(f"not a run ({problem})")


def _wrong(value: Any, hint: Any, place: str, depth: int = 0) -> Iterator[str]:
    """Where ``value`` is not what its type hint says."""
    origin, inner = get_origin(hint), get_args(hint)
    if depth > DEEPEST:
        yield f"{place}: too many levels"
    elif hint is Any:
        yield from _plain(value, place, depth)
    elif is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, hint):
            yield f"{place}: no {hint.__name__.lower()}"
            return
        for name, kind in _fields(hint):
            yield from _wrong(getattr(value, name), kind, name, depth + 1)
        ends = [getattr(value, end) for end in ("low", "high") if hasattr(value, end)]
        if len({end != end for end in ends}) > 1:
            yield f"{place}: an interval with one end"
    elif origin is Literal:
        if value not in inner:
            yield f"{place}: one of {', '.join(map(str, inner))} is expected, not {value!r:.60}"
    elif origin in (Union, types.UnionType):
        if all(any(_wrong(value, kind, place, depth + 1)) for kind in inner):
            yield f"{place}: {value!r:.60}"
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            yield f"{place}: {value!r:.60} is no mapping"
            return
        for key, part in value.items():
            yield from _wrong(key, inner[0], place, depth + 1)
            yield from _wrong(part, inner[1], f"{place} {key!r:.60}", depth + 1)
    elif origin in (tuple, list):
        yield from _sequence(value, inner, place, depth)
    elif hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isnan(value) or abs(value) <= LARGEST):
            yield f"{place}: {value!r:.60} is no number that can be"
    elif hint is int:
        if not isinstance(value, int) or abs(value) > LARGEST:
            yield f"{place}: {value!r:.60} is no whole number that can be"
    elif not isinstance(value, hint):
        yield f"{place}: {value!r:.60}"


def _sequence(value: Any, inner: tuple[Any, ...], place: str, depth: int) -> Iterator[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        yield f"{place}: {value!r:.60} is no list"
        return
    kinds = [inner[0]] * len(value) if len(inner) == 1 or inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        yield f"{place}: {len(kinds)} values are expected"
        return
    for part, kind in zip(value, kinds, strict=True):
        yield from _wrong(part, kind, place, depth + 1)


@lru_cache(maxsize=32)
def _fields(kind: type) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(part.name, hints[part.name]) for part in fields(kind) if part.name not in ("parts", "shares", "schema_version")]


def _plain(value: Any, place: str, depth: int) -> Iterator[str]:
    """Free-form parts: whatever JSON has, as deep as settings are."""
    if depth > DEEPEST:
        yield f"{place}: too many levels"
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _plain(part, place, depth + 1)
    elif isinstance(value, int | float) and not (math.isnan(value) or abs(value) <= LARGEST):
        yield f"{place}: {value!r:.60}"


def _cell(cell: Cell, mean: Sequence[int]) -> Iterator[str]:
    metric = METRICS.get(cell.metric)
    if metric is None:
        yield f"no metric {cell.metric!r:.60}"
        return
    place, low, high = f"{cell.split} {cell.metric}", metric.worst - SLACK, metric.best + SLACK
    ends = (cell.value,) if mean else (cell.value, cell.low, cell.high)  # a standard deviation may reach beyond the scale
    if any(not low <= number <= high for number in ends if not math.isnan(number)) or not low <= cell.chance < metric.best:
        yield f"{place}: beyond the scale of the metric, {metric.worst:g} to {metric.best:g}"
    if cell.questions < 0 or cell.people < 0 or any(asked < 1 or not asked * low <= total <= asked * high for total, asked in cell.groups.values()):
        yield f"{place}: sums or counts that cannot be"


def _others(run: Run) -> Iterator[str]:
    """What is looked up by name, or stands in a table of its own."""
    if (model := run.settings.get("model")) is not None and not isinstance(model, str):
        yield f"settings model: {model!r:.60}"
    for change in run.changes:
        if change.name not in NAMES:
            yield f"no change is called {change.name!r:.60}"
    for found in run.findings:
        if len(found.matrix) > len(found.states) or any(len(part) > len(found.matrix) - at for at, part in enumerate(found.matrix)):
            yield "findings: a matrix that is no triangle"
