"""What a method is: a loss and what it needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mllmu.models.families import Bundle
from pytest_mllmu.training.batches import Batch
from pytest_mllmu.training.loop import Hyper, answer_loss
from pytest_mllmu.training.lora import Lora

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class UnlearnStep:
    """One step as a loss sees it: the model in training and a batch of forget pairs (and of retain pairs, if the method needs them)."""

    bundle: Bundle
    model: Any
    forget: Batch
    retain: Batch | None = None

    def forget_loss(self) -> torch.Tensor:
        """Mean negative log-likelihood of the forget batch's answer tokens."""
        return answer_loss(self.bundle, self.model, self.forget)


class Method(ABC):
    """What differs between methods. The loop, the adapter and the batches are shared."""

    name: str
    title: str
    """As in the paper's Table 2."""
    source: str
    needs_retain: bool = False
    """Whether each step also gets a batch of retain pairs."""
    hyper: Hyper
    """The paper's and the released code's hyper-parameters."""
    tiny: Hyper
    """The same, scaled to the embedded model."""
    lora: Lora = Lora()

    @abstractmethod
    def loss(self, step: UnlearnStep) -> torch.Tensor:
        """The scalar that is minimised."""

    def settings(self) -> dict[str, Any]:
        """What a method's result depends on besides the hyper-parameters (part of the artefact's key)."""
        return {"name": self.name, "lora": self.lora.to_json(), "needs_retain": self.needs_retain}
