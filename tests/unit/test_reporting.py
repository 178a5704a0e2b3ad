"""``mllmu report``: stored runs printed again, and files of others that are none."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu import parsing
from pytest_mllmu.cli import main
from pytest_mllmu.report import history, terminal
from pytest_mllmu.report.json import read_json, write_json
from tests.unit.test_figures import sequential
from tests.unit.test_several import make_run


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    for name, run in (("a", make_run(2, 0)), ("b", make_run(4, 1)), ("other", make_run(4, model="other"))):
        write_json(run, tmp_path / f"{name}.json")
    return tmp_path


def test_a_run_is_printed_as_the_session_did(stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")  # a worker of xdist inherits 80
    assert main(["report", str(stored / "a.json")]) == 0
    out = capsys.readouterr().out
    assert out.startswith(terminal.render(make_run(2, 0), more=False))  # the rest is --to FILE
    assert main(["report", str(stored / "a.json"), "--show=unimodal"]) == 0
    assert "image + text" not in capsys.readouterr().out


def test_several_runs_are_one_report(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *(str(stored / f"{name}.json") for name in ("a", "b", "other"))]) == 0
    out = capsys.readouterr().out
    assert "tiny-llava (10% Forget), synthetic, 2 seeds (0, 1)" in out
    assert "other (10% Forget), synthetic, seed 0" in out


def test_a_folder_is_its_last_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        history.add(make_run(seed=seed), tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    assert "seed 2" in capsys.readouterr().out


def test_every_file_that_is_written_is_said(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(stored / "a.json"), "--to", str(stored / "x.md"), "--to", str(stored / "x.svg"), "--to", str(stored / "x.json")]) == 0
    names = ["x.md", "x-tradeoff.svg", "x-modality.svg", "x.json"]
    assert capsys.readouterr().out.splitlines() == [f"report written to {stored / name}" for name in names]
    assert all((stored / name).stat().st_size for name in names)
    assert (stored / "x.json").read_bytes() == (stored / "a.json").read_bytes()


ANSWER = '{"question": "1", "model": "GA", "response": {"answer": "A"}}\n'


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def pipe(path: Path) -> str:
    """Whoever opens it to read waits for somebody who writes."""
    os.mkfifo(path)
    return str(path)


def ended(*arguments: str) -> object:
    """The exit code; argparse ends the process itself."""
    try:
        return main(list(arguments))
    except SystemExit as end:
        return end.code


MISTAKES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "no-file": (lambda folder: [str(folder / "nowhere.json")], "nowhere.json: not a report of a run: No such file"),
    "empty-folder": (lambda folder: [str(folder / "empty")], "no run in this folder"),
    "suffix": (lambda folder: [str(folder / "a.json"), "--to=x.mdd"], "--to: the report 'x.mdd' ends in none of"),
    "no-folder": (lambda folder: [str(folder / "a.json"), "--to=nowhere/x.md"], "to write the report 'x.md' to"),
    "answers": (lambda folder: [str(folder / "a.json"), "--to=x.jsonl"], "a stored run has no answers"),
    "json-of-two": (lambda folder: [str(folder / "a.json"), str(folder / "b.json"), "--to=x.json"], ".json holds one run, and 2 are given"),
    "twice": (lambda folder: [str(folder / "a.json"), "--to=x.md", "--to=./x.md"], "x.md is given twice"),
    "one-of-them-broken": (lambda folder: [str(folder / "a.json"), str(folder / "broken.json")], "broken.json: not a report of a run: no JSON at line 1"),
    "to-a-folder": (lambda folder: [str(folder / "a.json"), "--to=dir.html"], "dir.html' is a folder; a file to write the report to is expected"),
    "certificate": (lambda folder: [written(folder, "c.json", '{"certificate_schema": 1}')], "c.json: a certificate, not a run: mllmu verify reads it"),
    "answers-read": (lambda folder: [written(folder, "c.jsonl", ANSWER * 2)], "c.jsonl: lines of answers (.jsonl), not a run: give the .json report"),
    "answer-read": (lambda folder: [written(folder, "c.json", ANSWER)], "c.json: lines of answers (.jsonl), not a run: give the .json report"),
    "list": (lambda folder: [written(folder, "c.json", "[1]")], "c.json: not a run (a list): give a .json report"),
    "number": (lambda folder: [written(folder, "c.json", "1")], "c.json: not a run (a single value): give"),
    "object": (lambda folder: [written(folder, "c.json", "{}")], "c.json: not a run (an object without schema_version): give"),
    "part": (lambda folder: [written(folder, "c.json", '{"schema_version": 2}')], "c.json: not a run (without 'settings')"),
    "deep": (lambda folder: [written(folder, "c.json", "[" * 100_000)], "c.json: not a report of a run: larger numbers or deeper brackets"),
    "pipe": (lambda folder: [pipe(folder / "pipe.json")], "pipe.json: not a report of a run: no plain file"),
    "no-run": (lambda folder: [], "mllmu report: the following arguments are required: RUN (mllmu report --help)"),
    "no-option": (lambda folder: ["-x", str(folder / "a.json")], "mllmu report: unrecognized arguments: -x (mllmu report --help)"),
    "near-option": (lambda folder: [str(folder / "a.json"), "--signal\x1b=1"], "--signal =1; did you mean '--signals'? (mllmu report --help)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_4(name: str, stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(stored)
    (stored / "empty").mkdir()
    (stored / "dir.html").mkdir()
    (stored / "broken.json").write_text("{")
    build, said = MISTAKES[name]
    assert ended("report", *build(stored)) == 4
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.html").mkdir()
    with pytest.raises(ValueError, match=r"x\.html' is a folder; a file to write the report to is expected"):
        parsing.report(str(tmp_path / "x.html"))
    (tmp_path / "x.json").mkdir()
    with pytest.raises(ValueError, match=r"x\.json' is a folder; a file to write the certificate to"):
        parsing.certificate(str(tmp_path / "x.json"))
    assert parsing.report(str(tmp_path / "y.html")) == tmp_path / "y.html"
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(ValueError, match=rf"the folder '{tmp_path}' cannot be written, and the report 'y\.html' shall go there"):
        parsing.report(str(tmp_path / "y.html"))


def test_a_missing_matplotlib_is_one_line_before_anything_is_read(stored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(parsing, "find_spec", lambda name: None)
    assert main(["report", str(stored / "nowhere.json"), f"--to={stored / 'x.pdf'}"]) == 4
    assert capsys.readouterr().err == f"mllmu: --to: the picture {str(stored / 'x.pdf')!r} needs matplotlib: pip install 'pytest-mllmu[report]'\n"
    with pytest.raises(ValueError, match=r"needs matplotlib: pip install 'pytest-mllmu\[report\]'"):
        parsing.report("x.png")


def test_nothing_heavy_is_imported(stored: Path) -> None:
    code = (
        "import json, sys; from pytest_mllmu.cli import main; code = main(['report', *sys.argv[1:]]); "
        "print(json.dumps([code, sorted({'torch', 'transformers', 'peft', 'pyarrow', 'PIL', 'pytest', 'matplotlib'} & set(sys.modules))]))"
    )
    ran = subprocess.run([sys.executable, "-c", code, stored / "a.json", stored / "b.json"], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(ran.stdout.splitlines()[-1]) == [0, []]


@pytest.mark.parametrize(("rest", "encoding"), [("", "ascii"), ("| head -n 1", "utf-8")])
def test_a_terminal_of_few_letters_and_a_pipe_that_ends(rest: str, encoding: str, tmp_path: Path) -> None:
    write_json(replace(make_run(4), notes=tuple(f"{number} {'x' * 100}" for number in range(3000))), tmp_path / "x.json")  # more than a pipe holds
    command = f"{sys.executable} -c 'import sys; from pytest_mllmu.cli import main; sys.exit(main())' report {tmp_path / 'x.json'} {rest}"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", command], env=environment, capture_output=True, check=False, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.startswith(b"tiny-llava")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document; of a list the first."""
    parts = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def test_a_damaged_file_is_printed_or_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every place of a run once: without it, and with something else in it."""
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    other: list[Any] = [None, True, -1, 10**30, 1e308, float("nan"), float("inf"), "x", "NaN", "\ud800\x1b[2J", [], {}, [None], deep]
    random.seed(0)
    whole = json.loads(json.dumps(sequential().to_json()))
    whole["policy"]["gates"] = {}
    path, codes = tmp_path / "x.json", set()
    for place in places(whole):
        for removed in (True, False):
            row = copy.deepcopy(whole)
            *before, last = place
            target = row
            for key in before:
                target = target[key]
            if removed:
                del target[last]
            else:
                target[last] = random.choice(other)
            path.write_text(json.dumps(row))
            code = main(["report", str(path), "--signals", "-v"])
            out, err = capsys.readouterr()
            assert (code, bool(out), err.count("\n")) in ((0, True, 0), (4, False, 1)), (place, err)
            assert (out + err).replace("\n", "").isprintable()
            codes.add(code)
    assert codes == {0, 4}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": 1.5}, "beyond the scale of the metric, 0 to 1"),
        ({"chance": 1.0}, "beyond the scale"),
        ({"metric": "charm"}, "no metric 'charm'"),
        ({"asked": [0] * 10}, "sums or counts that cannot be"),
        ({"questions": 1e300}, "not a run"),
        ({"split": "forgotten"}, "one of forget, test"),
    ],
)
def test_numbers_that_cannot_be_are_refused_when_read(change: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = json.loads(json.dumps(make_run(4).to_json()))
    row["table"]["rows"][1]["cells"][0] |= change
    (tmp_path / "x.json").write_text(json.dumps(row))
    assert main(["report", str(tmp_path / "x.json")]) == 4
    assert said in capsys.readouterr().err


def test_a_run_with_findings_and_means_can_be_read_back(tmp_path: Path) -> None:
    from pytest_mllmu.report.several import join

    for run in (sequential(), replace(join([("a", make_run(2)), ("b", make_run(9, 1))]), parts=())):
        write_json(run, tmp_path / "x.json")
        assert read_json(tmp_path / "x.json").to_json() == run.to_json()
