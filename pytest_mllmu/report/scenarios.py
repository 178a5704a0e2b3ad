"""What a scenario found, as tables and sentences that terminal and Markdown share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pytest_mllmu.analysis.gates import PEOPLE_AT_LEAST
from pytest_mllmu.analysis.knowledge import shown
from pytest_mllmu.analysis.people import SIDES
from pytest_mllmu.analysis.scenarios import Findings, Measure, State
from pytest_mllmu.analysis.statistics import Interval
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Modality, Split
from pytest_mllmu.report.run import Run

BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Sheet:
    """One table: a title, the titles of the columns, rows of text.

    ``together``: how many columns after the first belong together, and then the next, where the table is too wide for one; nothing: any may be parted.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    together: tuple[int, ...] = ()


def title(found: Findings) -> str:
    return f"{found.scenario} scenario (PULSE): {found.method}, {found.about}"


def sheets(found: Findings) -> Iterator[Sheet]:
    """What is left in each state of the model, accuracy before and after, and for requests what came back after which."""
    splits = [split for split in SPLITS if any(split in state.sets for state in found.states)]
    left = [(state.title, str(state.requested), *(share(state.sets.get(split)) for split in splits)) for state in found.states]
    yield Sheet("left of what was known before, in % [95% interval] (forget, test: of those requested so far)", ("", "people", *splits), tuple(left))
    columns = [(split, side) for split in splits for side in MODALITIES if any(side in _accuracy(state, split) for state in found.states)]
    rows = [(state.title, *(_before_after(state, split, side) for split, side in columns)) for state in found.states]
    pairs = tuple(len(list(sides)) for _, sides in groupby(columns, lambda column: column[0]))
    yield Sheet("multiple choice in %, before and after", ("", *(f"{split} {SIDES[side]}" for split, side in columns)), tuple(rows), pairs)
    if found.matrix:
        number = len(found.matrix)
        parts = [(part, row) for part, row in enumerate(found.matrix, 1) if row]
        body = [(f"part {part} (n = {row[0].people})", *[""] * (number - len(row)), *(share(one, counted=True) for one in row)) for part, row in parts]
        header = ("", *(f"after {step}" for step in range(1, number + 1)))
        yield Sheet("left of each part after each request", header, tuple(body))


def _accuracy(state: State, split: Split) -> Sequence[Modality]:
    return tuple(state.sets[split].accuracy) if split in state.sets else ()


def _before_after(state: State, split: Split, side: Modality) -> str:
    pair = state.sets[split].accuracy.get(side) if split in state.sets else None
    return f"{100 * pair[0]:.0f} → {100 * pair[1]:.0f}" if pair else "-"


def share(measure: Measure | None, counted: bool = False) -> str:
    """``34 [10, 58]``, or ``34 (n = 2)``: of so few people an interval would only say that nothing is known. ``-`` where nothing was asked or known.

    ``counted``: n stands elsewhere in the row.
    """
    if measure is None or math.isnan(measure.value):
        return "-"
    if measure.people < PEOPLE_AT_LEAST:
        return f"{100 * measure.value:.0f}{'' if counted else f' (n = {measure.people})'}"
    return f"{100 * measure.value:.0f}{shown(Interval(measure.low, measure.high))}"


def lines(run: Run, found: Findings, bars: bool = True) -> Iterator[str]:
    """n, the curve over the requests, and what follows. ``bars``: the curve is not drawn elsewhere."""
    for state in found.states[-1:] if found.matrix else found.states:  # without requests each state is about people of its own
        where = "when all are requested" if found.matrix else state.title
        yield f"n ({where}): {', '.join(_counted(split, one) for split, one in state.sets.items())}"
    steps = found.states[: len(found.matrix)]  # the controls follow
    if bars and len(steps) > 1:
        parts = [f"{split} {curve([state.sets[split].value for state in steps if split in state.sets])}" for split in SPLITS if split in steps[0].sets]
        yield f"curve over the requests, from all that was known: {'  '.join(parts)}"
    yield from found.says
    if any(verdict.collapsed for verdict in run.verdicts if verdict.method == found.method):
        yield f"mind: {found.method} collapsed, which is not forgetting: what it lost says little about requests"


def _counted(split: Split, measure: Measure) -> str:
    about = f"(at least {measure.people} items of each skill)" if split == "general" else f"about {measure.people} people"
    return f"{split} {measure.questions} questions {about}"


def curve(shares: Sequence[float]) -> str:
    """One bar a number, 1 and more the full height, after one of full height for what was known before; a dot where there is none."""
    return BARS[-1] + "".join("." if math.isnan(one) else BARS[min(len(BARS) - 1, max(0, math.floor(one * len(BARS))))] for one in shares)
