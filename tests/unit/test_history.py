"""The runs that are kept, the one that is the baseline, and the command ``mllmu`` that compares them without a model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.table import Table, build_row
from pytest_mllmu.analysis.verdicts import judge_gate
from pytest_mllmu.benchmark.profiles import MODALITIES, Split
from pytest_mllmu.cli import main
from pytest_mllmu.errors import StoreError
from pytest_mllmu.report import history
from pytest_mllmu.report.json import read_json, write_json
from pytest_mllmu.report.run import PARTIAL, SCHEMA_VERSION, Run
from pytest_mllmu.scoring.scores import Score

DEFAULT = BUILT_IN["default"]
SPLITS: tuple[Split, ...] = ("forget", "retain")
SETTINGS = {"method": ["ga"], "model": "tiny-llava", "judge": "local", "dialect": "strict", "demonstrations": 0, "limit": None}
FINGERPRINTS = {"profiles": "ab", "transformed": "cd", "celebrities": "ef", "forget": {"10": ["001", "002"]}}


def scores(right: int, uneven: bool = False, people: int = 30) -> list[Score]:
    """Everybody answers ``right`` of ten questions of a kind well; three people in ten one less when they are ``uneven``."""
    return [
        Score(f"{split}-{modality}-{person:03}-{n}", f"{split}{person:03}", split, "cloze", modality, {"exact_match": float(n < right - lost)})
        for split in SPLITS
        for modality in MODALITIES
        for person in range(people)
        for lost in [int(uneven and person % 10 < 3)]
        for n in range(10)
    ]


def make_run(candidate: list[Score] | None = None, *, seed: int = 0, seconds: float = 1.0, name: str = "ga", **other: Any) -> Run:
    """``other`` are settings and fingerprints that differ."""
    settings, fingerprints = ({**known, **{key: value for key, value in other.items() if key in known}} for known in (SETTINGS, FINGERPRINTS))
    rows = build_row("vanilla", "Vanilla", scores(10)), build_row(name, name.upper(), scores(8) if candidate is None else candidate, 10)
    verdicts = [judge_gate(gate, rows[1], rows[0], "GA", DEFAULT) for gate in DEFAULT.of("retain")]
    return Run(settings, DEFAULT.to_json(), {"pytest": "9"}, seed, fingerprints, Table(rows), verdicts, "embedded", True, timings={"training": seconds})


def stored(path: Path, run: Run | None = None) -> str:
    write_json(make_run() if run is None else run, path)
    return str(path)


WORSE = "worse: retain.cloze.multimodal: 80.0% -> 70.0%, -10.0 [-10.0, -10.0] points (n = 300 questions about 30 people, paired); limit retain.*:-2"


def test_the_first_runs_are_numbered_from_one(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "history"
    assert [history.add(make_run(), folder).name for _ in range(3)] == ["0001.json", "0002.json", "0003.json"]
    assert [path.name for path in history.runs(folder)] == ["0001.json", "0002.json", "0003.json"]
    assert sorted(path.name for path in folder.iterdir()) == ["0001.json", "0002.json", "0003.json"]


def test_numbers_go_on_and_are_never_given_twice(tmp_path: Path) -> None:
    history.add(make_run(), tmp_path)
    history.add(make_run(), tmp_path)
    (tmp_path / "0001.json").unlink()
    assert history.add(make_run(), tmp_path).name == "0003.json"
    (tmp_path / "9999.json").write_text("", encoding="utf-8")
    assert history.add(make_run(), tmp_path).name == "10000.json"
    assert history.add(make_run(), tmp_path).name == "10001.json"
    assert [path.stem for path in history.runs(tmp_path)] == ["0002", "0003", "9999", "10000", "10001"]


def test_another_run_of_the_same_moment_keeps_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history.add(make_run(seed=1), tmp_path)
    history.add(make_run(seed=2), tmp_path)
    monkeypatch.setattr(history, "runs", lambda folder: [])
    assert history.add(make_run(seed=3), tmp_path).name == "0003.json"
    assert [read_json(tmp_path / f"000{number}.json").seed for number in (1, 2, 3)] == [1, 2, 3]


def test_other_files_are_no_runs(tmp_path: Path) -> None:
    for name in ("baseline.json", "run.json", "001.json", "0001.json.tmp", "0001.md", "notes-0001.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert history.runs(tmp_path) == []
    assert history.add(make_run(), tmp_path).name == "0001.json"


def test_a_kept_run_is_the_run(tmp_path: Path) -> None:
    run = make_run()
    assert read_json(history.add(run, tmp_path)).to_json() == run.to_json()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere: no history of runs: No such file"):
        history.runs(tmp_path / "nowhere")


def test_promote_copies_the_last_run_or_the_one_named(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        history.add(make_run(seed=seed), tmp_path)
    assert history.promote(tmp_path) == (tmp_path / "0003.json", [])
    assert read_json(tmp_path / "baseline.json").seed == 3
    assert history.promote(tmp_path, 2) == (tmp_path / "0002.json", [])
    assert read_json(tmp_path / "baseline.json").seed == 2
    assert len(history.runs(tmp_path)) == 3


def test_promote_says_which_runs_there_are(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no run at all; there is none$"):
        history.promote(tmp_path)
    history.add(make_run(), tmp_path)
    history.add(make_run(), tmp_path)
    with pytest.raises(StoreError, match=r"no run 0007; there is 0001, 0002$"):
        history.promote(tmp_path, 7)
    assert not (tmp_path / "baseline.json").exists()


def test_a_broken_run_does_not_become_the_baseline(tmp_path: Path) -> None:
    history.add(make_run(seed=5), tmp_path)
    history.promote(tmp_path)
    (tmp_path / "0002.json").write_text('{"schema_version": 2, "half', encoding="utf-8")
    with pytest.raises(StoreError, match=r"0002\.json: not a report of a run"):
        history.promote(tmp_path)
    assert read_json(tmp_path / "baseline.json").seed == 5


def test_the_history_has_a_line_a_run_and_marks_the_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        history.add(make_run(seed=seed), tmp_path)
    assert not any("baseline" in line for line in history.lines(tmp_path))
    history.promote(tmp_path, 1)
    assert main(["history", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["0001  GA on tiny-llava, seed 1", "0002  GA on tiny-llava, seed 2"]
    assert [line.endswith("  <- baseline") for line in lines] == [True, False]
    assert "gates (default): 3 pass, 0 fail, 4 inconclusive" in lines[0]


def test_a_run_without_candidates_and_gates_has_a_line(tmp_path: Path) -> None:
    run = make_run()
    run.table, run.verdicts = Table(run.table.rows[:1]), []
    history.add(run, tmp_path)
    assert list(history.lines(tmp_path)) == ["0001  nothing on tiny-llava, seed 0: no gates"]


def test_the_history_of_an_empty_folder_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"no runs in {tmp_path}")


def test_promote_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.add(make_run(), tmp_path)
    history.add(make_run(), tmp_path)
    assert main(["promote", str(tmp_path)]) == 0
    assert main(["promote", str(tmp_path), "1"]) == 0
    last, first = capsys.readouterr().out.splitlines()
    assert last == f"{tmp_path / '0002.json'} is now {tmp_path / 'baseline.json'}"
    assert first.startswith(str(tmp_path / "0001.json"))


Build = Callable[[Path], list[str]]

FAILURES: dict[str, tuple[Build, str]] = {
    "history-nowhere": (lambda folder: ["history", str(folder / "nowhere")], "nowhere: no history of runs"),
    "history-of-a-file": (lambda folder: ["history", stored(folder / "run.json")], "run.json: no history of runs"),
    "history-with-a-broken-run": (lambda folder: ["history", with_run(folder, "{")], "0001.json: not a report of a run"),
    "promote-nothing": (lambda folder: ["promote", str(folder)], "no run at all; there is none"),
    "promote-nowhere": (lambda folder: ["promote", str(folder / "nowhere")], "no history of runs"),
    "promote-no-such-run": (lambda folder: ["promote", with_run(folder), "2"], "no run 0002; there is 0001"),
    "compare-no-baseline": (lambda folder: ["compare", str(folder / "a.json"), stored(folder / "b.json")], "a.json: not a report of a run: No such file"),
    "compare-no-run": (lambda folder: ["compare", stored(folder / "a.json"), str(folder / "b.json")], "b.json: not a report of a run: No such file"),
    "compare-no-run-in-folder": (lambda folder: ["compare", stored(folder / "a.json"), str(folder)], "no run in this folder"),
    "compare-unpromoted": (lambda folder: ["compare", with_run(folder), str(folder)], "baseline.json: not a report of a run"),
    "compare-broken": (lambda folder: ["compare", broken(folder / "a.json"), stored(folder / "b.json")], "a.json: not a report of a run"),
    "compare-other-json": (lambda folder: ["compare", broken(folder / "a.json", "[1, 2]"), stored(folder / "b.json")], "a.json: not a run"),
    "compare-older": (lambda folder: ["compare", broken(folder / "a.json", '{"schema_version": 1}'), stored(folder / "b.json")], "a run of schema version 1"),
    "compare-another-seed": (lambda folder: ["compare", stored(folder / "a.json", make_run(seed=1)), stored(folder / "b.json")], "--across=seed compares"),
    "compare-other-names": (
        lambda folder: ["compare", stored(folder / "a.json", several("ga", "npo")), stored(folder / "b.json", several("x"))],
        "nothing to compare: the baseline has ga, npo, this run x",
    ),
    "compare-no-limit": (lambda folder: ["compare", stored(folder / "a.json"), stored(folder / "b.json"), "--fail-on=retain.*:2"], "'retain.*:2': a limit"),
    "compare-wrong-limit": (
        lambda folder: ["compare", stored(folder / "a.json"), stored(folder / "b.json"), "--fail-on=retian.*:-2"],
        "did you mean 'retain.*'",
    ),
    "compare-empty-limit": (lambda folder: ["compare", stored(folder / "a.json"), stored(folder / "b.json"), "--fail-on="], "--fail-on: nothing is given"),
    "compare-wrong-across": (
        lambda folder: ["compare", stored(folder / "a.json"), stored(folder / "b.json"), "--across=sed"],
        "--across: no difference 'sed'; there is data, seed, dialect, judge, people; did you mean 'seed'?",
    ),
}


def broken(path: Path, text: str = "{") -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def with_run(folder: Path, text: str | None = None) -> str:
    """The folder, with a first run in it."""
    if text is None:
        history.add(make_run(), folder)
    else:
        broken(folder / "0001.json", text)
    return str(folder)


def several(*names: str) -> Run:
    run = make_run()
    run.table = Table(tuple(build_row(name, name.upper(), scores(8), 10) for name in names))
    return run


@pytest.mark.parametrize("name", FAILURES)
def test_a_mistake_is_one_line_and_exit_code_4(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build, said = FAILURES[name]
    assert main(build(tmp_path)) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mllmu: ")
    assert err.count("\n") == 1
    assert said in err


def test_equal_runs_compare_as_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = stored(tmp_path / "a.json"), stored(tmp_path / "b.json", make_run(seconds=9.0))
    assert main(["compare", a, b]) == 0
    assert capsys.readouterr().out == "0 worse, 4 no clear change\n"


def test_what_got_worse_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = stored(tmp_path / "a.json"), stored(tmp_path / "b.json", make_run(scores(7)))
    assert main(["compare", a, b]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == WORSE
    assert lines[-1] == "2 worse, 2 better"
    assert [line.partition(":")[0] for line in lines[:-1]] == ["worse", "worse", "better", "better"]


def test_the_other_way_round_the_forget_set_is_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = stored(tmp_path / "a.json"), stored(tmp_path / "b.json", make_run(scores(7)))
    assert main(["compare", b, a]) == 1
    assert capsys.readouterr().out.startswith("worse: forget.cloze.multimodal: 70.0% -> 80.0%, +10.0 ")


def test_a_limit_of_ones_own_and_what_is_within_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = stored(tmp_path / "a.json"), stored(tmp_path / "b.json", make_run(scores(7)))
    assert main(["compare", a, b, "--fail-on=retain.*:-20,forget.*:+2"]) == 0
    out = capsys.readouterr().out
    assert "worse within the limit: retain.cloze.unimodal: 80.0% -> 70.0%" in out
    assert out.splitlines()[-1].startswith("0 worse")
    assert main(["compare", a, b, "--fail-on", "retain.*:-12%"]) == 1


@pytest.mark.parametrize(("colour", "code"), [((), 0), (("--inconclusive=yellow",), 0), (("--inconclusive=red",), 1)])
def test_an_inconclusive_change_is_red_when_asked(colour: tuple[str, ...], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few, fewer = make_run(scores(8, people=10)), make_run(scores(8, uneven=True, people=10))
    assert main(["compare", stored(tmp_path / "a.json", few), stored(tmp_path / "b.json", fewer), *colour]) == code
    out = capsys.readouterr().out
    assert "inconclusive: retain.cloze.multimodal: 80.0% -> 77.0%, -3.0 [-6.5, +0.5] points" in out
    assert out.splitlines()[-1].startswith("0 worse, 2 inconclusive")


def test_across_compares_all_the_same(tmp_path: Path) -> None:
    a, b = stored(tmp_path / "a.json", make_run(seed=1)), stored(tmp_path / "b.json")
    assert main(["compare", a, b]) == 4
    assert main(["compare", a, b, "--across=seed"]) == 0


def test_other_data_are_compared_unpaired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = stored(tmp_path / "a.json", make_run(scores(8, uneven=True), profiles="xy")), stored(tmp_path / "b.json", make_run(scores(2)))
    assert main(["compare", a, b, "--across=data"]) == 1
    assert "questions about 30 people, other data)" in capsys.readouterr().out


def test_folders_stand_for_their_baseline_and_their_last_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for right in (8, 8, 7):
        history.add(make_run(scores(right)), tmp_path)
    history.promote(tmp_path, 2)
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith(WORSE)
    history.promote(tmp_path)
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 0
    assert main(["compare", str(tmp_path / "0001.json"), str(tmp_path)]) == 1
    assert main(["compare", str(tmp_path), str(tmp_path / "0001.json")]) == 1


def test_runs_of_others_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "ga\x1b[2J\r\u202e\ud800"
    run = make_run(name=evil, model=evil)
    run.table = Table((*run.table.rows, build_row("npo", evil, scores(8), 10)))
    run.notes = (f"{PARTIAL}: {evil}",)
    for path in (tmp_path / "0001.json", tmp_path / "0002.json"):
        path.write_text(json.dumps(run.to_json()), encoding="utf-8")
    worse = stored(tmp_path / "b.json", replace(run, table=Table(tuple(build_row(row.name, "", scores(6), 10) for row in run.table.rows))))
    for arguments in (["history", tmp_path], ["promote", tmp_path], ["compare", tmp_path, worse]):
        assert main([str(argument) for argument in arguments]) == (arguments[0] == "compare")
        out, err = capsys.readouterr()
        assert "ga [2J" in out
        assert not err
        assert all(line.isprintable() for line in out.split("\n"))


def test_an_option_for_sessions_in_the_environment_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever compares by hand says so by hand: an option for test sessions that is set to nonsense must not stop it."""
    a, b = stored(tmp_path / "a.json"), stored(tmp_path / "b.json")
    monkeypatch.setenv("MLLMU_TABLE", "nonsense")
    assert main(["compare", a, b]) == 0


@pytest.mark.parametrize(
    "arguments", [[], ["compare"], ["compare", "a"], ["promote", "a", "last"], ["histroy", "a"], ["compare", "a", "b", "--inconclusive=green"]]
)
def test_what_is_no_command_is_one_line_and_exit_code_4(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 4
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.startswith("mllmu")) == ("", 1, True)
    assert err.endswith(f"({err.partition(':')[0]} --help)\n")


@pytest.mark.parametrize("command", ["compare", "history", "promote", "export-data", "report"])
@pytest.mark.parametrize("columns", ["20", "60", "200"])
def test_every_command_has_its_help(command: str, columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: mllmu {command}")


def test_the_program_imports_no_library_of_models(tmp_path: Path) -> None:
    for right in (8, 7):
        history.add(make_run(scores(right)), tmp_path)
    code = (
        "import json, sys; from pytest_mllmu.cli import main; folder = sys.argv[1]; "
        "codes = [main(['promote', folder, '1']), main(['history', folder]), main(['compare', folder, folder])]; "
        "print(json.dumps([codes, sorted({'torch', 'transformers', 'peft', 'accelerate', 'pyarrow', 'PIL', 'pytest'} & set(sys.modules))]))"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stderr == ""
    assert WORSE in ran.stdout.splitlines()
    assert json.loads(ran.stdout.splitlines()[-1]) == [[0, 0, 1], []]


def test_a_report_of_another_version_says_which_is_read(tmp_path: Path) -> None:
    run = make_run().to_json() | {"schema_version": SCHEMA_VERSION + 1}
    path = Path(broken(tmp_path / "a.json", json.dumps(run)))
    with pytest.raises(StoreError, match=f"a.json: a run of schema version {SCHEMA_VERSION + 1}; this version of pytest-mllmu reads {SCHEMA_VERSION}$"):
        read_json(path)


def test_the_sums_of_a_cell_are_on_one_line(tmp_path: Path) -> None:
    text = Path(stored(tmp_path / "a.json")).read_text(encoding="utf-8")
    (line, *_) = (line for line in text.splitlines() if '"sums"' in line)
    assert line.count(",") >= 29
    assert json.loads(text) == make_run().to_json()


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="runs cannot be kept here"):
        history.add(make_run(), tmp_path / "file" / "history")


def test_a_run_that_cannot_be_written_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreError, match="No space left"):
        history.add(make_run(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_does_not_say_what_it_is_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = stored(tmp_path / "a.json")
    row = json.loads(Path(a).read_text())
    (tmp_path / "b.json").write_text(json.dumps({**row, "fingerprints": {}}))
    assert main(["compare", a, str(tmp_path / "b.json")]) == 4
    assert "not a run that can be compared" in capsys.readouterr().err


def test_a_candidate_that_collapsed_is_the_last_word_of_a_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, run = stored(tmp_path / "a.json"), make_run()
    guards = [replace(run.verdicts[0], gate=f"guard.collapse-{name}", status="fail") for name in ("retain", "output")]
    b = stored(tmp_path / "b.json", replace(run, verdicts=[*run.verdicts, *guards]))
    main(["compare", a, b])
    assert capsys.readouterr().out.splitlines()[-1] == "mind: GA of the second run collapsed, which is not forgetting"
    main(["compare", b, a])
    assert "collapsed" not in capsys.readouterr().out


def test_a_mistake_names_the_flag_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = stored(tmp_path / "a.json")
    assert main(["compare", a, a, "--fail-on=retain.*:2"]) == 4
    assert capsys.readouterr().err.startswith("mllmu: --fail-on: 'retain.*:2'")


def test_what_one_should_mind_about_a_baseline_is_said(tmp_path: Path) -> None:
    run = make_run()
    run.notes = ("only part of the gates was judged: not all on retain",)
    run.verdicts = [replace(run.verdicts[0], red=True)]
    history.add(run, tmp_path)
    assert history.promote(tmp_path)[1] == ["only part of the gates was judged: not all on retain", "1 of its gates are red"]


def test_numbers_that_the_second_run_does_not_have_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = [score for score in scores(8) if score.split == "forget"]
    a, b = stored(tmp_path / "a.json"), stored(tmp_path / "b.json", make_run(part))
    assert main(["compare", a, b]) == 0
    assert "not compared, as the second run did not ask it: 2 of the baseline's numbers, such as retain.cloze.multimodal" in capsys.readouterr().out


def test_a_limit_on_one_set_leaves_the_usual_ones_on_the_others(tmp_path: Path) -> None:
    a, b = stored(tmp_path / "a.json", make_run(scores(5))), stored(tmp_path / "b.json", make_run(scores(8)))
    assert main(["compare", a, b, "--fail-on=retain.*:-20"]) == 1  # the forget set is known better by 30 points
    assert main(["compare", a, b, "--fail-on=retain.*:-20,forget.*:+40"]) == 0


def test_more_of_what_is_to_be_kept_is_no_regression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = stored(tmp_path / "a.json")
    assert main(["compare", a, a, "--fail-on=retain.*:+2"]) == 4
    assert "a fall is written with -" in capsys.readouterr().err
