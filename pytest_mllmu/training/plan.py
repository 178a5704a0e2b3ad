"""Which rows are learned in which step: decided before the first one, from the seed alone, so that a training can be taken up in the middle."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_mllmu.training.batches import Example, shuffled

Rows = Callable[[random.Random], Iterable[Example]]
"""Draws the rows of one epoch."""


@dataclass(frozen=True)
class Part:
    """What goes through the model at once: rows, and the rows of the second stream that go with them."""

    rows: tuple[Example, ...]
    beside: tuple[Example, ...] = ()


Step = tuple[Part, ...]
"""The parts whose gradients one optimizer step adds up."""


def planned(rows: Rows, beside: Rows | None, epochs: int, batch: int, accumulate: int, seed: int) -> list[list[Step]]:
    """The steps of each epoch, of ``batch`` x ``accumulate`` rows (the last may have fewer), in parts of ``batch`` rows.

    A step has the same rows for 8 x 1 as for 1 x 8. It takes as many rows from ``beside``, an endless stream, as it has of its own.
    """
    rng = random.Random(f"{seed}/train")
    stream = _endless(beside, batch * accumulate, seed) if beside else iter(())

    def step(chosen: Sequence[Example]) -> Step:
        others = sorted(itertools.islice(stream, len(chosen)), key=len)
        return tuple(Part(tuple(chosen[start : start + batch]), tuple(others[start : start + batch])) for start in range(0, len(chosen), batch))

    return [[step(chosen) for chosen in shuffled(rows(rng), batch * accumulate, rng)] for _ in range(epochs)]


def _endless(rows: Rows, size: int, seed: int) -> Iterator[Example]:
    for epoch in itertools.count():
        rng = random.Random(f"{seed}/retain/{epoch}")
        drawn = [row for group in shuffled(rows(rng), size, rng) for row in group]
        if not drawn:
            return
        yield from drawn
