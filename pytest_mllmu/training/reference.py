"""What a model that does not change says about the training rows, computed once instead of at every step: the teacher of KL, the reference of NPO."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_mllmu.models.families import Bundle
from pytest_mllmu.training.answers import answer_hidden, answer_log_probs, head
from pytest_mllmu.training.batches import Batch, Encoder, Example, Labels
from pytest_mllmu.training.features import Features, can
from pytest_mllmu.training.packing import collate_packed, packable

if TYPE_CHECKING:
    import torch

REFERENCE_CACHE_BYTES = 2 * 2**30
"""For LLaVA-1.5-7B in half precision: the hidden states of 260,000 answer tokens, or log-probabilities without end."""


class Reference:
    """A frozen model's view of ``rows``: ``bundle``'s own model, or ``model``, its peft wrapper, with the adapter switched off. Never with dropout.

    Values are computed when they are first asked for, in groups of rows that are fixed from the start, and kept while ``room`` bytes last; what has
    no room is computed again each time. So no value depends on what was asked before, and an interrupted training goes on with the same ones.
    ``labels`` is that of the run. ``room=0`` runs the model at every call.
    """

    def __init__(
        self, bundle: Bundle, rows: Sequence[Example], *, model: Any = None, labels: Labels = "answer", batch: int = 16, room: int | None = None
    ) -> None:
        self._bundle, self._model, self._labels = bundle, bundle.model if model is None else model, labels
        self._encoder = Encoder(bundle)
        self._encoder.features = Features(bundle) if can(bundle) else None
        self._groups = _grouped(rows, batch)
        self._group_of = {row: number for number, group in enumerate(self._groups) for row in group}
        self._room = REFERENCE_CACHE_BYTES if room is None else room
        self._values: dict[str, dict[Example, torch.Tensor]] = {"log_probs": {}, "hidden": {}}

    def log_probs(self, rows: Sequence[Example]) -> torch.Tensor:
        """log p of each answer token, shape (answer tokens,), in the order of a batch of these rows."""
        return self._get("log_probs", rows, lambda batch: answer_log_probs(self._bundle, self._model, batch), 4)

    def hidden(self, rows: Sequence[Example]) -> torch.Tensor:
        """The last hidden states that answer tokens are predicted from, shape (answer tokens, hidden): 18 times smaller than logits for LLaVA-1.5."""
        size = self._bundle.model.config.get_text_config().hidden_size * self._bundle.model.dtype.itemsize
        return self._get("hidden", rows, partial(answer_hidden, self._model), size)

    def logits(self, rows: Sequence[Example]) -> torch.Tensor:
        """Logits for each answer token, shape (answer tokens, vocabulary), from ``hidden`` through this model's output head."""
        import torch

        with torch.no_grad():
            return head(self._model, self.hidden(rows))

    def _get(self, kind: str, rows: Sequence[Example], compute: Callable[[Batch], torch.Tensor], size: int) -> torch.Tensor:
        """``size`` is the number of bytes that one answer token takes."""
        import torch

        kept, values = self._kept(size), self._values[kind]
        for number in dict.fromkeys(self._group_of[row] for row in rows if row in self._group_of and row not in values):
            if number < kept:
                values |= self._compute(self._groups[number], compute)
        loose = [row for row in dict.fromkeys(rows) if row not in values]
        found = self._compute(loose, compute) if loose else {}
        return torch.cat([values[row] if row in values else found[row] for row in rows])

    def _kept(self, size: int) -> int:
        """How many groups have room: the first ones, whatever is asked first."""
        used = 0
        for number, group in enumerate(self._groups):
            used += size * sum(len(row.targets(self._labels)) for row in group)
            if used > self._room:
                return number
        return len(self._groups)

    def _compute(self, rows: Sequence[Example], compute: Callable[[Batch], torch.Tensor]) -> dict[Example, torch.Tensor]:
        import torch

        with torch.no_grad(), _frozen(self._model):
            batch = collate_packed(self._encoder, rows, self._labels) if packable(self._bundle) else self._encoder.collate(rows, self._labels)
            values = compute(batch).detach()
        parts = torch.split(values, [len(row.targets(self._labels)) for row in rows])
        return {row: part.clone() for row, part in zip(rows, parts, strict=True)}


def _grouped(rows: Sequence[Example], batch: int) -> list[list[Example]]:
    """Rows about one picture next to each other, others by length: little is computed twice, little is padding."""
    order = sorted(dict.fromkeys(rows), key=lambda row: (row.picture is None, row.picture.digest if row.picture else "", len(row), row.prompt, row.answer))
    return [order[start : start + batch] for start in range(0, len(order), batch)]


@contextmanager
def _frozen(model: Any) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with model.disable_adapter() if hasattr(model, "disable_adapter") and hasattr(model, "peft_config") else nullcontext():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
