"""Single people on the HTML page: who still tells what, and a few answers before and after."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_mllmu.analysis.gates import FORGOTTEN
from pytest_mllmu.analysis.knowledge import shown
from pytest_mllmu.analysis.leaks import Facts, Leaks, Told
from pytest_mllmu.analysis.statistics import Interval
from pytest_mllmu.analysis.table import Row
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, Split
from pytest_mllmu.report.layout import Block, blocks
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.samples import Answer, Sample

ROWS, FEWEST = 1500, 10
"""People in all heat maps of a page, and in each at least; the worst are shown."""
STEPS = 10
"""Shades of a heat map."""


@dataclass(frozen=True)
class Heat:
    """A cell of the heat map: what is shown and said, a shade from 0 (nothing is told) to ``STEPS``, -1 where vanilla knew nothing."""

    text: str
    says: str
    shade: int
    order: float


@dataclass(frozen=True)
class Person:
    person: str
    status: str
    held: str
    order: float
    cells: tuple[Heat, ...]


@dataclass(frozen=True)
class Map:
    """Who leaks, of one candidate. ``hidden`` people are not shown."""

    title: str
    attributes: tuple[str, ...]
    people: tuple[Person, ...]
    hidden: int
    known: int
    open: bool
    collapsed: bool


@dataclass(frozen=True)
class Reply:
    """``sign`` and what it means; ``colour`` is ``fail`` where a candidate still tells what it should not, or lost what it should keep."""

    title: str
    text: str
    sign: str
    says: str
    colour: str


@dataclass(frozen=True)
class Asked:
    """A sample with what each model answered."""

    sample: Sample
    answers: tuple[Reply, ...]


def maps(run: Run, block: Block, most: int) -> Iterator[Map]:
    """Who leaks, a map for each candidate and one for the oracle; of more than ``most`` people the worst."""
    rows = {row.name: row for row in block.rows}
    found = [(rows[leaks.name], leaks) for leaks in run.leaks if leaks.name in rows and leaks.forget == rows[leaks.name].forget]
    order = {row.name: nth for nth, row in enumerate(block.rows)}
    found.sort(key=lambda pair: (pair[0].name == "oracle", order[pair[0].name]))
    for nth, (row, leaks) in enumerate(found):
        yield _map(run, row, leaks, nth == 0, most, row.name in block.collapsed)


def _map(run: Run, row: Row, leaks: Leaks, first: bool, most: int, collapsed: bool) -> Map:
    verdicts = {
        verdict.person: verdict for verdict in run.verdicts if verdict.person is not None and (verdict.method, verdict.forget) == (row.title, row.forget)
    }
    attributes = leaks.attributes
    people = [_person(person, facts, attributes, verdicts.get(person)) for person, facts in leaks.people.items()]
    people.sort(key=lambda one: (-one.order, one.person))
    known = sum(one.status == "fail" for one in people)
    return Map(row.title, tuple(attributes), tuple(people[:most]), max(0, len(people) - most), known, first, collapsed)


def _person(person: str, facts: Facts, attributes: Sequence[str], verdict: Verdict | None) -> Person:
    cells = [_heat(facts.get((attribute, modality))) for attribute in attributes for modality in MODALITIES]
    told, knew = (sum(getattr(one, name) for one in facts.values()) for name in ("told", "knew"))
    share = told / knew if knew else -1.0
    if verdict is None or math.isnan(verdict.value):
        return Person(person, verdict.status if verdict else "", f"{told} of {knew}", share, tuple(cells))
    held = f"{100 * verdict.value:.0f}%{shown(Interval(verdict.low, verdict.high))}"
    return Person(person, verdict.status, held, verdict.value, tuple(cells))


def _heat(told: Told | None) -> Heat:
    if told is None or not told.knew:
        return Heat("", "not asked" if told is None else "vanilla did not know it", -1, -1.0)
    share = told.told / told.knew
    return Heat(f"{told.told}/{told.knew}", "", round(STEPS * share), round(share, 3))


def asked(run: Run, block: Block) -> Iterator[Asked]:
    """The samples about the people of a block."""
    rows = {row.name: row for row in block.rows}
    for sample in run.samples:
        if any(row.forget == sample.forget for row in block.rows):
            yield Asked(sample, tuple(_reply(rows[one.name], one, sample.split) for one in sample.answers if one.name in rows))


def _reply(row: Row, answer: Answer, split: Split) -> Reply:
    if answer.points is None:
        return Reply(row.title, answer.text, "?", "not judged", "")
    sign, says = ("✓", "right") if answer.points == 1 else ("✗", "wrong") if answer.points == 0 else ("≈", f"{answer.points:.0%} of the points")
    wrong = answer.points >= 0.5 if split in FORGOTTEN else answer.points < 0.5
    return Reply(row.title, answer.text, sign, says, "fail" if wrong and row.on_trial else "")


@dataclass(frozen=True)
class Single:
    """What only one of several runs has."""

    label: str
    maps: tuple[Map, ...]
    asked: tuple[Asked, ...]


def most(*leaks: Sequence[Leaks]) -> int:
    """People of each heat map, so that the page stays small."""
    return max(FEWEST, ROWS // max(1, sum(map(len, leaks))))


def singles(run: Run) -> Iterator[Single]:
    """Of runs side by side, who leaks and what was answered in each of them."""
    if len(run.parts) < 2:
        return
    people = most(*(one.leaks for _, one in run.parts))
    for label, one in run.parts:
        found = [(list(maps(one, block, people)), list(asked(one, block))) for block in blocks(one)]
        closed = [replace(shown, open=False) for part, _ in found for shown in part]
        answers = [sample for _, samples in found for sample in samples]
        if closed or answers:
            yield Single(label, tuple(closed), tuple(answers))
