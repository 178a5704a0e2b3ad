"""Model utility (paper A.3): what the model knew before it learned the profiles."""

from __future__ import annotations

import pytest

from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.fixtures import require

pytestmark = [pytest.mark.mllmu_gate, pytest.mark.mllmu_split(name="celebrity")]


def test_celebrities_kept(mllmu_verdict: Verdict) -> None:
    require(mllmu_verdict)
