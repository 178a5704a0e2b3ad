"""How many workers, which GPU is whose, how many threads each: in a fake environment, with a fake nvidia-smi."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_mllmu import runtime, workers
from pytest_mllmu.embedded.tiny import THREADS
from pytest_mllmu.settings import Settings

UUID = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"
LISTED = f"GPU 0: NVIDIA H100 (UUID: {UUID})\\n  MIG 1g.10gb Device 0: (UUID: MIG-1)\\nGPU 1: NVIDIA H100 (UUID: GPU-2)\\n"


@pytest.fixture(autouse=True)
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where a driver has found GPUs."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(runtime, "NVIDIA", tmp_path / "nvidiactl")


def smi(folder: Path, script: str, interpreter: str = "#!/bin/sh") -> dict[str, str]:
    """An environment with this nvidia-smi and nothing else in it."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "nvidia-smi"
    command.write_text(f"{interpreter}\n{script}\n")
    command.chmod(0o755)
    return {"PATH": str(folder / "bin")}


# --- visible GPUs ---


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("3", ["3"]),
        ("2, 5,7", ["2", "5", "7"]),
        ("0,-1,1", ["0"]),
        ("1,,2", ["1"]),
        (f"{UUID},MIG-1/2/3", [UUID, "MIG-1/2/3"]),
    ],
)
def test_visible_as_the_caller_says(tmp_path: Path, listed: str, found: list[str]) -> None:
    assert workers.visible({**smi(tmp_path, f"printf '{LISTED}'"), "CUDA_VISIBLE_DEVICES": listed}) == found


def test_visible_as_the_driver_says(tmp_path: Path) -> None:
    assert workers.visible(smi(tmp_path, f'[ "$1" = -L ] && printf "{LISTED}"')) == ["0", "1"]


@pytest.mark.parametrize(
    ("script", "interpreter"),
    [
        ("echo NVIDIA-SMI has failed because it could not communicate with the driver.; exit 9", "#!/bin/sh"),
        ("echo No devices were found", "#!/bin/sh"),
        ("printf '\\377\\376'", "#!/bin/sh"),
        ("", "#!/no/such/interpreter"),
        ("exec /bin/sleep 60", "#!/bin/sh"),
    ],
    ids=["no driver", "no GPU", "no text", "no program", "hangs"],
)
def test_none_when_the_driver_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, interpreter: str) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0.3 if "sleep" in script else 30.0)
    assert workers.visible(smi(tmp_path, script, interpreter)) == []


def test_none_without_a_driver(tmp_path: Path) -> None:
    assert workers.visible({"PATH": str(tmp_path)}) == []


# --- -n auto ---

FOUR = {"CUDA_VISIBLE_DEVICES": "4,5,6,7"}


@pytest.mark.parametrize(
    ("chosen", "workers_"),
    [
        (Settings(model="/checkpoint"), 4),
        (Settings(model="/checkpoint", device="cuda"), 4),
        (Settings(device="cuda"), 4),
        (Settings(), 1),
        (Settings(model="tiny-idefics2"), 1),
        (Settings(model="/checkpoint", device="cpu"), 1),
        (Settings(model="/checkpoint", device="mps"), 1),
        (Settings(model="/checkpoint", device="cuda:1"), 1),
        (Settings(model="/checkpoint", device_map="auto"), 1),
    ],
    ids=["checkpoint", "cuda", "tiny on cuda", "tiny", "tiny-idefics2", "cpu", "mps", "one for all", "one model on all"],
)
def test_number_is_that_of_the_gpus_in_use(chosen: Settings, workers_: int) -> None:
    assert workers.number(chosen, FOUR) == workers_


def test_number_is_one_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers.number(Settings(model="/checkpoint"), {"CUDA_VISIBLE_DEVICES": ""}) == 1
    monkeypatch.setattr(runtime, "NVIDIA", tmp_path / "none")
    assert workers.number(Settings(model="/checkpoint"), FOUR) == 1


# --- pinning ---


@pytest.mark.parametrize(
    ("workerinput", "listed", "left"),
    [
        ({"workerid": "gw0"}, "4,6", "4"),
        ({"workerid": "gw1"}, "4,6", "6"),
        ({"workerid": "gw2"}, "4,6", "4"),
        ({"workerid": "gw5"}, f"{UUID},MIG-1/2/3", "MIG-1/2/3"),
        ({"workerid": "gw2", "mllmu_place": 1}, "4,6", "6"),  # takes the place of gw1, which died: the other GPU is gw0's
        ({"workerid": "gw1", "mllmu_place": None}, "4,6", "6"),
        ({"workerid": "gw1"}, "4", "4"),
        ({"workerid": "gw1"}, "", ""),
        ({"workerid": "gw1"}, "-1", "-1"),
    ],
)
def test_a_worker_gets_one_of_the_callers_gpus(workerinput: dict[str, object], listed: str, left: str) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": listed}
    workers.pin(workerinput, Settings(model="/checkpoint"), environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": left}


def test_a_worker_gets_one_of_the_drivers_gpus(tmp_path: Path) -> None:
    environment = smi(tmp_path, f'printf "{LISTED}"')
    workers.pin({"workerid": "gw3"}, Settings(device="cuda"), environment)
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize("chosen", [Settings(), Settings(device="cpu"), Settings(model="/checkpoint", device="cuda:1"), Settings(device="mps")])
def test_no_worker_is_pinned_where_no_gpus_are_shared_out(chosen: Settings) -> None:
    environment = dict(FOUR)
    workers.pin({"workerid": "gw1"}, chosen, environment)
    assert environment == FOUR


def test_the_place_of_a_replacement_is_that_of_the_dead() -> None:
    specs = [SimpleNamespace(id=f"gw{number}") for number in range(3)]
    node = SimpleNamespace(gateway=SimpleNamespace(spec=specs[1]), nodemanager=SimpleNamespace(specs=specs))
    specs[1].id = "gw3"  # as xdist does for the new worker
    assert workers.place(node) == 1
    assert workers.place(SimpleNamespace(gateway=SimpleNamespace(spec=None), nodemanager=SimpleNamespace(specs=specs))) is None


# --- threads ---


@pytest.mark.parametrize("count", ["", "1", "2", "64"])
def test_embedded_models_always_have_the_same_threads(count: str) -> None:
    assert runtime.threads(True, {"PYTEST_XDIST_WORKER_COUNT": count, "OMP_NUM_THREADS": "1"}) == THREADS


@pytest.mark.parametrize(("count", "threads"), [("", 12), ("1", 12), ("2", 6), ("5", 2), ("64", 1), ("many", 12), ("0", 12)])
def test_workers_share_the_cores_out(monkeypatch: pytest.MonkeyPatch, count: str, threads: int) -> None:
    monkeypatch.setattr(runtime, "_cores", lambda: 12)
    assert runtime.threads(False, {"PYTEST_XDIST_WORKER_COUNT": count}) == threads


def test_the_users_number_of_threads_stays() -> None:
    assert runtime.threads(False, {"OMP_NUM_THREADS": "3", "PYTEST_XDIST_WORKER_COUNT": "2"}) is None


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not say which cores a process may use")
def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 8})
    assert runtime.threads(False, {}) == 3
