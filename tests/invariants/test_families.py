"""For each family a small random checkpoint of the real class, by path: what it is fed, what it learns, what it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mllmu.benchmark.profiles import MODALITIES, Modality
from pytest_mllmu.evaluation.asking import Asked, asked
from pytest_mllmu.methods import method
from pytest_mllmu.methods.base import LossMethod, UnlearnStep
from pytest_mllmu.models.agreement import handed_in
from pytest_mllmu.models.chat import Chat
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.models.loading import load
from pytest_mllmu.models.untrusted import inspect
from pytest_mllmu.settings import Settings
from pytest_mllmu.training.batches import IGNORED, Encoder, Example
from pytest_mllmu.training.loop import answer_loss
from pytest_mllmu.training.lora import Lora, adapted, save_adapter
from tests import zoo
from tests.models import answer, benchmark, same, weights

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

CLOSE = 1e-4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture(scope="module", params=zoo.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shared(kind: str, folder: Path) -> Bundle:
    """Not to be changed."""
    return load(zoo.saved(kind, folder)[0], "cpu")


@pytest.fixture
def fresh(kind: str, folder: Path) -> Bundle:
    return load(zoo.saved(kind, folder)[0], "cpu")


def rows(encoder: Encoder, *people: int) -> list[Example]:
    """Pairs with and without an image, of pictures of different shapes."""
    return [row for person in people for row in encoder.pairs(zoo.stretched(person))]


def questions() -> list[Asked]:
    """One of each task and modality about each of two people whose pictures differ in shape."""
    profiles = [zoo.stretched(number) for number in range(2)]
    return asked([(profile, profile.questions[place]) for profile in profiles for place in (0, 5, 10, 12, 14, 17)])


def test_loaded_is_what_was_saved(kind: str, folder: Path, shared: Bundle) -> None:
    path, saved = zoo.saved(kind, folder)
    assert same(weights(shared.model), saved)
    assert shared.model.config.model_type == kind
    assert not shared.model.training
    assert isinstance(shared.family, Chat) == (kind not in ("llava", "idefics2"))
    assert shared.processor.tokenizer.convert_ids_to_tokens(shared.eos) == zoo.KINDS[kind].end
    assert shared.eos in shared.stops
    assert shared.processor.tokenizer.eos_token_id in shared.stops
    assert json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"] == kind


@pytest.mark.parametrize("shard", ["1GB", "20KB"], ids=["one file", "several files"])
def test_what_transformers_writes_is_let_in(kind: str, folder: Path, shared: Bundle, tmp_path: Path, shard: str) -> None:
    """Looked at as a stranger's, in half precision too; and it agrees with the same model in one file."""
    loaded = load(zoo.saved(kind, folder)[0], "cpu", dtype="bfloat16")
    loaded.model.save_pretrained(tmp_path / "m", max_shard_size=shard)
    assert (tmp_path / "m" / "model.safetensors.index.json").is_file() == (shard == "20KB")
    assert inspect(tmp_path / "m").notes == ()
    path = str(zoo.saved(kind, folder)[0])
    assert [note for note in handed_in(Settings(method=("none",), model=path, vanilla=path, candidate=str(tmp_path / "m"))) if "its own" not in note] == []


def by_processor(bundle: Bundle, text: str, modality: Modality, picture: Any, said: str = "") -> dict[str, torch.Tensor]:
    """The inputs that the model's own processor gives for the conversation, as a reader of its model card would write it."""
    content = [{"type": "image"}] if modality == "multimodal" else []
    turns: list[dict[str, Any]] = [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]
    processor = bundle.processor
    if bundle.family.name == "LLaVA":  # the released evaluation has no chat template
        prompt = f"USER: <image>\n{text}\nASSISTANT:" if content else f"USER:\n{text}\nASSISTANT:"
    else:
        prompt = processor.tokenizer.apply_chat_template(turns, chat_template=processor.chat_template, tokenize=False, add_generation_prompt=True)
    bos = processor.tokenizer.bos_token
    images = {"images": [picture.decode()]} if content else {}
    return dict(processor(text=[prompt + said], **images, add_special_tokens=not (bos and prompt.startswith(bos)), return_tensors="pt"))


@pytest.mark.parametrize("modality", MODALITIES)
def test_inputs_are_those_of_the_models_own_processor(shared: Bundle, modality: Modality) -> None:
    encoder = Encoder(shared)
    for number in range(2):
        picture = zoo.stretched(number).pictures[0]
        example = encoder.example("Where does Zoë live?\nIn one word.", "Oslo, Norway", modality, picture)
        found = encoder.collate([example]).inputs
        expected = by_processor(shared, "Where does Zoë live?\nIn one word.", modality, picture, f"{shared.family.lead(shared.processor)}Oslo, Norway")
        assert found["input_ids"][:, :-1].tolist() == expected["input_ids"].tolist()  # the processor does not end the answer
        assert found["input_ids"][0, -1] == shared.eos
        for key, value in expected.items():
            if value.shape[:2] != expected["input_ids"].shape:
                assert torch.equal(found[key], value), key
            else:
                assert found[key][:, :-1].tolist() == value.tolist(), key
        assert found.keys() == expected.keys()
        assert list(encoder.prompt("Who?", modality, picture)) == by_processor(shared, "Who?", modality, picture)["input_ids"][0].tolist()


def test_a_placeholder_or_a_turn_in_the_data_is_text_that_is_left_out(shared: Bundle) -> None:
    encoder = Encoder(shared)
    processor = shared.processor
    plain = encoder.example("Who is it?", "Nobody", "unimodal", None)
    for token in {processor.image_token, *processor.tokenizer.all_special_tokens}:
        nested = f"{token[:1]}{token}{token[1:]}"
        assert encoder.example(f"Who {token}is {nested}it?", f"No{nested}body{token}", "unimodal", None) == plain


def logits(bundle: Bundle, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = bundle.model(**inputs).logits
    return found


def test_a_row_has_the_same_logits_alone_and_in_a_batch(shared: Bundle) -> None:
    """Pictures of different shapes, rows without a picture, different lengths: nothing of the neighbours shows."""
    encoder = Encoder(shared)
    examples = sorted(rows(encoder, 0, 1), key=len)[::5]
    assert {example.picture is None for example in examples} == {True, False}
    assert len({example.picture for example in examples}) == 3
    batch = encoder.collate(examples)
    together = logits(shared, batch.inputs)
    for number, example in enumerate(examples):
        alone = logits(shared, encoder.collate([example]).inputs)[0]
        assert torch.allclose(together[number, -len(example) :], alone, atol=CLOSE), number
    asked_for = batch.labels != IGNORED
    with torch.inference_mode():
        found = shared.family.answer_logits(shared.model, batch.inputs, asked_for)
    assert torch.allclose(found, together[:, -asked_for.shape[1] - 1 : -1][asked_for], atol=CLOSE)


def test_what_is_seen_shows(shared: Bundle) -> None:
    encoder = Encoder(shared)
    one, other = (encoder.example("Who?", "Ann", "multimodal", picture) for picture in benchmark().transformed[0].pictures[:2])
    assert one.prompt == other.prompt
    assert not torch.allclose(*(logits(shared, encoder.collate([example]).inputs) for example in (one, other)), atol=1e-3)


def test_answers_do_not_depend_on_the_batch_size(shared: Bundle) -> None:
    together, alone, told = answer(shared, questions(), 32), answer(shared, questions(), 1), answer(shared, questions(), 32, system="Forget Ann.")
    assert [response.question for response in together] == [row.question.id for row in questions()]
    for first, second, third in zip(together, alone, told, strict=True):
        assert first.answer == second.answer
        if first.options and second.options:
            assert first.options == pytest.approx(second.options, abs=1.01e-4)
            assert first.options != third.options  # what is said before reaches every question
    assert len({response.answer for response in together if response.options is None}) > 2


def test_what_prompts_share_is_read_once_where_that_is_exact(kind: str, shared: Bundle) -> None:
    """The small Gemma's attention reaches back 16 tokens only: a cache with pads in it would reach less far."""
    path = "attention reaches back 16 tokens" if kind == "gemma3" else "prefix tree"
    for first, second in zip(answer(shared, questions(), 5, path=path), answer(shared, questions(), 1, sharing=False, path="one by one"), strict=True):
        assert first.answer == second.answer
        assert (first.truth is None) == (second.truth is None)
        if first.truth and second.truth:
            assert first.truth.log_probs == pytest.approx(second.truth.log_probs, abs=1.01e-4)
            assert first.truth.hits == second.truth.hits


def test_generated_text_is_what_the_model_says_to_its_own_processors_inputs(shared: Bundle) -> None:
    from pytest_mllmu.benchmark.prompts import instruction

    checked = [row for row in questions() if row.question.task != "classification"]
    for row, response in zip(checked, answer(shared, checked, 8), strict=True):
        given = by_processor(shared, instruction(row.question), row.question.modality, row.picture)
        with torch.inference_mode():
            tokens = shared.model.generate(**given, do_sample=False, max_new_tokens=50, eos_token_id=shared.stops, pad_token_id=shared.pad)
        new = tokens[0, given["input_ids"].shape[1] :]
        assert response.answer == shared.processor.tokenizer.decode(new, skip_special_tokens=True).strip()


def step(model: Any, loss: torch.Tensor, lr: float) -> None:
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=lr)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()


def test_a_step_of_fine_tuning_makes_the_answers_likelier(fresh: Bundle) -> None:
    encoder = Encoder(fresh)
    batch = encoder.collate(rows(encoder, 0, 1)[:6])
    fresh.model.train()
    before = answer_loss(fresh, fresh.model, batch)
    step(fresh.model, before, 0.05)
    assert answer_loss(fresh, fresh.model, batch).item() < before.item()


def test_a_step_of_gradient_ascent_changes_the_adapter_on_the_language_model_only(kind: str, folder: Path, fresh: Bundle, tmp_path: Path) -> None:
    path, saved = zoo.saved(kind, folder)
    encoder = Encoder(fresh)
    batch = encoder.collate(rows(encoder, 0, 1)[:6])
    model = adapted(fresh, Lora(dropout=0.0), 0)
    model.train()
    ga = method("ga")
    assert isinstance(ga, LossMethod)
    before = ga.loss(UnlearnStep(fresh, model, batch))
    step(model, before, 1.0)
    assert ga.loss(UnlearnStep(fresh, model, batch)).item() < before.item()
    model.eval()

    now = weights(model.get_base_model())
    assert same({name.replace(".base_layer", ""): value for name, value in now.items() if "lora_" not in name}, saved)
    decoder = zoo.KINDS[kind].decoder
    linear = {name for name, module in load(path, "cpu").model.get_submodule(decoder).named_modules() if isinstance(module, torch.nn.Linear)}
    wrapped = {name.removeprefix(f"{decoder}.").partition(".lora_")[0] for name in now if "lora_" in name}
    assert wrapped == linear
    assert len(linear) == 2 * 7
    assert all(name.startswith(f"{decoder}.") for name in now if "lora_" in name)
    assert all(value.abs().max() > 0 for name, value in now.items() if "lora_B" in name)

    save_adapter(model, tmp_path / "adapter")
    merged = load(tmp_path / "adapter", "cpu", base=load(path, "cpu"))
    assert torch.allclose(logits(merged, batch.inputs), logits(Bundle(model, fresh.processor, fresh.family), batch.inputs), atol=CLOSE)
    assert not torch.allclose(logits(merged, batch.inputs), logits(load(path, "cpu"), batch.inputs), atol=CLOSE)


def test_half_precision_takes_the_same_inputs(kind: str, folder: Path, shared: Bundle) -> None:
    """As a 7B checkpoint is loaded: answers come, and log-probabilities are near those in float32."""
    half = load(zoo.saved(kind, folder)[0], "cpu", dtype="bfloat16")
    chosen = [row for row in questions() if row.question.task == "classification"]
    for one, other in zip(answer(half, chosen), answer(shared, chosen), strict=True):
        assert one.options == pytest.approx(other.options, abs=0.3)
    assert len(answer(half, questions()[4:6])) == 2
