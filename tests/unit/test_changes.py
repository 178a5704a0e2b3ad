"""What got worse than in the baseline is said wherever a run is read: it can be all that makes a session red."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mllmu.analysis.comparison import remarks
from pytest_mllmu.cli import main
from pytest_mllmu.report import html, markdown
from pytest_mllmu.report.changes import between, red
from pytest_mllmu.report.json import write_json
from pytest_mllmu.report.layout import remembered
from pytest_mllmu.report.page import listed
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.standing import sentence
from tests.unit.test_several import make_run

SAID = "ompared with the baseline: 2 worse, 2 better"


def compared(before: int, after: int) -> Run:
    run = make_run(after)
    run.changes = between(make_run(before), run, (), "yellow")
    return run


def test_the_sentence_on_top_is_red_although_no_gate_is() -> None:
    plain, run = make_run(4), compared(9, 4)
    assert red(run)
    assert sentence(plain)[0] != "fail"
    assert sentence(run) == ("fail", f"{sentence(plain)[1]} C{SAID}.")
    same = compared(4, 4)
    assert not red(same)
    assert sentence(same) == (sentence(plain)[0], f"{sentence(plain)[1]} Compared with the baseline: 0 worse, 4 no clear change.")


def test_every_document_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = compared(9, 4)
    text = markdown.render(run)
    assert f"### c{SAID}" in text
    assert "- worse: retain.cloze.multimodal: 90.0% -&gt; 40.0%" in text
    page = html.render(run)
    assert '<a href="#changes">baseline</a>' in page
    assert page.index('id="changes"') < page.index('id="candidates"')
    assert f"C{SAID}" in page
    write_json(run, tmp_path / "run.json")
    assert main(["report", str(tmp_path / "run.json")]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith(f"c{SAID}")
    assert "  worse: retain.cloze.multimodal: 90.0% -> 40.0%" in out


def test_nothing_is_said_where_nothing_was_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(4)
    write_json(run, tmp_path / "run.json")
    main(["report", str(tmp_path / "run.json")])
    for text in (markdown.render(run), html.render(run), sentence(run)[1], capsys.readouterr().out):
        assert "the baseline" not in text


def test_other_methods_and_candidates_without_a_counterpart_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ga, npo, both = (make_run(names=dict.fromkeys(names, 4)) for names in (["ga"], ["npo"], ["npo", "ga"]))
    assert remarks(ga.table, ga.table) == []
    assert remarks(ga.table, npo.table) == ["mind: GA of the baseline is compared with NPO"]
    assert remarks(ga.table, both.table) == ["not compared, as the baseline has no such candidate: NPO"]
    for name, run in (("ga", ga), ("npo", npo)):
        write_json(run, tmp_path / f"{name}.json")
    main(["compare", str(tmp_path / "ga.json"), str(tmp_path / "npo.json")])
    assert "mind: GA of the baseline is compared with NPO" in capsys.readouterr().out


def test_of_several_shares_the_people_who_are_known_are_told_apart() -> None:
    run = make_run(4)
    known = [replace(run.verdicts[0], forget=share, person="001", status="fail", leaks=("job (text)",)) for share in (5, 10)]
    run.verdicts = known
    said = "1 of 1 people are still known:"
    assert [line for line in remembered(run) if line.startswith("GA")] == [f"GA (5%): {said}", f"GA (10%): {said}"]
    run.verdicts = known[:1]
    assert remembered(run)[0] == "GA: 1 of 1 people are still known:"


def test_verdicts_are_listed_in_the_order_of_the_candidates() -> None:
    run = make_run(names={"ga": 4, "npo": 4})
    first, second = run.verdicts
    run.verdicts = [replace(first, status="pass"), replace(second, status="fail")]
    assert [who for who, _ in listed(run)] == ["GA", "NPO"]
