"""Who is to be forgotten: known from the ids alone, so tests can be collected before any data is read. Standard library only."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from pytest_mllmu.errors import DataError, SettingsError


class SplitIds(NamedTuple):
    """The ids of the people to forget and of those to retain, each in the order of ``order``."""

    forget: tuple[str, ...]
    retain: tuple[str, ...]


def order(person: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sort key of ids: runs of digits compare as numbers, so "1000" comes after "999" and "C2" before "C10"."""
    parts: list[str | tuple[int, str]] = []
    for place, part in enumerate(re.split(r"([0-9]+)", person)):
        digits = part.lstrip("0")
        parts.append((len(digits), digits) if place % 2 else part)
    return parts, person


def synthetic_ids(count: int) -> tuple[str, ...]:
    """The ids of the first ``count`` profiles of the embedded benchmark."""
    return tuple(f"{number:03d}" for number in range(1, count + 1))


def limited(ids: Sequence[str], limit: int | None) -> tuple[str, ...]:
    """The first ``limit`` ids, or all of them when there is no limit."""
    return tuple(ids if limit is None else ids[: max(0, limit)])


def draw_forget(ids: Sequence[str], percent: int, seed: int) -> tuple[str, ...]:
    """The people to forget: ``percent`` of all, at least one, whatever the order ``ids`` come in."""
    check_percent(percent)
    if not ids:
        raise DataError("nobody to draw the people to forget from: the set of profiles is empty")
    count = max(1, round(len(ids) * percent / 100))
    drawn = random.Random(f"{seed}/forget/{percent}").sample(sorted(ids, key=order), count)
    return tuple(sorted(drawn, key=order))


def draw(ids: Sequence[str], percent: int, seed: int) -> SplitIds:
    """``draw_forget`` and everybody else."""
    forget = draw_forget(ids, percent, seed)
    chosen = set(forget)
    return SplitIds(forget, tuple(sorted((person for person in ids if person not in chosen), key=order)))


def check_percent(percent: int) -> None:
    if not 1 <= percent <= 99:
        raise SettingsError(f"{percent} percent of the people to forget: choose 1 to 99 (the released data has 5, 10 and 15)")
