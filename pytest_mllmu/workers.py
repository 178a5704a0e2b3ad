"""xdist's workers and the machine's GPUs: how many workers there shall be, and which GPU is whose. Nothing here imports torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, MutableMapping
from typing import Any

from pytest_mllmu.runtime import device_of
from pytest_mllmu.settings import Settings

VISIBLE = "CUDA_VISIBLE_DEVICES"
CHOSEN = "PYTEST_XDIST_AUTO_NUM_WORKERS"
"""With this variable the user says what ``-n auto`` means."""
PLACE = "mllmu_place"
"""In a worker's input: the how manyth of the workers it is, from 0. One that takes a dead worker's place has a new id, but that one's place."""
PATIENCE = 10.0  # seconds for nvidia-smi, which takes one or two where the driver has to start first


def visible(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them: numbers or UUIDs. None of them when that cannot be found out."""
    listed = environment.get(VISIBLE)
    if listed is None:
        return [str(number) for number in range(_installed(environment))]
    found = []
    for entry in (part.strip() for part in listed.split(",")):
        if not re.fullmatch(r"\d+|(?:GPU|MIG)-\S+", entry):
            break  # as CUDA reads it: what stands behind an entry that names nothing, such as -1, is not visible
        found.append(entry)
    return found


def _installed(environment: Mapping[str, str]) -> int:
    command = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if command is None:
        return 0
    try:
        done = subprocess.run([command, "-L"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError):
        return 0
    return len(re.findall(r"^GPU \d+:", done.stdout, re.M)) if done.returncode == 0 else 0


def shared_out(settings: Settings) -> bool:
    """Whether each worker gets a GPU of its own: not on the CPU, not when the user named one GPU for all, or spreads one model over all of them."""
    return device_of(settings) == "cuda" and settings.device_map is None


def number(settings: Settings, environment: Mapping[str, str] = os.environ) -> int:
    """What ``-n auto`` means: a worker a GPU. On the CPU one: a second would only take cores from the first one's training."""
    return max(1, len(visible(environment))) if shared_out(settings) else 1


def pin(workerinput: Mapping[str, Any], settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Leaves this worker one of the caller's GPUs. Takes effect only before CUDA is first used."""
    if not shared_out(settings):
        return
    place = workerinput.get(PLACE)
    if place is None:
        place = int("0" + re.sub(r"\D", "", str(workerinput.get("workerid", ""))))
    if gpus := visible(environment):
        environment[VISIBLE] = gpus[place % len(gpus)]


def place(node: Any) -> int | None:
    """Of the worker that xdist's ``node`` stands for; a replacement has the specification of the one that it replaces."""
    same = [spec is node.gateway.spec for spec in node.nodemanager.specs]
    return same.index(True) if True in same else None
