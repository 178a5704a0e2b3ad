"""Llava feeds the model what transformers' own processor would."""

from __future__ import annotations

import re

import pytest
import torch

from pytest_mllmu.benchmark.profiles import MODALITIES, Modality
from pytest_mllmu.errors import ModelError
from pytest_mllmu.models.families import Turn
from pytest_mllmu.models.llava import Llava
from pytest_mllmu.models.registry import families, family_of
from tests.models import person, processor, random_bundle

FAMILY = Llava()
IMAGE = FAMILY.image_text(processor(), None)


def test_a_system_prompt_comes_before_the_first_turn() -> None:
    assert FAMILY.prompt(processor(), "Who?", "multimodal", "Forget Ann.") == "Forget Ann. USER: <image>\nWho?\nASSISTANT:"
    assert FAMILY.prompt(processor(), "Who?", "unimodal", "Forget Ann.") == "Forget Ann. USER:\nWho?\nASSISTANT:"


def test_earlier_turns_end_as_answers_do() -> None:
    turns = [Turn("Who?", "multimodal", "Ann"), Turn("When?", "unimodal", "2001")]
    expected = "Forget. USER: <image>\nWho?\nASSISTANT: Ann</s>USER:\nWhen?\nASSISTANT: 2001</s>USER: <image>\nWhere?\nASSISTANT:"
    assert FAMILY.conversation(processor(), turns, "Where?", "multimodal", "Forget.") == expected
    assert FAMILY.conversation(processor(), [], "Where?", "unimodal", "Forget.") == FAMILY.prompt(processor(), "Where?", "unimodal", "Forget.")


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("answer", ["", " a painter from Oslo"])
def test_tokens_are_those_of_the_processor(modality: Modality, answer: str) -> None:
    text = f"{FAMILY.prompt(processor(), 'Where does Zoë live?', modality)}{answer}"
    images = [person().pictures[0].decode()] if modality == "multimodal" else None
    expected = processor()(text=text, images=images)["input_ids"]
    assert [FAMILY.tokens(processor(), text, [IMAGE] * text.count("<image>"))] == [list(row) for row in expected]


def test_an_image_has_one_token_per_patch() -> None:
    tokens = FAMILY.tokens(processor(), FAMILY.prompt(processor(), "Who?", "multimodal"), [IMAGE])
    assert tokens.count(processor().tokenizer.convert_tokens_to_ids("<image>")) == 9


def test_pixels_are_those_of_the_processor() -> None:
    image = person().pictures[0].decode()
    expected = processor()(text=FAMILY.prompt(processor(), "Who?", "multimodal"), images=[image], return_tensors="pt")["pixel_values"]
    pixels = FAMILY.pixels(processor(), image)
    assert list(pixels) == ["pixel_values"]
    assert pixels["pixel_values"].shape == (1, 3, 48, 48)
    assert torch.equal(pixels["pixel_values"], expected)


def test_pixels_of_a_batch_keep_the_order_of_the_rows() -> None:
    rows = [FAMILY.pixels(processor(), person(number).pictures[0].decode()) for number in range(2)]
    joined = FAMILY.join(rows)["pixel_values"]
    assert torch.equal(joined, torch.cat([rows[0]["pixel_values"], rows[1]["pixel_values"]]))
    assert FAMILY.join([]) == {}


def test_adapters_change_every_linear_layer_of_the_language_model_and_no_other() -> None:
    model = random_bundle().model
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    chosen = {name for name in linear if re.fullmatch(FAMILY.lora_targets(model), name)}
    assert chosen == {name for name in linear if name.startswith("model.language_model.")}
    assert len(chosen) == 3 * 7
    others = {name.split(".layers")[0] for name in linear - chosen}
    assert {"model.vision_tower.encoder", "lm_head", "model.multi_modal_projector.linear_1"} <= others


def test_families_by_model_type() -> None:
    assert isinstance(family_of("llava"), Llava)
    assert all(family.model_type == key for key, family in families().items())
    with pytest.raises(ModelError, match=r"^no model family for 'lava', and no chat template .*; known: llava, idefics2; did you mean 'llava'\?$"):
        family_of("lava")


def test_answer_logits_are_the_marked_ones_of_a_full_forward() -> None:
    bundle = random_bundle()
    ids = torch.randint(3, 500, (2, 9), generator=torch.Generator().manual_seed(0))
    asked = torch.tensor([[False, True, True], [True, False, True]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode():
        full = bundle.model(**inputs).logits
        found = FAMILY.answer_logits(bundle.model, inputs, asked)
    # The token in column c is predicted by the logits in column c - 1; the mask covers columns 6, 7 and 8.
    assert torch.allclose(found, torch.stack([full[0, 6], full[0, 7], full[1, 5], full[1, 7]]), atol=1e-6)
