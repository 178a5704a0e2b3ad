"""Gradient difference (paper C.1.2; Liu et al. 2022): ascent on the forget set, descent on the retain set.

    L = -L(D_f; theta) + L(D_r; theta)

with L the mean negative log-likelihood of answer tokens. The paper writes this joint loss; the released code does one pass of
ascent over the forget set and then one pass of descent over the retain set (``schedule=sequential``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_mllmu.methods.base import LossMethod, Needs, UnlearnStep
from pytest_mllmu.methods.ga import RELEASED
from pytest_mllmu.training.loop import Hyper

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class GradientDifference(LossMethod):
    schedule: Literal["joint", "sequential"] = "joint"

    name = "ga_difference"
    source = "MLLMU-Bench C.1.2; Liu et al. 2022"
    hyper = RELEASED
    tiny = Hyper(lr=4.6e-3, epochs=3, batch=16)

    @property
    def title(self) -> str:
        return "GA Difference" if self.schedule == "joint" else f"GA Difference ({self.schedule})"

    def needs(self) -> Needs:
        return Needs(retain=True) if self.schedule == "joint" else Needs(passes=("forget", "retain"))

    def loss(self, step: UnlearnStep) -> torch.Tensor:
        if step.forget is None:
            return step.retain_loss()
        return step.retain_loss() - step.forget_loss() if step.retain is not None else -step.forget_loss()
