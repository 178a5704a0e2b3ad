"""Model utility (paper A.3): the people who were to be kept."""

from __future__ import annotations

import pytest

from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.fixtures import require

pytestmark = [pytest.mark.mllmu_gate, pytest.mark.mllmu_split(name="retain")]


def test_kept(mllmu_verdict: Verdict) -> None:
    require(mllmu_verdict)
