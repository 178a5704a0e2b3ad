"""Applies a method: a fresh adapter on the vanilla model, the method's loss, the shared loop."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Benchmark, Modality, Split
from pytest_mllmu.errors import TrainingError
from pytest_mllmu.methods.base import LossMethod, Pass, UnlearnStep
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import Batch, Encoder, Example, shuffled
from pytest_mllmu.training.likelihood import answer_log_probabilities, answer_token_losses
from pytest_mllmu.training.loop import Hyper, train
from pytest_mllmu.training.lora import adapted

if TYPE_CHECKING:
    import torch


def unlearn(
    method: LossMethod,
    bundle: Bundle,
    benchmark: Benchmark,
    modality: Modality,
    hyper: Hyper,
    seed: int,
    progress: Progress,
    title: str,
    oracle: Bundle | None = None,
) -> Any:
    """The bundle's model with a trained adapter (a PeftModel), from training pairs of one modality; ``oracle`` where the method's reference is one.

    Raises TrainingError when the loss is not finite, or when there is nothing to train on.
    """
    encoder, needs = Encoder(bundle), method.needs()
    rows = {part: _pairs(encoder, benchmark, part, modality) for part in _parts(method)}
    for part, found in rows.items():
        if not found:
            raise TrainingError(f"{title}: no training pair of the {part} set is {modality}")
    model = adapted(bundle, method.lora, seed)
    beside = _endless(encoder, rows["retain"], hyper.batch, seed) if needs.retain else itertools.repeat(None)

    def ascent(batch: Batch) -> torch.Tensor:
        retain = next(beside)
        step = UnlearnStep(bundle, model, batch, retain)
        if needs.reference is not None:
            step = replace(step, reference=_log_probabilities(bundle, model, batch) if needs.reference == "vanilla" else _of_oracle(oracle, batch))
        if needs.teacher and retain is not None:
            with _vanilla(model):
                step = replace(step, teacher=answer_log_probabilities(bundle, model, retain))
        return method.loss(step)

    def descent(batch: Batch) -> torch.Tensor:
        return method.loss(UnlearnStep(bundle, model, retain=batch))

    for number, part in enumerate(needs.passes):
        said = title if len(needs.passes) == 1 else f"{title}, pass over the {part} set"
        chosen = rows[part]
        train(model, encoder, lambda rng, chosen=chosen: chosen, ascent if part == "forget" else descent, hyper, seed + number, progress, said)  # type: ignore[misc]
    return model


def _parts(method: LossMethod) -> set[Pass]:
    needs = method.needs()
    return {*needs.passes, *({"retain"} if needs.retain else set())}  # type: ignore[arg-type]


def _pairs(encoder: Encoder, benchmark: Benchmark, part: Split, modality: Modality) -> list[Example]:
    """Pairs that do not name their modality are trained in the one that is asked for."""
    return [row for profile in benchmark.people(part) for row in encoder.pairs(profile, modality)]


def _endless(encoder: Encoder, rows: list[Example], size: int, seed: int) -> Iterator[Batch]:
    """Shuffled batches, over and over."""
    for epoch in itertools.count():
        for batch in shuffled(rows, size, random.Random(f"{seed}/retain/{epoch}")):
            yield encoder.collate(batch)


@contextmanager
def _vanilla(model: Any) -> Iterator[None]:
    """The model without its adapter and without dropout, and no gradients."""
    import torch

    model.eval()
    with torch.no_grad(), model.disable_adapter():
        yield
    model.train()


def _log_probabilities(bundle: Bundle, model: Any, batch: Batch) -> torch.Tensor:
    with _vanilla(model):
        return -answer_token_losses(bundle, model, batch)


def _of_oracle(oracle: Bundle | None, batch: Batch) -> torch.Tensor:
    import torch

    assert oracle is not None, "the method compares with the oracle: it has to be given"
    with torch.no_grad():
        return -answer_token_losses(oracle, oracle.model, batch)
