"""Pictures of a run: which there are, that they are the same for the same run, and what data cannot do to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_mllmu.analysis.scenarios import Findings, Measure, State
from pytest_mllmu.analysis.table import Table
from pytest_mllmu.errors import StoreError
from pytest_mllmu.parsing import FIGURES
from pytest_mllmu.report import write
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.several import join
from tests.unit.test_several import make_run

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
