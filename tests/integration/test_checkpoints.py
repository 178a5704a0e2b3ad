"""Acceptance by checkpoint: models that others made are put on trial; nothing is trained, and nothing of theirs is trusted."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkpoints import header, weights, whole
from tests.integration.runs import PROBE, SLOW, Built, Ran, heavy, one_error, run


@dataclass(frozen=True)
class Handed:
    """Folders as somebody hands them in, and the people in the released layout."""

    vanilla: Path
    oracle: Path
    adapter: Path
    data: Path

    def trial(self, folder: Path, *arguments: str, candidate: Path | None = None, oracle: bool = True) -> Ran:
        """The acceptance command with a new cache."""
        given = [f"--mllmu-candidate={candidate or self.oracle}", f"--mllmu-vanilla={self.vanilla}", f"--mllmu-data={self.data}", "--mllmu-forget=34"]
        given += [f"--mllmu-oracle={self.oracle}"] if oracle else []
        return run(folder, *given, "--mllmu-gates=acceptance", f"--mllmu-cache={folder / 'cache'}", "--mllmu-report=run.json", *arguments, timeout=SLOW)


@pytest.fixture(scope="module")
def handed(built: Built, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Handed:
    folder = tmp_path_factory.mktemp("handed")
    ran = built.warm(folder / "run", "--mllmu-oracle=build", "--mllmu-limit=1", "--mllmu-gates=off", "--mllmu-report=run.json", timeout=SLOW)
    keys = json.loads(ran.json())["fingerprints"]["models"]
    names = {"vanilla": "Vanilla", "oracle": "Retrain (oracle)", "adapter": "GA"}
    return Handed(**{name: Path(shutil.copytree(built.cache / "model" / keys[title], folder / name)) for name, title in names.items()}, data=exported)


def verdicts(ran: Ran) -> dict[str, tuple[str, bool]]:
    """Status and colour of each gate that is not about a single person."""
    return {row["gate"]: (row["status"], row["red"]) for row in json.loads(ran.json())["verdicts"] if not row["person"]}


def trained(ran: Ran) -> bool:
    return (ran.folder / "cache" / "model").exists() or any("tuning" in line or "unlearning" in line for line in ran.progress)


@pytest.mark.timeout(2 * SLOW)
def test_an_oracle_is_not_refused_and_nothing_is_trained(handed: Handed, tmp_path: Path) -> None:
    """Two people to forget conclude little, which is red in acceptance; but no gate says that it fails."""
    ran = handed.trial(tmp_path)
    assert f"mllmu: Candidate on {handed.vanilla}, " in ran.header
    assert "models in the cache, answers to be asked for" in ran.header
    found = verdicts(ran)
    assert {status for status, _ in found.values()} == {"pass", "inconclusive"}, ran.text
    assert (ran.code, found["guard.reference"]) == (1, ("pass", False))
    assert [row["title"] for row in json.loads(ran.json())["table"]["rows"]] == ["Vanilla", "Oracle", "Candidate"]
    assert not trained(ran)


@pytest.mark.timeout(2 * SLOW)
def test_an_adapter_on_the_vanilla_without_an_oracle(handed: Handed, tmp_path: Path) -> None:
    (tmp_path / "handed").mkdir()
    adapter = Path(shutil.copytree(handed.adapter, tmp_path / "handed" / "adapter"))
    (adapter / "training_args.bin").write_bytes(b"no pickle")
    ran = handed.trial(tmp_path, candidate=adapter, oracle=False)
    assert ran.code == 1, ran.text
    assert verdicts(ran)["guard.reference"] == ("inconclusive", False)  # said, and yellow
    assert "mllmu: --mllmu-candidate: pickled files are not read: training_args.bin" in ran.text
    assert [row["title"] for row in json.loads(ran.json())["table"]["rows"]] == ["Vanilla", "Candidate"]
    assert not trained(ran)


@pytest.mark.timeout(2 * SLOW)
@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
def test_what_is_wrong_is_said_before_anything_is_loaded(handed: Handed, tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "conftest.py").write_text("" if workers else PROBE)
    ran = handed.trial(tmp_path, *workers, candidate=whole(tmp_path / "other", kind="idefics2"))
    said = f"--mllmu-candidate: {tmp_path / 'other'} is of the type 'idefics2', not 'llava' as the vanilla {handed.vanilla}"
    assert said in one_error(ran)
    assert workers or not heavy(ran) & {"torch", "transformers", "safetensors", "numpy"}
    cut = Path(shutil.copytree(handed.vanilla, tmp_path / "cut"))
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-100])
    assert "the file is cut short, such as by a broken download" in one_error(handed.trial(tmp_path, *workers, candidate=cut))


@pytest.mark.timeout(2 * SLOW)
@pytest.mark.parametrize("workers", [[], pytest.param(["-n2"], marks=pytest.mark.slow)], ids=["alone", "workers"])
def test_weights_that_are_no_numbers_are_not_taken_for_forgotten(handed: Handed, tmp_path: Path, workers: list[str]) -> None:
    broken = Path(shutil.copytree(handed.oracle, tmp_path / "broken"))
    data = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(data[:-4] + b"\x00\x00\xc0\x7f")  # the last number of the last tensor
    ran = handed.trial(tmp_path, *workers, candidate=broken)
    assert ran.code == (1 if workers else 4), ran.text  # a worker cannot end the session: its tests fail
    assert f"mllmu: {broken}: " in ran.text
    assert "holds numbers that are not finite (NaN or infinity)" in ran.text
    assert "Traceback" not in ran.text


def test_a_base_that_is_not_there(handed: Handed, tmp_path: Path) -> None:
    given = [f"--mllmu-vanilla={handed.vanilla}", f"--mllmu-data={handed.data}", "--mllmu-forget=34", f"--mllmu-cache={tmp_path / 'cache'}"]
    assert "--mllmu-candidate=base: there is no base" in one_error(run(tmp_path, *given, "--mllmu-candidate=base"))
    assert "there is no base to train on" in one_error(run(tmp_path, *given, "--mllmu-method=npo"))
    line = one_error(run(tmp_path, f"--mllmu-vanilla={handed.adapter}", "--mllmu-method=ga"))
    assert "is a LoRA adapter; --mllmu-model gives the model that it was trained on" in line


def test_a_users_own_method_may_not_return_a_pickle(built: Built, tmp_path: Path) -> None:
    folder = whole(tmp_path / "own")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (tmp_path / "conftest.py").write_text(f"import pytest\n\n@pytest.fixture(scope='session')\ndef mllmu_method_mine():\n    return {str(folder)!r}\n")
    ran = built.warm(tmp_path, "--mllmu-limit=1", method="mine")
    assert ran.code == 4, ran.text
    assert f"{folder}: only pickled weights (pytorch_model.bin)" in ran.text
    assert "Traceback" not in ran.text


def test_a_header_that_lies_about_its_size(handed: Handed, tmp_path: Path) -> None:
    folder = whole(tmp_path / "lies")
    (folder / "model.safetensors").write_bytes(weights(header({"a": (2, 2)}), length=2**40))
    assert "no safetensors file, or cut short in its header" in one_error(handed.trial(tmp_path, candidate=folder))
