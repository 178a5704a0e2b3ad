"""What a method is: a loss and what it needs, or a system prompt and no training at all."""

from __future__ import annotations

import hashlib
import inspect
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pytest_mllmu.models.families import Bundle
from pytest_mllmu.training.batches import Batch
from pytest_mllmu.training.loop import Hyper, answer_loss
from pytest_mllmu.training.lora import Lora

if TYPE_CHECKING:
    import torch

Reference = Literal["vanilla", "oracle"]
Pass = Literal["forget", "retain"]


@dataclass(frozen=True)
class Needs:
    """What a loss wants to see besides the batch of forget pairs."""

    retain: bool = False
    """A batch of retain pairs beside each batch of forget pairs."""
    teacher: bool = False
    """What the vanilla says of the retain batch."""
    reference: Reference | None = None
    """Whose log-probabilities of the forget batch."""
    passes: tuple[Pass, ...] = ("forget",)
    """What is trained on, one after the other; each pass has its own schedule."""


@dataclass(frozen=True)
class UnlearnStep:
    """One step as a loss sees it: the model in training and a batch of forget pairs, of retain pairs, or of both.

    ``reference``: log-probabilities of the forget batch's answer tokens under ``Needs.reference``, shape (answer tokens,).
    ``teacher``: the vanilla's log-probabilities at the retain batch's answer tokens, shape (answer tokens, vocabulary).
    Tokens are in the order of ``batch.labels[batch.labels != IGNORED]``. What a method does not ask for is None.
    """

    bundle: Bundle
    model: Any
    forget: Batch | None = None
    retain: Batch | None = None
    reference: torch.Tensor | None = None
    teacher: torch.Tensor | None = None

    def forget_loss(self) -> torch.Tensor:
        """Mean negative log-likelihood of the forget batch's answer tokens."""
        assert self.forget is not None
        return answer_loss(self.bundle, self.model, self.forget)

    def retain_loss(self) -> torch.Tensor:
        """Mean negative log-likelihood of the retain batch's answer tokens."""
        assert self.retain is not None
        return self.retain_weight * answer_loss(self.bundle, self.model, self.retain)

    @property
    def retain_weight(self) -> float:
        """1, unless gradients are accumulated: what makes the sum over the parts of a step the mean over all its retain tokens."""
        return self.retain.share / self.forget.share if self.retain and self.forget else 1.0


class Method(ABC):
    """What differs between methods. A subclass that takes options is a frozen dataclass: its fields are what ``name:key=value`` sets."""

    name: ClassVar[str]
    source: ClassVar[str]

    @property
    @abstractmethod
    def title(self) -> str:
        """As in the paper's Table 2; options that are not the default are named."""

    def options(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)} if is_dataclass(self) else {}

    def settings(self) -> dict[str, Any]:
        """What the result depends on besides the hyper-parameters: part of the artefact's key. Of somebody else's method that is its code, too."""
        kind = type(self)
        code = code_of(kind)
        return {"name": self.name, **self.options(), **({"code": code} if code else {})}


def code_of(kind: type) -> list[str]:
    """sha256 of each file that somebody else's class takes its functions from: an edited loss is another method."""
    ours = Path(__file__).parent.parent
    functions = [value for base in kind.__mro__ for value in vars(base).values() if inspect.isfunction(value)]
    files = sorted({function.__code__.co_filename for function in functions if ours not in Path(function.__code__.co_filename).parents})
    return [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files if Path(file).is_file()]


class LossMethod(Method):
    """A method that trains an adapter on the vanilla: the loop, the adapter and the batches are shared, the loss is its own."""

    hyper: Hyper
    """The paper's and the released code's hyper-parameters."""
    tiny: Hyper
    """The same, scaled to the embedded models."""
    lora: Lora = Lora()

    def needs(self) -> Needs:
        return Needs()

    @abstractmethod
    def loss(self, step: UnlearnStep) -> torch.Tensor:
        """The scalar that is minimised."""

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "lora": self.lora.to_json(), "needs": asdict(self.needs())}


class PromptMethod(Method):
    """A method that changes nothing in the model: ``system`` stands before every question at evaluation."""

    system: ClassVar[str]

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "system": self.system}
