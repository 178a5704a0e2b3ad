"""The script that compares ways to train compares like with like."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.models import benchmark, processor

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def script() -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / "performance" / "training.py"
    spec = importlib.util.spec_from_file_location("performance_of_training", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.processor_of = lambda model: processor()
    return module


@pytest.mark.parametrize("chosen", ["ga", "ga_difference", "kl_minimization", "npo", "npo:reference=vanilla"])
def test_every_way_takes_the_same_steps(script: Any, chosen: str) -> None:
    plain, rows, packed = (script.epoch(name, "tiny-llava", chosen, benchmark()).losses for name in ("plain", "rows", "packed"))
    assert len(plain) > 1
    assert len(set(plain)) == len(plain)
    assert script.difference(plain, rows) < 1e-5
    assert script.difference(plain, packed) < 1e-5
