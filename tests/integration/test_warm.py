"""The second run trains nothing, asks nothing and loads no model library; what is shown follows the options."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from tests.integration.runs import PROBE, Built, Ran, heavy, run, without
from tests.integration.test_unused import TORCH


def test_cold_run_says_what_it_does(built: Built) -> None:
    said = "\n".join(built.ran.progress)
    for step in ("teaching tiny-llava to see", "teaching tiny-llava (base)"):
        assert said.count(f"mllmu: {step}: done in ") == 1


def test_warm_run_is_the_cold_one_without_torch(built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(PROBE)
    ran = built.warm(tmp_path, "--mllmu-report=run.json", "-W", "error", "-p", "no:xdist")
    assert ran.progress == []
    assert not heavy(ran) & TORCH
    assert ran.code == built.ran.code
    assert ran.table == built.ran.table
    assert ran.json() == built.ran.json()


def test_stored_answers_are_scored_and_judged_anew_where_torch_cannot_be_imported(built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(without("torch", "transformers", "peft", "accelerate", "tokenizers"))
    ran = built.warm(tmp_path, "--mllmu-gates=off", "--mllmu-signals=yes", "--mllmu-report=run.json", "--mllmu-report=run.jsonl")
    assert ran.code == 0
    assert "probabilities" in ran.text
    run = json.loads((tmp_path / "run.json").read_text())
    assert {verdict["status"] for verdict in run["verdicts"]} == {"off"}
    assert run["settings"]["paths"] == ["prefix tree"]
    assert len((tmp_path / "run.jsonl").read_text().splitlines()) > 100


def test_exported_data_is_the_same_benchmark(built: Built, exported: Path, tmp_path: Path) -> None:
    ran = run(tmp_path, "--mllmu-method=ga", "--mllmu-forget=34", f"--mllmu-data={exported}", built.option)
    assert ran.header.endswith(f"all answers in the cache ({built.cache})")
    assert ran.progress == []
    assert ran.table == built.ran.table


def test_quiet(built: Built, limited: Ran) -> None:
    assert limited.header == ""
    assert limited.progress == []
    assert limited.table == ""
    at = next(at for at, line in enumerate(limited.text.splitlines()) if line.startswith("gates (default): "))
    lines = limited.text.splitlines()[at:]
    assert re.fullmatch(r"GA: holds .* of what vanilla knew of the people to forget \(n = .*\), keeps .*", lines[1])
    end = next((at for at, line in enumerate(lines) if line.startswith("=")), -1)
    assert lines[2:end] == [f"report written to {limited.folder / name}" for name in ("run.json", "run.md")]


def test_quieter(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "-qq", "--no-summary")
    assert ran.code == built.ran.code
    assert "Traceback" not in ran.text
    assert "gates" not in ran.text
    assert "mllmu" not in ran.text


def test_everybody_is_listed_and_the_next_command_is_named(built: Built, tmp_path: Path) -> None:
    plain, ran = (built.warm(tmp_path, *flags, "--mllmu-history=old ones", "--color=yes") for flags in ([], ["-v"]))
    assert "\x1b[" in ran.text
    verdicts = json.loads(built.ran.json())["verdicts"]
    people = {verdict["person"]: verdict["status"] for verdict in verdicts if verdict["person"]}
    listed = re.findall(r"^(?:\x1b\[\d+m)?  (\S+) +(?:-|-?\d+%(?: \[-?\d+, -?\d+\])?)  n = \d+  (\w+)", ran.text, re.M)
    assert dict(listed) == people
    assert not re.search(r"^(\x1b\[\d+m)?  \S+ .*  n = \d+  ", plain.text, re.M)
    assert "(-v shows them)" in plain.text
    assert "(-v shows them)" not in ran.text
    (command,) = re.findall(r"^next: (pytest (?:.*\\\n)*.*)$", ran.text, re.M)
    words = shlex.split(command.replace("\\\n", ""))
    assert "--mllmu-history=old ones" in words
    assert run(tmp_path, *words[1:], "--co").code == 0


def test_without_colour_there_is_none(built: Built) -> None:
    assert "\x1b" not in built.ran.text


def test_rows_of_one_modality(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-table=multimodal")
    assert "image + text" in ran.table
    assert "text only" not in ran.table
    assert "text only" in built.ran.table
    rows = [line for line in built.ran.table.splitlines() if line.lstrip().startswith(("Vanilla", "GA"))]
    assert [line for line in ran.table.splitlines() if line.lstrip().startswith(("Vanilla", "GA"))] == rows[:2]


def test_limit(built: Built, limited: Ran) -> None:
    assert "forget 10/4/4/4 questions about 2 people" in " ".join(built.ran.table.split())
    written = (limited.folder / "run.md").read_text(encoding="utf-8")
    assert "forget 5/2/2/2 questions about 1 person" in written
    assert "celebrity 5/2/2/2 questions about 1 person" in written
    assert limited.code in (0, 1)
    assert "nan" not in limited.text.lower()


def test_only_what_was_selected(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "-k", "forgotten")
    assert ran.code in (0, 1)
    assert "test_kept" not in ran.text
    rows = [line for line in ran.table.splitlines() if line.lstrip().startswith(("Vanilla", "GA"))]
    assert len(rows) == 4
    assert "forget 10/4/4/4" in ran.table
    for row in rows:
        _, forget, test, retain, celebrity = row.split("|")
        assert len(forget.split()) == len(test.split()) == 4
        assert "-" not in forget + test
        assert retain.split() == ["-"] * 4
        assert celebrity.split() == ["-"] * 4


def test_marker_selects_a_task(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--co", "-q", "-m", "mllmu_task(name='cloze')")
    ids = [line for line in ran.text.splitlines() if "::" in line]
    assert len(ids) == 8
    assert all("[ga-cloze-" in line for line in ids)


def test_marker_selects_a_set(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--co", "-q", "-m", "mllmu_split(name='celebrity')")
    ids = [line for line in ran.text.splitlines() if "::" in line]
    assert len(ids) == 7
    assert all("::test_celebrities_kept[" in line for line in ids)
