"""What the documentation tells a reader to copy works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_mllmu import __version__
from pytest_mllmu.analysis.policies import policy
from pytest_mllmu.benchmark.source import read_benchmark
from pytest_mllmu.settings import check_flags
from tests.people import picture

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def block(page: str, mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)
    assert found, mark
    return found[1]


def test_the_policy_to_copy(tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text(block("docs/verdicts.md", "policy"))
    found = policy(str(tmp_path / "gates.toml"))
    assert (found.people_at_least, found.gates["forget.all.both"].at_most, found.gates["forget.cloze.unimodal"].off) == (10, 0.4, True)
    assert (found.gates["guard.selective"].inconclusive, found.gates["guard.modalities"].inconclusive) == ("red", "yellow")


@pytest.mark.parametrize("mark", ["github", "gitlab"])
def test_the_workflows_to_copy(mark: str) -> None:
    found = yaml.safe_load(block("docs/ci.md", mark))
    commands = [step["run"] for step in found["jobs"]["gates"]["steps"] if "run" in step] if mark == "github" else found["unlearning"]["script"]
    (suite,) = (shlex.split(command) for command in commands if command.startswith("pytest "))
    check_flags(suite)
    assert "--mllmu-compare=baseline.json" in suite
    assert "--junitxml=junit.xml" in suite
    job = found["jobs"]["gates"] if mark == "github" else found["unlearning"]
    assert job["env" if mark == "github" else "variables"]["VERSION"] == __version__
    assert any('"pytest-mllmu==$VERSION"' in command for command in commands)


def test_the_workflow_keeps_its_cache_when_the_job_is_red() -> None:
    steps = yaml.safe_load(block("docs/ci.md", "github"))["jobs"]["gates"]["steps"]
    used = [str(step.get("uses", step.get("run"))).partition("@")[0] for step in steps]
    restore, save = (steps[used.index(f"actions/cache/{name}")] for name in ("restore", "save"))
    suite = next(at for at, name in enumerate(used) if name.startswith("pytest "))
    assert steps.index(restore) < suite < steps.index(save)
    assert (save["if"], save["with"]["path"], save["with"]["key"]) == ("always()", restore["with"]["path"], restore["with"]["key"])
    assert "github.run_id" in save["with"]["key"]  # a key that exists is not saved again
    assert all(save["with"]["key"].startswith(start) for start in restore["with"]["restore-keys"].split("\n") if start)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_and_file_that_is_written_about_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    check_flags(re.findall(r"--mllmu-[a-z][a-z-]*[a-z]", text))
    assert [link for link in re.findall(r"\]\((?!http|#)([^)#]+)", text) if not (page.parent / link).exists()] == []


def test_the_list_of_people_to_copy(tmp_path: Path) -> None:
    text = block("docs/own-people.md", "own people")
    assert len(text.splitlines()) == 10
    (tmp_path / "people.csv").write_text(text)
    for number, image in enumerate(re.findall(r"[\w-]+\.png", text)):
        picture(tmp_path / image, number)
    benchmark = read_benchmark(str(tmp_path / "people.csv"), 10, 0)
    assert (len(benchmark.forget_ids), len(benchmark.retain_ids)) == (1, 8)
    assert [len(profile.questions) for profile in benchmark.profiles] == [18, 18, 18, 18, 18, 16, 18, 18, 18]
    assert "What is the shoe size of Ann Lee?" in {question.text for question in benchmark.profiles[0].questions}
    assert "Can you tell me the shoe size of Ann Lee?" in {question.text for question in benchmark.transformed[0].questions}
    assert len(benchmark.transformed[4].pictures) == 1
    assert benchmark.transformed[4].pictures[0].data == (tmp_path / "ed-2019.png").read_bytes()


def test_the_site_shows_every_page() -> None:
    listed: list[Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    shown = {page for entry in listed for value in entry.values() for page in _pages(value)}
    root = {"index.md", "contributing.md", "changelog.md"}
    assert shown == root | {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


def _pages(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        yield from (page for entry in value for page in entry.values())
