"""No model is fed wrongly in silence: when one is loaded, its family's inputs are compared with those of its own processor."""

from __future__ import annotations

import inspect
import io
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Picture
from pytest_mllmu.models.families import Family, begun, unwrapped
from pytest_mllmu.models.said import said

if TYPE_CHECKING:
    import torch

SIZES = ((60, 80), (200, 70))
"""An upright image and a wide one."""


def misfit(family: Family, model: Any, processor: Any) -> str:
    """In what way a conversation's inputs differ from the processor's, in words; nothing when they do not, as it should be."""
    try:
        for picture in (*map(_picture, SIZES), None):
            if wrong := _wrong(family, model, processor, picture):
                return f"its {type(processor).__name__} gives inputs that are not supported: {', '.join(wrong)}"
    except Exception as error:  # a processor of another version, or one that lacks a setting, fails in its own way
        return f"its {type(processor).__name__} cannot be used: {said(error)}"
    return ""


def _wrong(family: Family, model: Any, processor: Any, picture: Picture | None) -> list[str]:
    """Which inputs differ, of those that the model takes."""
    import torch

    text = f"{family.prompt(processor, 'Who is this?', 'multimodal' if picture else 'unimodal')}{family.lead(processor)}Ann"
    images = {"images": [picture.decode()]} if picture else {}
    given = processor(text=[text], **images, add_special_tokens=not begun(processor, text), return_tensors="pt")
    ids = torch.tensor([family.tokens(processor, text, [family.image_text(processor, picture)] if picture else [])])
    seen = family.join([family.pixels(processor, picture.decode())] if picture else [])
    found: dict[str, torch.Tensor] = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **family.token_inputs(model, processor, ids), **seen}
    taken = inspect.signature(unwrapped(model).forward).parameters
    return sorted(key for key, value in given.items() if key in taken and (key not in found or not torch.equal(found[key], value)))


def _picture(size: tuple[int, int]) -> Picture:
    from PIL import Image

    data = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(data, "PNG")
    return Picture(data.getvalue)
