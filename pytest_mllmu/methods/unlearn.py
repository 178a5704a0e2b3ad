"""Applies a method: a fresh adapter on the vanilla model, the method's loss, the shared loop."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

from pytest_mllmu.benchmark.profiles import Benchmark
from pytest_mllmu.methods.base import Method, UnlearnStep
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import Batch, Encoder, Example, shuffled
from pytest_mllmu.training.loop import Hyper, train
from pytest_mllmu.training.lora import adapted


def unlearn(method: Method, bundle: Bundle, benchmark: Benchmark, hyper: Hyper, seed: int, progress: Progress, title: str) -> Any:
    """The bundle's model with a trained adapter (a PeftModel). Raises TrainingError when the loss is not finite."""
    encoder = Encoder(bundle)
    forget = [row for profile in benchmark.people("forget") for row in encoder.pairs(profile)]
    retain = _retain_batches(method, encoder, benchmark, hyper, seed)
    model = adapted(bundle, method.lora, seed)

    def loss(batch: Batch) -> Any:
        return method.loss(UnlearnStep(bundle, model, batch, next(retain, None)))

    train(model, encoder, lambda rng: forget, loss, hyper, seed, progress, title)
    return model


def _retain_batches(method: Method, encoder: Encoder, benchmark: Benchmark, hyper: Hyper, seed: int) -> Iterator[Batch]:
    """Endless shuffled batches of retain pairs, or none for a method that needs none."""
    if not method.needs_retain:
        return
    rows: list[Example] = [row for profile in benchmark.people("retain") for row in encoder.pairs(profile)]
    for epoch in itertools.count():
        for batch in shuffled(rows, hyper.batch, random.Random(f"{seed}/retain/{epoch}")):
            yield encoder.collate(batch)
