"""What the HTML page shows, section by section, as data that the template prints. Nothing here is escaped: the template escapes everything."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mllmu.analysis.gates import FORGOTTEN
from pytest_mllmu.analysis.knowledge import shown
from pytest_mllmu.analysis.leaks import Leaks, Told
from pytest_mllmu.analysis.scenarios import Findings, Measure
from pytest_mllmu.analysis.statistics import Interval
from pytest_mllmu.analysis.table import Row
from pytest_mllmu.analysis.tradeoff import Extent, Point, points
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Split
from pytest_mllmu.report import charts, scenarios
from pytest_mllmu.report.layout import MODALITY_TITLES, SIGNALS, SPLIT_TITLES, TABLE, Block, Form, blocks, counts, legend, tally, unparseable
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.samples import Answer, Sample
from pytest_mllmu.report.standing import Standing, standings

MOST_PEOPLE = 100
"""Rows of a heat map; the worst are shown."""
SHOWN: tuple[Split, ...] = ("forget", "test", "retain", "celebrity", "general")
STEPS = 10
"""Shades of a heat map."""


@dataclass(frozen=True)
class Candidate:
    """A row of the list of candidates. ``left``: set and what is left of it."""

    label: str
    tone: int
    title: str
    role: str
    standing: Standing | None
    left: tuple[tuple[str, Extent | None], ...]


@dataclass(frozen=True)
class Number:
    """A cell of Table 2: the value, half its interval, what is said on hover, and ``best`` or ``second``."""

    value: str
    half: str
    says: str
    mark: str


@dataclass(frozen=True)
class Sheet:
    """Table 2 in one modality of the questions."""

    title: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Number | None, ...]], ...]


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


@dataclass(frozen=True)
class Part:
    """One block of the table with its pictures."""

    title: str
    candidates: tuple[Candidate, ...]
    sets: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    signals: tuple[Sheet, ...]
    notes: tuple[str, ...]
    panels: tuple[charts.Panel, ...]
    modalities: tuple[charts.Rows, ...]
    maps: tuple[Map, ...]
    asked: tuple[Asked, ...]


def parts(run: Run) -> Iterator[Part]:
    found = blocks(run)
    for block in found:
        yield part(run, block)


def numbered(rows: Iterable[Row]) -> dict[tuple[str, int, str], int]:
    """A number for each method, whatever share of people it was to forget."""
    titles = dict.fromkeys(row.title for row in rows if row.name not in charts.LETTERS)
    order = {title: nth for nth, title in enumerate(titles, 1)}
    return {(row.name, row.forget, row.title): order[row.title] for row in rows if row.title in order}


def overview(run: Run) -> Iterator[tuple[str, list[charts.Panel], list[tuple[str, int, str]]]]:
    """Where the same model was to forget several shares of people: all of them in one picture, with its legend (label, tone, title)."""
    groups: dict[str, list[Block]] = {}
    for block in blocks(run):
        groups.setdefault(block.title.replace(f" ({block.rows[0].forget}% Forget)", ""), []).append(block)
    for name, group in groups.items():
        if len({block.rows[0].forget for block in group}) < 2:
            continue
        rows = tuple(row for block in group for row in block.rows)
        numbers, dots = numbered(rows), [point for block in group for point in points(block.rows)]
        vanilla = next((point for point in dots if point.row.name == "vanilla"), None)
        dots = [point for point in dots if point.row.name != "vanilla" or point is vanilla]  # which is the same everywhere: all is kept, nothing forgotten
        legend = {str(number): (str(number), charts.tone(str(number)), title) for (_, _, title), number in numbers.items()}
        yield name, charts.tradeoff(dots, numbers, lambda split: _bound(run, split), ratios=True), list(legend.values())


def part(run: Run, block: Block) -> Part:
    numbers = numbered(block.rows)
    dots = points(block.rows)
    sides = (charts.modality(dots, numbers, split) for split in ("forget", "retain"))
    splits = tuple(split for split in SHOWN if any(cell.split == split for row in block.rows for cell in row.cells))
    signals = [sheet(block, modality, SIGNALS) for modality in MODALITIES]
    return Part(
        title=block.title,
        candidates=tuple(_candidates(run, block, dots, numbers, splits)),
        sets=tuple(SPLIT_TITLES[split] for split in splits),
        sheets=tuple(sheet(block, modality, TABLE) for modality in MODALITIES),
        signals=tuple(one for one in signals if any(cell for _, cells in one.rows for cell in cells)),
        notes=(*counts(block, "both"), *unparseable(block)),
        panels=tuple(charts.tradeoff(dots, numbers, lambda split: _bound(run, split))),
        modalities=tuple(side for side in sides if side),
        maps=tuple(_maps(run, block)),
        asked=tuple(_asked(run, block)),
    )


def _bound(run: Run, split: Split) -> float | None:
    """What the policy asks of a set as a whole."""
    gate = run.policy.get("gates", {}).get(f"{split}.all.both", {})
    bound = gate.get("at_most" if split in ("forget", "test") else "at_least")
    return float(bound) if isinstance(bound, int | float) else None


def _candidates(run: Run, block: Block, dots: Sequence[Point], numbers: Mapping[tuple[str, int, str], int], splits: Sequence[Split]) -> Iterator[Candidate]:
    judged = {(one.method, one.forget): one for one in standings(run)}
    left = {charts.key(point): point.left for point in dots}
    for row in block.rows:
        place = row.name, row.forget, row.title
        number = charts.LETTERS.get(row.name) or str(numbers[place])
        role = "" if row.on_trial else "control" if row.control else "reference"
        shares = tuple((SPLIT_TITLES[split], left.get(place, {}).get((split, "both"))) for split in splits)
        yield Candidate(number, charts.tone(number), row.title, role, judged.get((row.title, row.forget)) if row.on_trial else None, shares)


def sheet(block: Block, modality: Modality, form: Form) -> Sheet:
    columns = form.columns(block)
    rows = []
    for row in block.rows:
        cells: list[Number | None] = []
        for split, metric in columns:
            cell = row.cell(split, modality, metric.name)
            if cell is None:
                cells.append(None)
                continue
            interval = metric.show_interval(cell.low, cell.high)
            says = f"{metric.show(cell.value)}{interval}: {row.title}, {metric.title} on {split}; n = {cell.questions} questions about {cell.people} people"
            cells.append(Number(metric.show(cell.value), metric.show_half(cell.low, cell.high), says, form.rank(block, row, split, modality, metric)))
        rows.append((row.title, tuple(cells)))
    groups = tuple((SPLIT_TITLES[split], len(metrics)) for split, metrics in form.groups(block))
    return Sheet(MODALITY_TITLES[modality], groups, tuple(metric.title for _, metric in columns), tuple(rows))


def _maps(run: Run, block: Block) -> Iterator[Map]:
    rows = {row.name: row for row in block.rows}
    found = [(rows[leaks.name], leaks) for leaks in run.leaks if leaks.name in rows and leaks.forget == rows[leaks.name].forget]
    order = {row.name: nth for nth, row in enumerate(block.rows)}
    found.sort(key=lambda pair: (pair[0].name == "oracle", order[pair[0].name]))
    for nth, (row, leaks) in enumerate(found):
        yield _map(run, row, leaks, nth == 0)


def _map(run: Run, row: Row, leaks: Leaks, first: bool) -> Map:
    verdicts = {
        verdict.person: verdict for verdict in run.verdicts if verdict.person is not None and (verdict.method, verdict.forget) == (row.title, row.forget)
    }
    attributes = leaks.attributes
    people = [_person(person, facts, attributes, verdicts.get(person)) for person, facts in leaks.people.items()]
    people.sort(key=lambda one: (-one.order, one.person))
    known = sum(one.status == "fail" for one in people)
    return Map(row.title, tuple(attributes), tuple(people[:MOST_PEOPLE]), max(0, len(people) - MOST_PEOPLE), known, first)


def _person(person: str, facts: Mapping[tuple[str, Modality], Told], attributes: Sequence[str], verdict: Verdict | None) -> Person:
    cells = [
        _heat(f"{person}, {attribute}, {MODALITY_TITLES[modality]}", facts.get((attribute, modality))) for attribute in attributes for modality in MODALITIES
    ]
    told, knew = (sum(getattr(one, name) for one in facts.values()) for name in ("told", "knew"))
    share = told / knew if knew else -1.0
    if verdict is None or math.isnan(verdict.value):
        return Person(person, verdict.status if verdict else "", f"{told} of {knew}", share, tuple(cells))
    held = f"{100 * verdict.value:.0f}%{shown(Interval(verdict.low, verdict.high))}"
    return Person(person, verdict.status, held, verdict.value, tuple(cells))


def _heat(where: str, told: Told | None) -> Heat:
    if told is None or not told.knew:
        return Heat("", f"{where}: {'not asked' if told is None else 'vanilla did not know it'}", -1, -1.0)
    share = told.told / told.knew
    return Heat(
        f"{told.told}/{told.knew}", f"{where}: {told.told} of the {told.knew} questions that vanilla answers are still answered", round(STEPS * share), share
    )


def _asked(run: Run, block: Block) -> Iterator[Asked]:
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


# --- scenarios ---


@dataclass(frozen=True)
class Found:
    """Of one method in a scenario. ``matrix``: a row a part, a cell a request; None where the part was not requested yet."""

    title: str
    curves: charts.Curves | None
    matrix: tuple[tuple[str, tuple[Heat | None, ...]], ...]
    sheets: tuple[scenarios.Sheet, ...]
    lines: tuple[str, ...]


def found(run: Run) -> Iterator[Found]:
    for one in run.findings:
        yield Found(
            scenarios.title(one),
            charts.curves(one),
            tuple(_matrix(one)),
            tuple(scenarios.sheets(one)),
            tuple(said for said in scenarios.lines(one) if not said.startswith(scenarios.CURVE)),
        )


def _matrix(one: Findings) -> Iterator[tuple[str, tuple[Heat | None, ...]]]:
    for nth, row in enumerate(one.matrix, 1):
        if row:
            said = f"part {nth} (n = {row[0].people})"
            yield said, (*[None] * (len(one.matrix) - len(row)), *(_left(said, measure) for measure in row))


def _left(where: str, measure: Measure) -> Heat:
    if math.isnan(measure.value):
        return Heat("-", f"{where}: nothing was known", -1, -1.0)
    shade = round(STEPS * min(1.0, max(0.0, measure.value)))
    return Heat(scenarios.share(measure, counted=True), f"{where}: {scenarios.share(measure)}% of what was known before is left", shade, measure.value)


# --- the end of the page ---


def listed(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every verdict, by candidate: status and message."""
    rows: dict[tuple[str, int], list[tuple[str, str]]] = {}
    several = len({verdict.forget for verdict in run.verdicts}) > 1
    for status in ("fail", "inconclusive", "pass", "off"):
        for verdict in run.verdicts:
            if verdict.status == status:
                rows.setdefault((verdict.method, verdict.forget), []).append((status, verdict.message))
    return [(f"{method} ({forget}%)" if several else method, messages) for (method, forget), messages in rows.items()]


def guards(run: Run) -> tuple[list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """The guards, and for each candidate the status and message of each."""
    own = [verdict for verdict in run.verdicts if verdict.gate.startswith("guard.")]
    names = list(dict.fromkeys(verdict.gate for verdict in own))
    several = len({verdict.forget for verdict in own}) > 1
    rows: dict[str, dict[str, Verdict]] = {}
    for verdict in own:
        rows.setdefault(f"{verdict.method} ({verdict.forget}%)" if several else verdict.method, {})[verdict.gate] = verdict
    cells = {title: [(mine[name].status, mine[name].message) if name in mine else ("", "") for name in names] for title, mine in rows.items()}
    return [name.removeprefix("guard.") for name in names], list(cells.items())


def facts(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Settings, versions, fingerprints and the policy, as names and text."""
    row = run.to_json()  # in the order in which a stored run has them
    whole: dict[str, Any] = {name: row[name] for name in ("settings", "policy", "versions", "fingerprints")}
    return [(title, [(str(name), _text(value)) for name, value in part.items()]) for title, part in whole.items()]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def remarks(run: Run) -> list[str]:
    return [line for line in [*legend(run), tally(run)] if line]


def contents(made: Sequence[Part], scenario: Sequence[Found], run: Run) -> Iterator[tuple[str, str]]:
    """Anchors and their names, of what there is; of several blocks those of the first, and where the others begin."""
    first = made[0] if made else None
    yield from [("candidates", "candidates"), *([("tradeoff", "cost")] if first and first.panels else []), ("table", "Table 2")] if first else []
    yield from [("modality", "modalities")] if first and first.modalities else []
    yield from [("leaks", "who leaks")] if first and first.maps else []
    yield from [("answers", "answers")] if first and first.asked else []
    yield from ((f"candidates-{nth}", part.title) for nth, part in enumerate(made[1:], 2))
    yield from [("scenario", "scenario")] if scenario else []
    yield from [("guards", "guards"), ("untested", "not tested"), ("verdicts", "verdicts")] if run.verdicts else [("untested", "not tested")]
    yield ("settings", "how it was made")


def title(run: Run, made: Sequence[Part], groups: Sequence[str]) -> str:
    """That of the only block, or of the only model that was to forget several shares of people."""
    return made[0].title if len(made) == 1 else groups[0] if len(groups) == 1 else run.benchmark_name
