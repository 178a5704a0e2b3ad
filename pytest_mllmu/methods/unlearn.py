"""Applies a method: a fresh adapter on the vanilla model, the method's loss, the shared loop."""

from __future__ import annotations

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
from pytest_mllmu.training.answers import answer_log_probs, answer_logits
from pytest_mllmu.training.batches import Batch, Encoder, Example
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
    parts: set[Pass] = {*needs.passes, "retain"} if needs.retain else {*needs.passes}
    rows = {part: _pairs(encoder, benchmark, part, modality) for part in parts}
    for part, found in rows.items():
        if not found:
            raise TrainingError(f"{title}: no training pair of the {part} set is {modality}")
    retain = _sample(rows["retain"], len(rows["forget"]) * hyper.epochs, seed) if needs.retain else []
    model = adapted(bundle, method.lora, seed)

    def loss(batch: Batch, part: Pass) -> torch.Tensor:
        if part == "retain":
            return method.loss(UnlearnStep(bundle, model, retain=batch))
        step = UnlearnStep(bundle, model, batch, batch.beside)
        if needs.reference is not None:
            step = replace(step, reference=_of_vanilla(bundle, model, batch) if needs.reference == "vanilla" else _of_oracle(oracle, batch))
        if needs.teacher and batch.beside is not None:
            with _vanilla(model):
                step = replace(step, teacher=answer_logits(bundle, model, batch.beside).log_softmax(-1))
        return method.loss(step)

    for number, part in enumerate(needs.passes):
        said = title if len(needs.passes) == 1 else f"{title}, pass over the {part} set"
        beside = (lambda rng: retain) if retain else None
        train(model, encoder, lambda rng, p=part: rows[p], lambda batch, p=part: loss(batch, p), hyper, seed + number, progress, said, beside=beside)  # type: ignore[misc]
    return model


def _pairs(encoder: Encoder, benchmark: Benchmark, part: Split, modality: Modality) -> list[Example]:
    """Pairs that do not name their modality are trained in the one that is asked for."""
    return [row for profile in benchmark.people(part) for row in encoder.pairs(profile, modality)]


def _sample(rows: list[Example], wanted: int, seed: int) -> list[Example]:
    """As many as training will use, drawn at random, or all: what is computed once of each is computed of no other."""
    return random.Random(f"{seed}/retain").sample(rows, wanted) if wanted < len(rows) else rows


@contextmanager
def _vanilla(model: Any) -> Iterator[None]:
    """The model without its adapter and without dropout, and no gradients."""
    import torch

    model.eval()
    with torch.no_grad(), model.disable_adapter():
        yield
    model.train()


def _of_vanilla(bundle: Bundle, model: Any, batch: Batch) -> torch.Tensor:
    with _vanilla(model):
        return answer_log_probs(bundle, model, batch)


def _of_oracle(oracle: Bundle | None, batch: Batch) -> torch.Tensor:
    import torch

    assert oracle is not None, "the method compares with the oracle: it has to be given"
    with torch.no_grad():
        return answer_log_probs(oracle, oracle.model, batch)
