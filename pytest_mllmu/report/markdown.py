"""A run as Markdown, for a pull request or the summary of a CI job. Everything that came from data or a model is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

from tabulate import tabulate

from pytest_mllmu.analysis.table import Row
from pytest_mllmu.benchmark.profiles import Modality, Split
from pytest_mllmu.files import write_text
from pytest_mllmu.report import changes, scenarios
from pytest_mllmu.report.layout import (
    MODALITY_TITLES,
    SIGNALS,
    SPLIT_TITLES,
    TABLE,
    Block,
    Form,
    Show,
    blocks,
    counts,
    legend,
    modalities,
    tally,
    unparseable,
)
from pytest_mllmu.report.run import Run
from pytest_mllmu.scoring.metrics import Metric

MARKS = {"best": "**{}**", "second": "*{}*", "": "{}"}
_SPECIAL = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]|~"})


def escape(text: str) -> str:
    """``text`` as one line that Markdown prints as it is: no HTML, link, image, code, emphasis or cell border comes out of it."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    # A backslash before a letter would be printed, so that a bare address is cut with an entity instead.
    return html.escape(line, quote=False).translate(_SPECIAL).replace("://", ":&#47;/").replace("www.", "www&#46;")


def render(run: Run, show: Show = "both", signals: bool = False) -> str:
    """The whole run as one Markdown document; with ``signals`` the tables of probabilities are part of it."""
    forms = (TABLE, SIGNALS) if signals else (TABLE,)
    lines = [] if run.table.rows else [f"## {escape(run.benchmark_name)}: nothing was asked", ""]
    for form, block in [(form, block) for form in forms for block in blocks(run)]:
        lines += [f"## {escape(form.full_title(block))}", ""]
        for modality in modalities(show):
            lines += [f"### {MODALITY_TITLES[modality]}", "", _table(block, modality, form), ""]
        beside = unparseable(block) if form is TABLE else []
        lines += [*(f"- {escape(line)}" for line in [*counts(block, show, form), *beside]), ""]
    lines += [f"- {escape(line)}" for line in legend(run, forms, marks=("bold", "italic"))]
    return "\n".join([*lines, *_scenarios(run), *_changes(run), *_verdicts(run), ""])


def _changes(run: Run) -> Iterator[str]:
    if said := changes.against(run):
        yield from ["", f"### {said}", ""]
        yield from (f"- {escape(line)}" for line in changes.lines(run.changes))


def _scenarios(run: Run) -> Iterator[str]:
    for found in run.findings:
        yield from ["", f"### {escape(scenarios.title(found))}", ""]
        for sheet in scenarios.sheets(found):
            rows = [[escape(cell) for cell in row] for row in sheet.rows]
            yield from [escape(sheet.title), "", tabulate(rows, sheet.header, tablefmt="pipe", disable_numparse=True), ""]
        yield from (f"- {escape(line)}" for line in scenarios.lines(run, found))


def _table(block: Block, modality: Modality, form: Form) -> str:
    header = ["", *(f"{SPLIT_TITLES[split]} {metric.title}" for split, metric in form.columns(block))]
    rows = [[escape(block.named(row)), *(_cell(block, form, row, split, modality, metric) for split, metric in form.columns(block))] for row in block.rows]
    alignment = ["left" if column == 0 else "right" for column in range(len(header))]
    return tabulate(rows, header, tablefmt="pipe", colalign=alignment if rows else None, disable_numparse=True)


def _cell(block: Block, form: Form, row: Row, split: Split, modality: Modality, metric: Metric) -> str:
    cell = row.cell(split, modality, metric.name)
    if cell is None:
        return "-"
    number = MARKS[form.rank(block, row, split, modality, metric)].format(metric.show(cell.value))
    return f"{number} {metric.show_half(cell.low, cell.high)}".rstrip()


def _verdicts(run: Run) -> Iterator[str]:
    if run.verdicts:
        yield from ["", f"### {tally(run)}", ""]
    for status in ("fail", "inconclusive", "pass", "off"):
        for verdict in run.verdicts:
            if verdict.status == status:
                message = verdict.message.replace("\n  ", "; ")
                yield f"- **{status}** {escape(message)}"


def write_markdown(run: Run, path: Path, signals: bool = False) -> None:
    """Raises StoreError when the file cannot be written."""
    write_text(path, [render(run, signals=signals)])
