"""Negative preference optimization (paper C.1.5, equation 4; Zhang et al. 2024): ascent that slows down as the model leaves the reference.

    L = -2/beta * mean over (image, x, y) in D_f of log sigmoid( -beta * log( p_theta(y | image, x) / p_ref(y | image, x) ) )

with log p the mean over an answer's tokens, as released. As beta -> 0 its gradient becomes that of gradient ascent. The paper contradicts itself
about the reference: "trained on the entire dataset" (the vanilla, as in the NPO paper) and "solely on the Retain Set" (the oracle, as released).
Both are here, ``reference=oracle`` and ``reference=vanilla``, and the table says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mllmu.methods.base import LossMethod, Needs, Reference, UnlearnStep
from pytest_mllmu.methods.ga import RELEASED
from pytest_mllmu.training.answers import answer_log_probs, means_by_row
from pytest_mllmu.training.loop import Hyper

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class NPO(LossMethod):
    reference: Reference = "oracle"
    beta: float = 0.4

    name = "npo"
    source = "MLLMU-Bench C.1.5; Zhang et al. 2024"
    hyper = RELEASED
    tiny = Hyper(lr=3.6e-3, epochs=3, batch=16)

    @property
    def title(self) -> str:
        return f"NPO ({self.reference}{'' if self.beta == 0.4 else f', beta {self.beta:g}'})"

    def needs(self) -> Needs:
        return Needs(reference=self.reference)

    def loss(self, step: UnlearnStep) -> torch.Tensor:
        import torch

        assert step.forget is not None
        assert step.reference is not None
        away = step.reference - answer_log_probs(step.bundle, step.model, step.forget)
        weight = step.forget.row_share / step.forget.share  # 1, unless gradients are accumulated: a mean over rows, not over tokens
        return -2 / self.beta * weight * torch.nn.functional.logsigmoid(self.beta * means_by_row(away, step.forget)).mean()
