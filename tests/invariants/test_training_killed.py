"""A training that is killed at any step, again and again, ends with the weights of one that was not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from pytest_mllmu.errors import TrainingError
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import Batch, Encoder
from pytest_mllmu.training.loop import Hyper, answer_loss, train
from pytest_mllmu.training.lora import Lora, adapted
from tests.models import SILENT, person, random_bundle, same, weights

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

HYPER = Hyper(lr=1e-3, epochs=2, batch=8, schedule="one_cycle", weight_decay=0.01)
STEPS = 4

# Torch is loaded once; each training is a forked child, which sends itself SIGKILL at the place that it is told.
FORKS = """
import json, os, signal, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from tests.invariants.test_training_killed import trained
from pytest_mllmu.training import checkpoint
from tests.models import processor
processor()
folder = Path(sys.argv[1])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def child(name, place, every):
    seen = 0
    def step(batch):
        nonlocal seen
        seen += 1
        if place == seen:
            die()
    if place == "writing":
        sync = checkpoint.sync
        checkpoint.sync = lambda path: die() if path.name.endswith(".part") and (folder / name).exists() else sync(path)
    if place == "renamed":
        sync = checkpoint.sync
        checkpoint.sync = lambda path: die() if path == folder else sync(path)
    weights, means, said = trained(folder / name, every, step)
    (folder / f"{name}.json").write_text(json.dumps([{key: value.flatten().tolist() for key, value in weights.items()}, means, said, seen]))

def run(name, place, every):
    if (pid := os.fork()) == 0:
        try:
            child(name, place, every)
        finally:
            os._exit(0 if (folder / f"{name}.json").exists() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

runs = json.loads(sys.argv[2])
codes = {}
for name, places in runs.items():
    every = {"after each epoch": None, "after three steps": 3}.get(name, 1)
    codes[name] = [run(name, place, every) for place in [*places, 0]]
print(json.dumps(codes))
"""


def trained(
    path: Path | None, every: int | None, step: Any = lambda batch: None, hyper: Hyper = HYPER
) -> tuple[dict[str, torch.Tensor], list[float], list[str]]:
    bundle = random_bundle()
    encoder, said = Encoder(bundle), list[str]()
    model = adapted(bundle, Lora(dropout=0.2), 0)

    def loss(batch: Batch) -> torch.Tensor:
        step(batch)
        assert batch.beside is not None
        return answer_loss(bundle, model, batch) - 0.1 * answer_loss(bundle, model, batch.beside)

    rows, others = encoder.pairs(person())[:12], encoder.pairs(person(1))
    means = train(
        model,
        encoder,
        lambda rng: rng.sample(rows, len(rows)),
        loss,
        hyper,
        0,
        Progress(said.append),
        "x",
        beside=lambda rng: others,
        checkpoint=path,
        every=every,
    )
    return (
        {name: value for name, value in weights(model).items() if "lora_" in name},
        means,
        [line for line in said if "going on" in line or "checkpoint" in line],
    )


# Where each run is killed (at which of its own steps, or in a save); then how many steps are left for the last one.
KILLED: dict[str, tuple[list[Any], int]] = {
    "not at all": ([], STEPS),
    "at every step": ([1, 2, 2, 2], 1),
    "after three steps": ([4], 1),
    "after each epoch": ([4], 2),
    "while saving": (["writing", "renamed", "writing"], 2),
}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork and no SIGKILL")
def test_killed_and_run_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKS, str(tmp_path), json.dumps({name: places for name, (places, _) in KILLED.items()})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    whole = json.loads((tmp_path / "not at all.json").read_text())
    assert whole[2] == []
    for name, (places, left) in KILLED.items():
        weights, means, said, steps = json.loads((tmp_path / f"{name}.json").read_text())
        assert codes[name] == [-9] * len(places) + [0]
        assert (weights, means, steps) == (*whole[:2], left), name
        assert said == ([f"mllmu: x: going on after step {STEPS - left} of {STEPS}"] if places else [])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.json" for name in KILLED)


def stopped(path: Path, at: int = 3, hyper: Hyper = HYPER) -> None:
    """Leaves the checkpoint of a training that was stopped in step ``at``."""
    seen: list[Batch] = []

    def step(batch: Batch) -> None:
        seen.append(batch)
        if len(seen) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(path, 1, step, hyper)
    assert path.is_file()


@pytest.mark.parametrize("hyper", [replace(HYPER, schedule="linear"), replace(HYPER, batch=2, accumulate=4), replace(HYPER, packed=True, checkpointing=True)])
def test_taken_up_in_the_middle(tmp_path: Path, hyper: Hyper) -> None:
    stopped(tmp_path / "run", hyper.accumulate + 2, hyper)
    one, other = trained(tmp_path / "run", 1, hyper=hyper), trained(None, None, hyper=hyper)
    assert same(one[0], other[0])
    assert one[1] == other[1]
    assert len(one[2]) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("other", [replace(HYPER, lr=2e-3), replace(HYPER, epochs=3), replace(HYPER, batch=4)])
def test_a_checkpoint_of_another_run_is_not_used(tmp_path: Path, other: Hyper) -> None:
    stopped(tmp_path / "run")
    found, means, said = trained(tmp_path / "run", 1, hyper=other)
    assert said == []
    assert same(found, trained(None, None, hyper=other)[0])
    assert len(means) == other.epochs


@pytest.mark.parametrize("content", [b"", b"not safetensors", None])
def test_a_broken_checkpoint_is_not_used(tmp_path: Path, content: bytes | None) -> None:
    stopped(tmp_path / "run")
    (tmp_path / "run").write_bytes((tmp_path / "run").read_bytes()[:-9] if content is None else content)
    found, _, said = trained(tmp_path / "run", 1)
    assert said == []
    assert same(found, trained(None, None)[0])


def test_a_checkpoint_holds_what_is_trained_and_no_pickle(tmp_path: Path) -> None:
    stopped(tmp_path / "run")
    with safe_open(tmp_path / "run", framework="pt") as file:
        names = set(file.keys())
        assert set(file.metadata()) == {"run", "state"}
    assert {name for name in names if name.startswith("weight/") and "lora_" not in name} == set()
    assert len([name for name in names if name.startswith("weight/")]) == 42
    assert len([name for name in names if name.startswith("optimizer/")]) == 3 * 42
    assert "random/cpu" in names


def test_a_loss_that_is_not_finite_leaves_no_checkpoint(tmp_path: Path) -> None:
    stopped(tmp_path / "run")
    bundle = random_bundle()
    encoder, values = Encoder(bundle), iter([1.0, 1.0, float("nan")])

    def loss(batch: Batch) -> torch.Tensor:
        return bundle.model.lm_head.weight.sum() * 0 + next(values)

    with pytest.raises(TrainingError):
        train(bundle.model, encoder, lambda rng: encoder.pairs(person()), loss, HYPER, 0, SILENT, "x", checkpoint=tmp_path / "run", every=1)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_does_not_end_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytest_mllmu.training.checkpoint.sync", full)
    found, _, said = trained(tmp_path / "run", 2)
    assert said == ["mllmu: x: no checkpoint after step 2: [Errno 28] No space left on device"]
    assert same(found, trained(None, None)[0])
    assert not list(tmp_path.iterdir())
