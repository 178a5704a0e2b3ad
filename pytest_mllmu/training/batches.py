"""Question-answer pairs as batches: padded on the left, so that the answers of all rows end in the same column."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Picture, Profile
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


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two rows begin with alike."""
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other)))


class Encoder:
    """Turns text and pictures into batches for one model; a picture is decoded once while the cache has room."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.features: Features | None = None
        """When set, batches hold image features in the place of pixels."""
        self._pixels: OrderedDict[str, dict[str, torch.Tensor]] = OrderedDict()
        self._bytes = 0
        self._image_texts: dict[Picture, str] = {}
        self._plain = lru_cache(maxsize=2**16)(lambda text: bundle.family.plain(bundle.processor, text))
        self._tokens = lru_cache(maxsize=2**16)(lambda text, images: tuple(bundle.family.tokens(bundle.processor, text, images)))

    def example(self, text: str, answer: str, modality: Modality, picture: Picture | None, system: str = "") -> Example:
        """The answer begins as the family says and closes with the end token, which the released collate forgets."""
        asked, image = self._asked(text, modality, picture, system)
        prompt = self._tokens(asked, image)
        whole = self._tokens(self.answered(asked, answer), image)
        shared = shared_length(prompt, whole)
        return Example(prompt[:shared], (*whole[shared:], self.bundle.eos), picture if modality == "multimodal" else None)

    def many_tokens(self, rows: Sequence[tuple[str, Sequence[Picture]]]) -> list[tuple[int, ...]]:
        """The tokens of whole prompts with a placeholder for each of their pictures."""
        texts = [(text, tuple(map(self._image_text, pictures))) for text, pictures in rows]
        return [tuple(row) for row in self.bundle.family.many_tokens(self.bundle.processor, texts)] if texts else []

    def answered(self, text: str, answer: str) -> str:
        """A prompt and an answer to it, in words."""
        lead = self.bundle.family.lead(self.bundle.processor)
        if text.endswith(" "):  # a released prompt brings the blank itself
            lead = lead.lstrip(" ")
        return f"{text}{lead}{self._plain(answer)}"

    def prompt(self, text: str, modality: Modality, picture: Picture | None = None, system: str = "") -> tuple[int, ...]:
        """The tokens of a question up to where its answer begins; ``system`` is said before the conversation."""
        return self._tokens(*self._asked(text, modality, picture, system))

    def _asked(self, text: str, modality: Modality, picture: Picture | None, system: str) -> tuple[str, tuple[str, ...]]:
        """The prompt in words, and what its image placeholder stands for."""
        prompt = self.bundle.family.prompt(self.bundle.processor, self._plain(text), modality, system)
        return prompt, () if modality == "unimodal" else (self._image_text(picture),)

    def size(self, picture: Picture) -> int:
        """How many tokens of a prompt stand for the picture."""
        return self._tokens(self.bundle.processor.image_token, (self._image_text(picture),)).count(self.bundle.image_token)

    def _image_text(self, picture: Picture | None) -> str:
        if picture is None:
            return self.bundle.family.image_text(self.bundle.processor, None)
        if picture not in self._image_texts:  # the number of image tokens may depend on the picture, which is costly to look at
            self._image_texts[picture] = self.bundle.family.image_text(self.bundle.processor, picture)
        return self._image_texts[picture]

    def pairs(self, profile: Profile, modality: Modality | None = None) -> list[Example]:
        """A profile's training pairs, of one modality or of both; a pair that does not name its own is trained in each."""
        rows = []
        for pair in profile.pairs:
            own: tuple[Modality, ...] = (pair.modality,) if pair.modality else MODALITIES
            rows += [self.example(pair.question, pair.answer, kind, profile.pictures[0]) for kind in own if modality in (None, kind)]
        return rows

    def collate(self, rows: Sequence[Example], labels: Labels = "answer") -> Batch:
        import torch

        width = max(map(len, rows))
        inputs = {
            "input_ids": torch.tensor([[self.bundle.pad] * (width - len(row)) + [*row.prompt, *row.answer] for row in rows]),
            "attention_mask": torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
        }
        inputs |= self.bundle.family.token_inputs(self.bundle.model, self.bundle.processor, inputs["input_ids"])
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
            return self.features.inputs(pictures, self.pixels)
        return {key: value.to(self.bundle.device) for key, value in self.bundle.family.join([self.pixels(picture) for picture in pictures]).items()}

    def pixels(self, picture: Picture) -> dict[str, torch.Tensor]:
        """What the model sees of a picture, on the CPU."""
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
