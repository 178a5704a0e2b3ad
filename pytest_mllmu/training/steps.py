"""A step of the plan on its way through the model: its parts as batches, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from pytest_mllmu.models.families import unwrapped
from pytest_mllmu.training.batches import Batch, Encoder, Example, Labels
from pytest_mllmu.training.features import Features
from pytest_mllmu.training.packing import collate_packed
from pytest_mllmu.training.plan import Part


def batches(encoder: Encoder, parts: Sequence[Part], labels: Labels, packing: bool) -> Iterator[Batch]:
    """The parts of a step as batches, each with its share of the step's answer tokens; made when they are needed, one at a time."""
    collate = partial(collate_packed, encoder) if packing else encoder.collate

    def shared(mine: Sequence[Example], whole: Sequence[Sequence[Example]]) -> Batch:
        tokens, all_tokens = (sum(len(row.targets(labels)) for rows in part for row in rows) for part in ([mine], whole))
        return replace(collate(mine, labels), share=tokens / all_tokens, row_share=len(mine) / sum(map(len, whole)))

    own, others = [part.rows for part in parts], [part.beside for part in parts]
    for part in parts:
        yield replace(shared(part.rows, own), beside=shared(part.beside, others) if part.beside else None)


@contextmanager
def checkpointed(model: Any, wanted: bool) -> Iterator[None]:
    """Gradient checkpointing for a while. Not the re-entrant kind: that one loses the gradient when no input of a layer requires it, as under LoRA."""
    if not wanted:
        yield
        return
    unwrapped(model).gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        unwrapped(model).gradient_checkpointing_disable()


@contextmanager
def remembered(encoder: Encoder, wanted: bool) -> Iterator[None]:
    """The encoder gives features instead of pixels for a while: not longer than the modules are known to be frozen."""
    if not wanted:
        yield
        return
    before, encoder.features = encoder.features, Features(encoder.bundle)
    try:
        yield
    finally:
        encoder.features = before
