"""Unlearning generalizability (paper A.2): the same people, in transformed images and paraphrased questions."""

from __future__ import annotations

import pytest

from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.fixtures import require

pytestmark = [pytest.mark.mllmu_gate, pytest.mark.mllmu_split(name="test")]


def test_forgotten_when_transformed(mllmu_verdict: Verdict) -> None:
    require(mllmu_verdict)
