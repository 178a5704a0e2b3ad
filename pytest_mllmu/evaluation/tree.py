"""Which prompts begin alike: groups of prompts with a root, a trunk for each picture, a branch for each question. Nothing here imports torch.

A root is what all prompts of a group begin with (a system prompt, demonstrations), a trunk goes on to the last token of the picture that is asked
about, a branch is the rest of one prompt. Each is read once, by a cache that the next level takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pytest_mllmu.benchmark.profiles import Picture
from pytest_mllmu.evaluation.asking import Prompt
from pytest_mllmu.training.batches import shared_length


@dataclass(frozen=True)
class Branch:
    """What is left of a prompt."""

    prompt: Prompt
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Trunk:
    """``picture`` and ``tokens`` up to its last; neither where a prompt has no picture."""

    tokens: tuple[int, ...]
    picture: Picture | None
    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Group:
    root: tuple[int, ...]
    shown: tuple[Picture, ...]
    """The pictures of the root."""
    trunks: tuple[Trunk, ...]


def groups(prompts: Iterable[Prompt], image_token: int, size: Callable[[Picture], int]) -> list[Group]:
    """The prompts by what they begin with. ``size`` is the number of image tokens of a picture."""
    alike: dict[tuple[tuple[Picture, ...], bool, tuple[str, ...], str], list[Prompt]] = {}
    for prompt in prompts:
        alike.setdefault((prompt.pictures[:-1], bool(prompt.pictures), prompt.shown, prompt.question.task), []).append(prompt)
    merged: dict[tuple[tuple[Picture, ...], bool, tuple[int, ...]], list[Prompt]] = {}
    for (shown, seen, *_), members in alike.items():
        first = sum(map(size, shown))  # the image tokens before those of the picture that is asked about
        ends = [_place(prompt.tokens, image_token, first) if seen else len(prompt.tokens) - 1 for prompt in members]
        root = _common([prompt.tokens[:end] for prompt, end in zip(members, ends, strict=True)])
        merged.setdefault((shown, seen, root), []).extend(members)
    return [Group(root, shown, _trunks(members, root, image_token)) for (shown, _, root), members in merged.items()]


def _trunks(prompts: Sequence[Prompt], root: tuple[int, ...], image_token: int) -> tuple[Trunk, ...]:
    found: dict[tuple[Picture | None, tuple[int, ...]], list[Branch]] = {}
    for prompt in prompts:
        picture = prompt.pictures[-1] if prompt.pictures else None
        end = len(prompt.tokens) - prompt.tokens[::-1].index(image_token) if picture else len(root)
        end = min(end, len(prompt.tokens) - 1)  # the last token is the branch's: what comes next is predicted from it
        found.setdefault((picture, prompt.tokens[len(root) : end]), []).append(Branch(prompt, prompt.tokens[end:]))
    return tuple(Trunk(tokens, picture, tuple(branches)) for (picture, tokens), branches in found.items())


def _place(tokens: Sequence[int], token: int, number: int) -> int:
    """Where ``token`` occurs after ``number`` other times."""
    return [place for place, found in enumerate(tokens) if found == token][number]


def _common(rows: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """What all rows begin with: the common beginning of the least and the greatest."""
    low, high = min(rows), max(rows)
    return low[: shared_length(low, high)]
