"""A list of one's own people, as a user with a checkpoint of their own starts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.runs import PROBE, SLOW, Built, heavy, one_error, run
from tests.people import rows, write_list


@pytest.mark.timeout(SLOW)
def test_a_list_is_asked_about_and_judged(built: Built, tmp_path: Path) -> None:
    write_list(tmp_path / "staff", rows())
    given = [
        "--mllmu-method=ga",
        "--mllmu-data=staff/people.csv",
        "--mllmu-forget=17",
        "--mllmu-epochs=1",
        f"--mllmu-model={built.base}",
        built.option,
        "--mllmu-report=run.json",
    ]
    first = run(tmp_path, *given, "--mllmu-report=run.jsonl", timeout=SLOW)
    assert first.code in (0, 1), first.text
    assert "12 people and 0 celebrities (people, from staff/people.csv), 17% to forget (2 people)" in first.header
    assert "n (each of image + text and text only): forget 10/4/4/4 questions about 2 people; test 10/4/4/4" in " ".join(first.table.split())
    assert "synthetic" not in first.table
    assert "people has no celebrity set" in run(tmp_path, *given, "-rs", "-k", "celebrities").text
    run_ = json.loads(first.json())
    assert {verdict["status"] for verdict in run_["verdicts"]} <= {"pass", "inconclusive"}  # two people decide nothing
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any(line["asked"]["text"] == "What is the shoe size of Ann Lee?" for line in lines)
    second = run(tmp_path, *given, "-n2", timeout=SLOW)
    assert second.progress == []
    assert second.table == first.table


def test_a_mistake_in_a_list_is_one_line(tmp_path: Path) -> None:
    path = write_list(tmp_path, rows(3))
    path.write_text(path.read_text().replace("0.png", "../0.png"))
    for workers in ([], ["-n2"]):
        line = one_error(run(tmp_path, "--mllmu-method=ga", "--mllmu-data=people.csv", *workers))
        assert "people.csv, row 2, column 'image': the picture '../0.png' is not given by a path inside the folder" in line
    assert "ends in neither .csv nor .jsonl" in one_error(run(tmp_path, "--mllmu-method=ga", "--mllmu-data=0.png"))


def test_collecting_a_list_imports_nothing_heavy(tmp_path: Path) -> None:
    write_list(tmp_path, rows())
    (tmp_path / "conftest.py").write_text(PROBE)
    ran = run(tmp_path, "--mllmu-method=ga", "--mllmu-data=people.csv", "--co", "-q")
    assert "test_persons.py::test_person_forgotten[ga-" in ran.text
    assert not heavy(ran) & {"torch", "transformers", "pyarrow", "PIL", "numpy"}
