"""``--mllmu-certificate`` and ``mllmu verify``, as a user runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runs import GATES, GUARDS, SLOW, Built, Ran, environment, meanwhile, one_error, run, without

DATE = {"SOURCE_DATE_EPOCH": "1700000000"}
UNLEARNED = """
import pytest
from pytest_mllmu.methods.prompting import Prompting

@pytest.fixture(scope="session")
def mllmu_method_mine():
    return {returned}
"""


def verified(folder: Path, *arguments: str, name: str = "c.json") -> Ran:
    """``mllmu verify`` where torch and transformers are not installed."""
    (folder / "sitecustomize.py").write_text(without("torch", "transformers", "peft", "accelerate"))
    command = [sys.executable, "-m", "pytest_mllmu.cli", "verify", name, *arguments]
    command[1:3] = ["-c", "import sys; from pytest_mllmu.cli import main; sys.exit(main())"]
    path = f"{folder}:{':'.join(filter(None, sys.path))}"
    done = subprocess.run(command, cwd=folder, env=environment(PYTHONPATH=path), capture_output=True, text=True, timeout=SLOW, check=False)
    return Ran(done.returncode, done.stdout + done.stderr, folder)


def read(folder: Path, name: str = "c.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def certified(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    ran = built.warm(tmp_path_factory.mktemp("certified"), "--mllmu-certificate=c.json", "--mllmu-report=run.json", "-p", "no:xdist", env=DATE)
    assert ran.code == built.ran.code, ran.text
    return ran


def test_written_and_verified(certified: Ran) -> None:
    document, report = read(certified.folder), read(certified.folder, "run.json")
    assert f"certificate written to {certified.folder / 'c.json'} ({document['outcome']} under the policy default)" in certified.text
    assert document["verdicts"] == report["verdicts"]
    assert len(document["verdicts"]) == GATES + GUARDS + 2
    assert document["subjects"]["people"] == report["fingerprints"]["forget"]["34"]
    assert document["issued"] == "2023-11-14T22:13:20Z"
    assert document["versions"] == report["versions"]
    assert {name: document["models"][name]["how"] for name in document["models"]} == {"candidate": "built here", "vanilla": "built here"}
    assert document["models"]["candidate"]["on"]["files"] == document["models"]["vanilla"]["files"]
    assert document["models"]["candidate"]["method"]["name"] == "ga"
    ran = verified(certified.folder)
    assert (ran.code, "Traceback" in ran.text) == (0, False), ran.text
    assert ran.text.startswith(f"{GATES + GUARDS + 2} verdicts recomputed from 360 answers of 2 models: all as written")


def test_the_files_are_those_of_the_cache(certified: Ran, built: Built) -> None:
    document = read(certified.folder)
    folders = {path.parent.parent.name: path.parent for path in built.cache.glob("model/*/manifest.json")}
    assert folders
    manifests = {
        path: {name: entry["sha256"] for name, entry in read(path.parent, path.name)["files"].items()} for path in built.cache.glob("model/*/manifest.json")
    }
    (folder,) = (path.parent for path, files in manifests.items() if files == document["models"]["candidate"]["files"])
    assert verified(certified.folder, "--model", str(folder)).code == 0
    (other,) = (path.parent for path, files in manifests.items() if files == document["models"]["vanilla"]["files"])
    assert verified(certified.folder, "--model", str(other)).code == 1


def test_one_byte(certified: Ran, tmp_path: Path) -> None:
    content = (certified.folder / "c.json").read_bytes()
    (tmp_path / "c.json").write_bytes(content.replace(b"pass", b"past", 1))
    ran = verified(tmp_path)
    assert ran.code == 1
    assert "NOT VERIFIED" in ran.text
    assert "Traceback" not in ran.text
    (tmp_path / "c.json").write_bytes(content[:-10])
    assert verified(tmp_path).code == 4


def test_xdist_changes_no_byte(certified: Ran, built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-certificate=c.json", "-n2", env=DATE)
    assert ran.code == certified.code, ran.text
    for name in ("c.json", "c.md"):
        assert (tmp_path / name).read_bytes() == (certified.folder / name).read_bytes()


def test_hashed(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-certificate=c.json", "--mllmu-subjects=hashed")
    assert f"the answers to {tmp_path / 'c.evidence.jsonl'}" in ran.text
    assert verified(tmp_path).code == 0
    (tmp_path / "c.evidence.jsonl").unlink()
    alone = verified(tmp_path)
    assert alone.code == 0
    assert "the answers are kept elsewhere" in alone.text


@pytest.mark.parametrize("candidate", ["vanilla", pytest.param("base", marks=pytest.mark.slow), "oracle"])
@pytest.mark.parametrize("policy", [pytest.param("strict", marks=pytest.mark.slow), "acceptance"])
def test_any_candidate_and_policy(built: Built, tmp_path: Path, candidate: str, policy: str) -> None:
    """What is written is compared with what the session found, verdict by verdict, or there is no certificate."""
    ran = built.warm(tmp_path, f"--mllmu-candidate={candidate}", f"--mllmu-gates={policy}", "--mllmu-certificate=c.json", method="none", timeout=SLOW)
    document = read(tmp_path)
    assert ran.code == (document["outcome"] != "accepted"), ran.text
    assert document["models"]["candidate"]["answers"] == ("candidate" if candidate == "base" else candidate)
    assert verified(tmp_path).code == 0


@pytest.mark.parametrize("returned", ["Prompting()", "{folder!r}"], ids=["prompting", "folder"])
def test_a_method_of_ones_own(built: Built, certified: Ran, tmp_path: Path, returned: str) -> None:
    """Of which the controller knows only what a worker recorded."""
    manifests = {
        path.parent: {name: entry["sha256"] for name, entry in read(path.parent, path.name)["files"].items()}
        for path in built.cache.glob("model/*/manifest.json")
    }
    models = read(certified.folder)["models"]
    (source,) = (folder for folder, files in manifests.items() if files == models["candidate"]["files"])
    adapter = tmp_path / "adapter"
    shutil.copytree(source, adapter, ignore=shutil.ignore_patterns("manifest.json"))
    (tmp_path / "conftest.py").write_text(UNLEARNED.format(returned=returned.format(folder=str(adapter))))
    ran = built.warm(tmp_path, "--mllmu-certificate=c.json", method="mine", timeout=SLOW)
    mine = read(tmp_path)["models"]["candidate"]
    if returned == "Prompting()":
        assert mine["system"]
        assert mine["files"] == models["vanilla"]["files"]
    else:
        assert mine["how"] == "handed in"
        assert mine["files"].items() <= models["candidate"]["files"].items()
        assert mine["on"]["files"] == models["vanilla"]["files"]
    assert verified(tmp_path).code == 0, ran.text


# --- what is not certified ---


def test_a_certificate_is_about_one_model(built: Built, tmp_path: Path) -> None:
    line = one_error(built.warm(tmp_path, "--mllmu-certificate=c.json", method="ga,prompting"))
    assert line == "ERROR: --mllmu-certificate: a certificate is about one model, and 2 are on trial: ga, prompting"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-k", "cloze"], "only part of the gates was judged"),
        (["-m", "mllmu_split(name='retain')"], "only part of the gates was judged"),
        (["-x", "--mllmu-gates=strict", "--mllmu-candidate=vanilla"], "the run was cut short"),
        (["-k", "nothing_at_all"], "no gate was judged"),
    ],
    ids=["some", "a set", "cut short", "none"],
)
def test_a_part_is_not_certified(built: Built, tmp_path: Path, arguments: list[str], why: str) -> None:
    ran = built.warm(tmp_path, "--mllmu-certificate=c.json", *arguments, method="none")
    assert ran.code in (1, 5)
    assert f"mllmu: no certificate written: {why}" in ran.text
    assert not (tmp_path / "c.json").exists()


def test_a_limit_is_said(built: Built, tmp_path: Path) -> None:
    built.warm(tmp_path, "--mllmu-certificate=c.json", "--mllmu-limit=1", method="none", timeout=SLOW)
    document = read(tmp_path)
    assert "all people but the first 1 of each set" in document["not_tested"]
    assert len(document["subjects"]["not_asked"]) == 1
    assert verified(tmp_path).code == 0


def test_a_certificate_that_cannot_be_written(built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(meanwhile("c.json"))
    ran = built.warm(tmp_path, "--mllmu-certificate=c.json", "--mllmu-gates=off")
    assert ran.code == 1
    assert "Traceback" not in ran.text
    (line,) = (line for line in ran.text.splitlines() if "cannot be written" in line)
    assert str(tmp_path / "c.json") in line


def test_nothing_on_trial_is_said(tmp_path: Path) -> None:
    assert "nothing is on trial" in run(tmp_path, "--mllmu-certificate=c.json").text
