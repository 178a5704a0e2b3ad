"""Where torch runs: its threads, its device, and libraries that keep quiet."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_mllmu.errors import SettingsError

# Spinning without end, the default, made torch some twenty times slower on two cores beside any other busy process, such as
# a second xdist worker; sleeping at once made it half as fast on an idle machine, because a step of a small model has
# thousands of short pauses. A bounded spin costs nothing in either case.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}


def settle() -> None:
    """How torch's threads wait for work: they spin for some microseconds, then sleep.

    Takes effect only before torch is first imported; what the user has set stays.
    """
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)


@contextmanager
def runtime(device: str) -> Iterator[None]:
    """The same arithmetic in every process, and libraries that keep quiet.

    The number of threads changes the order in which floats are added. A user's ``-W error`` is about the user's code: a
    deprecation inside transformers must not stop a training.
    """
    settle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from transformers.utils import logging

        from pytest_mllmu.embedded.tiny import THREADS

        _check(device)
        if device == "cpu":
            torch.set_num_threads(THREADS)
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
