"""Installed but not asked for anything, the plugin is not noticed; collecting the suite loads no model library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.runs import PROBE, heavy, run, without

TORCH = {"torch", "transformers", "peft", "accelerate", "openai", "tokenizers", "safetensors"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(PROBE)
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    return tmp_path


@pytest.mark.parametrize("arguments", [["--co", "-q"], ["-v"]], ids=["collected", "run"])
def test_installed_but_unused(project: Path, arguments: list[str]) -> None:
    ran = run(project, *arguments, "-p", "no:faker")  # Faker has a pytest plugin of its own, which imports it
    assert ran.code == 0
    assert heavy(ran) == set()
    assert [line for line in ran.text.splitlines() if "mllmu" in line.lower() and not line.startswith("plugins:")] == []
    assert ran.text.count("test_own.py::test_own") == 1
    assert "test_forgotten" not in ran.text


def test_collects_the_suite_without_torch(project: Path) -> None:
    ran = run(project, "--mllmu-method=ga", "--co", "-q", "-p", "no:faker")
    assert ran.code == 0
    assert not heavy(ran) & TORCH
    assert not heavy(ran) & {"faker", "PIL", "pyarrow"}  # no people are made and no faces drawn
    assert not heavy(ran) & {"numpy", "scipy", "rouge_score"}  # and nothing is scored or judged
    ids = [line for line in ran.text.splitlines() if "::" in line]
    assert len(ids) == len(set(ids)) == 46
    gates = {f"{task}-{modality}" for task in ("classification", "generation", "cloze") for modality in ("multimodal", "unimodal")}
    tests = {
        "test_forget_set.py::test_forgotten",
        "test_test_set.py::test_forgotten_when_transformed",
        "test_retain_set.py::test_kept",
        "test_celebrity_set.py::test_celebrities_kept",
    }
    assert {f"{test}[ga-{gate}]" for test in tests for gate in gates} < set(ids)
    people = [line.removeprefix("test_persons.py::test_person_forgotten[ga-").removesuffix("]") for line in ids if "test_person_forgotten" in line]
    assert len(people) == 10
    assert all(len(person) == 3 and person.isdigit() for person in people)
    assert people == sorted(people)
    assert not (project / "mllmu").exists()


def test_collecting_makes_no_cache(project: Path) -> None:
    ran = run(project, "--mllmu-method=ga", "--co", "-q", "--mllmu-cache=later")
    assert ran.code == 0
    assert not (project / "later").exists()


def test_a_checkout_without_the_test_extra_runs_the_question_sets(tmp_path: Path) -> None:
    """As after the README's first install: the project's own tests cannot run there, and must not be in the way."""
    (tmp_path / "blocker.py").write_text(without("hypothesis", "num2words", "yaml"))
    ran = run(Path(__file__).parents[2], "-p", "blocker", "--mllmu-method=ga", "--co", "-q", env={"PYTHONPATH": str(tmp_path)})
    assert ran.code == 0, ran.text
    assert sum("::" in line for line in ran.text.splitlines()) == 46
