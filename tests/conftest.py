"""What all tests share: a slow machine must not make one red, and tests that run side by side keep out of each other's way."""

from __future__ import annotations

import os
from contextlib import suppress

with suppress(ImportError):  # pytest reads this file in a checkout without the test extra, too, where the question sets alone are run
    from hypothesis import settings

    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


def pytest_configure() -> None:
    """Each worker of xdist, and every run that it starts, has one core: two trainings of two threads each on the same two cores take half as long again."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker.startswith("gw") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker[2:]) % len(cores)]})
