"""Table 2 for a paper: a ``table*`` for each modality of the questions, in it a block for each share of people to forget, as the paper has them.

Everything that came from data or a model is escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pytest_mllmu.analysis.table import Row
from pytest_mllmu.benchmark.profiles import Modality, Split
from pytest_mllmu.files import write_text
from pytest_mllmu.report.grid import printable
from pytest_mllmu.report.layout import MODALITY_TITLES, SIGNALS, SPLIT_TITLES, TABLE, Block, Form, Show, blocks, counts, legend, modalities, unparseable
from pytest_mllmu.report.run import Run
from pytest_mllmu.scoring.metrics import Metric

PREAMBLE = r"""% In the preamble: \usepackage[T1]{fontenc} \usepackage[utf8]{inputenc} \usepackage{booktabs} \usepackage{graphicx}
"""
SCRIPTS = "% There are letters that pdflatex has no fonts for: take xelatex or lualatex, and a font that has them.\n"
MARKS = {"best": r"\textbf{%s}", "second": r"\underline{%s}", "": "%s"}
_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "'": r"\textquotesingle{}",
        "`": r"\textasciigrave{}",
        "[": "{[}",  # after a line end LaTeX would read an option
        "]": "{]}",
        "±": r"$\pm$",
        "→": r"$\rightarrow$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "–": r"\textendash{}",
        "—": r"\textemdash{}",
        "…": r"\ldots{}",
        "’": r"\textquoteright{}",
        "‘": r"\textquoteleft{}",
        "“": r"\textquotedblleft{}",
        "”": r"\textquotedblright{}",
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    }
)
LATIN = 0x17F
"""Up to here the T1 fonts of pdflatex have letters."""


def escape(text: str) -> str:
    """``text`` as one line that LaTeX sets as it is: no command, comment, column or mathematics comes out of it."""
    line = unicodedata.normalize("NFC", " ".join(printable(text).split())).translate(_SPECIAL)
    return re.sub(r"([-,])(?=\1)", r"\1{}", line)  # two of them would become another sign


def render(run: Run, show: Show = "both", signals: bool = False) -> str:
    """The tables as LaTeX; with ``signals`` those of probabilities follow."""
    found = blocks(run)
    if not found:
        return f"% {printable(run.benchmark_name)}: nothing was asked\n"
    tables = [line for form in ((TABLE, SIGNALS) if signals else (TABLE,)) for modality in modalities(show) for line in _table(run, found, modality, form)]
    body = "\n".join([*tables, ""])
    return PREAMBLE + (SCRIPTS if any(ord(letter) > LATIN for letter in body) else "") + body


def write_latex(run: Run, path: Path, signals: bool = False) -> None:
    """Raises StoreError when the file cannot be written."""
    write_text(path, [render(run, signals=signals)])


def _table(run: Run, found: list[Block], modality: Modality, form: Form) -> Iterator[str]:
    whole = Block("", tuple(row for block in found for row in block.rows))  # the columns are those of all blocks
    groups = form.groups(whole)
    width = 1 + sum(len(metrics) for _, metrics in groups)
    yield from [r"\begin{table*}[t]", r"\centering", r"\setlength{\tabcolsep}{3pt}", r"\resizebox{\textwidth}{!}{%"]
    yield r"\begin{tabular}{l" + "".join(" " + "r" * len(metrics) for _, metrics in groups) + "}"
    yield r"\toprule"
    yield " & ".join(["", *(rf"\multicolumn{{{len(metrics)}}}{{c}}{{{escape(SPLIT_TITLES[split])}}}" for split, metrics in groups)]) + r" \\"
    yield " ".join(_rules([len(metrics) for _, metrics in groups]))
    yield " & ".join(["", *(escape(metric.title) for _, metrics in groups for metric in metrics)]) + r" \\"
    for block in found:
        yield r"\midrule"
        yield rf"\multicolumn{{{width}}}{{c}}{{{escape(block.title)}}} \\"
        yield r"\midrule"
        for row in block.rows:
            numbers, halves = zip(*(_cell(block, form, row, split, modality, metric) for split, metrics in groups for metric in metrics), strict=True)
            yield " & ".join([escape(block.named(row)), *numbers]) + r" \\"
            if any(halves):
                yield " & ".join(["", *halves]) + r" \\"
    yield from [r"\bottomrule", r"\end{tabular}}"]
    yield rf"\caption{{{_caption(run, found, modality, form)}}}"
    yield rf"\label{{tab:mllmu-{modality}{'-probabilities' if form is SIGNALS else ''}}}"
    yield r"\end{table*}"


def _rules(widths: list[int]) -> Iterator[str]:
    start = 2
    for wide in widths:
        yield rf"\cmidrule(lr){{{start}-{start + wide - 1}}}"
        start += wide


def _cell(block: Block, form: Form, row: Row, split: Split, modality: Modality, metric: Metric) -> tuple[str, str]:
    """The number, and half its interval, which stands under it: 16 columns leave no room beside."""
    cell = row.cell(split, modality, metric.name)
    if cell is None:
        return "--", ""
    half = metric.show_half(cell.low, cell.high)
    number = MARKS[form.rank(block, row, split, modality, metric)] % escape(metric.show(cell.value))
    return number, f"{{\\scriptsize {escape(half)}}}" if half else ""


def _caption(run: Run, found: list[Block], modality: Modality, form: Form) -> str:
    """What it is, n of each block, and what the numbers mean."""
    what = "Probabilities of the right answers" if form is SIGNALS else "Forgetting and keeping"
    lines = [f"{what}, {MODALITY_TITLES[modality]} questions (MLLMU-Bench, {run.benchmark_name})"]
    lines += [f"{block.title}: {line}" if len(found) > 1 else line for block in found for line in counts(block, modality, form)]
    lines += [line for block in found for line in (unparseable(block) if form is TABLE else [])]
    lines += legend(run, (form,), marks=("bold", "underlined"))
    return "; ".join(escape(line) for line in lines) + "."
