"""What the user chose is followed, command line before environment before ini file, and a mistake costs one line and exit code 4."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.runs import GA, Built, one_error, run

SMALL = ("--mllmu-profiles=4", "--mllmu-celebrities=1")


def write_ini(folder: Path, *lines: str) -> None:
    (folder / "pyproject.toml").write_text("\n".join(["[tool.pytest]", *lines, ""]))


# --- the header ---


def test_header_says_what_will_be_built(tmp_path: Path) -> None:
    ran = run(tmp_path, *GA, "--co", f"--mllmu-cache={tmp_path / 'cache'}", "--mllmu-seed=3")
    assert ran.header == ("mllmu: GA on tiny-llava, 6 people and 2 celebrities (synthetic), 34% to forget (2 people), seed 3, cpu, to build: Base, Vanilla, GA")


def test_header_says_what_is_cached(built: Built, tmp_path: Path) -> None:
    assert built.ran.header.endswith("to build: Base, Vanilla, GA")
    assert built.warm(tmp_path, "--co").header.endswith(f"all answers in the cache ({built.cache})")
    assert built.warm(tmp_path, "--co", "--mllmu-epochs=7").header.endswith("to build: GA")
    assert built.warm(tmp_path, "--co", "--mllmu-limit=2", method="none").header.endswith("models in the cache, answers to be asked for")


def test_command_line_before_environment_before_ini(tmp_path: Path) -> None:
    def forgotten(*arguments: str, **env: str) -> str:
        return run(tmp_path, "--mllmu-method=ga", *SMALL, "--co", *arguments, env=env).header.partition("(synthetic), ")[2].partition(" to forget")[0]

    assert forgotten() == "10%"
    write_ini(tmp_path, "mllmu_forget = 15")
    assert forgotten() == "15%"
    assert forgotten(MLLMU_FORGET="20") == "20%"
    assert forgotten("--mllmu-forget=25", MLLMU_FORGET="20") == "25%"


def test_method_and_reports_from_the_ini_file(built: Built, tmp_path: Path) -> None:
    write_ini(tmp_path, 'mllmu_method = "ga"', 'mllmu_report = ["one.json", "two.md"]', "mllmu_profiles = 6", "mllmu_celebrities = 2", "mllmu_forget = 34")
    ran = run(tmp_path, built.option)
    assert ran.table == built.ran.table
    assert {path.name for path in tmp_path.glob("*.*")} >= {"one.json", "two.md"}


# --- mistakes ---

MISTAKES = {
    "method": (["--mllmu-method=gaa"], {}, ["--mllmu-method", "'gaa'", "did you mean 'ga'?"]),
    "flag": (["--mllmu-metod=ga"], {}, ["--mllmu-metod", "did you mean '--mllmu-method'?"]),
    "forget": (["--mllmu-method=ga", "--mllmu-forget=200"], {}, ["--mllmu-forget", "from 1 to 99", "'200'"]),
    "data": (["--mllmu-method=ga", "--mllmu-data=/no/such"], {}, ["--mllmu-data", "no folder '/no/such'"]),
    "data-word": (["--mllmu-method=ga", "--mllmu-data=sintetic"], {}, ["'sintetic'", "did you mean 'synthetic'?"]),
    "report": (["--mllmu-method=ga", "--mllmu-report=x.txt"], {}, ["--mllmu-report", "'x.txt'", ".json"]),
    "report-suffix": (["--mllmu-method=ga", "--mllmu-report=x.jsn"], {}, ["did you mean '.json'?"]),
    "report-folder": (["--mllmu-method=ga", "--mllmu-report=no/such/x.json"], {}, ["no folder", "x.json"]),
    "environment": (["--mllmu-method=ga"], {"MLLMU_FORGET": "abc"}, ["MLLMU_FORGET", "'abc'", "from 1 to 99"]),
    "without-method": (["--mllmu-seed=-1"], {}, ["--mllmu-seed", "'-1'"]),
}


@pytest.mark.parametrize(("arguments", "env", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(tmp_path: Path, arguments: list[str], env: dict[str, str], said: list[str]) -> None:
    line = one_error(run(tmp_path, *arguments, env=env))
    assert all(part in line for part in said), line


@pytest.mark.parametrize("name", ["method", "environment"])
def test_mistake_with_workers(tmp_path: Path, name: str) -> None:
    arguments, env, said = MISTAKES[name]
    line = one_error(run(tmp_path, *arguments, "-n2", env=env))
    assert all(part in line for part in said), line


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
def test_mistake_in_the_ini_file(tmp_path: Path, workers: list[str]) -> None:
    write_ini(tmp_path, 'mllmu_forget = "x"')
    line = one_error(run(tmp_path, "--mllmu-method=ga", *workers))
    assert "mllmu_forget" in line
    assert "'x'" in line


def test_unknown_ini_key_of_a_strict_project(tmp_path: Path) -> None:
    write_ini(tmp_path, "strict = true", "mllmu_forgett = 5")
    assert "mllmu_forgett" in one_error(run(tmp_path, *GA))


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
def test_data_without_its_full_set(tmp_path: Path, exported: Path, workers: list[str]) -> None:
    broken = tmp_path / "data"
    broken.mkdir()
    for part in exported.iterdir():
        if part.name != "Full_Set":
            (broken / part.name).symlink_to(part)
    line = one_error(run(tmp_path, "--mllmu-method=ga", "--mllmu-forget=34", f"--mllmu-data={broken}", *workers))
    assert str(broken) in line
    assert "no folder 'Full_Set'" in line


def test_data_with_a_broken_file(tmp_path: Path, exported: Path) -> None:
    broken = tmp_path / "data"
    for part in exported.iterdir():
        (broken / part.name).mkdir(parents=True)
        for file in part.iterdir():
            (broken / part.name / file.name).write_bytes(file.read_bytes())
    (file,) = (broken / "Retain_Set").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    line = one_error(run(tmp_path, "--mllmu-method=ga", "--mllmu-forget=34", f"--mllmu-data={broken}", "-n2"))
    assert str(broken / "Retain_Set") in line


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
def test_cache_that_is_a_file(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "cache").write_text("")
    line = one_error(run(tmp_path, *GA, "--mllmu-cache=cache", *workers))
    assert str(tmp_path / "cache") in line
    assert "cannot be used as the cache" in line


def test_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = one_error(run(tmp_path, *GA, "--mllmu-cache=file/below/it"))
    assert str(tmp_path / "file" / "below") in line
