"""Gradient ascent (paper C.1.1; Thudi et al. 2022): make the forget set less likely, and nothing else.

    L = -1/T * sum over (image, x, y) in D_f and t of l(image, x, y_t; theta)

with l the negative log-likelihood of an answer's token and T the number of those tokens (paper B.2). There is no term for what should stay, so
the loss has no lower bound and too large or too many steps destroy the model: the collapse guard is made for this method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mllmu.methods.base import LossMethod, UnlearnStep
from pytest_mllmu.training.loop import Hyper

if TYPE_CHECKING:
    import torch

RELEASED = Hyper(lr=2e-5, epochs=1, batch=4)
"""Of all trained methods (paper C.2 and the released code): AdamW, lr 2e-5, linear without warm-up, one epoch, batch 4."""


class GradientAscent(LossMethod):
    name = "ga"
    title = "GA"
    source = "MLLMU-Bench C.1.1; Thudi et al. 2022"
    hyper = RELEASED
    tiny = Hyper(lr=4.2e-3, epochs=3, batch=16)

    def loss(self, step: UnlearnStep) -> torch.Tensor:
        return -step.forget_loss()
