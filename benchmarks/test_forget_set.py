"""Unlearning efficacy (paper A.1): the people who were to be forgotten, asked as they were learned."""

from __future__ import annotations

import pytest

from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.fixtures import require

pytestmark = [pytest.mark.mllmu_gate, pytest.mark.mllmu_split(name="forget")]


def test_forgotten(mllmu_verdict: Verdict) -> None:
    require(mllmu_verdict)
