"""The engine is batch-invariant and exact: the answers are those of one question at a time, asked in the plainest way."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from pytest_mllmu.benchmark.profiles import Profile, Question
from pytest_mllmu.benchmark.prompts import instruction
from pytest_mllmu.evaluation.engine import NEW_TOKENS, Asked, answer, asked
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.models.families import Bundle
from tests.models import benchmark, random_bundle, taught_bundle

CLOSE = 1.01e-4  # log-probabilities are rounded to four digits: two that are as good as equal may be one digit apart


@pytest.fixture(scope="module", params=["random", "taught"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
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


@pytest.mark.parametrize("batch", [1, 2, 7, 32])
def test_the_batch_size_does_not_show(bundle: Bundle, rows: list[Asked], responses: list[Response], batch: int) -> None:
    for one, other in zip(responses, answer(bundle, rows, batch), strict=True):
        agree(one, other)


def test_the_order_of_questions_does_not_show(bundle: Bundle, rows: list[Asked], responses: list[Response]) -> None:
    order = random.Random(0).sample(range(len(rows)), len(rows))
    for place, response in zip(order, answer(bundle, [rows[place] for place in order], 7), strict=True):
        agree(responses[place], response)


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
        tokens = bundle.model.generate(**given, do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=bundle.eos, pad_token_id=bundle.pad)
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


def test_progress_counts_every_question_once(rows: list[Asked]) -> None:
    done: list[int] = []
    answer(random_bundle(), rows[:18], 4, done.append)
    assert sum(done) == 18


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
