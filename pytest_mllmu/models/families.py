"""A family knows how one architecture is prompted, fed and adapted. To add one: subclass ``Family``, and a line in ``registry``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Modality

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class Family(ABC):
    """What differs between architectures. ``model`` and ``processor`` are the transformers objects."""

    name: str
    model_type: str
    """``config.model_type`` of the checkpoints it serves."""
    lora_targets: str
    """Regular expression over module names: which linear layers an adapter changes."""

    @abstractmethod
    def prompt(self, text: str, modality: Modality) -> str:
        """The whole prompt up to where the answer begins, with the image placeholder when there is an image."""

    @abstractmethod
    def tokens(self, processor: Any, text: str) -> list[int]:
        """Token ids of a prompt (with or without an answer), image placeholders expanded."""

    @abstractmethod
    def pixels(self, processor: Any, image: Image) -> dict[str, torch.Tensor]:
        """The image's share of the model inputs, with a leading dimension of one."""

    def answer_logits(self, model: Any, inputs: dict[str, torch.Tensor], asked: torch.Tensor) -> torch.Tensor:
        """Logits of the tokens marked in ``asked`` (rows, longest answer), shape (marked tokens, vocabulary).

        ``asked`` covers the last columns of the inputs. The output head runs on marked tokens only: with a large
        vocabulary it would else cost more than the layers below it.
        """
        whole = model.get_base_model() if hasattr(model, "get_base_model") else model
        hidden = whole.model(**inputs).last_hidden_state[:, -asked.shape[1] - 1 : -1]
        logits: torch.Tensor = whole.get_output_embeddings()(hidden[asked])
        return logits

    def vision(self, model: Any) -> tuple[Any, ...]:
        """The modules that make image features of pixels, for a model whose ``get_image_features`` depends on nothing else and whose ``forward``
        takes its result as ``mm_encoder_outputs``; none says that features of this family cannot be computed once and given back."""
        return ()

    def join(self, pixels: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """The image inputs of a batch, in the order of its rows that have an image."""
        import torch

        return {key: torch.cat([row[key] for row in pixels]) for key in pixels[0]} if pixels else {}


@dataclass
class Bundle:
    """A model in memory with everything needed to ask it something."""

    model: Any
    processor: Any
    family: Family

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    @property
    def eos(self) -> int:
        return int(self.processor.tokenizer.eos_token_id)

    @property
    def pad(self) -> int:
        pad = self.processor.tokenizer.pad_token_id
        return self.eos if pad is None else int(pad)
