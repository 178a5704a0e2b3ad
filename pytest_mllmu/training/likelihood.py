"""What a model thinks of the answers of a batch, token by token: the pieces that losses are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mllmu.models.families import Bundle
from pytest_mllmu.training.batches import IGNORED, Batch

if TYPE_CHECKING:
    import torch


def answer_log_probabilities(bundle: Bundle, model: Any, batch: Batch) -> torch.Tensor:
    """Of every token of the vocabulary, at each answer token of the batch: shape (answer tokens, vocabulary), row by row."""
    return bundle.family.answer_logits(model, batch.inputs, batch.labels != IGNORED).float().log_softmax(-1)


def answer_token_losses(bundle: Bundle, model: Any, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood of each answer token, shape (answer tokens,), row by row."""
    import torch

    asked = batch.labels != IGNORED
    return torch.nn.functional.cross_entropy(bundle.family.answer_logits(model, batch.inputs, asked).float(), batch.labels[asked], reduction="none")


def means_by_row(values: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The mean over each row's answer tokens, shape (rows,), of ``values``, shape (answer tokens,)."""
    import torch

    asked = batch.labels != IGNORED
    sums = torch.zeros(len(asked), dtype=values.dtype, device=values.device).index_add(0, asked.nonzero()[:, 0], values)
    return sums / asked.sum(1)
