"""Table 2 of the paper in a terminal: 100 columns, under each number half its interval, in whole numbers; the files have the decimals.

Sets that do not fit beside the others follow in a second table of the same rows: general ability, and half of the table of probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from pytest_mllmu.analysis.knowledge import shown
from pytest_mllmu.analysis.statistics import Interval
from pytest_mllmu.analysis.table import Row
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import Modality
from pytest_mllmu.parsing import REPORTS
from pytest_mllmu.report.grid import left, middle, pack, printable, right, room, sheet, width, wrap
from pytest_mllmu.report.layout import (
    MODALITY_TITLES,
    SIGNALS,
    SPLIT_TITLES,
    TABLE,
    Block,
    Form,
    Show,
    blocks,
    by_side,
    candidates,
    counts,
    headlines,
    known,
    legend,
    modalities,
    named,
    remembered,
    several_shares,
    tally,
    unparseable,
)
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.scenarios import lines, sheets, title
from pytest_mllmu.scoring.metrics import Metric

Line = tuple[str, str]
"""A line and its colour, as pytest's markup calls it; no colour is nothing."""

LABEL_WIDTH, LABEL_LINES = 15, 3
BAR = "|"
MARKS = {"best": "*", "second": "+", "": " "}
SHORT = {"Class.": "Acc.", "ROUGE-L": "R-L", "Fact.": "Fact"}
"""Titles of columns, where those of the paper are wider than the numbers."""
MOST = 12
"""Inconclusive verdicts that are spelled out without -v."""
BOOK = ".html"
"""The format of a report to read."""
OTHERS = " ".join(suffix for suffix in REPORTS if suffix not in (BOOK, ".jsonl"))
MORE = f"whole numbers here; decimals, every interval and more: --mllmu-report=run{BOOK} ({OTHERS})"


def render(run: Run, show: Show = "both", signals: bool = False, more: bool = True) -> str:
    """The table of a run as text without a line end, block by block, and the tally; ``show`` selects the modality of the questions.

    With ``signals`` the table of probabilities follows. ``more``: a line says how to get the rest.
    """
    return "\n".join([*_tables(run, show, signals, more), *wrap(tally(run))])


def section(run: Run, show: Show, signals: bool, verbosity: int, more: bool, most: int = MOST) -> Iterator[Line]:
    """All that is said of a run, by pytest's verbosity: -1 (``-q``) is a sentence a candidate, 1 (``-v``) all people and all that is inconclusive.

    At -2 and below nothing. Quiet lines are not wrapped, as scripts read them. ``most``: inconclusive verdicts that are spelled out at 0.
    """
    if verbosity < -1:
        return
    if verbosity < 0:
        yield printable(tally(run)), colour(run.verdicts)
        yield from _headlines(run)
        return
    for line in _tables(run, show, signals, more):
        yield line, ""
    for line in wrap(tally(run)):
        yield line, colour(run.verdicts)
    for line in scenarios(run):
        yield line, ""
    yield from conclusions(run, most if verbosity == 0 else None, people=verbosity > 0)


def colour(verdicts: Iterable[Verdict]) -> str:
    """Of the worst: what makes the session red is red, what is not decided yellow, and what was not judged has none."""
    found = list(verdicts)
    if any(verdict.red for verdict in found):
        return "red"
    status = {verdict.status for verdict in found}
    return "yellow" if "inconclusive" in status else "green" if "pass" in status else ""


def _tables(run: Run, show: Show, signals: bool, more: bool) -> Iterator[str]:
    """The tables and what their numbers mean."""
    forms = (TABLE, SIGNALS) if signals else (TABLE,)
    found = blocks(run)
    if not found:
        yield from wrap(f"{run.benchmark_name}: nothing was asked")
    for form in forms:
        for block in found:
            yield from _block(block, show, form)
    for line in [*legend(run, forms, short=True), *([MORE] if more else [])]:
        yield from wrap(line, rest="   ")


def scenarios(run: Run) -> Iterator[str]:
    """What a scenario found of each method; nothing for the standard one."""
    for found in run.findings:
        yield from wrap(title(found))
        for one in sheets(found):
            yield from wrap(one.title, first="  ", rest="     ")
            for piece in sheet(one.header, one.rows, room() - 4, together=one.together):
                yield from (f"    {line}".rstrip() for line in piece)
        for line in lines(run, found):
            yield from wrap(line, first="  ", rest="     ")
        yield ""


# --- the table ---


def _block(block: Block, show: Show, form: Form) -> Iterator[str]:
    """A title, the sets in as many tables as it takes, n."""
    yield from wrap(form.full_title(block))
    names = [wrap(block.named(row), LABEL_WIDTH, rest=" ", most=LABEL_LINES) or [printable(row.name)[:LABEL_WIDTH]] for row in block.rows]
    asked = modalities(show)
    label = 1 + max(width(line) for lines in [*names, [MODALITY_TITLES[modality] for modality in asked]] for line in lines)
    groups = [_Group(block, form, at, asked) for at in range(len(form.groups(block)))]
    for number, part in enumerate(pack([len(BAR) + group.width for group in groups], room() - label)):
        yield from [""] if number else []
        beside = [groups[at] for at in part]
        yield _barred(left("", label), [middle(group.title, group.width) for group in beside])
        for words in zip(*(group.header for group in beside), strict=True):
            yield _barred(left("", label), words)
        for modality in asked:
            yield _rule(MODALITY_TITLES[modality] + " ", label, beside)
            for at, name in enumerate(names):
                yield from _lines(name, label, [(*group.rows[modality][at], " " * group.width) for group in beside])
        yield _rule("", label, beside)
    for line in [*counts(block, show, form), *(unparseable(block) if form is TABLE else [])]:
        yield from wrap(line, rest="   ")


class _Group:
    """The columns of one set, every text as wide as all of them: the titles (each word a line), and of each row the numbers and half their intervals.

    The mark of a number, or a blank, parts it from the next.
    """

    def __init__(self, block: Block, form: Form, at: int, asked: Sequence[Modality]) -> None:
        self.split, self.metrics = form.groups(block)[at]
        words = [SHORT.get(metric.title, metric.title).split(" ", 1) for metric in self.metrics]
        height = max(len(SHORT.get(metric.title, metric.title).split(" ", 1)) for metric in form.metrics)
        cells = {modality: [self._cells(block, form, row, modality) for row in block.rows] for modality in asked}
        stacked = [[""] * (height - len(parts)) + parts for parts in words]
        # The last title may stand where the marks do: a bar follows.
        needed = [max(map(len, parts)) + (column < len(words) - 1) for column, parts in enumerate(stacked)]
        shown = [line for rows in cells.values() for row in rows for line in row]
        self.widths = [max(need, *(width(line[column]) for line in shown)) if shown else need for column, need in enumerate(needed)]
        self.width = sum(self.widths)
        self.title = SPLIT_TITLES[self.split]
        if (lacking := width(self.title) - self.width) > 0:
            self.widths[0] += lacking
            self.width += lacking
        self.header = [self._line([self._title(parts[line], column) for column, parts in enumerate(stacked)]) for line in range(height)]
        self.rows = {modality: [tuple(map(self._line, row)) for row in rows] for modality, rows in cells.items()}

    def _cells(self, block: Block, form: Form, row: Row, modality: Modality) -> tuple[list[str], list[str]]:
        found = [(metric, row.cell(self.split, modality, metric.name)) for metric in self.metrics]
        marks = [MARKS[form.rank(block, row, self.split, modality, metric)] for metric in self.metrics]
        numbers = [(brief(metric, cell.value) if cell else "-") + mark for (metric, cell), mark in zip(found, marks, strict=True)]
        return numbers, [(brief_half(metric, cell.low, cell.high) if cell else "") + " " for metric, cell in found]

    def _title(self, word: str, column: int) -> str:
        return word if len(word) == self.widths[column] else word + " "

    def _line(self, texts: Sequence[str]) -> str:
        return "".join(right(text, wide) for text, wide in zip(texts, self.widths, strict=True))


def _barred(label: str, texts: Sequence[str]) -> str:
    return "".join([label, *(BAR + text for text in texts)]).rstrip()


def _rule(title: str, label: int, groups: Sequence[_Group]) -> str:
    return "+".join([title + "-" * (label - width(title)), *("-" * group.width for group in groups)])


def _lines(name: Sequence[str], label: int, texts: Sequence[Sequence[str]]) -> Iterator[str]:
    """Numbers, half intervals, and lines for the rest of a long title; a row without intervals needs no line for them."""
    height = max(len(name), 2 if any(halves.strip() for _, halves, *_ in texts) else 1)
    for at in range(height):
        yield _barred(left(name[at] if at < len(name) else "", label), [text[min(at, 2)] for text in texts])


def brief(metric: Metric, value: float) -> str:
    """``98``, ``0.65`` or ``6.8``; ``-`` for what is not a number."""
    if math.isnan(value):
        return "-"
    scaled, digits = {"percent": (100 * value, 0), "share": (value, 2), "probability": (value, 2), "points": (value, 1)}[metric.unit]
    return f"{round(scaled, digits) + 0.0:.{digits}f}"  # never -0


def brief_half(metric: Metric, low: float, high: float) -> str:
    """Half the width of an interval, as short: ``±10``, ``±.17`` or ``±1.5``; nothing when there is no interval."""
    half = (high - low) / 2
    if math.isnan(half):
        return ""
    text = brief(metric, half)
    return "±" + (text[1:] if text.startswith("0.") else text)


# --- what follows from it ---


def _headlines(run: Run) -> Iterator[Line]:
    for (method, forget), line in headlines(run).items():
        yield printable(line), colour(verdict for verdict in run.verdicts if (verdict.method, verdict.forget) == (method, forget))


def conclusions(run: Run, most: int | None = None, people: bool = False) -> Iterator[Line]:
    """What follows from the gates: a sentence a candidate, who is still known (with ``people`` all of them), what was inconclusive (``most`` of it)."""
    for line, shade in _headlines(run):
        yield from ((part, shade) for part in wrap(line, rest="   "))
    yield from persons(run) if people else ((part, "red") for line in remembered(run) for part in wrap(line, rest="     "))
    unsure = [verdict for verdict in run.verdicts if verdict.status == "inconclusive"]
    if unsure:
        yield "inconclusive:", "yellow"
    several = several_shares(run)
    for verdict in unsure[:most]:
        share = f"{verdict.forget}%: " if several else ""
        yield from ((part, "") for part in wrap(share + verdict.message.partition("\n")[0], first="  ", rest="  "))
    if most is not None and len(unsure) > most:
        yield f"  ... and {len(unsure) - most} more (-v shows them)", ""


def persons(run: Run) -> Iterator[Line]:
    """Everybody who was to be forgotten, whom a candidate knows best first: the share that is left with its interval, n, verdict, what still leaks."""
    for method, forget, verdicts in candidates(run):
        own = sorted((one for one in verdicts if one.person is not None), key=lambda one: -math.inf if math.isnan(one.value) else one.value, reverse=True)
        if not own:
            continue
        shade = "red" if any(one.status == "fail" for one in own) else ""
        yield from ((part, shade) for part in wrap(f"{named(run, method, forget)}: {known(own)}; left of what vanilla knew of each:", rest="   "))
        shares = ["-" if math.isnan(one.value) else f"{one.value:.0%}{shown(Interval(one.low, one.high))}" for one in own]
        names = [(wrap(str(one.person), 24, most=1) or ["-"])[0] for one in own]
        first, second = max(map(width, names)), max(map(width, shares))
        for one, name, share in zip(own, names, shares, strict=True):
            said = f"{right(share, second)}  n = {one.questions}  {one.status}"
            text = f"{said}: {by_side(one.leaks)}" if one.status == "fail" else said
            yield from ((part, colour([one])) for part in wrap(text, first=f"  {left(name, first)}  ", rest=" " * (6 + first)))
