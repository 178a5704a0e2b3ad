"""Pictures as geometry: where each mark, line and label goes. The template draws them as SVG, so that every text is escaped by it.

A model is a number in its own colour, the same in every picture and in the list of candidates: colour alone tells nobody apart in print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_mllmu.analysis.gates import FORGOTTEN, KEPT
from pytest_mllmu.analysis.scenarios import Findings
from pytest_mllmu.analysis.table import Row, View
from pytest_mllmu.analysis.tradeoff import Extent, Point
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Split
from pytest_mllmu.report.layout import MODALITY_TITLES, SPLIT_TITLES

WIDTH, HEIGHT = 360, 320
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 26, 42
TONES = 8
"""Colours; more candidates than that share them, and are told apart by their numbers."""
FARTHEST = 0.5
"""How far beyond 0 and 1 an axis goes for the sake of an interval; what is farther out ends at the edge, and is said on hover."""
LETTERS = {"vanilla": "V", "oracle": "O"}


@dataclass(frozen=True)
class Scale:
    """From a share to a place in the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return round(self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        return [(self(share / 100), f"{share}%") for share in range(-200, 301, 25) if self.low <= share / 100 <= self.high]


@dataclass(frozen=True)
class Mark:
    """One point with its error bars (equal ends where there is no interval) and the place of its label. ``broken``: the model has collapsed. ``says`` is shown
    on hover."""

    x: float
    y: float
    across: tuple[float, float]
    along: tuple[float, float]
    label: str
    label_x: float
    label_y: float
    tone: int
    square: bool
    broken: bool
    says: str


@dataclass(frozen=True)
class Panel:
    """``bounds``: what the policy asks for, as lines (x, then y). ``paths``: one method from the smallest share of people to forget to the largest."""

    title: str
    x: Scale
    y: Scale
    marks: tuple[Mark, ...]
    bounds: tuple[float | None, float | None]
    paths: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Bar:
    """One row of the modality picture: an interval with a point, at a height."""

    label: str
    side: str
    y: float
    x: float
    across: tuple[float, float]
    tone: int
    square: bool
    says: str


@dataclass(frozen=True)
class Rows:
    """Horizontal intervals below one another, grouped by title (text, height)."""

    title: str
    better: str
    x: Scale
    titles: tuple[tuple[str, float], ...]
    bars: tuple[Bar, ...]
    height: float


@dataclass(frozen=True)
class Line:
    """One set over the requests. ``points``: x and y; ``path`` for SVG. ``label_y`` keeps labels apart."""

    label: str
    points: tuple[tuple[float, float, str], ...]
    path: str
    label_y: float
    tone: int


@dataclass(frozen=True)
class Curves:
    title: str
    x: tuple[tuple[float, str], ...]
    y: Scale
    lines: tuple[Line, ...]


def label(point: Point, numbers: Mapping[tuple[str, int, str], int]) -> str:
    """The number of a candidate, a letter for a reference."""
    return LETTERS.get(point.row.name) or str(numbers.get(key(point), "?"))


def key(point: Point) -> tuple[str, int, str]:
    return point.row.name, point.row.forget, point.row.title


def tone(number: str) -> int:
    """Which colour; 0 is that of references."""
    return (int(number) - 1) % TONES + 1 if number.isdigit() else 0


def percent(extent: Extent, spread: bool = False) -> str:
    """``46% [38, 54]``; ``spread``: of a mean over seeds, ``46% ± 8``."""
    if spread and not math.isnan(extent.low):
        return f"{100 * extent.value:.0f}% ± {50 * (extent.high - extent.low):.0f}"
    ends = "" if math.isnan(extent.low) else f" [{100 * extent.low:.0f}, {100 * extent.high:.0f}]"
    few = f" (n = {extent.people})" if math.isnan(extent.low) and extent.people else ""
    return f"{100 * extent.value:.0f}%{ends}{few}"


def _axis(extents: Iterable[Extent], start: float, end: float) -> Scale:
    ends = [0.0, 1.0, *(value for one in extents for value in (one.value, one.low, one.high) if not math.isnan(value))]
    low, high = max(min(ends), -FARTHEST), min(max(ends), 1 + FARTHEST)
    return Scale(low - 0.04, high + 0.04, start, end)


def _ends(extent: Extent, scale: Scale) -> tuple[float, float]:
    return (scale(extent.low), scale(extent.high)) if not math.isnan(extent.low) else (scale(extent.value),) * 2


def tradeoff(
    points: Sequence[Point],
    numbers: Mapping[tuple[str, int, str], int],
    bounds: Callable[[Split], float | None],
    collapsed: Collection[tuple[str, int]] = (),
    ratios: bool = False,
) -> list[Panel]:
    """Forgotten on x, kept on y: a panel each for the retain set, the celebrities and general ability, as far as they were asked.

    ``collapsed``: names and shares of rows that have. ``ratios``: the points are about several shares of people to forget; labels say which, and those of one
    method are joined by a line.
    """
    panels = []
    for split in KEPT:
        shown = [(point, gone, kept) for point in points if (gone := point.forgotten()) and (kept := point.kept(split))]
        if len(shown) < 2:  # the vanilla alone is no trade-off
            continue
        x, y = _axis((gone for _, gone, _ in shown), LEFT, WIDTH - RIGHT), _axis((kept for _, _, kept in shown), HEIGHT - BOTTOM, TOP)
        places = [(x(gone.value), y(kept.value)) for _, gone, kept in shown]
        labels = _apart(places, 6 if ratios else 0)
        marks = []
        for (point, gone, kept), place, where in zip(shown, places, labels, strict=True):
            number = label(point, numbers)
            share = f" ({point.row.forget}%)" if ratios else ""
            seeds = bool(point.row.seeds)
            broken = (point.row.name, point.row.forget) in collapsed
            says = f"{point.row.title}{share}: forgot {percent(gone, seeds)} of what vanilla knew of the forget set, keeps {percent(kept, seeds)} of {split}"
            says += "; collapsed" if broken else ""
            told = f"{number}·{point.row.forget}" if ratios and number != LETTERS["vanilla"] else number
            marks.append(Mark(*place, _ends(gone, x), _ends(kept, y), told, *where, tone(number), point.trained == "unimodal", broken, says))
        allowed, asked = bounds("forget"), bounds(split)
        lines = x(1 - allowed) if allowed is not None else None, y(asked) if asked is not None else None
        paths = _paths([point for point, _, _ in shown], marks) if ratios else ()
        panels.append(Panel(SPLIT_TITLES[split], x, y, tuple(marks), lines, tuple(paths)))
    return panels


def _paths(points: Sequence[Point], marks: Sequence[Mark]) -> Iterable[tuple[int, str]]:
    for title in dict.fromkeys(point.row.title for point in points):
        mine = [mark for point, mark in sorted(zip(points, marks, strict=True), key=lambda pair: pair[0].row.forget) if point.row.title == title]
        if len(mine) > 1:
            yield mine[0].tone, "M" + " L".join(f"{mark.x} {mark.y}" for mark in mine)


def _apart(places: Sequence[tuple[float, float]], wider: float) -> list[tuple[float, float]]:
    """A place for the label of each point, where it covers other points and labels least: around it, near before far. ``wider``: how much longer labels are."""
    taken: list[tuple[float, float]] = []
    for x, y in places:
        around = [
            (x + r * math.cos(turn), y - r * math.sin(turn))
            for r in (13 + wider, 21 + wider, 30 + wider)
            for turn in (math.pi * step / 6 for step in (1, 3, 5, 7, 9, 11))
        ]
        inside = [(a, b) for a, b in around if LEFT + 6 < a < WIDTH - RIGHT - 4 and TOP + 6 < b < HEIGHT - BOTTOM - 4] or around
        others = [place for place in places if place != (x, y)] + taken
        best = max(inside, key=lambda spot: min(14.0, min((math.dist(spot, other) for other in others), default=14.0)) - math.dist(spot, (x, y)) / 20)
        taken.append((round(best[0], 1), round(best[1], 1)))
    return taken


def modality(
    points: Sequence[Point], numbers: Mapping[tuple[str, int, str], int], split: Split, named: Callable[[Row], str] = lambda row: row.title
) -> Rows | None:
    """What is left of a set asked with the image and in text, for each row (paper, figure 3). None when nothing was."""
    views: tuple[View, ...] = MODALITIES
    shown = [(point, [(view, left) for view in views if (left := point.kept(split, view))]) for point in points if point.row.name != "vanilla"]
    shown = [(point, sides) for point, sides in shown if sides]
    if not shown:
        return None
    x = _axis((left for _, sides in shown for _, left in sides), 14, WIDTH - RIGHT)
    height, titles, bars = 30.0, [], []
    for point, sides in shown:
        number = label(point, numbers)
        titles.append((f"{number}  {named(point.row)}", height))
        for view, left in sides:
            height += 15
            share, asked = percent(left, bool(point.row.seeds)), MODALITY_TITLES[view] if view != "both" else ""
            says = f"{point.row.title}, asked {asked}: {share} of what vanilla knew of {split} is left"
            bars.append(Bar(number, "image" if view == "multimodal" else "text", height, x(left.value), _ends(left, x), tone(number), view == "unimodal", says))
        height += 25
    return Rows(SPLIT_TITLES[split], "less" if split in FORGOTTEN else "more", x, tuple(titles), tuple(bars), height + 18)


def curves(found: Findings) -> Curves | None:
    """What is left of each set after each request; None without requests."""
    steps = found.states[: len(found.matrix)]
    if len(steps) < 2:
        return None
    y = Scale(-0.04, 1.08, 200, 16)
    places = [round(40 + 210 * step / len(steps), 1) for step in range(len(steps) + 1)]
    lines = []
    for split in SPLITS:
        shares = [(nth, state.sets[split]) for nth, state in enumerate(steps, 1) if split in state.sets and not math.isnan(state.sets[split].value)]
        if not shares:
            continue
        dots = [(places[0], y(1.0), f"{SPLIT_TITLES[split]}, before: 100%")]
        for nth, one in shares:
            extent = (
                Extent(one.value, one.low, one.high, one.questions, one.people) if one.people >= 5 else Extent(one.value, math.nan, math.nan, 0, one.people)
            )
            dots.append((places[nth], y(one.value), f"{SPLIT_TITLES[split]} {steps[nth - 1].title}: {percent(extent)}"))
        path = "M" + " L".join(f"{x} {height}" for x, height, _ in dots)
        lines.append(Line(SPLIT_TITLES[split], tuple(dots), path, dots[-1][1], list(SPLITS).index(split) + 1))
    ticks = tuple(zip(places, ["0", *(str(nth) for nth in range(1, len(steps) + 1))], strict=True))
    return Curves(found.method, ticks, y, tuple(_spread(lines)))


def _spread(lines: Sequence[Line]) -> Iterable[Line]:
    """Labels at the end of each line, at least one line of text apart."""
    from dataclasses import replace

    last = -math.inf
    for line in sorted(lines, key=lambda line: line.label_y):
        last = max(line.label_y, last + 12)
        yield replace(line, label_y=last)
