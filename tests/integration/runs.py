"""Runs of the whole plugin as a user starts it: in a process of its own, in an empty directory."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

PEOPLE = ("--mllmu-profiles=6", "--mllmu-celebrities=2", "--mllmu-forget=34")
"""The smallest benchmark with intervals: 2 people to forget, 4 to keep, 2 celebrities; 4 sets of answers a model."""
QUESTIONS = 18 * (2 + 2 + 4 + 2)
GATES, GUARDS = 28, 8
"""Six kinds of questions and all of them together for each of four sets; the guards."""
GA = ("--mllmu-method=ga", *PEOPLE)
OURS = ("MLLMU_", "PYTEST_", "OMP_", "GOMP_", "GITHUB_")
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
        """The section of the terminal summary, from its heading to the tally of the gates; without the line that says how to get a report, which a run
        that writes one has not."""
        found = re.search(r"^=+ MLLMU-Bench =+\n(.*?^gates\b[^\n]*)", self.text, re.S | re.M)
        return re.sub(r"^whole numbers here.*?(?=^gates\b)", "", found[1], flags=re.S | re.M) if found else ""

    @property
    def said(self) -> str:
        """Everything as one line, as sentences are wrapped."""
        return " ".join(self.text.split())

    def json(self, name: str = "run.json") -> str:
        """The report without the only part that may differ between two identical runs."""
        return untimed((self.folder / name).read_text(encoding="utf-8"))


def untimed(report: str) -> str:
    row = json.loads(report)
    row.pop("timings")
    return json.dumps(row, indent=1)


def environment(**extra: str) -> dict[str, str]:
    """That of a user who has set nothing: without compiled modules kept, a run on two workers takes twice as long."""
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "PYTHONDONTWRITEBYTECODE") and not key.startswith(OURS)}
    return {**kept, "COLUMNS": "160", "PYTHONUNBUFFERED": "1", **extra}


def command(*arguments: str) -> list[str]:
    """Without plugins that only our own tests need: they cost every run half a second."""
    return [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "-p", "no:anyio", *arguments]


def run(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> Ran:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        command(*arguments), cwd=folder, env=environment(**(env or {})), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False
    )
    return Ran(done.returncode, done.stdout.decode(), folder)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Ran]) -> Ran:
    """What ``make`` runs in a folder, for all workers that run these tests side by side: of a second cold run everything would be there already."""
    base = factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{root}.lock"):
        if not (root / "ran.json").is_file():
            root.mkdir(exist_ok=True)
            made = make(root / "project")
            (root / "ran.json").write_text(json.dumps([made.code, made.text]), encoding="utf-8")
        code, text = json.loads((root / "ran.json").read_text(encoding="utf-8"))
    return Ran(code, text, root / "project")


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

    @property
    def base(self) -> Path:
        """The stored base: the only whole model beside the vanilla."""
        vanilla = json.loads(self.ran.json())["fingerprints"]["models"]["Vanilla"]
        manifests = {folder.name: json.loads((folder / "manifest.json").read_text()) for folder in (self.cache / "model").iterdir()}
        (name,) = (name for name, manifest in manifests.items() if manifest["key"] == manifests[vanilla]["inputs"]["base"])
        return self.cache / "model" / name

    def warm(self, folder: Path, *arguments: str, method: str = "ga", **options: Any) -> Ran:
        return run(folder, f"--mllmu-method={method}", *PEOPLE, self.option, *arguments, **options)


def one_error(ran: Ran) -> str:
    """The one line that a mistake costs, after a check that nothing else is said."""
    lines = [line for line in ran.text.splitlines() if line.startswith("ERROR")]
    assert ran.code == 4, ran.text
    assert len(lines) == 1, ran.text
    for noise in ("Traceback", "INTERNALERROR", "MllmuError", "SettingsError", "StoreError", "DataError"):
        assert noise not in ran.text
    return lines[0]


BLOCK = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
"""


def without(*names: str) -> str:
    """A module or conftest that makes these packages look as if they were not installed."""
    return BLOCK.format(names=names)


def meanwhile(name: str) -> str:
    """A conftest in whose session a folder appears where a file is to be written, too late for the check at the start."""
    return f"import pathlib\n\ndef pytest_collection_finish():\n    pathlib.Path({name!r}).mkdir()\n"


PROBE = """
import sys

def pytest_unconfigure(config):
    heavy = {"torch", "transformers", "peft", "accelerate", "openai", "pyarrow", "numpy", "faker", "PIL", "tokenizers", "safetensors"}
    heavy = (heavy | {"scipy", "rouge_score"}) & set(sys.modules)
    sys.stderr.write(f"\\nheavy modules: {sorted(heavy)}\\n")
"""


def heavy(ran: Ran) -> set[str]:
    """What the conftest ``PROBE`` in the run's folder saw imported."""
    found = re.findall(r"^heavy modules: (.*)$", ran.text, re.M)
    assert len(found) == 1, ran.text
    return set(re.findall(r"'(\w+)'", found[0]))


def artefacts(cache: Path, only: Collection[str] | None = None) -> dict[str, dict[str, str]]:
    """``model/KEY`` and so on, each with the sha256 of its files, computed here and not read from the manifest."""
    found = {}
    for manifest in cache.glob("*/*/manifest.json"):
        name = manifest.parent.relative_to(cache).as_posix()
        if only is None or name in only:
            found[name] = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(manifest.parent.rglob("*")) if file.is_file()}
    return found
