"""The fast path: what prompts have in common is read once.

A root (system prompt, demonstrations) is read once for all, a trunk (picture) once a person and root, a branch once a question, and what is scored or
written goes on from there, over the same cache. Branches and what is scored after them stand side by side on lines with a mask (``twigs.py``); for a
model that does not take one, each has a row of its own over a copied cache, with ordinary masks (docs/performance.md compares the two).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Picture
from pytest_mllmu.evaluation.asking import Prompt
from pytest_mllmu.evaluation.images import Images
from pytest_mllmu.evaluation.reading import Scored, finished, response, scored, smaller, text_of
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.evaluation.rows import Rows
from pytest_mllmu.evaluation.tree import Branch, Group, Trunk, groups
from pytest_mllmu.evaluation.twigs import Leaf, lines, read
from pytest_mllmu.models.said import said
from pytest_mllmu.training.batches import Encoder

if TYPE_CHECKING:
    import torch

LEAVE = 0.75
"""Finished rows leave when no more than this share of all still writes: a row that stays costs a token, one that leaves a copy of all others."""
Leaves = list[tuple[int, Branch]]
"""Branches with the number of their trunk."""
WIDTH, WIDTH_ON_GPU = 64, 512
"""Columns of a line. Wider ones copy fewer trunks and attend to more that is not seen: on a CPU the second is dearer (measured), where trunks have
thousands of tokens and arithmetic is cheap the first should be."""
PEOPLE = 128
"""Trunks whose pictures are held at a time."""


class Shared:
    """Answers prompts over shared prefixes, at most ``limit`` at a time. As a ``tree``, questions about a person, and what is scored after them, stand
    side by side on a line (``twigs.py``); else each has a row of its own."""

    def __init__(self, encoder: Encoder, limit: int, *, tree: bool = True, width: int | None = None) -> None:
        self._encoder, self._bundle, self.limit, self._tree = encoder, encoder.bundle, limit, tree
        self._width = width or (WIDTH if self._bundle.device.type == "cpu" else WIDTH_ON_GPU)
        self._images = Images(encoder)

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[Response]]:
        """The responses to all prompts, some at a time, in the order in which they are ready. When the memory is not enough fewer are tried at a time,
        without those that are answered already. Raises ModelError when there are no fewer."""
        todo = groups(prompts, self._bundle.image_token, self._encoder.size)
        for group in todo:
            self._images.look(group.shown)
        for part in _parts(todo):
            for group, trunks in part:
                yield from self._group(group, trunks)
            self._images.forget([trunk.picture for _, trunks in part for trunk in trunks if trunk.picture])

    def _group(self, group: Group, trunks: Sequence[Trunk]) -> Iterator[list[Response]]:
        import torch

        waiting = deque(trunks)
        root: Rows | None = None
        while waiting:
            taken = [waiting.popleft() for _ in range(min(self.limit, len(waiting)))]
            leaves = [(number, branch) for number, trunk in enumerate(taken) for branch in trunk.branches]
            leaves.sort(key=lambda leaf: (bool(leaf[1].prompt.options), leaf[1].prompt.letter, len(leaf[1].tokens)))
            rows: Rows | None = None
            while leaves:
                part = leaves[: self.limit]
                try:
                    root = self._root(group) if root is None else root
                    rows = self._read(root, group, taken) if rows is None else rows
                    done = self._side_by_side(rows, part) if self._tree else self._branches(rows, part)
                except torch.OutOfMemoryError as error:
                    problem = said(error)
                else:
                    leaves = leaves[len(part) :]
                    yield done
                    continue
                rows = None  # its caches go, and fewer are read at a time
                self.limit = smaller(self.limit, problem)
                waiting.extendleft(reversed(_left(taken, leaves)))
                break

    def last(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """The logits of what follows each prompt, by question: what a check of this path compares."""
        found = {}
        for group in groups(prompts, self._bundle.image_token, self._encoder.size):
            trunks = self._read(self._root(group), group, group.trunks)
            leaves = [(number, branch) for number, trunk in enumerate(group.trunks) for branch in trunk.branches]
            for number, branch in [] if self._tree else leaves:
                found[branch.prompt.question.id] = trunks.select([number]).read([branch.tokens])[0]
            if self._tree:
                order, logits, _, _, _ = self._lines(trunks, leaves)
                found |= {leaves[place][1].prompt.question.id: row for place, row in zip(order, logits, strict=True)}
        return found

    def _root(self, group: Group) -> Rows:
        rows = Rows(self._bundle)
        if group.root:
            rows.read([group.root], positions=self._positions((), [group.root], [group.shown]), **self._seen([group.root], group.shown))
        return rows

    def _read(self, root: Rows, group: Group, trunks: Sequence[Trunk]) -> Rows:
        rows = root.select([0] * len(trunks), max(len(trunk.tokens) for trunk in trunks))
        if not trunks[0].tokens:
            return rows
        pieces, pictures = [trunk.tokens for trunk in trunks], [trunk.picture for trunk in trunks if trunk.picture]
        positions = self._positions(group.root, pieces, [(*group.shown, picture) for picture in pictures])
        rows.read(pieces, positions=positions, **self._seen(pieces, pictures))
        return rows

    def _side_by_side(self, trunks: Rows, leaves: Leaves) -> list[Response]:
        order, last, scored, where, rows = self._lines(trunks, leaves)
        prompts = [leaves[place][1].prompt for place in order]

        def start(writers: list[int]) -> Rows:
            return rows.pick([where[number] for number in writers], last[writers])

        return self._responses(prompts, scored, last, start)

    def _lines(self, trunks: Rows, leaves: Leaves) -> tuple[list[int], torch.Tensor, list[list[Scored]], list[tuple[int, int, int]], Rows]:
        """The leaves read side by side: their places in the order of all that follows, logits, scores, columns, and the rows that hold them."""
        made = [(trunk, Leaf(branch.tokens, branch.prompt.answers)) for trunk, branch in leaves]
        shared = lines(made, self._width)
        room = max(sum(len(made[place][1]) for place in places) for _, places in shared)
        rows = trunks.select([trunk for trunk, _ in shared], room)
        return [place for _, places in shared for place in places], *read(rows, [[made[place][1] for place in places] for _, places in shared]), rows

    def _branches(self, trunks: Rows, leaves: Leaves) -> list[Response]:
        rows, prompts = trunks.select([number for number, _ in leaves]), [branch.prompt for _, branch in leaves]
        last = rows.read([branch.tokens for _, branch in leaves])
        return self._responses(prompts, self._score(rows, prompts), last, rows.select)

    def _responses(
        self, prompts: Sequence[Prompt], scored: Sequence[Sequence[Scored]], last: torch.Tensor, start: Callable[[list[int]], Rows]
    ) -> list[Response]:
        """``last``: logits of what follows each prompt; ``start`` gives rows that have read some of the prompts."""
        writers = [number for number, prompt in enumerate(prompts) if not prompt.options]
        texts = self._write([prompts[number] for number in writers], last[writers], partial(_some, start, writers)) if writers else []
        written = dict(zip(writers, texts, strict=True))
        return [response(prompt, scored[number], written.get(number, "")) for number, prompt in enumerate(prompts)]

    def _score(self, rows: Rows, prompts: Sequence[Prompt]) -> list[list[Scored]]:
        """How probable the model finds each answer of each prompt."""
        twigs = [(number, answer) for number, prompt in enumerate(prompts) for answer in prompt.answers]
        found: list[list[Scored]] = [[] for _ in prompts]
        order = sorted(range(len(twigs)), key=lambda number: len(twigs[number][1]))
        known: dict[int, Scored] = {}
        for start in range(0, len(order), self.limit):
            part = order[start : start + self.limit]
            answers = [twigs[number][1] for number in part]
            known |= dict(zip(part, _scores(rows, [twigs[number][0] for number in part], answers), strict=True))
        for number, (prompt, _) in enumerate(twigs):
            found[prompt].append(known[number])
        return found

    def _write(self, prompts: Sequence[Prompt], last: torch.Tensor, start: Callable[[list[int]], Rows]) -> list[str]:
        """Greedy answers, all rows in step; a row leaves when its answer ends."""
        tokens: list[list[int]] = [[] for _ in prompts]
        active, places = list(range(len(prompts))), list(range(len(prompts)))  # who still writes, and in which row
        rows: Rows | None = None
        while active:
            chosen = last.argmax(-1).tolist()
            for number, place in zip(active, places, strict=True):
                tokens[number].append(chosen[place])
            left = [row for row, number in enumerate(active) if not finished(self._bundle, prompts[number], tokens[number])]
            active, places = [active[row] for row in left], [places[row] for row in left]
            if not active:
                break
            if rows is None or len(active) <= LEAVE * len(rows):
                rows, places = rows.select(places) if rows else start(active), list(range(len(active)))
            fed = [[self._bundle.pad]] * len(rows)
            for number, place in zip(active, places, strict=True):
                fed[place] = [tokens[number][-1]]
            last = rows.read(fed)
        return [text_of(self._bundle, row) for row in tokens]

    def _positions(self, root: Sequence[int], pieces: Sequence[Sequence[int]], pictures: Sequence[Sequence[Picture]]) -> torch.Tensor | None:
        """Positions of pieces after a root, shape (kinds, pieces, tokens), for a family that counts in its own way; left of short ones is 0."""
        import torch

        bundle, width = self._bundle, max(map(len, pieces))
        found = []
        for piece, shown in zip(pieces, pictures, strict=True):
            pixels = [self._encoder.pixels(picture) for picture in shown]
            places = bundle.family.positions(bundle.model, bundle.processor, (*root, *piece), pixels)
            if places is None:
                return None
            found.append(torch.nn.functional.pad(places[:, len(root) :], (width - len(piece), 0)))
        return torch.stack(found, dim=1).to(bundle.device)

    def _seen(self, pieces: Sequence[Sequence[int]], pictures: Sequence[Picture]) -> dict[str, Any]:
        import torch

        if not pictures:
            return {}
        width = max(map(len, pieces))
        ids = torch.tensor([[self._bundle.pad] * (width - len(piece)) + [*piece] for piece in pieces])
        beside = self._bundle.family.token_inputs(self._bundle.model, self._bundle.processor, ids)
        return self._images.inputs(pictures) | {key: value.to(self._bundle.device) for key, value in beside.items()}


def _parts(todo: Sequence[Group]) -> Iterator[list[tuple[Group, list[Trunk]]]]:
    """All groups' trunks about some people at a time, so that a picture is looked at once for all that is asked about it."""
    pictures = list(dict.fromkeys(trunk.picture for group in todo for trunk in group.trunks))
    for start in range(0, len(pictures), PEOPLE):
        part = set(pictures[start : start + PEOPLE])
        found = [(group, [trunk for trunk in group.trunks if trunk.picture in part]) for group in todo]
        yield [(group, trunks) for group, trunks in found if trunks]


def _some(start: Callable[[list[int]], Rows], numbers: Sequence[int], chosen: Sequence[int]) -> Rows:
    return start([numbers[place] for place in chosen])


def _left(trunks: Sequence[Trunk], leaves: Leaves) -> list[Trunk]:
    """The trunks of some leaves, with those leaves only."""
    found = [(trunk, tuple(branch for place, branch in leaves if place == number)) for number, trunk in enumerate(trunks)]
    return [replace(trunk, branches=branches) for trunk, branches in found if branches]


def _scores(rows: Rows, places: Sequence[int], answers: Sequence[Sequence[int]]) -> list[Scored]:
    """Log-probability of each token of some answers that follow rows at ``places``, and whether it is the most probable one."""
    import torch

    fed = [answer[:-1] for answer in answers]  # nothing follows an end
    logits, width = rows.last[list(places)], max(map(len, fed))
    if width:
        at = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in fed], device=rows.bundle.device)
        logits = torch.cat([logits, rows.select(places).read(fed, at)])
    sources, place = list[int](), len(answers)
    for number, row in enumerate(fed):
        sources += [number, *range(place, place + len(row))]
        place += len(row)
    return scored(logits, sources, answers)
