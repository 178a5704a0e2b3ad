"""LLaVA: the prompts of the released evaluation, a fixed number of image tokens, adapters on the language model only.

The released LoRA target search also wraps the vision tower of current transformers; this one keeps tower and projector
frozen, as the paper's text says, so image features stay what they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Modality
from pytest_mllmu.models.families import Family

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class Llava(Family):
    name = "LLaVA"
    model_type = "llava"
    lora_targets = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

    def prompt(self, text: str, modality: Modality) -> str:
        return f"USER: <image>\n{text}\nASSISTANT:" if modality == "multimodal" else f"USER:\n{text}\nASSISTANT:"

    def tokens(self, processor: Any, text: str) -> list[int]:
        """As ``LlavaProcessor`` does, without touching pixels: every image has the same number of tokens."""
        ids = processor.tokenizer(text.replace(processor.image_token, processor.image_token * self.image_tokens(processor)))["input_ids"]
        return list(ids)

    def image_tokens(self, processor: Any) -> int:
        size = processor.image_processor.crop_size
        patches = (size["height"] // processor.patch_size) * (size["width"] // processor.patch_size)
        dropped = 1 if processor.vision_feature_select_strategy == "default" else 0
        return int(patches + processor.num_additional_image_tokens - dropped)

    def pixels(self, processor: Any, image: Image) -> dict[str, torch.Tensor]:
        return {"pixel_values": processor.image_processor(image, return_tensors="pt")["pixel_values"]}

    def vision(self, model: Any) -> tuple[Any, ...]:
        return model.model.vision_tower, model.model.multi_modal_projector
