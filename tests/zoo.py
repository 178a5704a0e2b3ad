"""Small random checkpoints of real classes with processors made on the spot: one of every family and kind of image input."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from pytest_mllmu.benchmark.profiles import Picture, Profile
from tests.models import benchmark

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IDEFICS = (
    "{% for message in messages %}{{ message['role'].capitalize() }}{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'][0]['text'] + '\n\n' %}{% set turns = messages[1:] %}"
    "{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}{% for message in turns %}{{ '<start_of_turn>' }}"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n{{ first if loop.first else '' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<start_of_image>' }}{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{{ '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
INST = (
    "{% for message in messages %}{% if message['role'] == 'user' %}[INST] {% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %} [/INST]{% elif message['role'] == 'assistant' %} {{ message['content'][0]['text'] }}</s>"
    "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
TEXT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def tokenizer(special: dict[str, str], *, bos: str | None = None, eos: str = "</s>", more: tuple[str, ...] = ()) -> Any:
    """A byte-level tokenizer trained on one person's questions; it puts ``bos`` first, as most do."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    names = ["<pad>", *([bos] if bos else []), eos, *special.values(), *more]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=names, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    made.train_from_iterator([question.text for question in benchmark().profiles[0].questions], trainer)
    if bos:
        from tokenizers.processors import TemplateProcessing

        made.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, made.token_to_id(bos))])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token=bos, eos_token=eos, extra_special_tokens=special, padding_side="left"
    )


def text_config(tok: Any) -> dict[str, Any]:
    return TEXT | {"vocab_size": len(tok), "pad_token_id": tok.pad_token_id, "bos_token_id": tok.bos_token_id, "eos_token_id": tok.eos_token_id}


def llava() -> tuple[Any, Any]:
    tok = tokenizer({"image_token": "<image>"}, bos="<s>")
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = transformers.LlavaProcessor(images, tok, patch_size=16, vision_feature_select_strategy="default", num_additional_image_tokens=1)
    vision = transformers.CLIPVisionConfig(**VISION, image_size=32, patch_size=16, projection_dim=32)
    config = transformers.LlavaConfig(
        vision_config=vision, text_config=transformers.LlamaConfig(**text_config(tok)), image_token_id=tok.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )  # fmt: skip
    return transformers.LlavaForConditionalGeneration(config), processor


def idefics2() -> tuple[Any, Any]:
    tok = tokenizer({}, bos="<s>")
    images = Idefics2ImageProcessorPil(size={"shortest_edge": 28, "longest_edge": 56}, do_image_splitting=True)
    processor = transformers.Idefics2Processor(images, tok, image_seq_len=6, chat_template=IDEFICS)
    config = transformers.Idefics2Config(
        vision_config={**VISION, "image_size": 56, "patch_size": 14},
        perceiver_config={"hidden_size": 32, "resampler_n_latents": 6, "resampler_depth": 1, "resampler_n_heads": 2, "resampler_head_dim": 16,
                          "num_key_value_heads": 2},
        text_config={"model_type": "mistral", **text_config(tok)}, image_token_id=tok.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    return transformers.Idefics2ForConditionalGeneration(config), processor


def qwen2_5_vl() -> tuple[Any, Any]:
    special = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>", "start": "<|vision_start|>", "stop": "<|vision_end|>"}
    tok = tokenizer(special, eos="<|im_end|>", more=("<|im_start|>",))
    images = Qwen2VLImageProcessorPil(patch_size=14, merge_size=2, size={"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 6})
    from pytest_mllmu.models.processors import _still

    processor = _still(transformers.Qwen2_5_VLProcessor)(images, tok, chat_template=CHATML)
    config = transformers.Qwen2_5_VLConfig(
        vision_config={"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32, "fullatt_block_indexes": [1],
                       "window_size": 56},
        text_config={**text_config(tok), "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}},
        image_token_id=tok.convert_tokens_to_ids("<|image_pad|>"), video_token_id=tok.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tok.convert_tokens_to_ids("<|vision_start|>"), vision_end_token_id=tok.convert_tokens_to_ids("<|vision_end|>"),
    )  # fmt: skip
    return transformers.Qwen2_5_VLForConditionalGeneration(config), processor


def smolvlm() -> tuple[Any, Any]:
    special = {"image_token": "<image>", "fake_image_token": "<fake_token_around_image>", "global_image_token": "<global-img>"}
    rows = tuple(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5))
    tok = tokenizer(special, bos="<|im_start|>", eos="<end_of_utterance>", more=rows)
    images = SmolVLMImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    from pytest_mllmu.models.processors import _still

    processor = _still(transformers.SmolVLMProcessor)(images, tok, None, image_seq_len=4, chat_template="<|im_start|>" + IDEFICS)
    config = transformers.SmolVLMConfig(
        vision_config={**VISION, "image_size": 32, "patch_size": 8}, text_config={"model_type": "llama", **text_config(tok)}, scale_factor=2,
        image_token_id=tok.convert_tokens_to_ids("<image>"), pad_token_id=tok.pad_token_id,
    )  # fmt: skip
    return transformers.SmolVLMForConditionalGeneration(config), processor


def gemma3() -> tuple[Any, Any]:
    special = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tok = tokenizer(special, bos="<bos>", eos="<eos>", more=("<start_of_turn>", "<end_of_turn>"))
    images = Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    processor = transformers.Gemma3Processor(images, tok, chat_template=GEMMA, image_seq_length=4)
    config = transformers.Gemma3Config(
        vision_config={"model_type": "siglip_vision_model", **VISION, "image_size": 32, "patch_size": 8},
        text_config={**text_config(tok), "head_dim": 8, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}, mm_tokens_per_image=4,
        image_token_index=tok.convert_tokens_to_ids("<image_soft_token>"), boi_token_index=tok.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tok.convert_tokens_to_ids("<end_of_image>"),
    )  # fmt: skip
    return transformers.Gemma3ForConditionalGeneration(config), processor


def llava_next() -> tuple[Any, Any]:
    tok = tokenizer({"image_token": "<image>"}, bos="<s>")
    grid = [[32, 64], [64, 32], [64, 64]]
    images = LlavaNextImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, image_grid_pinpoints=grid)
    processor = transformers.LlavaNextProcessor(
        images, tok, patch_size=16, vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=INST
    )
    vision = transformers.CLIPVisionConfig(**VISION, image_size=32, patch_size=16, projection_dim=32)
    config = transformers.LlavaNextConfig(
        vision_config=vision, text_config=transformers.LlamaConfig(**text_config(tok)), image_token_index=tok.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1, image_grid_pinpoints=grid,
    )  # fmt: skip
    return transformers.LlavaNextForConditionalGeneration(config), processor


@dataclass(frozen=True)
class Kind:
    make: Callable[[], tuple[Any, Any]]
    decoder: str
    """Where the language model is."""
    end: str
    """What closes an answer."""


KINDS = {
    "llava": Kind(llava, "model.language_model", "</s>"),
    "idefics2": Kind(idefics2, "model.text_model", "<end_of_utterance>"),
    "qwen2_5_vl": Kind(qwen2_5_vl, "model.language_model", "<|im_end|>"),
    "smolvlm": Kind(smolvlm, "model.text_model", "<end_of_utterance>"),
    "gemma3": Kind(gemma3, "model.language_model", "<end_of_turn>"),
    "llava_next": Kind(llava_next, "model.language_model", "</s>"),
}


@cache
def saved(kind: str, folder: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A checkpoint as somebody may hand it in, and its weights."""
    torch.manual_seed(0)
    model, processor = KINDS[kind].make()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():  # random enough that what is seen and asked shows in every logit
            parameter.copy_(torch.randn_like(parameter) * 0.15)
    model.save_pretrained(folder / kind)
    processor.save_pretrained(folder / kind)
    return folder / kind, {name: value.clone() for name, value in model.state_dict().items()}


@cache
def stretched(number: int) -> Profile:
    """A person whose picture is upright, or wide for odd numbers: what has a shape of its own must not show in its neighbours."""
    profile = benchmark().profiles[number]
    image = profile.pictures[0].decode().resize((90, 40) if number % 2 else (44, 60))
    data = io.BytesIO()
    image.save(data, "PNG")
    return replace(profile, pictures=(Picture(data.getvalue),))
