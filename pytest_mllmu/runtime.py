"""Where torch runs: its threads, its device, and libraries that keep quiet."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pytest_mllmu.errors import SettingsError
from pytest_mllmu.settings import Settings

# Spinning without end, the default, made torch some twenty times slower on two cores beside any other busy process, such as
# a second xdist worker; sleeping at once made it half as fast on an idle machine, because a step of a small model has
# thousands of short pauses. A bounded spin costs nothing in either case.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}
NVIDIA = Path("/dev/nvidiactl")
"""There where a driver has found a GPU; to ask torch would import it."""


def settle() -> None:
    """How torch's threads wait for work: they spin for some microseconds, then sleep.

    Takes effect only before torch is first imported; what the user has set stays.
    """
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)


def device_of(settings: Settings) -> str:
    """Embedded models run on the CPU unless told otherwise: it is quick enough, and the same everywhere. Others use a GPU if there is one."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if not settings.embedded and NVIDIA.exists() else "cpu"


def threads(embedded: bool, environment: Mapping[str, str] = os.environ) -> int | None:
    """How many torch may use on the CPU; None for as many as it would use anyway.

    The number changes the order in which floats are added, and with it the last bits of weights and of logits: embedded models have a fixed one in
    training and in asking, so that every machine and every number of xdist workers finds the same. (One thread would make two workers that ask at once
    1.3 times as fast, and a run without xdist that much slower.) Others share the cores out between the workers.
    """
    if embedded:
        from pytest_mllmu.embedded.tiny import THREADS

        return THREADS
    if environment.get("OMP_NUM_THREADS"):
        return None
    workers = environment.get("PYTEST_XDIST_WORKER_COUNT", "")
    return max(1, _cores() // max(1, int(workers) if workers.isdigit() else 1))


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def runtime(device: str, embedded: bool = True) -> Iterator[None]:
    """The same arithmetic in every process, as far as ``threads`` says so, and libraries that keep quiet.

    A user's ``-W error`` is about the user's code: a deprecation inside transformers must not stop a training.
    """
    settle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from transformers.utils import logging

        _check(device)
        if device == "cpu" and (number := threads(embedded)) is not None:
            torch.set_num_threads(number)
        logging.disable_progress_bar()
        yield


def _check(device: str) -> None:
    """Raises SettingsError when torch does not have the device."""
    import torch

    kind, _, number = device.partition(":")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise SettingsError(f"--mllmu-device={device}: torch sees {torch.cuda.device_count()} CUDA devices here; choose cpu, or leave it to auto")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise SettingsError(f"--mllmu-device={device}: torch sees no such device here; choose cpu, or leave it to auto")
