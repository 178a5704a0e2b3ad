"""Unlearning methods by name. To add one: a file with a subclass of ``Method``, and a line in ``methods()``."""

from __future__ import annotations

from collections.abc import Callable

from pytest_mllmu.errors import SettingsError, did_you_mean
from pytest_mllmu.methods.base import Method
from pytest_mllmu.methods.ga import GradientAscent


def methods() -> dict[str, Callable[[], Method]]:
    """By the name that ``--mllmu-method`` takes. ``none`` is no method: the vanilla on trial as it is."""
    return {method.name: method for method in (GradientAscent,)}


NONE = "none"


def method(name: str) -> Method:
    known = methods()
    if name not in known:
        raise SettingsError(f"no unlearning method {name!r}; known: {', '.join(known)}{did_you_mean(name, known)}")
    return known[name]()
