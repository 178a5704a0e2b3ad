"""What a model makes of pictures, so that each goes through the vision tower once, however many questions are about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Picture
from pytest_mllmu.training.batches import Encoder
from pytest_mllmu.training.features import as_inputs, image_features

if TYPE_CHECKING:
    import torch

AT_ONCE = 64


class Images:
    """Features of some pictures, in the place of their pixels."""

    def __init__(self, encoder: Encoder, at_once: int = AT_ONCE) -> None:
        self._encoder, self._at_once = encoder, at_once
        self._known: dict[Picture, list[torch.Tensor]] = {}

    def look(self, pictures: Sequence[Picture]) -> None:
        """Makes the features of those that are not known yet, several at a time where they have the same shape."""
        shapes: dict[tuple[Any, ...], list[Picture]] = {}
        for picture in dict.fromkeys(pictures):
            if picture not in self._known:
                pixels = self._encoder.pixels(picture)
                shapes.setdefault(tuple((key, value.shape) for key, value in pixels.items()), []).append(picture)
        for alike in shapes.values():
            for start in range(0, len(alike), self._at_once):
                part = alike[start : start + self._at_once]
                self._known |= dict(zip(part, self._features(part), strict=True))

    def forget(self, pictures: Sequence[Picture]) -> None:
        for picture in pictures:
            self._known.pop(picture, None)

    def inputs(self, pictures: Sequence[Picture]) -> dict[str, Any]:
        """Model inputs for the pictures in their order, row by row."""
        if not pictures:
            return {}
        self.look(pictures)
        return as_inputs([part for picture in pictures for part in self._known[picture]])

    def _features(self, pictures: Sequence[Picture]) -> Iterator[list[torch.Tensor]]:
        found = self._compute(pictures)
        if len(found) == len(pictures):
            return ([part] for part in found)
        return (self._compute([picture]) for picture in pictures)

    def _compute(self, pictures: Sequence[Picture]) -> list[torch.Tensor]:
        bundle = self._encoder.bundle
        return image_features(bundle, bundle.family.join([self._encoder.pixels(picture) for picture in pictures]))
