"""Reports: a stable schema, a table that fits, files that are whole, and no markup out of data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mllmu.analysis.gates import ABOUT_PEOPLE
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.table import Table, build_row
from pytest_mllmu.analysis.verdicts import judge_gate
from pytest_mllmu.benchmark.profiles import MODALITIES, TASKS, Split, Task
from pytest_mllmu.errors import SettingsError, StoreError
from pytest_mllmu.files import write_text
from pytest_mllmu.parsing import REPORTS
from pytest_mllmu.report import SUFFIXES, markdown, terminal, write
from pytest_mllmu.report.run import Run
from pytest_mllmu.scoring.scores import Score

DEFAULT = BUILT_IN["default"]
EVIL = "<img src=x>|`rm`|[a](http://evil)\n# *b* \x1b[31m www.evil"


def values(task: Task, good: bool) -> dict[str, float]:
    if task == "classification":
        return {"accuracy": float(good), "option_probability": 0.9 if good else 0.1, "truth_ratio": float(good)}
    read = {"answer_probability": 0.8 if good else 0.2, "extraction_strength": float(good), "exact_memorisation": 1.0 if good else 0.5}
    if task == "generation":
        return {"rouge_l": 0.9 if good else 0.4, "rouge_l_recall": 0.5, "factuality": 10.0 if good else 1.0, "truth_ratio": float(good)} | read
    return {"exact_match": float(good)} | read


def scores(share: int, splits: tuple[Split, ...] = ABOUT_PEOPLE, tasks: tuple[Task, ...] = TASKS) -> list[Score]:
    """Everything asked of 20 people, or items; right for ``share`` in ten of the questions."""
    return [
        Score(f"{split}-{task}-{modality}-{n}", f"{n % 20:03}", split, task, modality, values(task, n % 10 < share), 0.25 * (task == "classification"))
        for split in splits
        for task in tasks
        for modality in MODALITIES
        for n in range(100 if modality == "multimodal" else 60)
    ]


def make_run(title: str = "GA", note: str = "no oracle", seconds: float = 1.0, synthetic: bool = True) -> Run:
    vanilla, candidate = build_row("vanilla", "Vanilla", scores(10)), build_row("ga", title, scores(3))
    verdicts = [judge_gate(gate, candidate, vanilla, title, DEFAULT) for split in ABOUT_PEOPLE for gate in DEFAULT.of(split)]
    return Run(
        settings={"method": "ga", "judge": "local", "cache": Path("/c")},
        policy=DEFAULT.to_json(),
        versions={"torch": "2", "pytest": "9"},
        seed=7,
        fingerprints={"profiles": "ab"},
        table=Table((vanilla, candidate)),
        verdicts=verdicts,
        benchmark_name="embedded",
        synthetic=synthetic,
        notes=(note,),
        timings={"training": seconds},
    )


def test_schema_of_a_run() -> None:
    row = make_run().to_json()
    assert list(row) == [
        "schema_version",
        "benchmark",
        "seed",
        "settings",
        "policy",
        "versions",
        "fingerprints",
        "table",
        "verdicts",
        "changes",
        "notes",
        "timings",
    ]
    assert row["schema_version"] == 2
    assert list(row["versions"]) == ["pytest", "torch"]
    cell = row["table"]["rows"][1]["cells"][0]
    assert list(cell) == ["metric", "split", "modality", "value", "low", "high", "questions", "people", "chance", "sums", "asked", "about"]
    assert {"gate", "status", "message", "value", "low", "high", "questions", "people"} <= set(row["verdicts"][0])


def test_equal_runs_are_byte_equal_but_for_timings(tmp_path: Path) -> None:
    for name, seconds in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        write(make_run(seconds=seconds), tmp_path / f"{name}.json")
    a, b, c = ((tmp_path / f"{name}.json").read_bytes() for name in "abc")
    assert a == b
    assert a != c
    assert {**json.loads(a), "timings": 0} == {**json.loads(c), "timings": 0}


def test_a_run_is_read_back_and_printed_again(tmp_path: Path) -> None:
    run = make_run()
    run.verdicts.append(judge_gate(DEFAULT.of("forget")[0], run.table.rows[0], build_row("v", "V", []), "GA", DEFAULT))
    assert math.isnan(run.verdicts[-1].value)
    write(run, tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    again = Run.from_json(json.loads(text))
    assert terminal.render(again) == terminal.render(run)
    assert again.to_json() == run.to_json()
    with pytest.raises(StoreError, match="schema version 99"):
        Run.from_json({**run.to_json(), "schema_version": 99})
    with pytest.raises(StoreError, match="not a run"):
        Run.from_json({"schema_version": 2})


def test_json_lines_in_their_order(tmp_path: Path) -> None:
    write(make_run(), tmp_path / "run.jsonl", [{"question": "b", "answer": "Łódź\n", "score": math.nan}, {"question": "a"}])
    lines = (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"question": "b", "answer": "Łódź\n", "score": None}, {"question": "a"}]


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.json, \.jsonl, \.md"):
        write(make_run(), tmp_path / "run.docx")
    assert set(SUFFIXES) == set(REPORTS)


def test_a_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    def broken() -> Iterator[str]:
        yield "half"
        raise RuntimeError("killed")

    path = tmp_path / "deep" / "run.md"
    write_text(path, ["old"])
    with pytest.raises(RuntimeError):
        write_text(path, broken())
    assert path.read_text() == "old"
    assert [found.name for found in path.parent.iterdir()] == ["run.md"]
    with pytest.raises(StoreError, match="cannot be written"):
        write_text(path / "below-a-file.md", ["x"])


def test_a_failing_last_step_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "run.md"
    write_text(path, ["old"])
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreError, match="No space left"):
        write_text(path, ["new"])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def general_run(tasks: tuple[Task, ...]) -> Run:
    """With general ability, measured in some tasks."""
    run = make_run()
    run.table = Table(tuple(replace(row, cells=(*row.cells, *build_row("", "", scores(8, ("general",), tasks)).cells)) for row in run.table.rows))
    return run


def test_general_ability_has_the_columns_that_it_was_measured_in() -> None:
    for tasks, titles, short in (
        (("classification",), ["Class."], ["Acc."]),
        (("classification", "cloze"), ["Class.", "Cloze"], ["Acc.", "Cloze"]),
        (TASKS, ["Class.", "Fact.", "Cloze"], ["Acc.", "Fact", "Cloze"]),
    ):
        text, document = (render(general_run(tasks)) for render in (terminal.render, markdown.render))
        lines = text.splitlines()
        first = next(at for at, line in enumerate(lines) if "General" in line)  # a table of its own, of the same rows
        assert lines[first].replace("|", " ").split() == ["General"]
        assert lines[first + 1].split("|")[-1].split() == short
        numbers = [line for line in lines[first:] if line.startswith(("Vanilla", "GA"))]
        assert [line.split("|")[-1].split()[0] for line in numbers] == ["80"] * 4
        (row,) = {line for line in document.splitlines() if "Real Celebrity" in line}
        assert [cell.strip() for cell in row.split("|")[18:-1]] == [f"General {title}" for title in titles]
    assert "General" not in terminal.render(make_run()) + markdown.render(make_run())


def test_n_of_general_ability_is_of_items_and_stands_where_its_columns_do() -> None:
    text = " ".join(terminal.render(general_run(("classification", "cloze")), signals=True).split())
    assert text.count("general 100/100 questions (20 items)") == text.count("general 60/60 questions (20 items)") == 1


def test_the_terminal_says_what_the_numbers_are() -> None:
    text = terminal.render(make_run())
    for part in ("image + text", "text only", " 100 ", " 30 ", "±", "local judge", "synthetic people and drawn faces", "no oracle"):
        assert part in text
    assert "n, image + text: forget 100/100/100/100 questions about 20 people" in text
    assert " ".join(text.split()).count("decimals, every interval and more: --mllmu-report=run.") == 1
    assert "--mllmu-report" not in terminal.render(make_run(), more=False)
    assert "gates (default): " in text
    assert "drawn faces" not in terminal.render(make_run(synthetic=False))


def test_unparseable_answers_are_counted_under_the_table() -> None:
    run = make_run()
    assert "unparseable" not in terminal.render(run) + markdown.render(run)
    written = [replace(score, values={"accuracy": 0.0, "unparseable": float(place % 25 == 0)}) for place, score in enumerate(scores(0)[:100])]
    run.table = Table((*run.table.rows, build_row("npo", "NPO", written)))
    said = "unparseable answers (counted as wrong): NPO 4 of 100 multiple choice on forget"
    assert said in terminal.render(run).splitlines()
    assert f"- {said}" in markdown.render(run).splitlines()
    again = Run.from_json(json.loads(json.dumps(run.to_json())))
    assert said in terminal.render(again)


def test_one_modality_only() -> None:
    text = terminal.render(make_run(), "unimodal")
    assert "image + text" not in text
    assert "n: forget 60/60/60/60 questions about 20 people" in " ".join(text.split())


def test_the_table_of_probabilities_is_below_when_asked_for() -> None:
    plain, text = terminal.render(make_run()), terminal.render(make_run(), signals=True)
    assert "Opt." not in plain
    assert text.startswith(plain[: plain.index("Acc. (multiple choice)")])
    lines = text.splitlines()
    first = lines.index("embedded, seed 7: probabilities")
    assert [line.replace("|", " ").split() for line in lines[first + 2 : first + 4]] == [
        ["Opt.", "Ans.", "Truth"] * 2,
        ["prob.", "prob.", "ratio", "Extr.", "Memo."] * 2,
    ]
    numbers = [line for line in lines[first:] if line.startswith("GA")]
    assert len(numbers) == 4  # two modalities, two tables
    assert {" ".join(line.replace("|", " ").split()) for line in numbers} == {" ".join(["GA", *["0.34", "0.38", "0.30", "0.30", "0.65"] * 2])}
    assert "forget 100/200/200/200/200 questions about 20 people" in " ".join(text.split())
    assert " ".join(text.split()).count("Ans. prob., Extr. and Memo. are over generation and cloze") == 1


def test_probabilities_of_one_modality_and_of_a_run_that_has_none() -> None:
    assert "image + text" not in terminal.render(make_run(), "unimodal", signals=True)
    run = make_run()
    bare = [replace(score, values={name: value for name, value in score.values.items() if name == "accuracy"}) for score in scores(5)]
    run.table = Table((build_row("ga", "GA", bare),))
    rows = [line for line in terminal.render(run, signals=True).splitlines() if line.startswith("GA")]
    assert rows[-1].replace("|", " ").split()[1:] == ["-"] * 10
    assert "nothing was asked" in terminal.render(run, signals=True)


def test_no_method_is_the_best_by_its_probabilities() -> None:
    run = make_run()
    run.table = Table((*run.table.rows, build_row("npo", "NPO", scores(4))))
    text, document = terminal.render(run, signals=True), markdown.render(run, signals=True)
    assert " 30*" in text
    assert " 40+" in text
    assert "*" not in text[text.index("probabilities") : text.index("*: best")]
    assert "*" not in document[document.index("probabilities") : document.index("\n- bold: best")]


def test_markdown_has_the_probabilities_when_asked_for(tmp_path: Path) -> None:
    write(make_run(), tmp_path / "plain.md")
    write(make_run(), tmp_path / "signals.md", signals=True)
    plain, document = ((tmp_path / f"{name}.md").read_text(encoding="utf-8") for name in ("plain", "signals"))
    assert "probabilities" not in plain
    assert "## embedded, seed 7: probabilities" in document
    assert document.count("Forget Opt. prob.") == 2
    assert "0.34 ±0.1" in document


def test_json_always_has_the_probabilities(tmp_path: Path) -> None:
    write(make_run(), tmp_path / "run.json")
    row = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["table"]["rows"][1]
    cell = next(cell for cell in row["cells"] if (cell["metric"], cell["split"], cell["modality"]) == ("option_probability", "forget", "multimodal"))
    assert (round(cell["value"], 6), cell["questions"], cell["people"], cell["chance"]) == (0.34, 100, 20, 0.25)
    assert cell["low"] <= cell["value"] <= cell["high"]


def test_missing_cells_are_dashes_and_no_row_breaks_it() -> None:
    run = make_run()
    run.table = Table((build_row("ga", "GA", [score for score in scores(5) if score.split == "forget"]),))
    line = next(line for line in terminal.render(run).splitlines() if line.startswith("GA"))
    assert line.replace("|", " ").split()[5:] == ["-"] * 12
    run.table = Table(())
    run.verdicts = []
    assert "nothing was asked" in terminal.render(run)
    assert "nothing was asked" in markdown.render(run)


def test_a_long_title_wraps_and_a_terminal_gets_no_escapes() -> None:
    text = terminal.render(make_run(title="GA Difference, text only", note="\x1b[31mred"))
    first = next(at for at, line in enumerate(text.splitlines()) if line.startswith("GA Difference,"))
    assert text.splitlines()[first + 1].startswith(" text only ")
    assert "\x1b" not in text


def test_markdown_escapes_what_came_from_data() -> None:
    text = markdown.render(make_run(title=EVIL, note=EVIL))
    assert "<img" not in text
    assert "http://" not in text
    assert "www.evil" not in text
    assert "\x1b" not in text
    assert "\n# " not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {18}
    assert "\\`rm\\`" in text
    assert "\\[a\\]" in text


def test_markdown_lists_failures_first(tmp_path: Path) -> None:
    run = make_run()
    run.verdicts = [judge_gate(gate, run.table.rows[0], run.table.rows[0], "Vanilla", DEFAULT) for split in ABOUT_PEOPLE for gate in DEFAULT.of(split)]
    write(run, tmp_path / "run.md")
    text = (tmp_path / "run.md").read_text(encoding="utf-8")
    assert "### gates (default): 14 pass, 14 fail, 0 inconclusive" in text
    assert text.index("**fail**") < text.index("**pass**")
