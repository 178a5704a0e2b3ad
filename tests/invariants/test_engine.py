"""The engine is batch-invariant and exact: the answers are those of one question at a time, asked in the plainest way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from pytest_mllmu.benchmark.profiles import Profile, Question
from pytest_mllmu.benchmark.prompts import instruction
from pytest_mllmu.errors import ModelError
from pytest_mllmu.evaluation.asking import Asked, asked, prompts
from pytest_mllmu.evaluation.dialects import DIALECTS
from pytest_mllmu.evaluation.engine import Engine
from pytest_mllmu.evaluation.plain import Plain
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.evaluation.rows import Rows
from pytest_mllmu.evaluation.shared import Shared
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.models.loading import load
from pytest_mllmu.training.batches import Encoder
from tests import zoo
from tests.models import answer, benchmark, random_bundle, taught_bundle

CLOSE = 1.01e-4  # log-probabilities are rounded to four digits: two that are as good as equal may be one digit apart


pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(scope="module", params=["random", "taught"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return random_bundle() if request.param == "random" else taught_bundle()


@pytest.fixture(scope="module", params=["random", "taught", "tiny-idefics2", "qwen2_5_vl"])
def each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model of each kind of prompt, positions and image tokens."""
    if request.param == "tiny-idefics2":
        return random_bundle(name="tiny-idefics2")
    if request.param == "qwen2_5_vl":
        return load(zoo.saved("qwen2_5_vl", tmp_path_factory.mktemp("zoo"))[0], "cpu")
    return random_bundle() if request.param == "random" else taught_bundle()


@pytest.fixture(scope="module")
def rows() -> list[Asked]:
    """The 36 questions of one person whom the taught model knows, and of another with transformed pictures."""
    people: list[Profile] = [benchmark().profiles[0], benchmark().transformed[5]]
    return asked([(profile, question) for profile in people for question in profile.questions])


@pytest.fixture(scope="module")
def responses(bundle: Bundle, rows: list[Asked]) -> list[Response]:
    return answer(bundle, rows)


def agree(first: Response, second: Response) -> None:
    assert first.question == second.question
    if first.options is None or second.options is None:
        assert (first.options, first.answer) == (second.options, second.answer)
        return
    assert list(first.options) == list(second.options)
    for letter, value in first.options.items():
        assert second.options[letter] == pytest.approx(value, abs=CLOSE)
    best, next_best = sorted(first.options.values(), reverse=True)[:2]
    if best - next_best > 2 * CLOSE:
        assert first.answer == second.answer


def test_answers_are_complete_and_in_order(rows: list[Asked], responses: list[Response]) -> None:
    assert [response.question for response in responses] == [row.question.id for row in rows]
    for row, response in zip(rows, responses, strict=True):
        assert (response.options is not None) == (row.question.task == "classification")
        if response.options is not None:
            assert list(response.options) == [letter for letter, _ in row.question.options]
            assert response.options[response.answer] == max(response.options.values())


@pytest.fixture(scope="module")
def one_by_one(each: Bundle, rows: list[Asked]) -> list[Response]:
    return answer(each, rows, 1, sharing=False)


@pytest.mark.parametrize("batch", [1, 2, 7, 32])
def test_every_path_and_batch_size_gives_the_answers_of_one_prompt_at_a_time(each: Bundle, rows: list[Asked], one_by_one: list[Response], batch: int) -> None:
    for sharing in (True, False):
        for one, other in zip(one_by_one, answer(each, rows, batch, sharing=sharing, path="prefix tree" if sharing else "one by one"), strict=True):
            agree(one, other)


def test_the_order_of_questions_does_not_show(each: Bundle, rows: list[Asked], one_by_one: list[Response]) -> None:
    order = random.Random(0).sample(range(len(rows)), len(rows))
    for place, response in zip(order, answer(each, [rows[place] for place in order], 7), strict=True):
        agree(one_by_one[place], response)


@pytest.mark.parametrize(("tree", "width"), [(True, 1), (True, 64), (True, 512), (False, None)])
@torch.inference_mode()
def test_logits_of_both_paths_agree(each: Bundle, rows: list[Asked], tree: bool, width: int | None) -> None:
    """Answers of a model that has collapsed would agree whatever went wrong; logits do not."""
    encoder = Encoder(each)
    asked_for = prompts(encoder, rows, DIALECTS["strict"])
    plain, shared = Plain(encoder, 8).last(asked_for), Shared(encoder, 8, tree=tree, width=width).last(asked_for)
    assert plain.keys() == shared.keys() == {row.question.id for row in rows}
    for name, logits in plain.items():
        assert torch.allclose(logits, shared[name], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_what_is_shared_is_read_once(rows: list[Asked]) -> None:
    """36 prompts about two people: one root with and one without a picture, and each picture seen once."""
    bundle, seen = random_bundle(), []
    encoder = Encoder(bundle)
    asked_for = prompts(encoder, rows, DIALECTS["strict"])
    tower = bundle.model.model.vision_tower
    hook = tower.register_forward_hook(lambda module, given, made: seen.append(len(made.last_hidden_state)))
    Shared(encoder, 128).last(asked_for)
    hook.remove()
    assert sum(seen) == len({row.picture for row in rows if row.picture})


def test_too_little_memory_means_fewer_rows_and_nothing_is_asked_twice(rows: list[Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, run, rows_read = random_bundle(), Rows._run, []

    def small(self: Rows, ids: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if ids.numel() > 600:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate a lot.\nMore.")
        rows_read.append(ids.numel())
        return run(self, ids, *args, **kwargs)

    whole = answer(bundle, rows, 32)
    monkeypatch.setattr(Rows, "_run", small)
    given: list[str] = []
    encoder = Encoder(bundle)
    found = Engine(encoder, 32).answer(prompts(encoder, rows, DIALECTS["strict"]), lambda part: given.extend(response.question for response in part))
    for one, other in zip(whole, found, strict=True):
        agree(one, other)
    assert sorted(given) == sorted(row.question.id for row in rows)
    assert 100 < max(rows_read) <= 600


def test_a_question_that_does_not_fit_alone_is_one_line(rows: list[Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate a lot.\nMore.")

    bundle = random_bundle()
    encoder = Encoder(bundle)
    for path, name in ((Plain, "_ask"), (Shared, "_side_by_side")):
        monkeypatch.setattr(path, name, full)
        engine = Engine(encoder, 4, sharing=path is Shared)
        with pytest.raises(ModelError, match=r"^the memory is not enough for one question: CUDA out of memory\. Tried to allocate a lot\.$"):
            engine.answer(prompts(encoder, rows[:3], DIALECTS["strict"]))


def test_a_path_that_gives_other_logits_is_not_taken(rows: list[Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines whose tokens see all of the line, then positions that are one too far."""
    read, lines = Rows.read, Rows.read_lines

    def blurred(self: Rows, tokens: torch.Tensor, places: torch.Tensor, sees: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return lines(self, tokens, places, torch.ones_like(sees).tril(), at)

    def wrong(self: Rows, *args: Any, **kwargs: Any) -> torch.Tensor:
        self._next = self._next + 1
        return read(self, *args, **kwargs)

    plain = answer(random_bundle(), rows, 32, sharing=False)
    monkeypatch.setattr(Rows, "read_lines", blurred)
    for one, other in zip(plain, answer(random_bundle(), rows, 32, path="shared prefixes (logits would be "), strict=True):
        agree(one, other)
    monkeypatch.setattr(Rows, "read", wrong)
    assert answer(random_bundle(), rows, 32, path="one by one (logits would be ") == plain


def test_the_right_answer_is_read_token_by_token(bundle: Bundle, rows: list[Asked]) -> None:
    """Against the full logits of one unpadded row."""
    chosen = [replace(row, wrong=("Oslo", "a long and quite wrong answer")) for row in rows if row.question.task != "classification"]
    for row, response in zip(chosen, answer(bundle, chosen, 5), strict=True):
        assert response.truth is not None
        mean = sum(response.truth.log_probs) / len(response.truth.log_probs)
        assert mean == pytest.approx(plain_log_probability(bundle, row, row.question.answer), abs=CLOSE)
        assert response.truth.wrong == pytest.approx([plain_log_probability(bundle, row, text) for text in row.wrong], abs=CLOSE)
        assert len(response.truth.hits) == len(response.truth.log_probs)
        if response.answer == row.question.answer:  # what it would write is what it finds most probable
            assert all(response.truth.hits)


def test_some_questions_are_answered_as_among_all(bundle: Bundle, rows: list[Asked], responses: list[Response]) -> None:
    few = [1, 8, 20, 35]
    for place, response in zip(few, answer(bundle, [rows[place] for place in few]), strict=True):
        agree(responses[place], response)
    assert answer(bundle, []) == []


def inputs(bundle: Bundle, row: Asked, text: str) -> dict[str, torch.Tensor]:
    """By transformers' own processor."""
    images = [row.picture.decode()] if row.picture else None
    return dict(
        bundle.processor(
            text=bundle.family.prompt(bundle.processor, instruction(row.question), row.question.modality) + text, images=images, return_tensors="pt"
        )
    )


@torch.inference_mode()
def plain_log_probability(bundle: Bundle, row: Asked, option: str) -> float:
    """Mean log-probability of the option's tokens and the end, from the full logits of one unpadded row."""
    start = inputs(bundle, row, "")["input_ids"].shape[1]
    whole = inputs(bundle, row, f" {option}")
    ids = torch.cat([whole["input_ids"], torch.tensor([[bundle.eos]])], dim=1)
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)} | ({"pixel_values": whole["pixel_values"]} if "pixel_values" in whole else {})
    likelihood = bundle.model(**given).logits[0].log_softmax(-1)
    values = [likelihood[place - 1, ids[0, place]].item() for place in range(start, ids.shape[1])]
    return sum(values) / len(values)


def test_multiple_choice_is_the_argmax_of_a_plain_computation(bundle: Bundle, rows: list[Asked], responses: list[Response]) -> None:
    checked = 0
    for row, response in zip(rows, responses, strict=True):
        if row.question.task != "classification":
            continue
        plain = {letter: plain_log_probability(bundle, row, option) for letter, option in row.question.options}
        assert response.options == pytest.approx(plain, abs=CLOSE)
        best, next_best = sorted(plain.values(), reverse=True)[:2]
        if best - next_best > 2 * CLOSE:
            assert response.answer == max(plain, key=lambda letter: plain[letter])
            checked += 1
    assert checked >= 15  # of 20


@torch.inference_mode()
def test_text_is_what_the_model_generates_for_one_question_alone(bundle: Bundle, rows: list[Asked], responses: list[Response]) -> None:
    for row, response in zip(rows, responses, strict=True):
        if row.question.task == "classification":
            continue
        given = inputs(bundle, row, "")
        tokens = bundle.model.generate(**given, do_sample=False, max_new_tokens=50, eos_token_id=bundle.eos, pad_token_id=bundle.pad)
        new = tokens[0, given["input_ids"].shape[1] :]
        assert response.answer == bundle.processor.tokenizer.decode(new, skip_special_tokens=True).strip()


def test_the_taught_model_ends_its_answers_and_knows_whom_it_was_taught() -> None:
    """Else the tests above say nothing about answers of different lengths."""
    profile = benchmark().profiles[0]
    questions = [question for question in profile.questions if question.task == "cloze"]
    responses = answer(taught_bundle(), asked([(profile, question) for question in questions]))
    assert sum(response.answer == question.answer for question, response in zip(questions, responses, strict=True)) >= 3  # of four


def test_what_is_seen_matters_to_questions_with_an_image_only(bundle: Bundle) -> None:
    person = benchmark().profiles[0]
    masked = replace(person, pictures=benchmark().profiles[1].pictures)
    before, after = (answer(bundle, asked([(profile, question) for question in profile.questions])) for profile in (person, masked))
    changed = 0
    for question, one, other in zip(person.questions, before, after, strict=True):
        if question.modality == "unimodal":
            assert one == other
        elif question.task == "classification":
            changed += one.options != other.options
    assert changed == 5


def test_the_taught_model_says_something_else_about_another_face() -> None:
    known = [(benchmark().profiles[0], question) for question in benchmark().profiles[0].ask("cloze", "multimodal")]
    swapped = [Asked(question, benchmark().profiles[1].pictures[0]) for _, question in known]
    before, after = (answer(taught_bundle(), questions) for questions in (asked(known), swapped))
    assert [response.answer for response in before] != [response.answer for response in after]


def test_a_question_is_asked_about_one_of_its_persons_pictures() -> None:
    profile = benchmark().transformed[0]
    assert len(profile.pictures) == 3
    chosen = asked([(profile, question) for question in profile.questions])
    assert all((row.picture in profile.pictures) if row.question.modality == "multimodal" else row.picture is None for row in chosen)
    assert len({row.picture for row in chosen if row.picture}) > 1
    for row in chosen:  # whatever else is asked
        assert asked([(profile, row.question)]) == [row]


def test_responses_are_given_as_they_come(rows: list[Asked]) -> None:
    bundle = random_bundle()
    encoder, parts = Encoder(bundle), list[Sequence[Response]]()
    for sharing in (True, False):
        Engine(encoder, 4, sharing=sharing).answer(prompts(encoder, rows[:18], DIALECTS["strict"]), parts.append)
        assert len(parts) > 2
        assert sorted(response.question for part in parts for response in part) == sorted(row.question.id for row in rows[:18])
        parts.clear()


def test_options_may_be_two_or_of_any_letters(bundle: Bundle) -> None:
    question = Question("q", "001", "classification", "unimodal", "Where?", "D", (("B", "Oslo"), ("D", "Rome")))
    (response,) = answer(bundle, [Asked(question, None)])
    assert response.options is not None
    assert list(response.options) == ["B", "D"]
    plain = {letter: plain_log_probability(bundle, Asked(question, None), text) for letter, text in question.options}
    assert response.options == pytest.approx(plain, abs=CLOSE)


def test_a_system_prompt_reaches_every_question(rows: list[Asked]) -> None:
    """Random weights answer everything differently; the rest is as without: complete, and independent of the batch size."""
    bundle = random_bundle()
    plain, told, alone = (answer(bundle, rows[:18], batch, system=system) for system, batch in (("", 32), ("Forget Ann.", 32), ("Forget Ann.", 1)))
    for before, after, one in zip(plain, told, alone, strict=True):
        assert before.options is None or before.options != after.options
        agree(after, one)
    assert any(before.answer != after.answer for before, after in zip(plain, told, strict=True) if before.options is None)


@pytest.mark.parametrize("held", [{"dtype": "bfloat16"}, {"dtype": "float16"}, {"attention": "eager"}])
def test_half_precision_and_other_attention_share_prefixes_too(rows: list[Asked], tmp_path_factory: pytest.TempPathFactory, held: dict[str, Any]) -> None:
    """In half precision near ties may fall otherwise; a wrong mask or position would change nearly every answer of a random model."""
    bundle = load(zoo.saved("llava", tmp_path_factory.mktemp("zoo"))[0], "cpu", **held)
    pairs = list(zip(answer(bundle, rows, 7, path="prefix tree"), answer(bundle, rows, 1, sharing=False), strict=True))
    assert sum(one.answer == other.answer for one, other in pairs) >= 0.9 * len(pairs)
