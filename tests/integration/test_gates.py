"""Policies, inconclusive gates, guards and baselines, as a user meets them: what is red, what is yellow, and what is said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.runs import GATES, GUARDS, PEOPLE, SLOW, Built, Ran, one_error, run

SMALL = "people_at_least = 2\n"
"""A policy for benchmarks as small as those of these tests."""


def policy(folder: Path, text: str = "", name: str = "small.toml") -> str:
    (folder / name).write_text(SMALL + text)
    return f"--mllmu-gates={name}"


ON_TWO = pytest.param(["-n2"], marks=pytest.mark.slow)


# --- what inconclusive is ---


@pytest.mark.parametrize("workers", [[], ON_TWO], ids=["alone", "workers"])
def test_inconclusive_is_yellow_by_default(built: Built, tmp_path: Path, workers: list[str]) -> None:
    """Two people to forget are too few to conclude anything, and pytest's own count says so."""
    ran = built.warm(tmp_path, "-k", "test_forgotten and not transformed", *workers)
    assert ran.code == 0, ran.text
    assert re.search(r"\b7 inconclusive in ", ran.text)
    assert "gates (default): 0 pass, 0 fail, 7 inconclusive" in ran.table
    assert "too few people to tell: at least 5 are needed" in ran.said


def test_inconclusive_is_red_when_strict(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "-k", "test_forgotten and not transformed", "--mllmu-gates=strict")
    assert ran.code == 1
    assert "7 failed" in ran.text
    assert "gates (strict): 0 pass, 0 fail, 7 inconclusive" in ran.table
    assert "Traceback" not in ran.text


# --- which gates there are ---


def test_the_gates_are_shown_with_what_is_collected(built: Built, tmp_path: Path) -> None:
    for ran in (built.warm(tmp_path, "--mllmu-gates=strict", "--co"), run(tmp_path, "--mllmu-gates=strict", "--co")):
        assert "gates of the policy strict (built in)" in ran.text
        assert re.search(r"^  retain\.cloze\.unimodal +asks for at least 60%; inconclusive is red$", ran.text, re.M)
        assert re.search(r"^  guard\.reference +asks for an oracle", ran.text, re.M)
    assert "gates of the policy" not in built.warm(tmp_path, "--mllmu-gates=strict", "--co", "-q").text


def test_a_policy_in_pyproject_is_used_without_an_option(built: Built, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[tool.mllmu.gates]\n{SMALL}inconclusive = "red"\n"*" = "off"\n"celebrity" = {{ at_least = 0.5 }}\n')
    ran = built.warm(tmp_path, "-k", "celebrities", method="none")
    assert ran.code == 1
    assert "gates (pyproject): 0 pass, 0 fail, 7 inconclusive" in ran.table  # two celebrities are too few, which this policy makes red
    assert built.warm(tmp_path, "-k", "celebrities", "--mllmu-gates=off", method="none").code == 0


MISTAKES = {
    "policy": ("--mllmu-gates=strickt", "", "did you mean 'strict'?"),
    "file": ("--mllmu-gates=missing.toml", "", "no file 'missing.toml'"),
    "pattern": ("", '"retian.*" = { at_least = 0.5 }', "did you mean 'retain.*'?"),
    "key": ("", '"retain.*" = { atleast = 0.5 }', "did you mean 'at_least'?"),
    "number": ("", '"retain.*" = { at_least = "half" }', "a number from -1 to 1.5 is expected, not 'half'; bounds are shares: 0.4 is 40%"),
    "toml": ("", '"retain.*" = ', "not TOML"),
}


@pytest.mark.parametrize(("option", "text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_policy_is_one_line(built: Built, tmp_path: Path, option: str, text: str, said: str) -> None:
    ran = built.warm(tmp_path, option or policy(tmp_path, text), *(["-n2"] if option else []))
    assert said in one_error(ran)


# --- candidates by word ---


@pytest.mark.timeout(SLOW)
@pytest.mark.parametrize(("word", "title"), [("oracle", "Oracle as candidate"), ("vanilla", "Untouched"), ("base", "Base as candidate")])
def test_the_built_models_are_candidates_by_word(built: Built, tmp_path: Path, word: str, title: str) -> None:
    """What acceptance says of each takes more people than these: see tests/unit/test_judgement.py and docs/validity.md."""
    ran = run(tmp_path, f"--mllmu-candidate={word}", built.option, *PEOPLE, "--mllmu-oracle=build", "--mllmu-report=run.json", timeout=SLOW)
    report = json.loads(ran.json())
    assert [row["title"] for row in report["table"]["rows"]] == ["Vanilla", "Retrain (oracle)", title]
    assert {verdict["status"] for verdict in report["verdicts"] if verdict["gate"] == "guard.reference"} == {"pass"}
    exact = {"oracle": 0.0, "vanilla": 1.0}
    for verdict in report["verdicts"]:
        if verdict["gate"] == "forget.all.both" and word in exact and verdict["value"] is not None:
            assert (verdict["value"], verdict["low"], verdict["high"]) == (exact[word],) * 3


def test_a_candidate_alone_runs_the_question_sets_and_nothing_else(built: Built, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_mine():\n    pass\n")
    ran = run(tmp_path, "--mllmu-candidate=vanilla", built.option, *PEOPLE, "--co", "-q")
    assert "test_mine" not in ran.text
    assert sum("::" in line for line in ran.text.splitlines()) == GATES + GUARDS + 2


@pytest.mark.timeout(SLOW)
def test_a_collapsed_candidate_is_named_so(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-lr=0.5", "--mllmu-epochs=2", policy(tmp_path), "-k", "guard", timeout=SLOW)
    assert ran.code == 1
    assert re.search(r"^FAILED .*::test_guard\[ga-collapse-output\]", ran.text, re.M)
    assert re.search(r" GA: [^:]*collapsed, which is not forgetting: fails the guards? .*collapse-output", ran.said)
    assert "guard collapse-output: 100% of the answers of GA are empty, repetition or name no option" in ran.text


# --- against a baseline ---


@pytest.fixture(scope="module")
def runs(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: GA, and the vanilla as its own candidate."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("ga", "none"):
        ran = built.warm(folder, "--mllmu-history=history", "--mllmu-gates=off", method=method)
        assert ran.code == 0, ran.text
        assert "run kept as " in ran.text
    assert sorted(path.name for path in (folder / "history").iterdir()) == ["0001.json", "0002.json"]
    return folder / "history"


@pytest.mark.parametrize("workers", [[], ON_TWO], ids=["alone", "workers"])
def test_nothing_changed(built: Built, runs: Path, tmp_path: Path, workers: list[str]) -> None:
    ran = built.warm(tmp_path, f"--mllmu-compare={runs / '0001.json'}", "--mllmu-gates=off", *workers)
    assert ran.code == 0, ran.text
    assert "0 worse, 32 no clear change" in ran.said


@pytest.mark.parametrize("workers", [pytest.param([], marks=pytest.mark.slow), ["-n2"]], ids=["alone", "workers"])
def test_what_got_worse_is_red_without_a_traceback(built: Built, runs: Path, tmp_path: Path, workers: list[str]) -> None:
    """Every test passes, and the run is red all the same: in the baseline everybody to be kept answered one question more."""
    baseline = json.loads((runs / "0001.json").read_text())
    for cell in baseline["table"]["rows"][1]["cells"]:
        if (cell["split"], cell["modality"], cell["metric"]) == ("retain", "multimodal", "accuracy"):
            cell.update(sums=[total + 1 for total in cell["sums"]], value=cell["value"] + 0.2)
    (tmp_path / "before.json").write_text(json.dumps(baseline))
    arguments = ["--mllmu-compare=before.json", "--mllmu-fail-on=retain:-2", policy(tmp_path, '"*" = "off"\n'), "--mllmu-report=run.json"]
    ran = built.warm(tmp_path, *arguments, *workers)
    assert ran.code == 1
    assert {change["name"] for change in json.loads(ran.json())["changes"] if change["outcome"] == "worse"} == {"retain.classification.multimodal"}
    assert re.search(r" worse: retain\.classification\.multimodal: .* -20\.0 \[-20\.0, -20\.0\] points \(n = 20 .*; limit retain:-2 ", ran.said)
    assert "before.json: 1 worse, 31 no clear change" in ran.said
    assert " failed" not in ran.text
    assert "Traceback" not in ran.text
    assert built.warm(tmp_path, *arguments[:2], "--mllmu-gates=off").code == 0  # four people are too few to be sure


def test_a_limit_that_judges_nothing_is_red(built: Built, runs: Path, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, f"--mllmu-compare={runs / '0001.json'}", "--mllmu-gates=off", "--mllmu-fail-on=retain:-2", "-k", "forgotten")
    assert ran.code == 1
    assert "--mllmu-fail-on=retain:-2: nothing of this run could be compared that it is about" in ran.text


def refused(ran: Ran, *said: str) -> None:
    line = one_error(ran)
    assert all(part in line for part in said), line


def test_other_seeds_and_dialects_are_refused_unless_told(built: Built, runs: Path, tmp_path: Path) -> None:
    against = f"--mllmu-compare={runs / '0001.json'}"
    refused(built.warm(tmp_path, against, "--mllmu-seed=1"), "0001.json", "another seed (0 there, 1 here)", "--mllmu-across=")
    refused(built.warm(tmp_path, against, "--mllmu-dialect=upstream"), "another dialect", "--mllmu-across=dialect")
    refused(built.warm(tmp_path, against, "--mllmu-fail-on=retian.*:-2"), "did you mean 'retain.*'?")
    refused(built.warm(tmp_path, against, "--mllmu-fail-on=retain.*:2"), "with its sign")


def test_a_missing_baseline_is_an_error_under_ci_and_else_said(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-compare=none.json", "--mllmu-gates=off", env={"CI": ""})
    assert ran.code == 0
    assert "no baseline yet: " in ran.said
    assert "no baseline yet: " in built.warm(tmp_path, "--mllmu-compare=none.json", "--mllmu-gates=off", "-q", env={"CI": ""}).said
    refused(built.warm(tmp_path, "--mllmu-compare=none.json", "--mllmu-gates=off", env={"CI": "true"}), "no baseline", "under CI")
    (tmp_path / "broken.json").write_text("{")
    refused(built.warm(tmp_path, "--mllmu-compare=broken.json"), "broken.json", "not a report of a run")


# --- what CI sees ---


def test_the_summary_of_a_github_job(built: Built, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    ran = built.warm(tmp_path, env={"GITHUB_STEP_SUMMARY": str(summary)})
    text = summary.read_text(encoding="utf-8")
    assert ran.code in (0, 1)
    assert text.startswith("before\n## tiny-llava (34% Forget)")
    assert "### gates (default): " in text


def test_junit_has_the_numbers_of_each_gate(built: Built, tmp_path: Path) -> None:
    built.warm(tmp_path, "--junitxml=junit.xml", "-n2")
    for case in ElementTree.parse(tmp_path / "junit.xml").getroot().findall(".//testcase"):
        values = {found.get("name"): found.get("value") for found in case.findall(".//property")}
        assert values["mllmu_verdict"] in ("pass", "fail", "inconclusive")
        assert values.keys() >= {"mllmu_gate", "mllmu_value", "mllmu_low", "mllmu_high", "mllmu_questions", "mllmu_people"}
        if values["mllmu_gate"] == "retain.classification.multimodal":
            assert (values["mllmu_questions"], values["mllmu_people"]) == ("20", "4")
            assert float(values["mllmu_low"] or "") <= float(values["mllmu_value"] or "") <= float(values["mllmu_high"] or "")


def test_a_part_of_the_gates_is_said_to_be_one_and_is_no_clean_comparison_under_ci(built: Built, runs: Path, tmp_path: Path) -> None:
    arguments = [f"--mllmu-compare={runs / '0001.json'}", "--mllmu-gates=off", "-k", "forgotten", "--mllmu-report=run.json"]
    ran = built.warm(tmp_path, *arguments)
    assert ran.code == 0, ran.text
    assert "not compared, as this run did not ask it: 16 of the baseline's numbers" in ran.said
    assert "only part of the gates was judged: not all on celebrity, guard, retain" in json.loads(ran.json())["notes"]
    assert not any("only part" in note for note in json.loads(built.ran.json())["notes"])
    assert built.warm(tmp_path, *arguments, env={"CI": "true"}).code == 1


def test_off_is_measured_and_not_passed(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-gates=off")
    assert re.search(rf"= {GATES + GUARDS + 2} measured in ", ran.text)


def test_limits_without_a_baseline_are_a_mistake(built: Built, tmp_path: Path) -> None:
    refused(built.warm(tmp_path, "--mllmu-fail-on=retain:-2"), "--mllmu-fail-on", "--mllmu-compare gives the baseline")
