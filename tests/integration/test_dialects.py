"""``--mllmu-dialect`` and ``--mllmu-demonstrations`` as a user gives them: what is asked, what is said, and what is stored anew."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.checkpoints import whole
from tests.integration.runs import GA, PEOPLE, SLOW, Built, one_error, run


def report(folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return row


def questions(row: dict[str, Any], split: str, metric: str) -> list[int]:
    """n of image and text questions, of every row of the table."""
    cells = [cell for model in row["table"]["rows"] for cell in model["cells"] if (cell["split"], cell["metric"]) == (split, metric)]
    return [cell["questions"] for cell in cells if cell["modality"] != "both"]


def test_zero_shot_is_said(built: Built) -> None:
    assert "dialect: strict, zero-shot" in built.ran.table.splitlines()
    row = report(built.ran.folder)
    assert {"dialect": "strict", "demonstrations": 0, "shown": {}}.items() <= row["settings"].items()
    assert "dialect: strict, zero-shot" in row["notes"]
    assert "- dialect: strict, zero-shot" in (built.ran.folder / "run.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.timeout(SLOW)
def test_upstream_asks_and_reads_as_released(built: Built, tmp_path: Path) -> None:
    """The same models: only the answers are new."""
    arguments = ("--mllmu-dialect=upstream", "--mllmu-report=run.json", "--mllmu-report=run.jsonl", "--mllmu-report=run.md")
    ran = built.warm(tmp_path, *arguments, timeout=SLOW)
    assert ran.code in (0, 1), ran.text
    assert ran.header.endswith("models in the cache, answers to be asked for")
    said = "dialect: upstream (released evaluation): 5 demonstrations from 1 person before multiple choice, 4 from 2 people before cloze, of the same set"
    assert said in " ".join(ran.table.split())
    assert said in (tmp_path / "run.md").read_text(encoding="utf-8")
    row = report(tmp_path)
    assert row["settings"]["dialect"] == "upstream"
    forgotten = set(row["fingerprints"]["forget"]["34"])
    for split in ("forget", "test"):
        shown = row["settings"]["shown"]["34"][split]
        assert {task: len(people) for task, people in shown.items()} == {"classification": 1, "cloze": 2}
        assert set(shown["classification"]) | set(shown["cloze"]) == forgotten
        assert questions(row, split, "accuracy") == [5, 5, 5, 5]  # of two people the other one
        assert questions(row, split, "exact_match") == []  # both are shown, nobody is asked
        assert questions(row, split, "rouge_l") == [4, 4, 4, 4]
    assert questions(row, "retain", "accuracy") == [15, 15, 15, 15]
    assert questions(row, "retain", "exact_match") == [4, 4, 4, 4]
    assert "celebrity" not in row["settings"]["shown"]["34"]
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()]
    choices = [line for line in lines if line["asked"]["task"] == "classification"]
    assert all("options" not in line["response"] for line in choices)
    wrong = Counter((line["model"], line["split"]) for line in choices if line["score"]["unparseable"])
    asked = Counter((line["model"], line["split"]) for line in choices)
    for place, number in wrong.items():
        assert f"{place[0]} {number} of {asked[place]} multiple choice on {place[1]}" in " ".join(ran.table.split())
    assert ("unparseable answers (counted as wrong): " in ran.table) == bool(wrong)
    again = built.warm(tmp_path, *arguments)
    assert again.header.endswith(f"all answers in the cache ({built.cache})")
    assert again.table == ran.table


@pytest.mark.timeout(SLOW)
def test_demonstrations_of_people_to_retain(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-demonstrations=2", "--mllmu-report=run.json", timeout=SLOW)
    assert ran.code in (0, 1), ran.text
    assert "dialect: strict: 2 demonstrations from 2 people before each question, drawn from the retain set and not asked there" in " ".join(ran.table.split())
    row = report(tmp_path)
    assert row["settings"]["demonstrations"] == 2
    shown = row["settings"]["shown"]["34"]
    assert shown.keys() == {"forget", "test", "retain", "celebrity"}
    assert shown["forget"] == shown["celebrity"]
    assert not {person for people in shown["forget"].values() for person in people} & set(row["fingerprints"]["forget"]["34"])
    assert questions(row, "forget", "accuracy") == [10, 10, 10, 10]
    assert questions(row, "retain", "accuracy") == [18, 18, 18, 18]


MISTAKES = {
    "name": (["--mllmu-dialect=upsteam"], ["--mllmu-dialect", "did you mean 'upstream'?"]),
    "both": (["--mllmu-dialect=upstream", "--mllmu-demonstrations=2"], ["--mllmu-demonstrations", "upstream", "--mllmu-dialect=strict"]),
    "too-many": (["--mllmu-demonstrations=9"], ["--mllmu-demonstrations", "9 people of the retain set", "it has 4"]),
}


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
def test_mistake(tmp_path: Path, arguments: list[str], said: list[str], workers: list[str]) -> None:
    line = one_error(run(tmp_path, *GA, *arguments, f"--mllmu-cache={tmp_path / 'cache'}", *workers))
    assert all(part in line for part in said), line


def test_no_evaluation_was_released_for_this_model(tmp_path: Path) -> None:
    whole(tmp_path / "model", kind="qwen2_5_vl")
    line = one_error(run(tmp_path, "--mllmu-method=none", *PEOPLE, "--mllmu-model=model", "--mllmu-dialect=upstream"))
    assert "--mllmu-dialect: upstream is for llava and idefics2, not for qwen2_5_vl" in line
