"""How much a model knows, as a share of what there is to know: 0 is what guessing earns, 1 the best value of the metric.

Retained knowledge is (candidate - floor) / (vanilla - floor) of these shares. The floor on forget and test is the oracle's share where there is
an oracle, else chance, which is 0; on retain and celebrity it is chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mllmu.analysis.gates import FORGOTTEN
from pytest_mllmu.analysis.statistics import Estimate, Interval, at_an_end, combination, estimate, ratio, ratio_interval, t_interval
from pytest_mllmu.analysis.table import Cell, Row
from pytest_mllmu.benchmark.profiles import Modality, Split, Task
from pytest_mllmu.scoring.metrics import DECISIVE, FACTUALITY, METRICS, ROUGE_L

Kinds = Sequence[tuple[Task, Modality]]
"""Kinds of questions."""

MEMORISED = 0.05
"""The vanilla must know this share more than the floor, or there is nothing to forget."""

NOT_JUDGED = "not judged: factuality of generation is missing, so nothing can be concluded"


@dataclass(frozen=True)
class Retained:
    """What a candidate kept of what the vanilla knew: ``mine`` and ``theirs`` are the shares above the floor, ``value`` their ratio.

    ``people`` and ``questions`` are those that the candidate was asked about. Published numbers come without people: no interval then.
    """

    mine: Estimate
    theirs: Estimate
    people: int
    questions: int

    @property
    def value(self) -> float:
        return self.share.value

    @property
    def interval(self) -> Interval:
        return ratio_interval(self.mine, self.theirs)

    @property
    def share(self) -> Estimate:
        """The ratio as an estimate that others can be compared with."""
        return ratio(self.mine, self.theirs)

    @property
    def memorised(self) -> bool:
        """Whether the vanilla is clearly above the floor."""
        return self.theirs.value >= MEMORISED and not t_interval(self.theirs).low <= 0


def decisive(row: Row, split: Split, kinds: Kinds) -> list[Cell]:
    """The cells that decide about some kinds of questions, as far as they were asked."""
    cells = [row.cell(split, modality, DECISIVE[task].name) for task, modality in kinds]
    return [cell for cell in cells if cell is not None]


def average(cells: Sequence[Cell]) -> Estimate:
    """The mean share over some kinds of questions."""
    return combination([(1 / len(cells), share(cell)) for cell in cells])


def share(cell: Cell) -> Estimate:
    """A cell on the scale from chance to the best value of its metric."""
    metric = METRICS[cell.metric]
    best = metric.best
    found = at_an_end(cell.groups, metric.worst, best) if cell.groups else Estimate(cell.value)
    found = found + estimate(cell.credit) if cell.credit else found
    return found.scaled(1 / (best - cell.chance), -cell.chance / (best - cell.chance))


def retained(candidate: Row, vanilla: Row, oracle: Row | None, split: Split, kinds: Kinds) -> Retained | None:
    """Over the kinds that all of them were asked; None when there is none."""
    rows = [candidate, vanilla, *([oracle] if oracle is not None and split in FORGOTTEN else [])]
    asked = [kind for kind in kinds if all(decisive(row, split, [kind]) for row in rows)]
    if not asked:
        return None
    mine, theirs, *floor = (average(decisive(row, split, asked)) for row in rows)
    if floor:
        mine, theirs = mine - floor[0], theirs - floor[0]
    cells = decisive(candidate, split, asked)
    return Retained(mine, theirs, min(cell.people for cell in cells), sum(cell.questions for cell in cells))


def unjudged(rows: Sequence[Row | None], splits: Sequence[Split], kinds: Kinds) -> bool:
    """Whether one of the models was asked to write and its answers have no grades: the rest alone would answer another question."""
    told = [modality for task, modality in kinds if task == FACTUALITY.task]
    asked = [(row, split, modality) for row in rows if row is not None for split in splits for modality in told]
    return any(row.cell(split, modality, ROUGE_L.name) and not row.cell(split, modality, FACTUALITY.name) for row, split, modality in asked)


def shown(interval: Interval, *bounds: float | None) -> str:
    """`` [30, 95]`` in percent, with a leading blank; with a decimal where an end would read like one of ``bounds``. Nothing when there is none."""
    if math.isnan(interval.low):
        return ""
    ends = (100 * interval.low, 100 * interval.high)
    close = any(bound is not None and end != 100 * bound and round(end) == round(100 * bound) for end in ends for bound in bounds)
    low, high = (f"{end:.1f}" if close else f"{round(end)}" for end in ends)
    return f" [{low}, {high}]"
