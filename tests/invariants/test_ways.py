"""The script that compares ways to train compares like with like."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models import benchmark, processor
from tests.scripts import performance

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def script() -> Any:
    module = performance("training")
    module.processor_of = lambda model: processor()
    return module


@pytest.mark.parametrize("chosen", ["ga", "ga_difference", "kl_minimization", "npo", "npo:reference=vanilla"])
def test_every_way_takes_the_same_steps(script: Any, chosen: str) -> None:
    plain, rows, packed = (script.epoch(name, "tiny-llava", chosen, benchmark()).losses for name in ("plain", "rows", "packed"))
    assert len(plain) > 1
    assert len(set(plain)) == len(plain)
    assert script.difference(plain, rows) < 1e-5
    assert script.difference(plain, packed) < 1e-5
