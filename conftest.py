"""Loads the plugin from the checkout when it is not installed; an installed one has its own entry point."""

from __future__ import annotations

from importlib.metadata import entry_points

from pytest_mllmu.runtime import settle

settle()  # our own tests import torch themselves

if not entry_points(group="pytest11", name="mllmu"):
    # Not even an empty list otherwise: the bundled suite below is run from other directories too, and there this file is no top-level conftest.
    pytest_plugins = ["pytest_mllmu.plugin"]
