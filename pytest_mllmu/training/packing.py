"""Pairs about one picture as branches on one trunk: the image tokens go through the model once for all of them.

A line of a packed batch is ``[trunk | branch | branch | ...]``. The trunk is the prompt up to and with the image, a branch what follows: the question
and its answer. Positions in a branch go on from the trunk's, and a token sees the trunk and its own branch only, so that each token meets
exactly what it would meet in a row of its own. Rows without a picture are branches that see no trunk.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Picture
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.training.batches import Batch, Encoder, Example, Labels

if TYPE_CHECKING:
    import torch

# Rotary positions and an additive mask that reaches every layer as it is: known of these (model, language model) only, because tested.
KNOWN = {("llava", "llama")}
ROOM = 256  # how long a line becomes where no line has a picture: attention to other branches is computed, and thrown away
# What a token belongs to: a branch of the line's trunk is numbered from 1 upwards, one that does not see the trunk from -2 downwards.
TRUNK, PADDING, BLIND = 0, -1, -2


def packable(bundle: Bundle) -> bool:
    """Whether packed batches are known to be equal to plain ones for this model. (Flash attention takes no mask of this form.)"""
    config = bundle.model.config
    text = config.get_text_config()
    return (config.model_type, text.model_type) in KNOWN and text._attn_implementation in ("sdpa", "eager")


@dataclass
class Line:
    """One row of a packed batch: the tokens, which branch each belongs to, and its position in the row that it comes from."""

    picture: Picture | None
    tokens: list[int] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    def add(self, tokens: Sequence[int], branch: int, position: int) -> int:
        """Appends tokens and returns the column of the first of them."""
        column = len(self.tokens)
        self.tokens += tokens
        self.branches += [branch] * len(tokens)
        self.positions += range(position, position + len(tokens))
        return column

    def padded(self, values: list[int], width: int, filler: int) -> list[int]:
        return values + [filler] * (width - len(values))


def collate_packed(encoder: Encoder, rows: Sequence[Example], labels: Labels = "answer") -> Batch:
    """The batch that ``encoder.collate`` makes, with rows that have a trunk in common on one line; its ``places`` say where answers are predicted."""
    import torch

    bundle = encoder.bundle
    lines, columns = _laid_out(rows, bundle.model.config.image_token_id)
    width = max(len(line.tokens) for line in lines)
    places = []
    for row, (number, trunk, start) in zip(rows, columns, strict=True):
        for place in range(len(row) - len(row.targets(labels)) - 1, len(row) - 1):
            places.append(number * width + (place if place < trunk else start + place - trunk))
    inputs: dict[str, Any] = {
        "input_ids": torch.tensor([line.padded(line.tokens, width, bundle.pad) for line in lines]),
        "position_ids": torch.tensor([line.padded(line.positions, width, 0) for line in lines]),
        "attention_mask": _mask(torch.tensor([line.padded(line.branches, width, PADDING) for line in lines]), bundle.model.dtype),
    }
    inputs = {key: value.to(bundle.device) for key, value in inputs.items()} | encoder.images([line.picture for line in lines if line.picture])
    inputs["use_cache"] = False  # keys and values of a training step are of no use to a next token
    return Batch(inputs, encoder.labels(rows, labels), tuple(rows), places=torch.tensor(places, device=bundle.device))


def _laid_out(rows: Sequence[Example], image_token: int) -> tuple[list[Line], list[tuple[int, int, int]]]:
    """The lines, those with a picture first, and for each row: its line, the length of its trunk, the column where its branch begins."""
    found: dict[int, tuple[Line, int, int]] = {}
    trunks: dict[tuple[str, tuple[int, ...]], Line] = {}
    for number, row in enumerate(rows):
        if row.picture is not None:
            length = len(row.prompt) - row.prompt[::-1].index(image_token)
            line = trunks.setdefault((row.picture.digest, row.prompt[:length]), Line(row.picture))
            if not line.tokens:
                line.add(row.prompt[:length], TRUNK, 0)
            found[number] = line, length, line.add((*row.prompt, *row.answer)[length:], number + 1, length)
    lines = list(trunks.values())
    for number in sorted(set(range(len(rows))) - set(found), key=lambda number: (-len(rows[number]), number)):
        row = rows[number]
        shortest = min(lines, key=lambda line: len(line.tokens), default=None)
        if shortest is None or (not trunks and len(shortest.tokens) + len(row) > ROOM):
            lines.append(shortest := Line(None))
        found[number] = shortest, 0, shortest.add((*row.prompt, *row.answer), BLIND - number, 0)
    index = {id(line): number for number, line in enumerate(lines)}
    return lines, [(index[id(found[number][0])], *found[number][1:]) for number in range(len(rows))]


def _mask(branches: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Additive, of shape (lines, 1, tokens, tokens): 0 where a token (second to last dimension) sees another, the lowest number elsewhere.

    Padding sees padding: a token that saw nothing would become NaN.
    """
    import torch

    sees, seen = branches[:, :, None], branches[:, None, :]
    allowed = ((sees == seen) | ((seen == TRUNK) & (sees > TRUNK))).tril()
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill(~allowed, torch.finfo(dtype).min)[:, None]


def by_picture(rows: Iterable[Example], batch: int, rng: random.Random) -> list[list[Example]]:
    """Random batches of at most ``batch`` rows in which rows about one picture stay together, as far as they fit; other rows fill up what is left."""
    order = list(rows)
    rng.shuffle(order)
    groups: dict[str, list[Example]] = {}
    for row in order:
        groups.setdefault(row.picture.digest if row.picture else "", []).append(row)
    alone = groups.pop("", [])
    batches: list[list[Example]] = []
    for group in groups.values():
        count = -(-len(group) // batch)  # pieces of nearly the same size
        for piece in (group[number * len(group) // count : (number + 1) * len(group) // count] for number in range(count)):
            if not batches or len(batches[-1]) + len(piece) > batch:
                batches.append([])
            batches[-1] += piece
    for part in batches:
        free = batch - len(part)
        part += alone[:free]
        del alone[:free]
    batches += [alone[start : start + batch] for start in range(0, len(alone), batch)]
    rng.shuffle(batches)
    return batches
