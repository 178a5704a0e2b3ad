"""Runs of the whole plugin as a user starts it: in a process of its own, in an empty directory. They share one small build."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PEOPLE = ("--mllmu-profiles=6", "--mllmu-celebrities=2", "--mllmu-forget=34")
"""The smallest benchmark with intervals: 2 people to forget, 4 to keep, 2 celebrities; 8 sets of answers with 144 questions a model."""
QUESTIONS = 144
GATES = 24
GA = ("--mllmu-method=ga", *PEOPLE)
SLOW = 900  # seconds for a build; a machine that others use takes many times what an idle one does


@dataclass(frozen=True)
class Ran:
    code: int
    text: str
    """stdout and stderr."""
    folder: Path

    @property
    def header(self) -> str:
        """The plugin's line above the tests."""
        return "".join(line for line in self.text.splitlines() if line.startswith("mllmu: ") and ", seed " in line and " to forget " in line)

    @property
    def progress(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.startswith("mllmu: ") and line != self.header]

    @property
    def table(self) -> str:
        """The section of the terminal summary, from its heading to the tally of the gates."""
        found = re.search(r"^=+ MLLMU-Bench =+\n(.*?^gates: [^\n]*)", self.text, re.S | re.M)
        return found[1] if found else ""

    def json(self, name: str = "run.json") -> str:
        """The report without the only part that may differ between two identical runs."""
        return untimed((self.folder / name).read_text(encoding="utf-8"))


def untimed(report: str) -> str:
    row = json.loads(report)
    row.pop("timings")
    return json.dumps(row, indent=1)


def environment(**extra: str) -> dict[str, str]:
    """That of a user who has set nothing. Threads that wait asleep keep a shared machine usable: spinning ones are 20 times slower there."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLLMU_", "PYTEST_"))}
    return {**kept, "OMP_WAIT_POLICY": "passive", "COLUMNS": "160", "PYTHONUNBUFFERED": "1", **extra}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def run(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> Ran:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        command(*arguments), cwd=folder, env=environment(**(env or {})), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False
    )
    return Ran(done.returncode, done.stdout.decode(), folder)


@dataclass(frozen=True)
class Killed:
    """A run that is stopped the hard way, workers and all."""

    folder: Path

    def when(self, ripe: Callable[[], bool], *arguments: str, after: float = 0.0, timeout: float = SLOW) -> bool:
        """Kills the process group ``after`` seconds past ``ripe()``; whether it was still alive then."""
        with subprocess.Popen(
            command(*arguments), cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            until = time.monotonic() + timeout
            try:
                while not ripe() and process.poll() is None and time.monotonic() < until:
                    time.sleep(0.02)
                time.sleep(after)
                return process.poll() is None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Built:
    """The one cold run that the other tests of the session build upon."""

    cache: Path
    ran: Ran

    @property
    def option(self) -> str:
        return f"--mllmu-cache={self.cache}"

    def warm(self, folder: Path, *arguments: str, method: str = "ga", **options: Any) -> Ran:
        return run(folder, f"--mllmu-method={method}", *PEOPLE, self.option, *arguments, **options)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Cold, without xdist, and as a user for whom every warning is an error."""
    root = tmp_path_factory.mktemp("built")
    reports = [f"--mllmu-report=run{suffix}" for suffix in (".json", ".jsonl", ".md")]
    ran = run(root / "project", *GA, f"--mllmu-cache={root / 'cache'}", *reports, "-W", "error", "-p", "no:xdist", timeout=SLOW)
    assert ran.code in (0, 1), ran.text
    assert ran.table, ran.text
    return Built(root / "cache", ran)


@pytest.fixture(scope="session")
def limited(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One person of each set only."""
    return built.warm(tmp_path_factory.mktemp("limited"), "--mllmu-limit=1", "--mllmu-report=run.json", timeout=SLOW)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic benchmark as a folder in the released layout."""
    from pytest_mllmu.benchmark.parquet import write_benchmark
    from pytest_mllmu.embedded.benchmark import synthetic_benchmark

    folder = tmp_path_factory.mktemp("exported") / "data"
    write_benchmark(synthetic_benchmark(6, 2, 34, 0), folder, 34)
    return folder


def one_error(ran: Ran) -> str:
    """The one line that a mistake costs, after a check that nothing else is said."""
    lines = [line for line in ran.text.splitlines() if line.startswith("ERROR")]
    assert ran.code == 4, ran.text
    assert len(lines) == 1, ran.text
    for noise in ("Traceback", "INTERNALERROR", "MllmuError", "SettingsError", "StoreError", "DataError"):
        assert noise not in ran.text
    return lines[0]


PROBE = """
import sys

def pytest_unconfigure(config):
    heavy = {"torch", "transformers", "peft", "accelerate", "openai", "pyarrow", "numpy", "faker", "PIL", "tokenizers", "safetensors"} & set(sys.modules)
    sys.stderr.write(f"\\nheavy modules: {sorted(heavy)}\\n")
"""


def heavy(ran: Ran) -> set[str]:
    """What the conftest ``PROBE`` in the run's folder saw imported."""
    found = re.findall(r"^heavy modules: (.*)$", ran.text, re.M)
    assert len(found) == 1, ran.text
    return set(re.findall(r"'(\w+)'", found[0]))
