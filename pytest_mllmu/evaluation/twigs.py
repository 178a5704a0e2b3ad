"""Branches of a trunk, and twigs of a branch, side by side on one line of a batch: nothing of the trunk is copied for them.

A line is ``[branch | twig | twig | ... | branch | twig | ...]`` after what its row has read. Positions of a branch go on from the row's, those of a
twig from its branch's; a token sees what the row has read, its own branch and its own twig, and nothing else, so it meets exactly what it would meet alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mllmu.evaluation.reading import Scored, scored

if TYPE_CHECKING:
    import torch

    from pytest_mllmu.evaluation.rows import Rows

PAD = -1


@dataclass(frozen=True)
class Leaf:
    """A branch's tokens, and the answers (with their end tokens) that are scored after it."""

    tokens: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        """Columns: of an answer all but its end is read, because nothing is predicted from the end."""
        return len(self.tokens) + sum(len(answer) - 1 for answer in self.answers)


@dataclass
class Line:
    """The columns of one row: token, place after what the row has read, number of the branch, number of the twig (0: the branch itself)."""

    tokens: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)
    twigs: list[int] = field(default_factory=list)
    marks: list[bool] = field(default_factory=list)

    def add(self, leaf: Leaf, branch: int) -> None:
        self._add(leaf.tokens, 0, branch, 0)
        self.marks += [False] * (len(leaf.tokens) - 1) + [True]
        for number, answer in enumerate(leaf.answers, 1):
            self._add(answer[:-1], len(leaf.tokens), branch, number)
            self.marks += [True] * (len(answer) - 1)

    def _add(self, tokens: Sequence[int], place: int, branch: int, twig: int) -> None:
        self.tokens += tokens
        self.places += range(place, place + len(tokens))
        self.branches += [branch] * len(tokens)
        self.twigs += [twig] * len(tokens)


def lines(leaves: Sequence[tuple[int, Leaf]], width: int) -> list[tuple[int, list[int]]]:
    """Which leaves share a line: those of one trunk (its number is given with each) up to ``width`` columns. Trunk and places of the leaves."""
    found: list[tuple[int, list[int]]] = []
    room: dict[int, tuple[int, int]] = {}
    for place, (trunk, leaf) in enumerate(leaves):
        number, free = room.get(trunk, (-1, 0))
        if free < len(leaf):
            number, free = len(found), max(width, len(leaf))
            found.append((trunk, []))
        found[number][1].append(place)
        room[trunk] = number, free - len(leaf)
    return found


def read(rows: Rows, leaves: Sequence[Sequence[Leaf]]) -> tuple[torch.Tensor, list[list[Scored]], list[tuple[int, int, int]]]:
    """Reads each row's leaves. In the order of the leaves, row by row: the logits of what follows each branch, shape (leaves, vocabulary), what is
    scored after it, and where it stands: (row, first column, its length)."""
    import torch

    device = rows.bundle.device
    made = [Line() for _ in leaves]
    where = []
    for number, (line, some) in enumerate(zip(made, leaves, strict=True)):
        for branch, leaf in enumerate(some):
            where.append((number, len(line.tokens), len(leaf.tokens)))
            line.add(leaf, branch)
    width = max(len(line.tokens) for line in made)
    table = torch.tensor(
        [
            [
                line.tokens + [rows.bundle.pad] * (width - len(line.tokens)),
                *(values + [PAD] * (width - len(values)) for values in (line.places, line.branches, line.twigs)),
            ]
            for line in made
        ],
        device=device,
    )
    tokens, places, branches, twigs = table.unbind(1)
    marks = torch.tensor([line.marks + [False] * (width - len(line.marks)) for line in made], device=device)
    same = branches[:, :, None] == branches[:, None, :]
    sees = (same & ((twigs[:, None, :] == 0) | (twigs[:, :, None] == twigs[:, None, :]))).tril()
    logits = rows.read_lines(tokens, places.clamp(min=0), sees, marks)
    return *_read_off(logits, [leaf for some in leaves for leaf in some]), where


def _read_off(logits: torch.Tensor, leaves: Sequence[Leaf]) -> tuple[torch.Tensor, list[list[Scored]]]:
    """The logits of marked tokens come in order: the last of a branch, then those of its twigs."""
    firsts: list[int] = []
    sources: list[int] = []
    mark = 0
    for leaf in leaves:
        firsts.append(mark)
        mark += 1
        for answer in leaf.answers:
            sources += [firsts[-1], *range(mark, mark + len(answer) - 1)]
            mark += len(answer) - 1
    found = iter(scored(logits, sources, [answer for leaf in leaves for answer in leaf.answers]))
    return logits[firsts], [[next(found) for _ in leaf.answers] for leaf in leaves]
