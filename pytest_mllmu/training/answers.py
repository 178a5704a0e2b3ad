"""What a model says about the answer tokens of a batch: hidden states, logits, likelihoods. Packed batches are read here too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mllmu.models.families import Bundle, unwrapped
from pytest_mllmu.training.batches import IGNORED, Batch

if TYPE_CHECKING:
    import torch


def answer_tokens(batch: Batch) -> torch.Tensor:
    """The tokens themselves, shape (answer tokens,)."""
    return batch.labels[batch.labels != IGNORED]


def answer_hidden(model: Any, batch: Batch) -> torch.Tensor:
    """The last hidden states that answer tokens are predicted from, shape (answer tokens, hidden)."""
    states: torch.Tensor = unwrapped(model).model(**batch.inputs).last_hidden_state
    if batch.places is not None:
        return states.flatten(0, 1)[batch.places]
    asked = batch.labels != IGNORED
    return states[:, -asked.shape[1] - 1 : -1][asked]


def answer_logits(bundle: Bundle, model: Any, batch: Batch) -> torch.Tensor:
    """Logits for answer tokens, shape (answer tokens, vocabulary), in float32 or better: half precision is too coarse to sum over a vocabulary."""
    import torch

    packed = batch.places is not None
    logits = head(model, answer_hidden(model, batch)) if packed else bundle.family.answer_logits(model, batch.inputs, batch.labels != IGNORED)
    return logits if logits.dtype == torch.float64 else logits.float()


def answer_log_probs(bundle: Bundle, model: Any, batch: Batch) -> torch.Tensor:
    """log p of each answer token, shape (answer tokens,)."""
    import torch

    return -torch.nn.functional.cross_entropy(answer_logits(bundle, model, batch), answer_tokens(batch), reduction="none")


def head(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Logits of last hidden states."""
    logits: torch.Tensor = unwrapped(model).get_output_embeddings()(hidden)
    return logits


def means_by_row(values: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The mean over each row's answer tokens, shape (rows,), of ``values``, shape (answer tokens,)."""
    import torch

    asked = batch.labels != IGNORED
    sums = torch.zeros(len(asked), dtype=values.dtype, device=values.device).index_add(0, asked.nonzero()[:, 0], values)
    return sums / asked.sum(1)
