"""Which family serves which checkpoints."""

from __future__ import annotations

from typing import Any

from pytest_mllmu.errors import ModelError, did_you_mean
from pytest_mllmu.models.chat import Chat
from pytest_mllmu.models.families import Family
from pytest_mllmu.models.idefics2 import Idefics2
from pytest_mllmu.models.llava import Llava


def families() -> dict[str, Family]:
    """Those with prompts of their own, by ``config.model_type``."""
    return {family.model_type: family for family in (Llava(), Idefics2())}


def family_of(model_type: str, processor: Any = None) -> Family:
    """The family with this model type, else the one of chat models when the processor has a chat template. Raises ModelError."""
    known = families()
    if model_type in known and known[model_type].serves(processor):
        return known[model_type]
    if processor is not None and (getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)):
        return Chat(model_type)
    raise ModelError(f"no model family for {model_type!r}, and no chat template to prompt it with; known: {', '.join(known)}{did_you_mean(model_type, known)}")
