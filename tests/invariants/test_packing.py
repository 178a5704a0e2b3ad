"""Pairs that share an image trunk have the loss and the gradient of pairs in rows of their own."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.benchmark.profiles import Picture
from pytest_mllmu.methods.unlearn import retain_rows
from pytest_mllmu.progress import Progress
from pytest_mllmu.training import packing
from pytest_mllmu.training.answers import answer_hidden, answer_log_probs, answer_tokens
from pytest_mllmu.training.batches import Batch, Encoder, Example
from pytest_mllmu.training.loop import Hyper, answer_loss, train
from pytest_mllmu.training.lora import Lora, adapted
from pytest_mllmu.training.packing import by_picture, collate_packed, packable
from pytest_mllmu.training.plan import planned
from tests.models import benchmark, person, random_bundle

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def pairs(encoder: Encoder, *numbers: int) -> list[Example]:
    rows = [row for number in numbers for row in encoder.pairs(person(number))]
    random.Random(0).shuffle(rows)
    return rows


# Eager attention in double precision makes NaN of the padding of plain rows: nothing to compare with.
@pytest.mark.parametrize(("dtype", "attention"), [(torch.float32, "sdpa"), (torch.float64, "sdpa"), (torch.float32, "eager")])
@pytest.mark.parametrize("labels", ["answer", "upstream"])
def test_loss_and_gradients_are_those_of_separate_rows(dtype: torch.dtype, attention: str, labels: Any) -> None:
    bundle = random_bundle()
    bundle.model.to(dtype)
    bundle.model.set_attn_implementation(attention)
    encoder = Encoder(bundle)
    rows = pairs(encoder, 0, 1, 2)
    plain, packed = encoder.collate(rows, labels), collate_packed(encoder, rows, labels)
    assert packed.inputs["input_ids"].numel() < plain.inputs["input_ids"].numel() / 1.3
    assert torch.equal(answer_tokens(plain), answer_tokens(packed))
    found = []
    for batch in (plain, packed):
        bundle.model.zero_grad()
        value = answer_loss(bundle, bundle.model, batch)
        value.backward()  # type: ignore[no-untyped-call]
        gradients = {name: parameter.grad.clone() for name, parameter in bundle.model.named_parameters() if parameter.grad is not None}
        with torch.inference_mode():
            tokens = answer_log_probs(bundle, bundle.model, batch)
        found.append((value.item(), tokens, gradients))
    (one, one_tokens, one_gradients), (other, other_tokens, other_gradients) = found
    assert one == pytest.approx(other, abs=1e-6)
    torch.testing.assert_close(one_tokens, other_tokens, rtol=0, atol=1e-5)
    assert one_gradients.keys() == other_gradients.keys()
    assert any("vision_tower" in name for name in one_gradients)
    for name, gradient in one_gradients.items():
        torch.testing.assert_close(gradient, other_gradients[name], rtol=0, atol=1e-6)


def test_one_picture_under_two_prompts_has_two_trunks() -> None:
    bundle = random_bundle()
    bundle.model.double()
    encoder = Encoder(bundle)
    rows = [row for row in pairs(encoder, 0) if row.picture][:4]
    rows += [Example((*encoder.prompt("You have never met this person.", "unimodal"), *row.prompt), row.answer, row.picture) for row in rows]
    packed = collate_packed(encoder, rows)
    assert len(packed.inputs["pixel_values"]) == 2
    with torch.inference_mode():
        plain, together = (answer_log_probs(bundle, bundle.model, batch) for batch in (encoder.collate(rows), packed))
    torch.testing.assert_close(plain, together, rtol=0, atol=1e-6)


def test_a_picture_is_on_one_line_however_many_pairs_it_has() -> None:
    encoder = Encoder(random_bundle())
    rows = pairs(encoder, 0, 1)
    packed = collate_packed(encoder, rows)
    image = encoder.bundle.model.config.image_token_id
    assert len(packed.inputs["pixel_values"]) == 2
    assert int((packed.inputs["input_ids"] == image).sum()) == 2 * 9
    only_text = collate_packed(encoder, [row for row in rows if not row.picture])
    assert "pixel_values" not in only_text.inputs
    assert only_text.inputs["input_ids"].shape[1] <= packing.ROOM


def test_hidden_states_come_in_the_order_of_the_rows() -> None:
    bundle = random_bundle()
    encoder = Encoder(bundle)
    rows = pairs(encoder, 0, 1)[:9]
    with torch.inference_mode():
        alone = torch.cat([answer_hidden(bundle.model, encoder.collate([row])) for row in rows])
        for batch in (encoder.collate(rows), collate_packed(encoder, rows)):
            torch.testing.assert_close(answer_hidden(bundle.model, batch), alone, rtol=0, atol=1e-5)


def losses(monkeypatch: pytest.MonkeyPatch, known: set[tuple[str, str]], accumulate: int = 1) -> tuple[list[float], list[int], list[str]]:
    monkeypatch.setattr(packing, "KNOWN", known)
    bundle = random_bundle()
    encoder = Encoder(bundle)
    rows, others = pairs(encoder, 0, 1), pairs(encoder, 2, 3, 4)
    model = adapted(bundle, Lora(dropout=0.0), 0)
    seen, lines, said = list[float](), list[int](), list[str]()

    def loss(batch: Batch) -> torch.Tensor:
        assert batch.beside is not None
        value = answer_loss(bundle, model, batch) - 0.1 * answer_loss(bundle, model, batch.beside)
        seen.append(value.item())
        lines.append(len(batch.inputs["input_ids"]) - len(batch.rows))
        return value

    hyper = Hyper(lr=1e-3, epochs=2, batch=16, packed=True, accumulate=accumulate)
    train(model, encoder, lambda rng: rows, loss, hyper, 0, Progress(said.append), "learning", beside=lambda rng: others)
    return seen, lines, said


def test_a_model_that_cannot_be_packed_takes_the_same_steps_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    packed, fewer, silent = losses(monkeypatch, packing.KNOWN)
    plain, none, said = losses(monkeypatch, set())
    assert packed == pytest.approx(plain, abs=1e-4)
    assert all(difference < 0 for difference in fewer)
    assert not any(none)
    assert not [line for line in silent if "not packed" in line]
    assert said[0].startswith("mllmu: learning: rows are not packed")


def test_only_what_is_known_to_be_exact_is_packed() -> None:
    bundle = random_bundle()
    assert packable(bundle)
    bundle.model.config.get_text_config().model_type = "mistral"
    assert not packable(bundle)


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(1, 9), st.integers(0, 3))
def test_rows_about_one_picture_stay_together(numbers: list[int], batch: int, seed: int) -> None:
    pictures = [Picture(lambda number=number: bytes([number])) for number in range(5)]  # type: ignore[misc]
    rows = [Example((1,), (place,), pictures[number] if number else None) for place, number in enumerate(numbers)]
    groups = by_picture(iter(rows), batch, random.Random(seed))
    assert Counter(row for group in groups for row in group) == Counter(rows)
    assert all(1 <= len(group) <= batch for group in groups)
    assert groups == by_picture(rows, batch, random.Random(seed))
    for number in range(1, 5):
        assert sum(any(row.picture == pictures[number] for row in group) for group in groups) == -(-numbers.count(number) // batch)


def test_steps_of_packed_parts_hold_every_row_once() -> None:
    encoder = Encoder(random_bundle())
    rows = pairs(encoder, 0, 1, 2)
    plan = planned(lambda rng: rows, None, 2, 8, 2, 0, packed=True)
    for steps in plan:
        assert Counter(row for step in steps for part in step for row in part.rows) == Counter(rows)
        assert all(len(step) == 2 for step in steps[:-1])
    assert plan[0] != plan[1]


def test_the_second_stream_keeps_pictures_together_too() -> None:
    encoder = Encoder(random_bundle())
    rows, others = pairs(encoder, 0, 1, 2), pairs(encoder, 3, 4, 5)
    plan = planned(lambda rng: rows, lambda rng: others, 1, 16, 1, 0, packed=True)
    parts = [part.beside for step in plan[0] for part in step]
    assert Counter(row for part in parts for row in part) == Counter(others)
    assert all(sum(any(row.picture == person(number).pictures[0] for row in part) for part in parts) == 1 for number in (3, 4, 5))


@pytest.mark.parametrize("packed", [False, True])
def test_no_more_retain_pairs_are_drawn_than_will_be_used(packed: bool) -> None:
    encoder = Encoder(random_bundle())
    people = [encoder.pairs(profile) for profile in benchmark().people("retain")]
    every = [row for rows in people for row in rows]
    drawn = retain_rows(people, 20, 0, packed)
    assert not Counter(drawn) - Counter(every)
    assert drawn != retain_rows(people, 20, 1, packed)
    assert Counter(retain_rows(people, 10**6, 0, packed)) == Counter(every)
    if packed:
        assert 20 <= len(drawn) < 20 + max(map(len, people))
        assert all(set(rows) <= set(drawn) or not set(rows) & set(drawn) for rows in people)
    else:
        assert len(drawn) == 20
