"""KL minimization (paper C.1.3; Nguyen et al. 2020): ascent on the forget set, and stay as the vanilla on the retain set.

    L = -L(D_f; theta) + 1/T * sum over (image, x, y) in D_r and t of KL( p_vanilla(. | image, x, y_<t) || p_theta(. | image, x, y_<t) )

The direction is vanilla || current, as released: what the vanilla finds likely must stay likely. Positions are those of the retain answers'
tokens, T of them, where the loss is defined (paper B.2); the released code takes all positions, prompt and padding too, and adds the likelihood
loss of the retain set, which the paper does not have (``likelihood=with`` adds it here).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_mllmu.methods.base import LossMethod, Needs, UnlearnStep
from pytest_mllmu.methods.ga import RELEASED
from pytest_mllmu.training.answers import answer_logits
from pytest_mllmu.training.loop import Hyper

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class KLMinimization(LossMethod):
    likelihood: Literal["without", "with"] = "without"

    name = "kl_minimization"
    source = "MLLMU-Bench C.1.3; Nguyen et al. 2020"
    hyper = RELEASED
    tiny = Hyper(lr=4.6e-3, epochs=3, batch=16)

    @property
    def title(self) -> str:
        return "KL Minimization" if self.likelihood == "without" else "KL Minimization (+ likelihood)"

    def needs(self) -> Needs:
        return Needs(retain=True, teacher=True)

    def loss(self, step: UnlearnStep) -> torch.Tensor:
        import torch

        assert step.retain is not None
        assert step.teacher is not None
        current = answer_logits(step.bundle, step.model, step.retain).log_softmax(-1)
        kept = step.retain_weight * torch.nn.functional.kl_div(current, step.teacher, reduction="batchmean", log_target=True)
        return kept - step.forget_loss() + (step.retain_loss() if self.likelihood == "with" else 0.0)
