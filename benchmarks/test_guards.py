"""Whether the gates can mean anything: the vanilla knew the people, the candidate did not collapse, and forgets selectively and in both modalities."""

from __future__ import annotations

import pytest

from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.fixtures import require

pytestmark = pytest.mark.mllmu_gate


def test_guard(mllmu_guard_verdict: Verdict) -> None:
    require(mllmu_guard_verdict)
