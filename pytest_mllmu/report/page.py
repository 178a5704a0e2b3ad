"""What the HTML page shows, section by section, as data that the template prints. Nothing here is escaped: the template escapes everything."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mllmu.analysis.scenarios import Findings, Measure
from pytest_mllmu.analysis.table import Cell, Row
from pytest_mllmu.analysis.tradeoff import Point, points
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Modality, Split
from pytest_mllmu.report import charts, people, scenarios
from pytest_mllmu.report.layout import (
    MODALITY_TITLES,
    SIGNALS,
    SPLIT_TITLES,
    TABLE,
    Block,
    Form,
    blocks,
    bound,
    counts,
    judged_as,
    meaning,
    named,
    tally,
    unparseable,
)
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.standing import PHRASES, Standing, standings
from pytest_mllmu.report.terminal import brief
from pytest_mllmu.scoring.metrics import Metric


@dataclass(frozen=True)
class Candidate:
    """A row of the list of candidates. ``stands``: colour and words, of a mean over seeds for each of them. ``left``: set and what is left of it."""

    label: str
    tone: int
    title: str
    role: str
    stands: tuple[tuple[str, str], ...]
    guards: tuple[str, ...]
    known: str
    counts: Counter[str] | None
    left: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Number:
    """A cell of Table 2: the value, its interval (of a mean over seeds, half its spread), what is said on hover, and ``best`` or ``second``."""

    value: str
    interval: str
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
class Part:
    """One block of the table with its pictures."""

    title: str
    candidates: tuple[Candidate, ...]
    sets: tuple[str, ...]
    asked_of: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    signals: tuple[Sheet, ...]
    notes: tuple[str, ...]
    panels: tuple[charts.Panel, ...]
    modalities: tuple[charts.Rows, ...]
    maps: tuple[people.Map, ...]
    asked: tuple[people.Asked, ...]


def parts(run: Run) -> Iterator[Part]:
    judged = {(one.method, one.forget): one for one in standings(run)}
    legend = meaning(run, marks=("bold", "underlined"), interval="under each number: its 95% interval over people")
    for block in blocks(run):
        yield part(run, block, judged, legend)


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
        broken = {(row, block.rows[0].forget) for block in group for row in block.collapsed}
        legend = {str(number): (str(number), charts.tone(str(number)), title) for (_, _, title), number in numbers.items()}
        yield name, charts.tradeoff(dots, numbers, lambda split: bound(run, split), broken, ratios=True), list(legend.values())


def part(run: Run, block: Block, judged: Mapping[tuple[str, int], Standing], legend: Sequence[str]) -> Part:
    """``judged``: where each candidate stands, by method and share of people to forget."""
    numbers = numbered(block.rows)
    dots = points(block.rows)
    sides = (charts.modality(dots, numbers, split, block.named) for split in ("forget", "retain"))
    splits = tuple(split for split in SPLITS if any(cell.split == split for row in block.rows for cell in row.cells))
    signals = [sheet(block, modality, SIGNALS) for modality in MODALITIES]
    return Part(
        title=block.title,
        candidates=tuple(_candidates(run, block, judged, dots, numbers, splits)),
        sets=tuple(SPLIT_TITLES[split] for split in splits),
        asked_of=tuple(_asked_of(dots, split) for split in splits),
        sheets=tuple(sheet(block, modality, TABLE) for modality in MODALITIES),
        signals=tuple(one for one in signals if any(cell for _, cells in one.rows for cell in cells)),
        notes=(*counts(block, "both"), *unparseable(block), *legend),
        panels=tuple(charts.tradeoff(dots, numbers, lambda split: bound(run, split), {(name, block.rows[0].forget) for name in block.collapsed})),
        modalities=tuple(side for side in sides if side),
        maps=tuple(people.maps(run, block, people.most(run.leaks))),
        asked=tuple(people.asked(run, block)),
    )


def _asked_of(dots: Sequence[Point], split: Split) -> str:
    """n of a set, by the first row that has it: ``n = 180 / 10``."""
    found = next((left for point in dots if (left := point.left.get((split, "both"))) and left.people), None)
    return f"n = {found.questions} / {found.people}" if found else ""


def _candidates(
    run: Run,
    block: Block,
    judged: Mapping[tuple[str, int], Standing],
    dots: Sequence[Point],
    numbers: Mapping[tuple[str, int, str], int],
    splits: Sequence[Split],
) -> Iterator[Candidate]:
    left = {charts.key(point): point.left for point in dots}
    for row in block.rows:
        place = row.name, row.forget, row.title
        number = charts.LETTERS.get(row.name) or str(numbers[place])
        role = "" if row.on_trial else "control" if row.control else "reference"
        extents = [(split, left.get(place, {}).get((split, "both"))) for split in splits]
        shares = tuple((SPLIT_TITLES[split], charts.percent(one, bool(row.seeds)) if one else "") for split, one in extents)
        own = [(which, one) for which, name in judged_as(run, row) if row.on_trial and (one := judged.get((name, row.forget)))]
        yield _candidate(number, block.named(row), role, own, shares)


def _candidate(label: str, title: str, role: str, own: Sequence[tuple[str, Standing]], left: tuple[tuple[str, str], ...]) -> Candidate:
    """``own``: where it stands, by seed or run where there are several."""
    stands = tuple((one.colour, f"{which}: {PHRASES[one.word]}" if which else PHRASES[one.word]) for which, one in own)
    guards = tuple(dict.fromkeys(guard for _, one in own for guard in one.guards))
    known = ", ".join(f"{len(one.known)} of {one.people}" for _, one in own if one.people)
    counts = sum((one.counts for _, one in own), Counter()) if own else None
    return Candidate(label, charts.tone(label), title, role, stands, guards, known, counts, left)


def _ends(metric: Metric, cell: Cell) -> str:
    """``34–69``: the interval in few digits, as 16 columns stand side by side; all digits are shown on hover."""
    return "" if math.isnan(cell.low) else f"{brief(metric, cell.low)}–{brief(metric, cell.high)}"


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
            ends = metric.show_half(cell.low, cell.high) if row.seeds else _ends(metric, cell)
            cells.append(Number(metric.show(cell.value), ends, says, form.rank(block, row, split, modality, metric)))
        rows.append((block.named(row), tuple(cells)))
    groups = tuple((SPLIT_TITLES[split], len(metrics)) for split, metrics in form.groups(block))
    return Sheet(MODALITY_TITLES[modality], groups, tuple(metric.title for _, metric in columns), tuple(rows))


# --- scenarios ---


@dataclass(frozen=True)
class Found:
    """Of one method in a scenario. ``matrix``: a row a part, a cell a request; None where the part was not requested yet."""

    title: str
    curves: charts.Curves | None
    matrix: tuple[tuple[str, tuple[people.Heat | None, ...]], ...]
    sheets: tuple[scenarios.Sheet, ...]
    lines: tuple[str, ...]


def found(run: Run) -> Iterator[Found]:
    for one in run.findings:
        yield Found(
            scenarios.title(one),
            charts.curves(one),
            tuple(_matrix(one)),
            tuple(scenarios.sheets(one)),
            tuple(scenarios.lines(run, one, bars=False)),
        )


def _matrix(one: Findings) -> Iterator[tuple[str, tuple[people.Heat | None, ...]]]:
    for nth, row in enumerate(one.matrix, 1):
        if row:
            said = f"part {nth} (n = {row[0].people})"
            yield said, (*[None] * (len(one.matrix) - len(row)), *(_left(said, measure) for measure in row))


def _left(where: str, measure: Measure) -> people.Heat:
    if math.isnan(measure.value):
        return people.Heat("-", f"{where}: nothing was known", -1, -1.0)
    shade = round(people.STEPS * min(1.0, max(0.0, measure.value)))
    return people.Heat(scenarios.share(measure, counted=True), f"{where}: {scenarios.share(measure)}% of what was known before is left", shade, measure.value)


# --- the end of the page ---


def listed(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every verdict, by candidate: status and message."""
    rows: dict[tuple[str, int], list[tuple[str, str]]] = {(verdict.method, verdict.forget): [] for verdict in run.verdicts}
    for status in ("fail", "inconclusive", "pass", "off"):
        for verdict in run.verdicts:
            if verdict.status == status:
                rows[verdict.method, verdict.forget].append((status, verdict.message))
    return [(named(run, method, forget), messages) for (method, forget), messages in rows.items()]


def guards(run: Run) -> tuple[list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """The guards, and for each candidate the status and message of each."""
    own = [verdict for verdict in run.verdicts if verdict.gate.startswith("guard.")]
    names = list(dict.fromkeys(verdict.gate for verdict in own))
    rows: dict[str, dict[str, Verdict]] = {}
    for verdict in own:
        rows.setdefault(named(run, verdict.method, verdict.forget), {})[verdict.gate] = verdict
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
    return [line for line in [*run.notes, tally(run)] if line]


def contents(made: Sequence[Part], singles: Sequence[people.Single], scenario: Sequence[Found], run: Run) -> Iterator[tuple[str, str]]:
    """Anchors and their names, of what there is; of several blocks those of the first, and where the others begin."""
    first = made[0] if made else None
    yield from [("changes", "baseline")] if run.changes else []
    yield from [("candidates", "candidates"), *([("tradeoff", "cost")] if first and first.panels else []), ("table", "Table 2")] if first else []
    yield from [("modality", "modalities")] if first and first.modalities else []
    yield from [("leaks", "who leaks")] if first and first.maps else []
    yield from [("answers", "answers")] if first and first.asked else []
    yield from ((f"candidates-{nth}", part.title) for nth, part in enumerate(made[1:], 2))
    yield from [("runs", "run by run")] if singles else []
    yield from [("scenario", "scenario")] if scenario else []
    yield from [("guards", "guards"), ("untested", "not tested"), ("verdicts", "verdicts")] if run.verdicts else [("untested", "not tested")]
    yield ("settings", "how it was made")


def title(run: Run, made: Sequence[Part], groups: Sequence[str]) -> str:
    """That of the only block, or of the only model that was to forget several shares of people."""
    model = run.settings.get("model")
    return made[0].title if len(made) == 1 else groups[0] if len(groups) == 1 else ", ".join([*([Path(model).name] if model else []), run.benchmark_name])
