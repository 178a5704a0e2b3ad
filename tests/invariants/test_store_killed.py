"""A process that is killed at any moment of a build leaves nothing half-valid, and the next one gets the very same bytes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_mllmu.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

INPUTS = {"what": "killed", "seed": 7}
ROUNDS = 8

# Tells each stage on its standard output, dawdles ``pace`` seconds at every turn, and in the stage ``stop`` waits to be killed.
BUILDER = """
import os, shutil, sys, time
from pathlib import Path
from pytest_mllmu.store import Store

root, pace, stop = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
sync, replace, rmtree, write_bytes = os.fsync, os.replace, shutil.rmtree, Path.write_bytes

def stage(name):
    print(name, flush=True)
    time.sleep(60 if name == stop else pace)

def slow_sync(handle):
    time.sleep(pace)
    sync(handle)

def slow_replace(source, target):
    stage("renaming")
    replace(source, target)
    stage("renamed")

def slow_write(path, data):
    with open(path, "wb", buffering=0) as file:
        file.write(data[:len(data) // 2])
        stage("manifest")
        file.write(data[len(data) // 2:])
        stage("manifest written")

def slow_rmtree(path, **options):
    stage("sweeping")
    for file in Path(path).iterdir():
        file.unlink()
        stage("swept one")
    rmtree(path, **options)

def build(folder):
    with open(root.parent / "builds", "a") as counts:
        counts.write(f"{os.getpid()}\\n")
    stage("building")
    for number in range(4):
        with open(folder / f"part{number}.safetensors", "wb", buffering=0) as file:
            for piece in range(4):
                file.write(bytes([number, piece]) * 500)
                time.sleep(pace)
    while (root.parent / "hold").exists():
        time.sleep(0.01)

os.fsync, os.replace, shutil.rmtree, Path.write_bytes = slow_sync, slow_replace, slow_rmtree, slow_write
stage("started")
Store(root).get_or_build("model", {"what": "killed", "seed": 7}, build, lambda: stage("waiting"))
stage("finished")
"""


@contextmanager
def builder(root: Path, pace: float = 0, stop: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", BUILDER, str(root), str(pace), stop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            yield process
        finally:
            process.kill()


def await_stage(process: subprocess.Popen[str], name: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == name:
            return
    raise AssertionError(f"the builder ended before it was {name!r}")


def finish(root: Path) -> None:
    with builder(root) as process:
        await_stage(process, "finished")
        assert process.wait(20) == 0


def contents(root: Path) -> dict[str, bytes] | None:
    """What ``find`` shows, or None; whatever it shows has to be sound."""
    artefact = Store(root).find("model", INPUTS)
    if artefact is None:
        return None
    Store(root).verify(artefact)
    return {path.name: path.read_bytes() for path in artefact.path.iterdir()}


def builds(folder: Path) -> int:
    return len((folder / "builds").read_text().splitlines())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("undisturbed") / "cache"
    finish(root)
    found = contents(root)
    assert found is not None
    assert len(found) == 5
    return found


@pytest.fixture
def recovers(tmp_path: Path, undisturbed: dict[str, bytes]) -> Callable[[], None]:
    def check() -> None:
        root = tmp_path / "cache"
        assert contents(root) in (None, undisturbed)
        finish(root)
        assert contents(root) == undisturbed
        assert list((root / "tmp").iterdir()) == []
        assert [path.name for path in (root / "model").iterdir()] == [Store(root).get_or_build("model", INPUTS, lambda _: None).key]

    return check


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_a_random_moment(tmp_path: Path, undisturbed: dict[str, bytes], recovers: Callable[[], None], seed: int) -> None:
    delay = random.Random(seed).uniform(seed, seed + 1) / ROUNDS * 0.5  # one in each eighth of the time a build takes
    with builder(tmp_path / "cache", 0.015) as process:
        await_stage(process, "started")
        until = time.monotonic() + delay
        while time.monotonic() < until:
            assert contents(tmp_path / "cache") in (None, undisturbed)
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    recovers()


@pytest.mark.parametrize("stage", ["building", "manifest", "manifest written", "renaming", "renamed"])
def test_killed_in_a_stage(tmp_path: Path, undisturbed: dict[str, bytes], recovers: Callable[[], None], stage: str) -> None:
    with builder(tmp_path / "cache", stop=stage) as process:
        await_stage(process, stage)
        process.send_signal(signal.SIGKILL)
    assert contents(tmp_path / "cache") == (undisturbed if stage == "renamed" else None)
    recovers()


@pytest.mark.parametrize("stage", ["renaming", "renamed", "sweeping", "swept one"])
def test_killed_while_it_clears_a_broken_artefact_away(tmp_path: Path, recovers: Callable[[], None], stage: str) -> None:
    root = tmp_path / "cache"
    finish(root)
    artefact = Store(root).find("model", INPUTS)
    assert artefact is not None
    artefact.file("part3.safetensors").unlink()
    with builder(root, stop=stage) as process:
        await_stage(process, stage)
        process.send_signal(signal.SIGKILL)
    assert contents(root) is None
    recovers()


def test_killed_again_and_again(tmp_path: Path, recovers: Callable[[], None]) -> None:
    for stage in ("building", "manifest", "sweeping", "manifest written"):
        with builder(tmp_path / "cache", stop=stage) as process:
            await_stage(process, stage)
            process.send_signal(signal.SIGKILL)
    recovers()


def test_two_processes_build_once(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    root = tmp_path / "cache"
    (tmp_path / "hold").touch()
    with builder(root) as first:
        await_stage(first, "building")
        with builder(root) as second:
            await_stage(second, "waiting")
            assert contents(root) is None
            (tmp_path / "hold").unlink()
            for process in (first, second):
                await_stage(process, "finished")
                assert process.wait(20) == 0
    assert builds(tmp_path) == 1
    assert contents(root) == undisturbed


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    root = tmp_path / "cache"
    (tmp_path / "hold").touch()
    with builder(root) as first:
        await_stage(first, "building")
        with builder(root) as second:
            await_stage(second, "waiting")
            first.send_signal(signal.SIGKILL)
            (tmp_path / "hold").unlink()
            await_stage(second, "finished")
    assert builds(tmp_path) == 2
    assert contents(root) == undisturbed
    assert list((root / "tmp").iterdir()) == []
