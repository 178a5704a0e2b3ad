"""Question-answer pairs as batches: padded on the left, so that the answers of all rows end in the same column."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pytest_mllmu.benchmark.profiles import Modality, Picture, Profile
from pytest_mllmu.models.families import Bundle

if TYPE_CHECKING:
    import torch

    from pytest_mllmu.training.features import Features

IGNORED = -100
Labels = Literal["answer", "upstream"]
"""Which tokens are trained on: those of the answer, or, as released, every one but padding (prompt and image placeholders too)."""
PIXEL_CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Example:
    """One pair in tokens: a prompt, the answer with its end token, and the picture it is about, if any."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    picture: Picture | None = None

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    def targets(self, labels: Labels = "answer") -> tuple[int, ...]:
        """The tokens at the row's end that are trained on. Nothing comes before the first token, so it is never one of them."""
        return self.answer if labels == "answer" else (*self.prompt, *self.answer)[1:]


@dataclass(frozen=True)
class Batch:
    """Model inputs of shape (rows, tokens) and ``labels`` of shape (rows, longest answer): IGNORED outside the answers.

    Wherever "answer tokens" are listed they come row by row, in the order of ``rows``.
    """

    inputs: dict[str, Any]
    labels: torch.Tensor
    rows: tuple[Example, ...] = ()
    share: float = 1.0
    """Which part of the answer tokens of its optimizer step this batch holds: below 1 only when gradients are accumulated."""
    row_share: float = 1.0
    """Which part of the step's rows: for a loss that is a mean over rows and not over tokens."""
    beside: Batch | None = None
    """The batch of the second stream (retain pairs) that goes with this one in a step."""
    places: torch.Tensor | None = None
    """Only when rows are packed (``inputs`` are then not one line a row): the flat places of the hidden states that answer tokens are predicted from."""


class Encoder:
    """Turns text and pictures into batches for one model; a picture is decoded once while the cache has room."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.features: Features | None = None
        """When set, batches hold image features in the place of pixels."""
        self._pixels: OrderedDict[str, dict[str, torch.Tensor]] = OrderedDict()
        self._bytes = 0
        self._tokens = lru_cache(maxsize=2**16)(lambda text: tuple(bundle.family.tokens(bundle.processor, text)))

    def example(self, text: str, answer: str, modality: Modality, picture: Picture | None) -> Example:
        """The answer begins after a blank and closes with the end token, which the released collate forgets."""
        prompt = self.prompt(text, modality)
        whole = self._tokens(f"{self.bundle.family.prompt(self._plain(text), modality)} {self._plain(answer)}")
        shared = next((place for place, pair in enumerate(zip(prompt, whole, strict=False)) if pair[0] != pair[1]), min(len(prompt), len(whole)))
        return Example(prompt[:shared], (*whole[shared:], self.bundle.eos), picture if modality == "multimodal" else None)

    def prompt(self, text: str, modality: Modality) -> tuple[int, ...]:
        return self._tokens(self.bundle.family.prompt(self._plain(text), modality))

    def _plain(self, text: str) -> str:
        """Data is untrusted: an image placeholder in a text must not stand for an image."""
        return text.replace(self.bundle.processor.image_token, "")

    def pairs(self, profile: Profile) -> list[Example]:
        """A profile's training pairs; a pair that does not name its modality is trained with the image and without."""
        rows = []
        for pair in profile.pairs:
            modalities: tuple[Modality, ...] = (pair.modality,) if pair.modality else ("multimodal", "unimodal")
            rows += [self.example(pair.question, pair.answer, modality, profile.pictures[0]) for modality in modalities]
        return rows

    def collate(self, rows: Sequence[Example], labels: Labels = "answer") -> Batch:
        import torch

        width = max(map(len, rows))
        inputs = {
            "input_ids": torch.tensor([[self.bundle.pad] * (width - len(row)) + [*row.prompt, *row.answer] for row in rows]),
            "attention_mask": torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
        }
        inputs = {key: value.to(self.bundle.device) for key, value in inputs.items()} | self.images([row.picture for row in rows if row.picture])
        return Batch(inputs, self.labels(rows, labels), tuple(rows))

    def labels(self, rows: Sequence[Example], labels: Labels = "answer") -> torch.Tensor:
        """The tokens that are trained on, of shape (rows, longest answer), padded on the left with IGNORED."""
        import torch

        targets = [row.targets(labels) for row in rows]
        longest = max(map(len, targets))
        return torch.tensor([[IGNORED] * (longest - len(target)) + list(target) for target in targets], device=self.bundle.device)

    def images(self, pictures: Sequence[Picture]) -> dict[str, Any]:
        """The model inputs for some pictures, in their order: pixels, or features where they are known to stay the same."""
        if self.features and pictures:
            return self.features.inputs(pictures, self._seen)
        return {key: value.to(self.bundle.device) for key, value in self.bundle.family.join([self._seen(picture) for picture in pictures]).items()}

    def _seen(self, picture: Picture) -> dict[str, torch.Tensor]:
        key = picture.digest
        if key not in self._pixels:
            pixels = self.bundle.family.pixels(self.bundle.processor, picture.decode())
            self._pixels[key] = pixels
            self._bytes += _size(pixels)
            while self._bytes > PIXEL_CACHE_BYTES and len(self._pixels) > 1:
                self._bytes -= _size(self._pixels.popitem(last=False)[1])
        return self._pixels[key]


def _size(pixels: dict[str, torch.Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in pixels.values())


def shuffled(rows: Iterable[Example], batch: int, rng: random.Random) -> list[list[Example]]:
    """Random batches of rows of similar length: sorted within pools of eight batches, so little is padding."""
    order = list(rows)
    rng.shuffle(order)
    pools = [sorted(order[start : start + 8 * batch], key=len) for start in range(0, len(order), 8 * batch)]
    batches = [pool[start : start + batch] for pool in pools for start in range(0, len(pool), batch)]
    rng.shuffle(batches)
    return batches
