"""A headless Chromium for tests: one that is here, or one that is installed for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
"""Without a sandbox because CI runs as root; nothing is opened but our own files. The rest keeps Chromium itself from asking the network."""


def installed() -> str | None:
    from playwright.sync_api import sync_playwright

    if found := next(filter(None, map(shutil.which, NAMES)), None):
        return found
    with sync_playwright() as driver:
        path = driver.chromium.executable_path
    return path if Path(path).is_file() else None


def install() -> str:
    """Why there is no browser, or nothing. Under CI the system's packages are tried as well: elsewhere they are not ours to change."""
    ways = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.environ.get("CI") and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        ways = [["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"], *ways]
    said = ""
    for way in ways:
        try:
            done = subprocess.run(way, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
            continue
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        if installed():
            return ""
    return said


@contextmanager
def chromium() -> Iterator[Any]:
    """A started browser; skips the test with the reason where there is none and none can be installed."""
    import pytest
    from playwright.sync_api import sync_playwright

    with FileLock(Path(tempfile.gettempdir()) / "mllmu-tests-browser.lock"):  # xdist's workers would install it at the same time
        why = "" if installed() else install()
    if (path := installed()) is None:
        pytest.skip(f"no Chromium, and none could be installed: {why}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()
