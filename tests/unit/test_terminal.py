"""What a terminal is shown: at most 100 cells a line, every number under its title, and more or less of it by pytest's verbosity."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mllmu.analysis.gates import PERSONS
from pytest_mllmu.analysis.scenarios import Findings, Measure, State
from pytest_mllmu.analysis.table import Cell, Row, Table, build_row
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import SPLITS
from pytest_mllmu.report import grid, terminal
from pytest_mllmu.report.grid import WIDTH, width
from pytest_mllmu.report.run import Run
from pytest_mllmu.scoring.metrics import METRICS, SIGNAL_METRICS, TABLE_METRICS
from tests.unit.test_report import EVIL, general_run, make_run, scores

WIDE = "忘れる方法 その一 とても長い名前のモデル 終わり"
LONG = "GA Difference with retain pairs drawn at random (5 requests) merged"


def section(run: Run, verbosity: int = 0, signals: bool = True) -> list[tuple[str, str]]:
    return list(terminal.section(run, "both", signals, verbosity, True, 3))


def bars(table: list[str]) -> set[tuple[int, ...]]:
    """Where the bars stand in each line, in cells, from the first on; a rule has a plus there. A title may hold any of them."""
    first = table[0].index("|")
    return {tuple(at for at in (width(line[:at]) for at, letter in enumerate(line) if letter in "|+") if at >= first) for line in table}


def tables(text: str) -> list[list[str]]:
    """The lines of each table: from the names of the sets to the last rule."""
    found, lines = [], text.splitlines()
    starts = [at for at, line in enumerate(lines) if re.match(r" +\|", line) and not (at and "|" in lines[at - 1])]
    for start in starts:
        end = next(at for at, line in enumerate(lines) if at > start and re.fullmatch(r"-+(\+-+)+", line))
        found.append(lines[start : end + 1])
    return found


def many(titles: Iterable[str]) -> Run:
    run = general_run(("classification", "generation", "cloze"))
    vanilla, ga = run.table.rows
    run.table = Table((vanilla, *(replace(ga, name=f"m{number}", title=title) for number, title in enumerate(titles))))
    return run


def walked(titles: Iterable[str], steps: int = 12) -> Findings:
    """What the sequential scenario finds at its widest: every number a hundred and more, an interval each."""
    most = Measure(1.0, 1.0, 1.02, 540, 30, {"multimodal": (1.0, 1.0), "unimodal": (1.0, 1.0)})
    states = tuple(State(f"{title} after {step}", 10 * step, dict.fromkeys(SPLITS, most)) for step, title in enumerate(titles, 1))
    matrix = tuple((most,) * (steps - part) for part in range(steps))
    return Findings("sequential", "GA", f"{10 * steps} people in {steps} requests", states, matrix, says=(f"{LONG} " * 4,))


@pytest.mark.parametrize("verbosity", [0, 1])
def test_no_line_is_wider_than_100_and_every_bar_is_under_its_bar(verbosity: int) -> None:
    known = [person("GA", number, 0.5) for number in range(4)]
    for run in (make_run(), general_run(("classification",)), many(["GA", EVIL, WIDE, LONG, "ga.unimodal", "x" * 80, *(f"M {n}" for n in range(5))])):
        run.verdicts += known
        run.notes = (EVIL * 5, WIDE * 9, "n" * 300)
        run.findings = [walked([LONG, WIDE, EVIL])]
        lines = [line for line, _ in section(run, verbosity)]
        assert [line for line in lines if width(line) > WIDTH or "\x1b" in line] == []
        found = tables("\n".join(lines))
        assert len(found) == 3 + any("General" in line for line in lines)  # the paper's, general ability, and two of probabilities
        assert [len(bars(table)) for table in found] == [1] * len(found)


@pytest.mark.parametrize(("columns", "most"), [(80, 80), (61, 61), (20, grid.NARROWEST), (300, WIDTH)])
def test_lines_fit_a_narrow_terminal_and_lose_no_number(columns: int, most: int) -> None:
    run = make_run()
    with grid.fitting(columns):
        found = [line for line, _ in terminal.section(run, "both", True, 1, True)]
    assert max(map(width, found)) <= most
    cells = [text for line in found for text in line.split(terminal.BAR)[1:]]
    usual = [text for line, _ in terminal.section(run, "both", True, 1, True) for text in line.split(terminal.BAR)[1:]]
    numbers = [sorted(word for text in texts for word in text.split() if any(map(str.isdigit, word))) for texts in (cells, usual)]
    assert numbers[0] == numbers[1] != []
    assert grid.room() == WIDTH


def test_the_terminal_says_how_wide_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert grid.columns() == 72


def test_the_table_of_the_paper_is_one_and_has_all_numbers() -> None:
    (table,) = tables(terminal.render(make_run()))
    assert max(map(width, table)) <= WIDTH
    sets, header = table[:2]
    assert [name.strip() for name in sets.split("|")[1:]] == ["Forget", "Test", "Retain", "Real Celebrity"]
    assert header.replace("|", " ").split() == ["Acc.", "R-L", "Fact", "Cloze"] * 4
    numbers = [line.replace("|", " ").split() for line in table if line.startswith(("Vanilla", "GA"))]
    assert numbers == [["Vanilla", *["100", "0.90", "10.0", "100"] * 4], ["GA", *["30", "0.55", "3.7", "30"] * 4]] * 2
    halves = [line.replace("|", " ").split() for line in table if line.lstrip().startswith("| ±") or line.lstrip().startswith("|  ±")]
    assert len(halves) == 4
    assert all(re.fullmatch(r"±(\d+|\.\d\d|\d?\.\d)", half) for line in halves for half in line)


PLAIN = make_run()
UNITS = {"percent": (0, 1), "share": (0, 1), "probability": (0, 1), "points": (1, 10)}


@settings(max_examples=25)
@given(data=st.data())
def test_any_numbers_are_aligned_and_whole(data: st.DataObject) -> None:
    """Also where there are none."""
    cells = []
    for metric in TABLE_METRICS:
        low, high = UNITS[metric.unit]
        for split in SPLITS[:4]:
            one = st.floats(low, high) | st.just(math.nan) | st.sampled_from([low, high, (low + high) * 0.995])
            value, half = data.draw(one), data.draw(st.floats(0, (high - low) / 2) | st.just(math.nan))
            cells.append(Cell(metric.name, split, "multimodal", value, value - half, value + half, 9, 9, 0.0))
    titles = data.draw(st.lists(st.text(min_size=1), min_size=1, max_size=3))
    run = replace(PLAIN, table=Table(tuple(Row(f"m{number}", title, tuple(cells)) for number, title in enumerate(titles))))
    (table,) = tables(terminal.render(run, "multimodal"))
    assert len(bars(table)) == 1
    assert max(map(width, table)) <= WIDTH
    text = "\n".join(table)
    for cell in cells:
        assert terminal.brief(METRICS[cell.metric], cell.value) in text


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("accuracy", 1.0, "100"),
        ("accuracy", -0.001, "0"),
        ("accuracy", -0.4, "-40"),
        ("rouge_l", 1.0, "1.00"),
        ("factuality", 10.0, "10.0"),
        ("accuracy", math.nan, "-"),
    ],
)
def test_short_numbers(name: str, value: float, shown: str) -> None:
    assert terminal.brief(METRICS[name], value) == shown
    assert terminal.brief_half(METRICS["rouge_l"], 0.4, 0.74) == "±.17"
    assert terminal.brief_half(SIGNAL_METRICS[0], math.nan, 1.0) == ""


@given(widths=st.lists(st.integers(1, 120), max_size=12), room=st.integers(1, 100))
def test_parts_are_packed_in_order_and_fit(widths: list[int], room: int) -> None:
    lines = grid.pack(widths, room)
    assert [part for line in lines for part in line] == list(range(len(widths)))
    for line in lines:
        assert sum(widths[part] for part in line) <= room or len(line) == 1


def test_a_sheet_that_is_too_wide_is_cut_between_pairs_and_loses_no_number() -> None:
    header = ("", *(f"{name} {side}" for name in ("forget", "test", "retain", "celebrity") for side in ("image", "text")))
    rows = [("after 1 of 5", *(f"100 → {at}" for at in range(8))), (WIDE, *["-"] * 8)]
    pieces = grid.sheet(header, rows, 70, together=(2, 2, 2, 2))
    assert [line.split() for line in (piece[0] for piece in pieces)] == [["forget", "forget", "test", "test"], ["retain", "retain", "celebrity", "celebrity"]]
    assert [line.split() for line in (piece[1] for piece in pieces)] == [["image", "text"] * 2] * 2
    assert max(width(line) for piece in pieces for line in piece) <= 70
    assert re.findall(r"→ (\d)", "\n".join(line for piece in pieces for line in piece)) == list("01234567")


# --- verbosity and colour ---


def person(method: str, number: int, value: float, status: str = "pass") -> Verdict:
    leaks = ("birthplace (image + text)", "hobby (text)") if status == "fail" else ()
    message = f"person {number:03}: {method} holds {value:.0%}\n  answered: much"
    return Verdict(PERSONS, method, status, message, value, value - 0.2, value + 0.2, 0.5, None, 36, 1, status == "fail", f"{number:03}", 0.5, leaks)  # type: ignore[arg-type]


def judged() -> Run:
    run = make_run()
    unsure = [replace(run.verdicts[0], gate="forget.cloze.unimodal", status="inconclusive", red=False, message=f"unsure {number}") for number in range(5)]
    run.verdicts = [
        replace(run.verdicts[0], gate="forget.all.both", status="fail", red=True, value=0.3, low=0.2, high=0.4),
        *unsure,
        person("GA", 1, 0.2),
        person("GA", 2, math.nan, "inconclusive"),
        person("GA", 3, 0.9, "fail"),
    ]  # fmt: skip
    return run


def test_quiet_is_the_tally_and_a_sentence_a_candidate() -> None:
    assert section(judged(), -1) == [
        ("gates (default): 1 pass, 2 fail, 6 inconclusive", "red"),
        ("GA: holds 30% [20, 40] of what vanilla knew of the people to forget (n = 100 about 20)", "red"),
    ]
    assert section(judged(), -2) == []


def test_inconclusive_verdicts_are_shortened_unless_asked_for() -> None:
    plain, verbose = ("\n".join(line for line, _ in section(judged(), verbosity)) for verbosity in (0, 1))
    assert plain.count("  unsure ") == 3
    assert "... and 3 more (-v shows them)" in plain
    assert verbose.count("  unsure ") == 5
    assert "more (-v" not in verbose


def test_everybody_is_listed_the_best_known_first_when_asked_for() -> None:
    plain, verbose = (section(judged(), verbosity) for verbosity in (0, 1))
    assert ("GA: 1 of 3 people are still known:", "red") in plain
    assert [line for line, _ in plain if "001" in line] == []
    first = next(at for at, (line, _) in enumerate(verbose) if "people are still known" in line)
    assert verbose[first : first + 4] == [
        ("GA: 1 of 3 people are still known; left of what vanilla knew of each:", "red"),
        ("  003  90% [70, 110]  n = 36  fail: birthplace (image + text); hobby (text)", "red"),
        ("  001    20% [0, 40]  n = 36  pass", "green"),
        ("  002              -  n = 36  inconclusive", "yellow"),
    ]


def test_colours_are_those_of_the_worst_verdict() -> None:
    good = [person("GA", 1, 0.1)]
    unsure = [person("GA", 2, 0.4, "inconclusive")]
    assert [terminal.colour(found) for found in (good, good + unsure, good + unsure + [person("GA", 3, 0.9, "fail")], [])] == ["green", "yellow", "red", ""]
    assert terminal.colour([replace(unsure[0], red=True)]) == "red"  # a policy that makes it so
    assert terminal.colour([replace(good[0], status="off")]) == ""


def test_rows_of_the_same_method_are_told_apart() -> None:
    run = many(["KL Minimization at once", "KL Minimization merged"])
    names = [line.partition("|")[0].strip() for line in tables(terminal.render(run, "multimodal"))[0]]
    assert [name for name in names if name in ("at once", "merged")] == ["at once", "merged"]


def test_a_stored_run_prints_as_the_one_that_was_measured(tmp_path: Path) -> None:
    run = judged()
    run.table = Table((*run.table.rows, build_row("npo", "NPO", scores(4))))
    again = Run.from_json(run.to_json())
    assert section(again, 1) == section(run, 1)
