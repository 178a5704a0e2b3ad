"""The script that compares ways to train compares like with like."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mllmu.methods.base import UnlearnStep
from pytest_mllmu.methods.ga import GradientAscent
from pytest_mllmu.training.loop import answer_loss
from pytest_mllmu.training.reference import Reference
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


class Difference(GradientAscent):
    """A method that needs whatever a method may need: retain pairs and a frozen reference."""

    name = "difference"
    needs_retain = True

    def loss(self, step: UnlearnStep) -> torch.Tensor:
        assert step.retain is not None
        reference = Reference(step.bundle, step.forget.rows, model=step.model).log_probs(step.forget.rows).mean()
        return -step.forget_loss() - reference + step.retain.share / step.forget.share * answer_loss(step.bundle, step.model, step.retain)


@pytest.mark.parametrize("chosen", ["ga", "difference"])
def test_every_way_takes_the_same_steps(script: Any, monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    monkeypatch.setattr(script, "method", lambda name: {"ga": GradientAscent, "difference": Difference}[name]())
    plain, rows, packed = (script.epoch(name, "tiny-llava", chosen, benchmark()).losses for name in ("plain", "rows", "packed"))
    assert len(plain) > 1
    assert len(set(plain)) == len(plain)
    assert script.difference(plain, rows) < 1e-5
    assert script.difference(plain, packed) < 1e-5
