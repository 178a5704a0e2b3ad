"""Table 2 of the paper in a terminal: 16 columns in at most 152 characters, under each number half its interval."""

from __future__ import annotations

import textwrap

from tabulate import DataRow, TableFormat, tabulate

from pytest_mllmu.analysis.table import Row
from pytest_mllmu.benchmark.profiles import SPLITS, Modality
from pytest_mllmu.report.layout import COLUMNS, MODALITY_TITLES, SPLIT_TITLES, Block, Show, blocks, counts, legend, modalities, tally, unparseable
from pytest_mllmu.report.run import Run
from pytest_mllmu.scoring.metrics import TABLE_METRICS

LABEL_WIDTH = 16
BAR = "|"
MARKS = {"best": "*", "second": "+", "": " "}
_PER_SPLIT = len(TABLE_METRICS)
_FORMAT = TableFormat(
    lineabove=None,
    linebelowheader=None,
    linebetweenrows=None,
    linebelow=None,
    headerrow=DataRow("", " ", ""),
    datarow=DataRow("", " ", ""),
    padding=0,
    with_header_hide=None,
)


def printable(text: str) -> str:
    """One line without control characters: titles and notes can come from data, and a terminal obeys escapes."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def render(run: Run, show: Show = "both") -> str:
    """The table of a run as text without a line end, block by block; ``show`` selects the modality of the questions."""
    parts = [_block(block, show) for block in blocks(run)] or [f"{printable(run.benchmark_name)}: nothing was asked"]
    width = max((len(line) for part in parts for line in part.splitlines()), default=100)
    notes = [wrapped for line in [*legend(run), tally(run)] for wrapped in textwrap.wrap(printable(line), width, subsequent_indent="   ")]
    return "\n".join([*parts, *notes])


def _block(block: Block, show: Show) -> str:
    rows = [["", *_barred([metric.title + block.ranked * " " for metric in TABLE_METRICS] * len(SPLITS))]]
    for modality in modalities(show):
        rows.append([MODALITY_TITLES[modality], *_barred([""] * _PER_SPLIT * len(SPLITS))])
        for row in block.rows:
            rows += _rows(block, row, modality)
    width = len(rows[0])
    alignment = ["left" if column == 0 else "right" for column in range(width)]
    body = tabulate(rows, tablefmt=_FORMAT, colalign=alignment, disable_numparse=True, preserve_whitespace=True).splitlines()
    rule = "".join("+" if letter == BAR else "-" for letter in body[0])
    lines = [_split_titles(body[0]), body[0].rstrip(), rule, *(line.rstrip() for line in body[1:]), rule]
    notes = [wrapped for line in [*counts(block, show), *unparseable(block)] for wrapped in textwrap.wrap(printable(line), len(rule), subsequent_indent="   ")]
    return "\n".join([printable(block.title), *lines, *notes])


def _barred(values: list[str]) -> list[str]:
    """A bar before each set of four columns."""
    return [part for at in range(0, len(values), _PER_SPLIT) for part in (BAR, *values[at : at + _PER_SPLIT])]


def _rows(block: Block, row: Row, modality: Modality) -> list[list[str]]:
    """The line of numbers and the line of intervals; a long title goes on in the second."""
    first, *rest = textwrap.wrap(printable(row.title), LABEL_WIDTH - 2) or [row.name]
    second = textwrap.shorten(" ".join(rest), LABEL_WIDTH - 2, placeholder="..") if rest else ""
    numbers, halves = [], []
    for split, metric in COLUMNS:
        cell = row.cell(split, modality, metric.name)
        numbers.append((metric.show(cell.value) if cell else "-") + block.ranked * MARKS[block.rank(row, split, modality, metric)])
        halves.append((metric.show_half(cell.low, cell.high) if cell else "") + block.ranked * " ")
    lines = [[f"  {first}", *_barred(numbers)]]
    if second or any(half.strip() for half in halves):
        lines.append([f"  {second}", *_barred(halves)])
    return lines


def _split_titles(header: str) -> str:
    """The names of the sets, each in the middle of its four columns."""
    label, *groups = header.split(BAR)
    return BAR.join([" " * len(label), *(SPLIT_TITLES[split].center(len(group)) for split, group in zip(SPLITS, groups, strict=True))]).rstrip()
