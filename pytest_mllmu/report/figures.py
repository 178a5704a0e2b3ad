"""The pictures of a paper, from a run: what forgetting costs, what it does to either modality, and how a sequence of requests goes (matplotlib).

Every number is a share of what the vanilla knew above the floor (knowledge.py). Methods are told apart by their shapes, since papers print in grey.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mllmu.analysis.gates import KEPT, PEOPLE_AT_LEAST
from pytest_mllmu.analysis.scenarios import Findings, Measure
from pytest_mllmu.analysis.table import REFERENCES
from pytest_mllmu.analysis.tradeoff import ON_TEXT, Extent, Point, points
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Split
from pytest_mllmu.errors import StoreError
from pytest_mllmu.report.drawing import COLOURS, COLUMN, GREY, PAGE, SHAPES, beneath, ends, name, reach, save, scale, sheet
from pytest_mllmu.report.layout import BROKEN, MODALITY_TITLES, SPLIT_TITLES, SYNTHETIC, Block, blocks, bound, collapse, counts, spread
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.scenarios import share

MOST = 24
"""Panels in one picture: more cannot be read."""
Looks = dict[str, tuple[Any, str]]
"""Shape and colour of a method."""
ASKED: dict[str, Any] = {"color": GREY, "linewidth": 0.6, "linestyle": "--", "zorder": 1}
"""The line of a bound."""
SIDE_SHAPES = {"multimodal": "o", "unimodal": "s"}


@dataclass(frozen=True)
class Part:
    """One block of the table, as points; those of references are anchors."""

    block: Block
    points: tuple[Point, ...]

    @property
    def tried(self) -> list[Point]:
        return [point for point in self.points if point.row.name not in REFERENCES]

    def anchors(self) -> list[Point]:
        return [point for point in self.points if point.row.name in REFERENCES]

    @property
    def sets(self) -> list[Split]:
        """Of what is to be kept, those that were measured of somebody on trial."""
        return [split for split in KEPT if any(_both(point, split) for point in self.tried)]


def write_figures(run: Run, path: Path) -> list[Path]:
    """The pictures that the run has something for: ``run.png`` becomes ``run-tradeoff.png``, ``run-modality.png``, of a sequential scenario also
    ``run-sequence.png`` and ``run-matrix.png``.

    Raises StoreError when there is nothing to draw, or when a file cannot be written.
    """
    parts = [Part(block, tuple(points(block.rows))) for block in blocks(run)]
    sequences = [found for found in run.findings if found.matrix]
    crossed = [part for part in parts if part.sets]
    sided = [part for part in parts if any(_sides(point, split) for point in part.tried for split in ("forget", "retain"))]
    pictures: list[tuple[str, bool, Callable[[], Any]]] = [
        ("tradeoff", bool(crossed), lambda: _tradeoff(run, crossed)),
        ("modality", bool(sided), lambda: _modality(run, sided)),
        ("sequence", bool(sequences), lambda: _sequence(run, sequences)),
        ("matrix", bool(sequences), lambda: _matrix(run, sequences)),
    ]
    made = [save(path.with_name(f"{path.stem}-{title}{path.suffix}"), draw) for title, any_of_it, draw in pictures if any_of_it]
    if not made:
        raise StoreError(f"{path}: nothing to draw: no candidate was asked, beside a vanilla that knew something, about people to forget and to keep")
    return made


def _both(point: Point, split: Split) -> tuple[Extent, Extent] | None:
    """Forgotten and kept, where both were measured."""
    forgotten, kept = point.forgotten(), point.kept(split)
    return (forgotten, kept) if forgotten and kept else None


def _sides(point: Point, split: Split) -> list[Extent]:
    return [left for modality in MODALITIES if (left := point.left.get((split, modality)))]


def _looks(parts: Sequence[Part]) -> Looks:
    """Shape and colour of each method, the same in all panels."""
    methods = dict.fromkeys(_method(point) for part in parts for point in part.tried)
    return {method: (SHAPES[at % len(SHAPES)], COLOURS[at % len(COLOURS)]) for at, method in enumerate(methods)}


def _method(point: Point) -> str:
    """What is drawn alike: whatever it trained on and however many were to be forgotten, but not GA and five requests of GA."""
    return point.row.title.replace(ON_TEXT, "")


def _notes(run: Run, parts: Sequence[Part]) -> list[str]:
    """n, what the bars are, and whose people they are."""
    n = [f"{part.block.title}: {line}" for part in parts for line in counts(part.block, "both")]
    seeds = dict.fromkeys(row.seeds for part in parts for row in part.block.rows)
    bars = [spread(several).replace("±", "bars") for several in seeds if several]
    bars += ["bars: 95% interval over people"] if () in seeds else []
    fallen = [part.block for part in parts if part.block.collapsed]
    return [*n, *([collapse(fallen)] if fallen else []), "; ".join(bars), *([SYNTHETIC] if run.synthetic else [])]


def _tradeoff(run: Run, parts: Sequence[Part]) -> Any:
    """Forgotten against kept: the better a method, the nearer to the upper right corner."""
    parts = parts[: MOST // len(KEPT)]
    panels = [len(part.sets) for part in parts]
    figure, grid = sheet(panels, PAGE if max(panels) > 1 else COLUMN, 2.3)
    looks, handles = _looks(parts), {}
    for part, row in zip(parts, grid, strict=True):
        for split, axes in zip(part.sets, row, strict=True):
            shown = [(point, both) for point in part.points if (both := _both(point, split))]
            for point, (forgotten, kept) in shown:
                handles[point.row.title] = _put(axes, point, forgotten, kept, looks)
                if point.row.name in part.block.collapsed:
                    axes.annotate(BROKEN, (100 * forgotten.value, 100 * kept.value), (3, 2), textcoords="offset points")
            allowed, asked = bound(run, "forget"), bound(run, split)
            if allowed is not None:
                axes.axvline(100 * (1 - allowed), **ASKED)
            if asked is not None:
                axes.axhline(100 * asked, **ASKED)
            axes.set_xlim(*scale(ends(forgotten for _, (forgotten, _) in shown)))
            axes.set_ylim(*scale(ends(kept for _, (_, kept) in shown)))
            axes.set_title(SPLIT_TITLES[split], loc="left")
            axes.set_xlabel("forgotten of the forget set (%)")
            axes.set_ylabel("kept (%)")
            axes.set_title("better \N{NORTH EAST ARROW}", loc="right", color=GREY)
            axes.grid(linewidth=0.3, color="#dddddd")
        if len(parts) > 1:
            _titled(row[0], part.block.title)
    hollow = any(point.trained == "unimodal" for part in parts for point in part.tried)
    notes = ["filled: unlearning trained with the image, hollow: on text alone"] if hollow else []
    notes += [f"dashed: what the policy {run.policy.get('name', '')} asks for"] if any(bound(run, split) is not None for split in ("forget", *KEPT)) else []
    beneath(figure, [*notes, *_notes(run, parts)], list(handles.values()))
    return figure


def _titled(axes: Any, title: str) -> None:
    """The title of a block, above the titles of its panels, whose first one has a line more for it."""
    axes.set_title(f"\n{axes.get_title(loc='left')}", loc="left")
    axes.annotate(name(title, 100), (0, 1), (0, 15), "axes fraction", "offset points", fontweight="bold", annotation_clip=False).set_in_layout(False)


def _put(axes: Any, point: Point, forgotten: Extent, kept: Extent, looks: Looks) -> Any:
    """One point with its bars; what stands in the legend."""
    if point.row.name in REFERENCES:
        shape, colour, filled = ("*", "#000000", point.row.name == "vanilla")
    else:
        (shape, colour), filled = looks[_method(point)], point.trained != "unimodal"
    style = {"marker": shape, "color": colour, "markerfacecolor": colour if filled else "white", "markersize": 7 if shape == "*" else 4.5}
    sides, up = reach(forgotten.value, forgotten.low, forgotten.high), reach(kept.value, kept.low, kept.high)
    place = 100 * forgotten.value, 100 * kept.value
    axes.errorbar([place[0]], [place[1]], up, sides, linestyle="none", elinewidth=0.5, zorder=2, ecolor=colour, **style)
    return _handle(name(point.row.title), linestyle="none", **style)


def _handle(label: str, **style: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **style)


def _modality(run: Run, parts: Sequence[Part]) -> Any:
    """What is left when asked with the image and in text, a line a method and modality that unlearning trained on (paper, figure 3)."""
    sets: tuple[Split, ...] = ("forget", "retain")
    parts = parts[: MOST // len(sets)]
    tallest = max(len(part.points) for part in parts)
    figure, grid = sheet([len(sets)] * len(parts), PAGE, 0.7 + 0.24 * tallest, sharey="row")
    for part, row in zip(parts, grid, strict=True):
        rows = [*part.anchors(), *sorted(part.tried, key=lambda point: [_method(other) for other in part.tried].index(_method(point)))]
        for split, axes in zip(sets, row, strict=True):
            for at, point in enumerate(rows):
                _sided(axes, at, point, split)
            found = [left for point in rows for left in _sides(point, split)]
            if not found:
                axes.text(0.5, 0.5, "vanilla is not clearly above the floor", ha="center", transform=axes.transAxes, color=GREY)
            axes.set_xlim(*scale(ends(found)))
            axes.set_ylim(len(rows) - 0.4, -0.6)
            axes.axvline(100, color=GREY, linewidth=0.5, linestyle=":")
            axes.axvline(0, color=GREY, linewidth=0.5)
            axes.set_title(f"{SPLIT_TITLES[split]} set: {'less is better' if split == 'forget' else 'more is better'}", loc="left")
            axes.set_xlabel("left of what vanilla knew (%)")
            axes.grid(axis="y", linewidth=0.3, color="#dddddd")
        row[0].set_yticks(range(len(rows)), [name(part.block.named(point.row)) for point in rows])
        if len(parts) > 1:
            _titled(row[0], part.block.title)
    handles = [_handle(f"asked: {MODALITY_TITLES[side]}", linestyle="none", **_side_style(side)) for side in MODALITIES]
    beneath(figure, _notes(run, parts), handles)
    return figure


def _sided(axes: Any, at: int, point: Point, split: Split) -> None:
    for side, shift in zip(MODALITIES, (-0.17, 0.17), strict=True):
        if left := point.left.get((split, side)):
            bar = reach(left.value, left.low, left.high)
            axes.errorbar([100 * left.value], [at + shift], xerr=bar, linestyle="none", elinewidth=0.6, ecolor=GREY, **_side_style(side))


def _side_style(side: str) -> dict[str, Any]:
    colour = COLOURS[0] if side == "multimodal" else COLOURS[1]
    return {"marker": SIDE_SHAPES[side], "color": colour, "markerfacecolor": colour if side == "multimodal" else "white", "markersize": 4}


def _sequence(run: Run, sequences: Sequence[Findings]) -> Any:
    """What is left of each set after each request, a panel a method; the controls stand apart on the right."""
    shown = sequences[:MOST]
    across = min(2, len(shown))
    figure, grid = sheet(_rows_of(len(shown), across), PAGE if across > 1 else COLUMN, 2.1, sharey=True)
    axes_of = [axes for row in grid for axes in row]
    sets = [split for split in SPLITS if any(split in state.sets for found in shown for state in found.states)]
    measures = [one for found in shown for state in found.states for one in state.sets.values()]
    axes_of[0].set_ylim(*scale(end for one in measures for end in (ends([one]) if _many(one) else [one.value])))  # which all panels share
    for found, axes in zip(shown, axes_of, strict=True):
        steps = len(found.matrix)
        for at, split in enumerate(sets):
            measured = [(step + 1 + (step >= steps) * 0.5, state.sets[split]) for step, state in enumerate(found.states) if split in state.sets]
            curve = [(step, one) for step, one in measured if step <= steps]
            style = {"color": COLOURS[at % len(COLOURS)], "marker": SHAPES[at], "markersize": 3.5}
            shift = 0.07 * (at - (len(sets) - 1) / 2)
            line = ("-", "--", "-.", ":", (0, (5, 1)))[at % 5]
            axes.plot([shift, *(step + shift for step, _ in curve)], [100, *(100 * one.value for _, one in curve)], linestyle=line, **style)
            for step, one in measured:
                bar = reach(one.value, one.low, one.high) if _many(one) else None
                axes.errorbar([step + shift], [100 * one.value], bar, linestyle="none", elinewidth=0.5, **style)
        extra = [_rest(state.title, found.method) for state in found.states[steps:]]
        ticks = [*range(steps + 1), *(steps + 1.5 + step for step in range(len(extra)))]
        axes.set_xticks(ticks, ["before", *map(str, range(1, steps + 1)), *(name(title).replace(" ", "\n", 1) for title in extra)])
        axes.set_xlabel("after request")
        axes.set_title(name(found.method), loc="left")
        axes.grid(axis="y", linewidth=0.3, color="#dddddd")
    for row in grid:
        row[0].set_ylabel("left of what was known (%)")
    handles = [_handle(SPLIT_TITLES[split], color=COLOURS[at % len(COLOURS)], marker=SHAPES[at], markersize=3.5) for at, split in enumerate(sets)]
    beneath(figure, _sequence_notes(run, shown), handles)
    return figure


def _many(one: Measure) -> bool:
    """Whether an interval says something."""
    return one.people >= PEOPLE_AT_LEAST


def _rest(title: str, method: str) -> str:
    """``at once`` of ``GA at once``: what a state's title says beside its method."""
    words, own = title.split(), method.split()
    same = next((at for at, (word, other) in enumerate(zip(words, own, strict=False)) if word != other), min(len(words), len(own)))
    return " ".join(words[same:]) or title


def _rows_of(number: int, across: int) -> list[int]:
    return [min(across, number - start) for start in range(0, number, across)]


def _titles(run: Run) -> list[str]:
    """Which model, data and seed a picture without a table's n is about."""
    return list(dict.fromkeys(block.title for block in blocks(run)))


def _sequence_notes(run: Run, shown: Sequence[Findings]) -> list[str]:
    last = [found.states[len(found.matrix) - 1] for found in shown]
    n = dict.fromkeys(
        ", ".join(f"{split} {one.questions} questions about {one.people} {'items' if split == 'general' else 'people'}" for split, one in state.sets.items())
        for state in last
    )
    bars = f"bars: 95% interval over people, of {PEOPLE_AT_LEAST} people or more; forget and test: of those requested so far"
    return [
        *_titles(run),
        *(f"n ({', '.join(dict.fromkeys(found.about for found in shown))}): {line}" for line in n),
        bars,
        *([SYNTHETIC] if run.synthetic else []),
    ]


def _matrix(run: Run, sequences: Sequence[Findings]) -> Any:
    """What is left of part X after request Y, a panel a method: rises to the right of a row are people who come back."""
    shown = sequences[:MOST]
    across = min(2, len(shown))
    most = max(len(found.matrix) for found in shown)
    figure, grid = sheet(_rows_of(len(shown), across), PAGE if across > 1 else COLUMN, 0.7 + 0.28 * most)
    for found, axes in zip(shown, (axes for row in grid for axes in row), strict=True):
        for at, part in enumerate(found.matrix):
            for later, one in enumerate(part):
                _square(axes, at + later, at, one)
        parts = [f"part {at + 1} (n = {part[0].people})" if part else f"part {at + 1}" for at, part in enumerate(found.matrix)]
        axes.set_xticks(range(len(found.matrix)), [str(at + 1) for at in range(len(found.matrix))])
        axes.set_yticks(range(len(found.matrix)), parts)
        axes.set_xlim(-0.5, len(found.matrix) - 0.5)
        axes.set_ylim(len(found.matrix) - 0.5, -0.5)
        axes.set_xlabel("after request")
        axes.set_title(name(found.method), loc="left")
    says = "left of each part (n people) after each request, in % of what was known of it before"
    also = f"[95% interval] of {PEOPLE_AT_LEAST} people or more; darker: more is left; -: nothing was known"
    beneath(figure, [*_titles(run), f"{says}; {also}", *([SYNTHETIC] if run.synthetic else [])])
    return figure


def _square(axes: Any, column: int, row: int, one: Measure) -> None:
    from matplotlib.patches import Rectangle

    depth = 0.0 if math.isnan(one.value) else min(1.0, max(0.0, one.value))
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=str(1 - 0.5 * depth), edgecolor="white", linewidth=0.8))
    text = share(one, counted=True).replace(" [", "\n[")
    axes.text(column, row, text, ha="center", va="center", fontsize=5 if "[" in text else 6.5)
