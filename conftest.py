"""Loads the plugin from the checkout when it is not installed; an installed one has its own entry point."""

from __future__ import annotations

from importlib.metadata import entry_points

pytest_plugins = ["pytester"] if entry_points(group="pytest11", name="mllmu") else ["pytest_mllmu.plugin", "pytester"]
