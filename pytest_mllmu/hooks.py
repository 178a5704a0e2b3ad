"""What other packages may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_mllmu.methods.base import Method


@pytest.hookspec
def pytest_mllmu_methods(config: pytest.Config) -> list[type[Method]]:  # type: ignore[empty-body]
    """More unlearning methods: subclasses of ``LossMethod`` or ``PromptMethod``, each with a ``name`` that ``--mllmu-method`` then takes.

    Called once a session, when the plugin is used.
    """
