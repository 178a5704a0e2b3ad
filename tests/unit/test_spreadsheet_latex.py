"""The reports for a spreadsheet and for a paper: every number, and nothing that came from data is read as a formula or a command."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mllmu.analysis.table import Table, build_row
from pytest_mllmu.report import latex, write
from pytest_mllmu.report.csv import COLUMNS, text
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.several import join
from tests.unit import test_several as several
from tests.unit.test_report import general_run, make_run, scores

EVIL = r"\input{x} & 50% $a$ #1 _ ~^ {} \\[2pt] ``--'' <i>|" + '"\n\x1b[31m' + r"\end{table*}"


def read(run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader(text(run).splitlines()))


def ranked() -> Run:
    """Three methods, one of them a control."""
    run = make_run()
    control = replace(run.table.rows[1], name="ga.merged", title="GA merged", control=True)
    run.table = Table((*run.table.rows, build_row("npo", "NPO", scores(4)), control))
    run.settings |= {"model": "tiny-llava", "methods": {"ga": {"modality": "unimodal"}, "npo": {}}}
    return run


def test_every_number_is_a_line(tmp_path: Path) -> None:
    run = ranked()
    write(run, tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_text(encoding="utf-8") == text(run) == text(Run.from_json(run.to_json()))
    rows = read(run)
    cells = [cell for row in run.table.rows for cell in row.cells]
    shares = [row for row in rows if row["metric"] == "retained"]
    assert len(rows) == len(cells) + len(shares)
    assert {row["role"] for row in rows} == {"vanilla", "candidate", "control"}
    assert {(row["method"], row["trained"]) for row in rows} == {("vanilla", ""), ("ga", "unimodal"), ("npo", ""), ("ga.merged", "unimodal")}
    (row,) = (row for row in rows if [row[key] for key in ("method", "split", "modality", "metric")] == ["ga", "forget", "multimodal", "accuracy"])
    cell = run.table.rows[1].cell("forget", "multimodal", "accuracy")
    assert cell is not None
    assert [float(row[key]) for key in ("value", "low", "high", "chance")] == [cell.value, cell.low, cell.high, cell.chance]
    assert [row[key] for key in ("model", "data", "seed", "forget", "questions", "people")] == ["tiny-llava", "embedded", "7", "0", "100", "20"]


def test_what_is_left_has_its_interval_and_n() -> None:
    found = {(row["method"], row["split"], row["modality"]): row for row in read(ranked()) if row["metric"] == "retained"}
    assert [found["vanilla", "forget", "both"][key] for key in ("value", "low", "high")] == ["1.0", "1.0", "1.0"]
    ga = found["ga", "retain", "multimodal"]
    assert float(ga["low"]) < float(ga["value"]) < float(ga["high"]) < 1
    assert (ga["questions"], ga["people"]) == ("300", "20")


def test_a_table_of_several_runs_says_what_its_intervals_are() -> None:
    made = {"multimodal": "ga", "unimodal": "ga.unimodal"}
    runs = [several.make_run(right, seed, names=dict.fromkeys(made.values(), right)) for seed, right in enumerate((2, 4))]
    for run in runs:
        run.settings["methods"] = {name: {"modality": modality, "hyper": {}} for modality, name in made.items()}
    rows = read(join([("a", runs[0]), ("b", runs[1])]))
    assert {row["interval"] for row in rows} == {"sd"}
    assert {(row["title"], row["trained"]) for row in rows if row["role"] == "candidate"} == {("GA", "multimodal"), ("GA.UNIMODAL", "unimodal")}
    left = [row for row in rows if row["metric"] == "retained" and row["modality"] == "both"]
    assert {(row["questions"], row["people"]) for row in left} == {("200", "10")}
    alone = read(runs[0])
    assert {row["interval"] for row in alone} == {"95%"}
    assert {row["low"] != "" for row in alone} == {True}


def test_a_number_that_is_none_is_empty() -> None:
    run = make_run()
    cell = replace(run.table.rows[0].cells[0], value=math.nan, low=math.nan)
    run.table = Table((replace(run.table.rows[0], cells=(cell,)),))
    assert [read(run)[0][key] for key in ("value", "low", "interval")] == ["", "", ""]


PLAIN = make_run()


@settings(max_examples=40)
@given(title=st.text(), start=st.sampled_from(["", "=", "+", "-", "@", "\t", "\r", "\n="]))
def test_no_text_is_a_formula(title: str, start: str) -> None:
    vanilla, ga = PLAIN.table.rows
    rows = read(replace(PLAIN, table=Table((vanilla, replace(ga, title=start + title, cells=ga.cells[:1])))))
    assert {tuple(row) for row in rows} == {COLUMNS}
    titles = {row["title"] for row in rows if row["method"] == "ga"}
    assert len(titles) == 1
    assert not titles.pop().startswith(("=", "+", "-", "@", "\t", "\r"))


# --- LaTeX ---


def bare(line: str) -> str:
    """Without what is escaped."""
    return re.sub(r"\\[&%$#_{}]", "", line)


def test_a_table_has_a_block_a_share_and_marks_the_best(tmp_path: Path) -> None:
    run = ranked()
    run.table = Table(tuple(replace(row, forget=forget) for forget in (5, 10) for row in run.table.rows))
    write(run, tmp_path / "run.tex")
    document = (tmp_path / "run.tex").read_text(encoding="utf-8")
    assert document.count(r"\begin{table*}") == document.count(r"\end{table*}") == document.count(r"\bottomrule") == 2
    assert re.findall(r"\\label\{(.*)\}", document) == ["tab:mllmu-multimodal", "tab:mllmu-unimodal"]
    assert document.count(r"tiny-llava (5\% Forget), synthetic") == 0
    assert document.count(r"\multicolumn{17}{c}{tiny-llava (5\% Forget), embedded, seed 7}") == 2
    assert r"\cmidrule(lr){2-5} \cmidrule(lr){6-9}" in document
    (first, *_) = (line for line in document.splitlines() if line.startswith("GA &"))
    assert first.startswith(r"GA & \textbf{30.0\%} & \textbf{")
    assert first.count(r"\textbf") == 8  # least on forget and test; elsewhere NPO keeps more
    assert first.count(r"\underline") == 8
    (control, *_) = (line for line in document.splitlines() if line.startswith("GA merged &"))
    assert "text" not in control
    assert "forget 100/100/100/100 questions about 20 people" in document
    assert "probabilities" not in document


@pytest.mark.parametrize("signals", [False, True])
def test_every_row_has_as_many_columns(signals: bool) -> None:
    document = latex.render(general_run(("classification", "cloze")), signals=signals)
    for table in document.split(r"\begin{table*}")[1:]:
        (columns,) = re.findall(r"\\begin\{tabular\}\{([lr ]+)\}", table)
        rows = [line for line in table.splitlines() if line.endswith(r"\\") and r"\multicolumn{1" not in line and r"\multicolumn{2" not in line[:16]]
        body = [line for line in rows if r"\multicolumn" not in line]
        assert {bare(line).count("&") for line in body} == {len(columns.replace(" ", "")) - 1}
        assert len(body) == 1 + 2 * 2  # titles; numbers and half intervals of two rows
    assert document.count(r"\begin{table*}") == 2 + 2 * signals
    assert ("probabilities" in document) == signals


def commands(document: str) -> set[str]:
    return set(re.findall(r"(?<!\\)(?:\\\\)*\\([a-z]+)", document))


def balanced(document: str) -> bool:
    depth = 0
    for mark in re.findall(r"[{}]", bare(document)):
        depth += 1 if mark == "{" else -1
        if depth < 0:
            return False
    return depth == 0


@pytest.mark.parametrize("title", [EVIL, "忘れる", "a\\", "%", "$$", "{", "}"])
def test_what_came_from_data_is_text(title: str) -> None:
    run = make_run(title=title, note=title)
    run.benchmark_name = title
    document, plain = latex.render(run), latex.render(make_run())
    assert balanced(document)
    assert len(document.splitlines()) - document.startswith("% In") == len(plain.splitlines()) - 1 + ("xelatex" in document)
    assert commands(document) - commands(plain) <= {"textbackslash", "textasciitilde", "textasciicircum", "textasciigrave", "textquotesingle"} | {
        "textless",
        "textgreater",
        "textbar",
        "textquotedbl",
    }
    assert "\x1b" not in document
    assert ("xelatex" in document) == (title == "忘れる")
    for line in document.splitlines()[2:]:
        assert re.search(r"(?<!\\)(\\\\)*%", line.removesuffix("{%")) is None  # no comment
        assert re.search(r"(?<!\\)(\\\\)*[#_^~]", line) is None


@given(text=st.text())
def test_escaped_text_has_no_open_brace_and_no_command_of_its_own(text: str) -> None:
    found = latex.escape(text)
    assert balanced(found)
    assert "\n" not in found
    assert commands(found) <= commands(latex.escape("".join(map(chr, range(32, 127))) + "±→≥≤–—…’‘“”"))
    assert not re.search(r"--|``|''|,,", found)
