"""Which rows are learned in which step: decided before the first one, from the seed alone, so that a training can be taken up in the middle."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_mllmu.training.batches import Example, shuffled
from pytest_mllmu.training.packing import by_picture

Rows = Callable[[random.Random], Iterable[Example]]
"""Draws the rows of one epoch."""


@dataclass(frozen=True)
class Part:
    """What goes through the model at once: rows, and the rows of the second stream that go with them."""

    rows: tuple[Example, ...]
    beside: tuple[Example, ...] = ()


Step = tuple[Part, ...]
"""The parts whose gradients one optimizer step adds up."""


def planned(rows: Rows, beside: Rows | None, epochs: int, batch: int, accumulate: int, seed: int, packed: bool = False) -> list[list[Step]]:
    """The steps of each epoch, of ``batch`` x ``accumulate`` rows (the last may have fewer), in parts of ``batch`` rows.

    A step has the same rows for 8 x 1 as for 1 x 8, and takes as many from ``beside``, an endless stream, as it has of its own. With ``packed``,
    rows about one picture stay in one part where ``batch`` allows, also in the stream: a part may have fewer rows than ``batch``.
    """
    rng = random.Random(f"{seed}/train")
    size = batch * accumulate

    def group(rows: Iterable[Example], rng: random.Random) -> list[list[list[Example]]]:
        """The rows of an epoch: by step, by part."""
        if packed:
            parts = by_picture(rows, batch, rng)
            return [parts[start : start + accumulate] for start in range(0, len(parts), accumulate)]
        return [[step[start : start + batch] for start in range(0, len(step), batch)] for step in shuffled(rows, size, rng)]

    def endless(rows: Rows) -> Iterator[list[Example]]:
        """The parts of one epoch after the other."""
        for epoch in itertools.count():
            chance = random.Random(f"{seed}/retain/{epoch}")
            drawn = [part for step in group(rows(chance), chance) for part in step]
            if not drawn:
                return
            yield from drawn

    stream = endless(beside) if beside else iter(())
    single = itertools.chain.from_iterable(stream)

    def step(parts: Sequence[Sequence[Example]]) -> Step:
        if packed:
            return tuple(Part(tuple(part), tuple(next(stream, ()))) for part in parts)
        rest = iter(sorted(itertools.islice(single, sum(map(len, parts))), key=len))
        return tuple(Part(tuple(part), tuple(itertools.islice(rest, len(part)))) for part in parts)

    return [[step(parts) for parts in group(rows(rng), rng)] for _ in range(epochs)]
