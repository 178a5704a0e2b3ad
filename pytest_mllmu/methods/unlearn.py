"""Applies a method: a fresh adapter on the vanilla model, the method's loss, the shared loop."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from pytest_mllmu.benchmark.profiles import Benchmark
from pytest_mllmu.methods.base import Method, UnlearnStep
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import Batch, Encoder, Example
from pytest_mllmu.training.loop import Hyper, train
from pytest_mllmu.training.lora import adapted


def unlearn(
    method: Method,
    bundle: Bundle,
    benchmark: Benchmark,
    hyper: Hyper,
    seed: int,
    progress: Progress,
    title: str,
    *,
    checkpoint: Path | None = None,
    every: int | None = None,
) -> Any:
    """The bundle's model with a trained adapter (a PeftModel); ``checkpoint`` and ``every`` as in ``train``.

    Raises TrainingError when the loss is not finite.
    """
    encoder = Encoder(bundle)
    forget = [row for profile in benchmark.people("forget") for row in encoder.pairs(profile)]
    retain = retain_rows(encoder, benchmark, len(forget) * hyper.epochs, seed, hyper.packed) if method.needs_retain else []
    model = adapted(bundle, method.lora, seed)

    def loss(batch: Batch) -> Any:
        return method.loss(UnlearnStep(bundle, model, batch, batch.beside))

    beside = (lambda rng: retain) if retain else None
    train(model, encoder, lambda rng: forget, loss, hyper, seed, progress, title, beside=beside, checkpoint=checkpoint, every=every)
    return model


def retain_rows(encoder: Encoder, benchmark: Benchmark, wanted: int, seed: int, packed: bool = False) -> list[Example]:
    """As many retain pairs as training will use, drawn at random, or all: what is computed once of each is computed of no other.

    For packed training whole people are drawn: pairs of people who have one each share nothing.
    """
    chance = random.Random(f"{seed}/retain")
    people = list(benchmark.people("retain"))
    if not packed:
        rows = [row for profile in people for row in encoder.pairs(profile)]
        return chance.sample(rows, wanted) if wanted < len(rows) else rows
    drawn: list[Example] = []
    for profile in chance.sample(people, len(people)):
        if len(drawn) < wanted:
            drawn += encoder.pairs(profile)
    return drawn
