"""Pictures of a run: which there are, that they are the same for the same run, and what data cannot do to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.analysis.scenarios import Findings, Measure, State
from pytest_mllmu.analysis.table import Table
from pytest_mllmu.errors import StoreError
from pytest_mllmu.parsing import FIGURES
from pytest_mllmu.report import write
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.several import join
from tests.unit.test_several import DEFAULT, make_run

EVIL = "$\\frac{a}{_b^$ <script>&\x1b[31m 忘"


def sequential() -> Run:
    run = make_run(names={"ga": 4})

    def measure(value: float, people: int = 6) -> Measure:
        return Measure(value, value - 0.1, value + 0.1, 60, people, {})

    states = [State(f"after {step} of 2", 3 * step, {"forget": measure(1 - 0.3 * step), "retain": measure(0.9)}) for step in (1, 2)]
    matrix = ((measure(0.7), measure(0.4, 2)), (measure(float("nan")),))
    run.findings = [Findings("sequential", EVIL, "6 people", (*states, State("GA at once", 6, {"forget": measure(0.1)})), matrix)]
    return run


@pytest.mark.parametrize("suffix", FIGURES)
def test_a_file_a_picture_the_same_each_time_and_without_a_date(suffix: str, tmp_path: Path) -> None:
    found = []
    run, titles = (sequential(), ["tradeoff", "modality", "sequence", "matrix"]) if suffix == ".svg" else (make_run(4), ["tradeoff", "modality"])
    for folder in ("a", "b"):
        files = write(run, tmp_path / folder / f"run{suffix}")
        assert [file.name for file in files] == [f"run-{title}{suffix}" for title in titles]
        assert sorted(file.name for file in (tmp_path / folder).iterdir()) == sorted(file.name for file in files)
        found.append([file.read_bytes() for file in files])
    assert found[0] == found[1]
    for content in found[0]:
        assert content.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
        assert not re.search(rb"Date|date>|tIME|20\d\d-\d\d-\d\d", content)


def test_the_text_of_a_picture_is_text(tmp_path: Path) -> None:
    import xml.etree.ElementTree as ElementTree

    for file in write(sequential(), tmp_path / "run.svg"):
        text = file.read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        assert "<script" not in text
        assert "\x1b" not in text


def test_standard_and_joined_runs_have_two_pictures(tmp_path: Path) -> None:
    for run in (make_run(4), join([("a", make_run(2, 0)), ("b", make_run(4, 1)), ("c", make_run(4, forget=5))])):
        assert [file.name for file in write(run, tmp_path / "x.svg")] == ["x-tradeoff.svg", "x-modality.svg"]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures of the next run that is written, by their names."""
    found: dict[str, Any] = {}

    def keep(path: Path, draw: Callable[[], Any]) -> Path:
        found[path.stem] = draw()
        return path

    monkeypatch.setattr("pytest_mllmu.report.figures.save", keep)
    return found


def looks(axes: Any) -> set[tuple[object, str]]:
    """Shape and colour of everything that stands in a panel with bars."""
    return {(bars.lines[0].get_marker(), bars.lines[0].get_color()) for bars in axes.containers}


def test_a_method_looks_the_same_whatever_share_is_to_be_forgotten(drawn: dict[str, Any]) -> None:
    shares = [make_run(names={f"{name}.{share}": 4 for name in ("ga", "npo")}, forget=share) for share in (5, 10)]
    for run in shares:
        run.table = Table(tuple(replace(row, title=row.title.partition(".")[0]) for row in run.table.rows))
    both = replace(shares[0], table=Table(shares[0].table.rows + shares[1].table.rows))
    write(both, Path("x.svg"))
    figure = drawn["x-tradeoff"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Vanilla", "GA", "NPO"]
    first, second = figure.axes[0], figure.axes[-1]
    assert looks(first) == looks(second)
    assert len(looks(first)) == 3


def test_methods_of_other_scenarios_are_told_apart(drawn: dict[str, Any]) -> None:
    one, other = make_run(4), make_run(5)
    titles = ["Vanilla", "GA (5 requests)"]
    other.table = Table(tuple(replace(row, title=title, block="other") for row, title in zip(other.table.rows, titles, strict=True)))
    write(replace(one, table=Table(one.table.rows + other.table.rows)), Path("x.svg"))
    figure = drawn["x-tradeoff"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Vanilla", "GA", "GA (5 requests)"]
    assert len(looks(figure.axes[0]) | looks(figure.axes[-1])) == 3


def test_the_policy_is_drawn_and_no_bar_is_cut(drawn: dict[str, Any]) -> None:
    run = sequential()
    run.findings = [replace(run.findings[0], method=method) for method in ("GA", "NPO")]
    reaching = replace(run.findings[0].states[0], sets={"retain": Measure(1.3, 1.0, 1.7, 60, 6, {})})
    run.findings[0] = replace(run.findings[0], states=(reaching, *run.findings[0].states[1:]))
    write(run, Path("x.svg"))
    panel = drawn["x-tradeoff"].axes[0]
    dashed = [line for line in panel.lines if line.get_linestyle() == "--"]
    allowed, asked = DEFAULT.gates["forget.all.both"].at_most, DEFAULT.gates["retain.all.both"].at_least
    assert allowed is not None
    assert asked is not None
    assert [line.get_xdata()[0] for line in dashed[:1]] == [pytest.approx(100 * (1 - allowed))]
    assert [line.get_ydata()[0] for line in dashed[1:]] == [pytest.approx(100 * asked)]
    for figure in drawn.values():
        for axes in figure.axes:
            for bars in axes.containers:
                for part in bars.lines[2]:
                    inside(axes, part)
    assert len({axes.get_ylim() for axes in drawn["x-sequence"].axes}) == 1
    run.policy = {"name": "a, b"}  # of runs that were judged by other gates
    write(run, Path("y.svg"))
    assert not [line for line in drawn["y-tradeoff"].axes[0].lines if line.get_linestyle() == "--"]


def inside(axes: Any, bars: Any) -> None:
    (left, right), (low, high) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    for segment in bars.get_segments():
        for x, y in segment:
            assert left <= x <= right
            assert low <= y <= high


def test_who_has_collapsed_is_marked(drawn: dict[str, Any]) -> None:
    run = make_run(0)
    write(run, Path("x.svg"))
    run.verdicts = [replace(run.verdicts[0], gate="guard.collapse-retain", status="fail")]
    write(run, Path("y.svg"))
    assert run.verdicts[0].collapsed
    marked = [["†" in [text.get_text() for text in axes.texts] for axes in drawn[f"{name}-tradeoff"].axes] for name in ("x", "y")]
    assert [set(found) for found in marked] == [{False}, {True}]
    for picture in ("y-tradeoff", "y-modality"):
        assert "†: collapsed, which is not forgetting" in drawn[picture].texts[0].get_text()


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    run = make_run(4)
    for rows in ((), run.table.rows[:1], run.table.rows[1:]):
        run.table = Table(rows)
        with pytest.raises(StoreError, match=r"x\.svg: nothing to draw"):
            write(run, tmp_path / "x.svg")
    assert list(tmp_path.iterdir()) == []


def test_the_styles_of_others_are_as_they_were(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    write(make_run(4), tmp_path / "x.svg")
    assert dict(matplotlib.rcParams) == before
