"""How well a factuality judge agrees with answers that were scored by hand: ``reference.jsonl``, by the rubric of docs/judge.md.

The set was written and scored before the local judge's code was opened. Do not change a score to please a judge: add an answer, and say why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from pytest_mllmu.errors import DataError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pytest_mllmu.scoring.scores import Judge

KINDS = ("exact", "paraphrase", "partial", "contradiction", "wrong", "refusal", "gibberish", "verbose", "injection")
"""What is hard about an answer, in the order of the table."""
ALL = "all"
Ends = tuple[float, float]
"""The 95% interval: from, to."""


@dataclass(frozen=True)
class Reference:
    """An answer that was scored by hand: ``score`` is a whole number, 1..10, and ``why`` says in a few words how it came about."""

    id: str
    kind: str
    question: str
    truth: str
    answer: str
    score: int
    why: str


@dataclass(frozen=True)
class Agreement:
    """Of ``n`` answers: errors are points (1..10) of the judge less those given by hand. What ``n`` or equal scores leave undefined is nan.

    ``spearman`` is the rank correlation, its interval Fisher's z with the standard error of Bonett and Wright (2000), sqrt((1 + r^2 / 2) / (n - 3)).
    ``mae`` is the mean absolute error, its interval t with n - 1 degrees of freedom, cut at 0; ``bias`` is the mean error: above 0 the judge is too kind.
    """

    n: int
    spearman: float
    spearman_interval: Ends
    mae: float
    mae_interval: Ends
    bias: float


def references(path: Path | None = None) -> list[Reference]:
    """The shipped set, or the one in ``path``. Raises DataError for a line that is none."""
    file: Traversable = path or files("pytest_mllmu.scoring") / "reference.jsonl"
    # Not splitlines(): JSON allows U+2028 and its like within a text.
    lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    found = [_read(line, row, file.name) for row, line in enumerate(lines, 1)]
    rows: dict[str, int] = {}
    for row, reference in enumerate(found, 1):
        if reference.id in rows:
            raise DataError(f"{reference.id!r} is the id of row {rows[reference.id]}, too", file=file.name, row=row, column="id")
        rows[reference.id] = row
    return found


def _read(line: str, row: int, file: str) -> Reference:
    try:
        given = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"not a line of JSON: {error.msg}", file=file, row=row) from None
    names = [field.name for field in fields(Reference)]
    if not isinstance(given, dict) or sorted(given) != sorted(names):
        raise DataError(f"not an object of {', '.join(names)}", file=file, row=row)
    for name in names:
        # A bool is an int for Python, and no score.
        if type(given[name]) is not (int if name == "score" else str):
            raise DataError(f"{'not a whole number' if name == 'score' else 'not a text'}: {given[name]!r}", file=file, row=row, column=name)
    if given["kind"] not in KINDS:
        raise DataError(f"no such kind as {given['kind']!r}; there are {', '.join(KINDS)}", file=file, row=row, column="kind")
    if not 1 <= given["score"] <= 10:
        raise DataError(f"{given['score']} is not between 1 and 10", file=file, row=row, column="score")
    return Reference(**given)


def agreements(judge: Judge, given: Sequence[Reference]) -> Mapping[str, Agreement]:
    """The agreement of ``judge`` with ``given`` on each kind that occurs, in the order of ``KINDS``, and on ``all``; every answer is judged once.

    An answer that the judge gives no grade is left out, and n says so.
    """
    judged = [(reference, judge(reference.question, reference.truth, reference.answer)) for reference in given]
    scored = [(reference, points) for reference, points in judged if points is not None]
    by_kind = {kind: [(reference.score, points) for reference, points in scored if reference.kind == kind] for kind in KINDS}
    return {kind: agreement(pairs) for kind, pairs in (by_kind | {ALL: [(reference.score, points) for reference, points in scored]}).items() if pairs}


def agreement(pairs: Sequence[tuple[float, float]]) -> Agreement:
    """The agreement of pairs (score by hand, score of the judge), at least one."""
    errors = [points - score for score, points in pairs]
    sizes = [abs(error) for error in errors]
    correlation = _spearman(pairs)
    return Agreement(len(pairs), correlation, _fisher(correlation, len(pairs)), fmean(sizes), _student(sizes), fmean(errors))


def _spearman(pairs: Sequence[tuple[float, float]]) -> float:
    from scipy.stats import spearmanr

    hand, judged = zip(*pairs, strict=True)
    # Equal scores have no ranks; scipy would warn.
    return float(spearmanr(hand, judged).statistic) if len(set(hand)) > 1 and len(set(judged)) > 1 else math.nan


def _fisher(correlation: float, n: int) -> Ends:
    from scipy.stats import norm

    if math.isnan(correlation) or n < 4:
        return math.nan, math.nan
    if abs(correlation) > 1 - 1e-12:  # z is infinite
        return correlation, correlation
    half = norm.ppf(0.975) * math.sqrt((1 + correlation**2 / 2) / (n - 3))
    z = math.atanh(correlation)
    return math.tanh(z - half), math.tanh(z + half)


def _student(sizes: Sequence[float]) -> Ends:
    from scipy.stats import t

    if len(sizes) < 2:
        return math.nan, math.nan
    mean, half = fmean(sizes), float(t.ppf(0.975, len(sizes) - 1)) * stdev(sizes) / math.sqrt(len(sizes))
    return max(0.0, mean - half), mean + half
