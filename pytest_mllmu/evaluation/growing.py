"""A key-value cache with room to grow: a token that is written adds a column, and nothing else moves. (Transformers' own copies all columns each time.)"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Columns that are kept free, each time that there is no room: more than an answer has."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values are views of the first columns of larger buffers."""

    def __init__(self, buffers: tuple[torch.Tensor, torch.Tensor] | None = None, used: int = 0) -> None:
        super().__init__()
        self._buffers: tuple[torch.Tensor, ...] = ()
        if buffers is not None:
            self._adopt(buffers, used)

    def _adopt(self, buffers: tuple[torch.Tensor, torch.Tensor], used: int) -> None:
        """Takes buffers that are nobody else's, whose first ``used`` columns have been read."""
        self.lazy_initialization(*buffers)
        self._buffers = buffers
        self.keys, self.values = (buffer[:, :, :used] for buffer in buffers)

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``DynamicLayer.update``."""
        if not self._buffers:
            self._adopt((key_states[:, :, :0], value_states[:, :, :0]), 0)
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        if end > self._buffers[0].shape[-2]:
            self._buffers = tuple(roomy(kept, end - start + ROOM) for kept in (self.keys, self.values))
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = new
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values


def roomy(kept: torch.Tensor, room: int) -> torch.Tensor:
    """A copy of some columns, shape (rows, heads, columns, size), with room for more."""
    rows, heads, used, size = kept.shape
    buffer = kept.new_empty((rows, heads, used + room, size))
    buffer[:, :, :used] = kept
    return buffer


def selected(kept: torch.Tensor, rows: torch.Tensor, room: int) -> torch.Tensor:
    """A copy of some rows, with room for more columns."""
    _, heads, used, size = kept.shape
    buffer = kept.new_empty((len(rows), heads, used + room, size))
    torch.index_select(kept, 0, rows, out=buffer[:, :, :used])
    return buffer
