"""Each person who was to be forgotten: an average can hide one who is still remembered."""

from __future__ import annotations

import pytest

from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.fixtures import require

pytestmark = [pytest.mark.mllmu_gate, pytest.mark.mllmu_split(name="forget")]


def test_person_forgotten(mllmu_person_verdict: Verdict) -> None:
    require(mllmu_person_verdict)
