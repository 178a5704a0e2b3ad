"""Rows that read on: a key-value cache that is carried from a beginning to all that follows it.

Tokens are padded on the left of each piece, so pads lie between pieces; a mask of one value a column hides them, and positions are given, so a
row meets exactly what it would meet alone. This works for every decoder that takes ``past_key_values``, a two-dimensional mask and positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mllmu.models.families import Bundle

if TYPE_CHECKING:
    import torch


class Rows:
    """Rows that have read something. ``last``: logits of what comes next, shape (rows, vocabulary)."""

    def __init__(self, bundle: Bundle, count: int = 1, buffers: Iterable[tuple[torch.Tensor, torch.Tensor]] = (), used: int = 0) -> None:
        import torch
        from transformers.cache_utils import Cache

        from pytest_mllmu.evaluation.growing import GrowingLayer

        self.bundle = bundle
        self._cache: Any = Cache(layer_class_to_replicate=GrowingLayer)
        self._cache.layers += [GrowingLayer(pair, used) for pair in buffers]
        self._seen = torch.zeros((count, 0), dtype=torch.long, device=bundle.device)
        self._next = torch.zeros(count, dtype=torch.long, device=bundle.device)
        self.last: Any = None

    def __len__(self) -> int:
        return self._seen.shape[0]

    def select(self, index: Sequence[int], room: int = 0) -> Rows:
        """Some of these rows, each as often as it is named, with room for so many columns; what they read from now on does not change these."""
        import torch

        from pytest_mllmu.evaluation.growing import selected

        chosen = torch.tensor(index, device=self.bundle.device)
        buffers = ((selected(layer.keys, chosen, room), selected(layer.values, chosen, room)) for layer in self._cache.layers)
        rows = Rows(self.bundle, buffers=buffers, used=self._seen.shape[1])
        rows._seen, rows._next = self._seen[chosen], self._next[chosen]
        rows.last = None if self.last is None else self.last[chosen]
        return rows

    def read(self, pieces: Sequence[Sequence[int]], at: torch.Tensor | None = None, positions: torch.Tensor | None = None, **images: Any) -> torch.Tensor:
        """Reads a piece on every row. Returns logits of shape (marked tokens, vocabulary), row by row.

        ``at`` (rows, columns) marks, of the last columns, those that predict something; without it these are the last tokens, and ``last`` is
        set. ``positions`` (kinds, rows, tokens), with any number for pads, are those of the tokens where they do not simply go on.
        """
        import torch

        bundle, width = self.bundle, max(map(len, pieces))
        lengths = torch.tensor([len(piece) for piece in pieces], device=bundle.device)
        ids = torch.tensor([[bundle.pad] * (width - len(piece)) + [*piece] for piece in pieces], device=bundle.device)
        columns = torch.arange(width, device=bundle.device) - (width - lengths)[:, None]
        self._seen = torch.cat([self._seen, (columns >= 0).long()], dim=1)
        if positions is None:
            places = self._next[:, None] + columns.clamp(min=0)
            self._next = self._next + lengths
            positions = places if bundle.family.kinds(bundle.model) == 1 else places.expand(bundle.family.kinds(bundle.model), -1, -1)
        else:
            self._next = positions.amax((0, 2)) + 1
            positions = positions[0] if len(positions) == 1 else positions
        marked = torch.ones((len(self), 1), dtype=torch.bool, device=bundle.device) if at is None else at
        logits = self._run(ids, self._seen, positions, marked, **images)
        if at is None:
            self.last = logits
        return logits

    def read_lines(self, tokens: torch.Tensor, places: torch.Tensor, sees: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """Reads lines of branches and twigs (``twigs.py``): where a token stands after what its row has read, which other tokens of its line it sees,
        and which predict something. Returns logits as ``read``. The rows' columns then belong to different branches: use ``pick``."""
        import torch

        bundle, width = self.bundle, tokens.shape[1]
        seen = torch.cat([self._seen[:, None, :].expand(-1, width, -1) > 0, sees], dim=2)
        mask = torch.zeros(seen.shape, dtype=bundle.model.dtype, device=bundle.device).masked_fill(~seen, torch.finfo(bundle.model.dtype).min)
        positions = self._next[:, None] + places
        kinds = bundle.family.kinds(bundle.model)
        return self._run(tokens, mask[:, None], positions if kinds == 1 else positions.expand(kinds, -1, -1), at)

    def pick(self, branches: Sequence[tuple[int, int, int]], last: torch.Tensor) -> Rows:
        """A row of its own for some branches of lines that were read: (row, first column, length) of each, and its logits ``last``."""
        import torch

        from pytest_mllmu.evaluation.growing import ROOM, roomy

        device, before = self.bundle.device, self._seen.shape[1]
        width = max(length for _, _, length in branches)
        chosen = torch.tensor([row for row, _, _ in branches], device=device)
        lengths = torch.tensor([length for _, _, length in branches], device=device)
        ends = torch.tensor([first + length for _, first, length in branches], device=device)
        own = torch.arange(-width, 0, device=device) + ends[:, None]
        kept = torch.arange(width, device=device) >= (width - lengths)[:, None]
        columns = torch.cat([torch.arange(before, device=device).expand(len(branches), -1), before + own.clamp(min=0)], dim=1)
        buffers = (tuple(roomy(kept[chosen[:, None], :, columns].transpose(1, 2), ROOM) for kept in (layer.keys, layer.values)) for layer in self._cache.layers)
        rows = Rows(self.bundle, buffers=((keys, values) for keys, values in buffers), used=columns.shape[1])
        rows._seen = torch.cat([self._seen[chosen], kept.long()], dim=1)
        rows._next, rows.last = self._next[chosen] + lengths, last
        return rows

    def _run(self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, at: torch.Tensor, **images: Any) -> torch.Tensor:
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "past_key_values": self._cache, "use_cache": True, **images}
        return self.bundle.family.logits(self.bundle.model, inputs, at).float()
