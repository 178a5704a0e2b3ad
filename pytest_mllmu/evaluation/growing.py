"""A key-value cache with room to grow: a token that is written adds a column, and nothing else moves. (Transformers' own copies all columns each time.)"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

ROOM = 64
"""Columns that are kept free, each time that there is no room: more than an answer has."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values are views of the beginning of larger buffers."""

    def __init__(self, keys: torch.Tensor | None = None, values: torch.Tensor | None = None) -> None:
        super().__init__()
        self._buffers: list[torch.Tensor] = []
        if keys is not None and values is not None:
            self._adopt(keys, values)

    def _adopt(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Takes tensors that are nobody else's as what was read so far."""
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values
        self._buffers = [keys, values]

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``DynamicLayer.update``."""
        if not self._buffers:
            self._adopt(key_states[:, :, :0], value_states[:, :, :0])
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        if end > self._buffers[0].shape[-2]:
            self._buffers = [_roomier(kept, end + ROOM) for kept in (self.keys, self.values)]
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = new
        self.keys, self.values = (buffer[:, :, :end] for buffer in self._buffers)
        return self.keys, self.values


def _roomier(kept: torch.Tensor, columns: int) -> torch.Tensor:
    rows, heads, used, size = kept.shape
    buffer = kept.new_empty((rows, heads, columns, size))
    buffer[:, :, :used] = kept
    return buffer
