"""Every command of README and docs is run as it stands, in a folder with the files that it names; what cannot run here says why.

The benchmark is a small one by environment variables, so that what a command says itself still counts. Too few people for a verdict: gates end
with exit code 1.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu import cli
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from tests.documented import ROOT, WHAT, Command, commands
from tests.integration.runs import SLOW, Built, Ran, environment, run
from tests.knowing import Knowing
from tests.people import picture
from tests.standin import grader, serving

SMALL = {"MLLMU_PROFILES": "6", "MLLMU_CELEBRITIES": "2", "MLLMU_FORGET": "34", "MLLMU_GENERAL": "no", "MLLMU_REQUEST_TIMEOUT": "20"}
SERVER = "http://127.0.0.1:8000/v1"
WORDS = {"/path/of/the/vanilla": "vanilla", "COMMAND": "verify"}
"""What stands for something of the reader's."""

CODES = (
    (r"pytest --mllmu-gates=strict --co", 5),  # pytest's word for no tests: nothing is on trial
    (r".* --help|.*\btest_mine\.py .*|python .*", 0),
    (r"mllmu verify acceptance\.json --require accepted", 1),
    (r"mllmu .*", 0),
    (r".*", 1),
)

LARGER = {"MLLMU_PROFILES": "12", "MLLMU_FORGET": "42", "MLLMU_CELEBRITIES": "8", "MLLMU_EPOCHS": "1"}
"""Of a scenario: five people to forget, one after the other, and enough celebrities to forget some of those who are known."""
BRIEF: dict[str, tuple[str, ...]] = {
    "python benchmarks/validity/coverage.py": ("--rounds", "20"),
    "python benchmarks/validity/faults.py": ("--only", "429"),
    "python benchmarks/performance/training.py": ("--people", "2", "--rounds", "1", "--methods", "ga", "--models", "tiny-llava"),
    "python benchmarks/performance/evaluation.py --models tiny-llava,tiny-llava-ending,tiny-endless,30m": (
        *("--people", "20", "--forget", "20", "--celebrities", "4", "--trained", "4", "--asked", "24", "--ours", "48", "--models", "tiny-llava"),
    ),
}
"""Scripts that take minutes to hours are given less to do."""
LENGTHY = (
    *BRIEF,
    "pytest --mllmu-method=ga,ga_difference",
    "pytest --mllmu-method=ga --mllmu-data=people.csv",
    "pytest --mllmu-method=mine,ga --mllmu-seed=1",
    "pytest --mllmu-method=mine --mllmu-lr=",
    "pytest --mllmu-method=ga --mllmu-lr=0.01",
    "pytest --mllmu-method=ga --mllmu-forget=20",
    "pytest --mllmu-method=all",
)
"""How commands begin that take long even so: scenarios, another seed, other people; and what trains once more: other rates, shares and methods."""

RUN, MARKED = ([command for command in commands() if (command.needs is not None) is marked] for marked in (False, True))


def parameter(command: Command) -> Any:
    return pytest.param(command.text, id=command.text, marks=[pytest.mark.slow] if command.text.startswith(LENGTHY) else [])


def block(page: str, mark: str) -> str:
    found = re.search(rf"{re.escape(mark)}\n+```\w*\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.S)
    assert found, (page, mark)
    return found[1]


@pytest.fixture(scope="module")
def files(built: Built, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files and folders that commands name, by the names that they have there."""
    folder = tmp_path_factory.mktemp("files")
    models = json.loads(built.ran.json())["fingerprints"]["models"]
    (folder / "vanilla").symlink_to(built.cache / "model" / models["Vanilla"])
    for name in ("candidate", "oracle"):
        (folder / name).symlink_to(built.base)
    for name in ("benchmark", "my-benchmark"):
        shutil.copytree(exported, folder / name)
    (folder / "people.csv").write_text(block("own-people.md", "<!-- own people -->"), encoding="utf-8")
    for number, image in enumerate(re.findall(r"[\w-]+\.png", (folder / "people.csv").read_text(encoding="utf-8"))):
        picture(folder / image, number)
    (folder / "conftest.py").write_text(block("researcher.md", "<!-- own method -->"), encoding="utf-8")
    (folder / "test_mine.py").write_text(block("own-tests.md", "Save this as `test_mine.py`:"), encoding="utf-8")
    report = json.loads((built.ran.folder / "run.json").read_text(encoding="utf-8"))
    for name in ("baseline", "run", "slow", "fast", "s0", "s1"):  # a seed takes a build of its own: the same answers stand for those of another
        seed = 1 if name == "s1" else 0
        row = report | {"seed": seed, "settings": report["settings"] | {"seed": seed}}
        (folder / f"{name}.json").write_text(json.dumps(row), encoding="utf-8")
    (folder / "runs").mkdir()
    shutil.copy(folder / "run.json", folder / "runs" / "0001.json")
    made = run(folder, *_certified(folder), env={**SMALL, "MLLMU_CACHE": str(built.cache)}, timeout=SLOW)
    assert made.code == 1, made.text
    return folder


def _certified(folder: Path) -> tuple[str, ...]:
    given = (f"--mllmu-{name}={folder / name}" for name in ("candidate", "vanilla"))
    return (*given, "--mllmu-gates=acceptance", "--mllmu-certificate=acceptance.json", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={folder}")


def written(text: str) -> set[str]:
    """The files that a command is to write."""
    return set(re.findall(r"(?:--mllmu-report=|--mllmu-certificate=|--to )(\S+)", text)) | set(re.findall(r"export-data (\S+)", text))


def laid_out(text: str, files: Path, folder: Path) -> None:
    """The files that a command reads, as copies; folders as links."""
    named = set(re.split(r"[\s=]", text)) - written(text)
    named |= {path.name for path in files.glob("*.png")} if "people.csv" in named else set()
    named |= {"conftest.py"} if "mine" in re.split(r"[\s=,]", text) else set()
    named |= {"acceptance.md"} if "acceptance.json" in named else set()
    for name in named:
        if (files / name).is_file():
            shutil.copy(files / name, folder / name)
        elif name == "runs":
            shutil.copytree(files / name, folder / name)
        elif name and (files / name).is_dir():
            (folder / name).symlink_to((files / name).resolve())


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """A judge, and a model that knows everybody but those who were to be forgotten."""
    with serving(grader) as judge, serving(Knowing(synthetic_benchmark(6, 2, 34, 0))) as endpoint:
        yield {"judge": judge.url, "endpoint": endpoint.url}


@pytest.mark.parametrize("text", [parameter(command) for command in RUN])
def test_a_command(text: str, built: Built, files: Path, servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out(text := re.sub("|".join(WORDS), lambda found: WORDS[found[0]], text), files, tmp_path)
    judged = "judge" in text
    words = shlex.split(text.replace(SERVER, servers["judge" if judged else "endpoint"]))
    own = {}
    while "=" in words[0]:
        name, _, own[name] = words.pop(0).partition("=")
    env = {**SMALL, "MLLMU_CACHE": str(built.cache), **({"OPENAI_BASE_URL": servers["judge"], "OPENAI_API_KEY": "a-key"} if judged else {}), **own}
    program, *arguments = words
    ran = {"pytest": _pytest, "mllmu": _mllmu, "python": _python}[program](text, arguments, tmp_path, env, monkeypatch)
    expected = next(code for pattern, code in CODES if re.fullmatch(pattern, text))
    assert ran.code == expected, ran.text
    assert "Traceback (most" not in ran.text
    if program == "pytest" and expected == 1:
        assert ran.table, ran.text
    missing = [name for name in written(text) if not (tmp_path / name).exists() and not list(tmp_path.glob(f"{Path(name).stem}-*{Path(name).suffix}"))]
    assert not missing, ran.text


def _pytest(text: str, arguments: list[str], folder: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    larger = LARGER if "--mllmu-scenario" in text else {}
    return run(folder, *arguments, env={**env, **larger}, timeout=SLOW)


def _mllmu(text: str, arguments: list[str], folder: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    """In this process, as nothing of it is slow; ``mllmu verify`` alone is a name, and is asked for its help."""
    monkeypatch.chdir(folder)
    with redirect_stdout(StringIO()) as said, redirect_stderr(said):
        try:
            code = cli.main(arguments if len(arguments) > 1 else [*arguments, "--help"])
        except SystemExit as ended:
            code = int(str(ended.code or 0))
    return Ran(code, said.getvalue(), folder)


def _python(text: str, arguments: list[str], folder: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Ran:
    """A script of the checkout. The generator writes beside itself: it is given a folder of its own."""
    script, *rest = arguments
    if script.startswith("docs/"):
        (folder / "docs").mkdir()
        shutil.copy(ROOT / script, folder / script)
    path = folder / script if script.startswith("docs/") else ROOT / script
    env = environment(**env, PYTHONPATH=str(ROOT), XDG_CACHE_HOME=str(folder / "cache"))
    done = subprocess.run(
        [sys.executable, str(path), *rest, *BRIEF.get(text, ())],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SLOW,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), folder)


@pytest.mark.parametrize("command", MARKED, ids=lambda command: command.text)
def test_what_is_not_run_says_why(command: Command) -> None:
    assert command.needs is not None
    assert command.needs.what in WHAT, f"{command.places}: a mark names one of {', '.join(WHAT)}"
    assert command.needs.why, f"{command.places}: {command.text} is marked without a reason"


def test_commands_are_found() -> None:
    assert len(RUN) > 40
    assert {place for command in RUN for place in command.places} >= {"README.md", "researcher.md", "ci.md", "customer.md", "judge.md", "scenarios.md"}
