"""Idefics2 is prompted and fed as the paper does it: its template's words, 64 tokens an image, no splitting, a mask for padding."""

from __future__ import annotations

import re

import pytest
import torch

from pytest_mllmu.benchmark.profiles import MODALITIES, Modality
from pytest_mllmu.models.families import Turn
from pytest_mllmu.models.idefics2 import Idefics2
from tests import zoo
from tests.models import person, processor_of, random_bundle

FAMILY = Idefics2()
NAME = "tiny-idefics2"


def turns(text: str, modality: Modality, system: str) -> list[dict[str, object]]:
    content = [*([{"type": "image"}] if modality == "multimodal" else []), {"type": "text", "text": text}]
    return [*([{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []), {"role": "user", "content": content}]


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("system", ["", "Forget Ann."])
def test_prompts_are_those_of_the_published_chat_template(modality: Modality, system: str) -> None:
    made = processor_of(NAME)
    assert FAMILY.prompt(made, "Who?", modality, system) == made.apply_chat_template(turns("Who?", modality, system), add_generation_prompt=True)


def test_prompts_by_hand() -> None:
    made = processor_of(NAME)
    assert FAMILY.prompt(made, "Who?", "multimodal") == "User:<image>Who?<end_of_utterance>\nAssistant:"
    assert FAMILY.prompt(made, "Who?", "unimodal") == "User: Who?<end_of_utterance>\nAssistant:"
    assert FAMILY.prompt(made, "Who?", "unimodal", "Forget.") == "System: Forget.<end_of_utterance>\nUser: Who?<end_of_utterance>\nAssistant:"


@pytest.mark.parametrize("modality", MODALITIES)
def test_conversations_are_those_of_the_published_chat_template(modality: Modality) -> None:
    made = processor_of(NAME)
    said = [Turn("Who?", modality, "Ann"), Turn("When?", modality, "2001")]
    whole = turns("Who?", modality, "Forget.")
    for answer, text in (("Ann", "When?"), ("2001", "Where?")):
        whole += [{"role": "assistant", "content": [{"type": "text", "text": answer}]}, *turns(text, modality, "")]
    assert FAMILY.conversation(made, said, "Where?", modality, "Forget.") == made.apply_chat_template(whole, add_generation_prompt=True)


@pytest.mark.parametrize("text", ["Who?", " Who?", "\nWho?", "<b>", "Who <fake"])
def test_tokens_are_those_of_the_processor(text: str) -> None:
    """Which moves a word away from the image that it follows directly, and nothing else."""
    made = processor_of(NAME)
    prompt = FAMILY.prompt(made, text, "multimodal")
    expected = made(text=[prompt], images=[[person().pictures[0].decode()]])["input_ids"][0]
    assert FAMILY.tokens(made, prompt, [FAMILY.image_text(made, None)] * prompt.count("<image>")) == list(expected)


def test_an_image_has_as_many_tokens_as_the_perceiver_has_latents() -> None:
    bundle = random_bundle(name=NAME)
    tokens = FAMILY.tokens(bundle.processor, FAMILY.prompt(bundle.processor, "Who?", "multimodal"), [FAMILY.image_text(bundle.processor, None)])
    assert tokens.count(bundle.model.config.image_token_id) == bundle.model.config.perceiver_config.resampler_n_latents == 8


def test_images_are_not_split_whatever_the_checkpoint_says() -> None:
    _, made = zoo.idefics2()
    assert made.image_processor.do_image_splitting
    image = zoo.stretched(1).pictures[0].decode()
    found = FAMILY.pixels(made, image)
    assert {key: tuple(value.shape) for key, value in found.items()} == {"pixel_values": (1, 1, 3, 28, 56), "pixel_attention_mask": (1, 1, 28, 56)}
    assert not FAMILY.prepared(made).image_processor.do_image_splitting
    expected = made(text=["User:<image>Who?"], images=[[image]], return_tensors="pt")
    assert all(torch.equal(found[key], expected[key]) for key in found)


def test_images_of_different_sizes_are_padded_and_masked_as_the_processor_does_it() -> None:
    _, made = zoo.idefics2()
    images = [zoo.stretched(number).pictures[0].decode() for number in range(2)]
    assert images[0].size != images[1].size
    joined = FAMILY.join([FAMILY.pixels(made, image) for image in images])
    expected = made.image_processor([[image] for image in images], do_image_splitting=False, return_tensors="pt")
    assert joined.keys() == expected.keys()
    assert all(torch.equal(joined[key], expected[key]) for key in joined)
    assert not joined["pixel_attention_mask"].all()


def test_adapters_change_the_text_model_only() -> None:
    """The perceiver and the tower have layers of the same names."""
    model = random_bundle(name=NAME).model
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    chosen = {name for name in linear if re.fullmatch(FAMILY.lora_targets(model), name)}
    assert chosen == {name for name in linear if name.startswith("model.text_model.")}
    assert len(chosen) == 3 * 7
    assert any(name.startswith("model.connector.perceiver_resampler.") and name.endswith("q_proj") for name in linear)


def test_answers_end_with_the_utterance() -> None:
    bundle = random_bundle(name=NAME)
    words = bundle.processor.tokenizer
    assert words.convert_ids_to_tokens(bundle.eos) == "<end_of_utterance>"
    assert [words.convert_ids_to_tokens(token) for token in bundle.stops] == ["</s>", "<end_of_utterance>"]


def test_the_cache_has_no_sliding_window() -> None:
    """Mistral's default window is 4,096 tokens, which Idefics2 was not trained with."""
    cache = FAMILY.cache()
    assert not any(getattr(layer, "is_sliding", False) for layer in cache.layers)
    assert cache is not FAMILY.cache()
