"""The files of ``--mllmu-report``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.report.terminal import MOST
from tests.integration.runs import GATES, GUARDS, QUESTIONS, Built, meanwhile


@pytest.fixture(scope="module")
def report(built: Built) -> dict[str, Any]:
    row: dict[str, Any] = json.loads((built.ran.folder / "run.json").read_text(encoding="utf-8"))
    return row


def test_json_says_what_was_run(report: dict[str, Any]) -> None:
    assert report["schema_version"] == 2
    assert report["seed"] == 0
    assert report["benchmark"] == {"name": "synthetic", "synthetic": True}
    assert {"method": ["ga"], "profiles": 6, "celebrities": 2, "forget": [34], "judge": "local", "device": "cpu"}.items() <= report["settings"].items()
    assert {"torch", "transformers", "peft", "accelerate", "tokenizers", "python", "pytest-mllmu"} <= report["versions"].keys()
    assert len(report["fingerprints"]["forget"]["34"]) == 2
    made = report["settings"]["methods"]["ga"]
    assert made["modality"] == "multimodal"
    assert made["method"]["lora"]["r"] == 16
    assert made["hyper"]["epochs"] > 0
    assert set(report["fingerprints"]["models"]) == {"Vanilla", "GA"}
    assert report["timings"]["session_seconds"] > 0
    assert "cache" not in report["settings"]


def test_json_has_the_table(report: dict[str, Any]) -> None:
    rows = report["table"]["rows"]
    assert [row["title"] for row in rows] == ["Vanilla", "GA"]
    for row in rows:
        by_place = {(cell["split"], cell["modality"], cell["metric"]): cell for cell in row["cells"]}
        assert len(by_place) == len(row["cells"])
        for split, people in {"forget": 2, "test": 2, "retain": 4, "celebrity": 2}.items():
            for modality in ("multimodal", "unimodal"):
                for metric, each in {"accuracy": 5, "rouge_l": 2, "factuality": 2, "exact_match": 2}.items():
                    cell = by_place[split, modality, metric]
                    assert (cell["people"], cell["questions"]) == (people, each * people)
                    assert cell["low"] <= cell["value"] <= cell["high"]


def test_json_has_the_verdicts(report: dict[str, Any]) -> None:
    verdicts = report["verdicts"]
    assert len(verdicts) == GATES + GUARDS + 2
    assert Counter(verdict["person"] is not None for verdict in verdicts) == {False: GATES + GUARDS, True: 2}
    assert {verdict["status"] for verdict in verdicts} <= {"pass", "fail", "inconclusive"}
    assert {verdict["person"] for verdict in verdicts} - {None} == set(report["fingerprints"]["forget"]["34"])
    for verdict in verdicts:
        assert verdict["questions"] > 0 or verdict["status"] == "inconclusive"
        assert verdict["message"]


def test_verdicts_are_what_the_terminal_said(built: Built, report: dict[str, Any]) -> None:
    by_status = Counter(verdict["status"] for verdict in report["verdicts"])
    assert f"gates (default): {by_status['pass']} pass, {by_status['fail']} fail, {by_status['inconclusive']} inconclusive" in built.ran.table
    assert (built.ran.code == 0) == (not any(verdict["red"] for verdict in report["verdicts"]))
    unsure = [verdict["message"].splitlines()[0] for verdict in report["verdicts"] if verdict["status"] == "inconclusive" and not verdict["red"]]
    red = [verdict["message"].splitlines()[0] for verdict in report["verdicts"] if verdict["red"]]
    assert [message for message in [*red, *unsure[: MOST - 1]] if message not in built.ran.said] == []
    assert f"... and {by_status['inconclusive'] - MOST} more (-v shows them)" in built.ran.text


def test_jsonl_has_a_line_for_each_question_and_model(built: Built, report: dict[str, Any]) -> None:
    rows = [json.loads(line) for line in (built.ran.folder / "run.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter(row["model"] for row in rows) == {"Vanilla": QUESTIONS, "GA": QUESTIONS}
    keys = [(row["model"], row["split"], row["question"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert row["question"] == row["asked"]["id"] == row["response"]["question"]
        assert isinstance(row["response"]["answer"], str)
        assert row["score"]
    # The table is the mean of these lines.
    place = ("GA", "retain", "multimodal")
    asked = [row["score"] for row in rows if (row["model"], row["split"], row["asked"]["modality"]) == place]
    accuracy = [score["accuracy"] for score in asked if "accuracy" in score]
    (cell,) = (
        cell for cell in report["table"]["rows"][1]["cells"] if (cell["split"], cell["modality"], cell["metric"]) == ("retain", "multimodal", "accuracy")
    )
    assert len(accuracy) == 20
    assert cell["value"] == pytest.approx(sum(accuracy) / len(accuracy))


def test_markdown_has_a_table(built: Built) -> None:
    lines = (built.ran.folder / "run.md").read_text(encoding="utf-8").splitlines()
    header = [line for line in lines if line.startswith("|") and "Forget Class." in line]
    assert len(header) == 2  # one for each modality
    for name in ("Vanilla", "GA"):
        (multimodal, unimodal) = (line for line in lines if line.startswith("|") and line.split("|")[1].strip() == name)
        assert multimodal.count("|") == unimodal.count("|") == header[0].count("|") == 18
    assert sum(line.startswith(("- **pass**", "- **fail**", "- **inconclusive**")) for line in lines) == GATES + GUARDS + 2


def test_an_older_report_is_replaced(built: Built, tmp_path: Path) -> None:
    for suffix in ("json", "jsonl", "md", "csv", "tex"):
        (tmp_path / f"run.{suffix}").write_text("older, and much longer than nothing\n" * 5000)
    ran = built.warm(tmp_path, *(f"--mllmu-report=run.{suffix}" for suffix in ("json", "jsonl", "md", "csv", "tex", "html", "svg")))
    assert ran.json() == built.ran.json()
    for name in ("run.jsonl", "run.md", "run.csv", "run.tex"):
        assert (tmp_path / name).read_bytes() == (built.ran.folder / name).read_bytes()
        assert f"report written to {tmp_path / name}" in ran.text
    pictures = sorted(tmp_path.glob("*.svg"))
    assert pictures
    assert [f"report written to {path}" in ran.text for path in pictures] == [True] * len(pictures)
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_a_report_that_cannot_be_written_makes_the_session_red(built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(meanwhile("run.json"))
    ran = built.warm(tmp_path, "--mllmu-report=run.json", "--mllmu-gates=off")
    assert ran.code == 1
    assert "Traceback" not in ran.text
    (line,) = (line for line in ran.text.splitlines() if "cannot be written" in line)
    assert str(tmp_path / "run.json") in line
