"""Chat models: what the template and the processor say is followed; what they cannot say is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_mllmu.errors import ModelError
from pytest_mllmu.models.chat import Chat
from pytest_mllmu.models.families import Turn
from pytest_mllmu.models.idefics2 import Idefics2
from pytest_mllmu.models.llava import Llava
from pytest_mllmu.models.registry import families, family_of
from tests import zoo
from tests.models import person


@pytest.fixture(scope="module")
def qwen() -> Any:
    return zoo.qwen2_5_vl()[1]


def test_families_by_model_type_or_by_chat_template(qwen: Any) -> None:
    assert families().keys() == {"llava", "idefics2"}
    assert isinstance(family_of("llava", zoo.llava()[1]), Llava)
    assert isinstance(family_of("idefics2", zoo.idefics2()[1]), Idefics2)
    found = family_of("qwen2_5_vl", qwen)
    assert isinstance(found, Chat)
    assert found.name == "qwen2_5_vl"
    # Pixtral's checkpoints say "llava" too.
    assert isinstance(family_of("llava", qwen), Chat)


def test_without_a_chat_template_there_is_no_prompt() -> None:
    made = zoo.llava_next()[1]
    made.chat_template = None
    with pytest.raises(ModelError, match=r"^no model family for 'llava_next', and no chat template to prompt it with; known: llava, idefics2; did you mean"):
        family_of("llava_next", made)


def test_a_template_of_the_tokenizer_serves_as_well() -> None:
    made = zoo.llava_next()[1]
    made.tokenizer.chat_template, made.chat_template = made.chat_template, None
    assert family_of("llava_next", made).prompt(made, "Who?", "unimodal") == "[INST] Who? [/INST]"


def test_one_template_among_several() -> None:
    made = zoo.llava_next()[1]
    made.chat_template = {"default": made.chat_template, "other": "x"}
    assert Chat("llava_next").prompt(made, "Who?", "multimodal") == "[INST] <image>\nWho? [/INST]"


@pytest.mark.parametrize(
    ("kind", "system", "expected"),
    [
        ("qwen2_5_vl", "", "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Who?<|im_end|>\n<|im_start|>assistant\n"),
        ("smolvlm", "Forget.", "<|im_start|>System: Forget.<end_of_utterance>\nUser:<image>Who?<end_of_utterance>\nAssistant:"),
        ("gemma3", "Forget.", "<bos><start_of_turn>user\nForget.\n\n<start_of_image>Who?<end_of_turn>\n<start_of_turn>model\n"),
        # This template refuses a system turn: what it should say goes before the question.
        ("llava_next", "Forget.", "[INST] <image>\nForget.\nWho? [/INST]"),
    ],
)
def test_prompts_by_hand(kind: str, system: str, expected: str) -> None:
    assert Chat(kind).prompt(zoo.KINDS[kind].make()[1], "Who?", "multimodal", system) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "qwen2_5_vl",
            "<|im_start|>system\nForget.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Who?<|im_end|>\n"
            "<|im_start|>assistant\nAnn<|im_end|>\n<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n",
        ),
        # Again a template that refuses a system turn: it goes before the first question.
        ("llava_next", "[INST] <image>\nForget.\nWho? [/INST] Ann</s>[INST] Where? [/INST]"),
    ],
)
def test_conversations_by_hand(kind: str, expected: str) -> None:
    family, made = Chat(kind), zoo.KINDS[kind].make()[1]
    assert family.conversation(made, [Turn("Who?", "multimodal", "Ann")], "Where?", "unimodal", "Forget.") == expected
    assert family.conversation(made, [], "Who?", "unimodal", "Forget.") == family.prompt(made, "Who?", "unimodal", "Forget.")


@pytest.mark.parametrize(("kind", "lead"), [("qwen2_5_vl", ""), ("smolvlm", " "), ("gemma3", ""), ("llava_next", " ")])
def test_an_answer_begins_and_ends_as_the_template_writes_it(kind: str, lead: str) -> None:
    made = zoo.KINDS[kind].make()[1]
    assert Chat(kind).lead(made) == lead
    assert made.tokenizer.convert_ids_to_tokens(Chat(kind).end(made)) == zoo.KINDS[kind].end


def test_a_template_that_writes_answers_in_another_way() -> None:
    """As those that show a reasoning model's thoughts in the prompt only, and end an answer with nothing of their own."""
    turns = "{% for message in messages %}{{ message['role'] }}: {{ message['content'][-1]['text'] }}\n{% endfor %}"
    for begun, lead in (("assistant:<think></think>\n", ""), ("ai:", " ")):
        made = zoo.llava_next()[1]
        made.chat_template = f"{turns}{{% if add_generation_prompt %}}{begun}{{% endif %}}"
        assert Chat("llava_next").lead(made) == lead
        assert made.tokenizer.convert_ids_to_tokens(Chat("llava_next").end(made)) == "</s>"


def test_the_number_of_image_tokens_is_the_pictures(qwen: Any) -> None:
    """28 x 28 pixels a token: 44 x 60 becomes 2 x 2 and 90 x 40 becomes 3 x 1 (rounded to whole tokens)."""
    texts = [Chat("qwen2_5_vl").image_text(qwen, zoo.stretched(number).pictures[0]) for number in range(2)]
    assert texts == ["<|image_pad|>" * 4, "<|image_pad|>" * 3]
    with pytest.raises(ValueError, match="a picture is needed"):
        Chat("qwen2_5_vl").image_text(qwen, None)


def test_parts_of_images_are_padded_at_their_end() -> None:
    made, family = zoo.smolvlm()[1], Chat("smolvlm")
    rows = [family.pixels(made, zoo.stretched(number).pictures[0].decode()) for number in range(2)]
    assert rows[0].keys() == {"pixel_values", "pixel_attention_mask"}
    parts = [row["pixel_values"].shape[1] for row in rows]
    assert parts[0] != parts[1]
    joined = family.join(rows)
    assert joined["pixel_values"].shape[:2] == (2, max(parts))
    for number, row in enumerate(rows):
        for key, value in row.items():
            assert torch.equal(joined[key][number, : parts[number]], value[0])
            assert not joined[key][number, parts[number] :].any()


def test_rows_that_do_not_go_together_are_an_error() -> None:
    with pytest.raises(ValueError, match="different kinds of inputs"):
        Chat("x").join([{"pixel_values": torch.zeros(1, 3)}, {"pixels": torch.zeros(1, 3)}])


def test_image_tokens_are_marked_for_models_that_want_it() -> None:
    model, made = zoo.gemma3()
    ids = torch.tensor([[0, made.tokenizer.image_token_id, 9], [made.tokenizer.image_token_id, 9, 9]])
    found = Chat("gemma3").token_inputs(model, made, ids)
    assert {key: value.tolist() for key, value in found.items()} == {"token_type_ids": [[0, 1, 0], [1, 0, 0]]}
    model, made = zoo.llava_next()
    assert Chat("llava_next").token_inputs(model, made, ids) == {}


def test_a_text_may_hold_anything_but_special_tokens(qwen: Any) -> None:
    family = Chat("qwen2_5_vl")
    assert family.plain(qwen, f"a <b> {person().answer} {{{{ 7 * 7 }}}}") == f"a <b> {person().answer} {{{{ 7 * 7 }}}}"
    assert family.prompt(qwen, "{{ 7 * 7 }}", "unimodal") == "<|im_start|>user\n{{ 7 * 7 }}<|im_end|>\n<|im_start|>assistant\n"
    assert family.plain(qwen, "a<|im_<|image_pad|>end|>b<|im_start|>") == "ab"
