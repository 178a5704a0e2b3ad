"""Pairs as batches: what is padded, what is labelled, what is decoded, and in which order rows come."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.benchmark.profiles import Modality, Picture, Profile, TrainingPair
from pytest_mllmu.training import batches
from pytest_mllmu.training.batches import IGNORED, Encoder, Example, shuffled
from tests.models import benchmark, person, processor, random_bundle


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(random_bundle())


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of the pictures that were decoded."""
    seen: list[str] = []
    decode = Picture.decode

    def counted(picture: Picture) -> object:
        seen.append(picture.digest)
        return decode(picture)

    monkeypatch.setattr(Picture, "decode", counted)
    return seen


@given(answer=st.text(max_size=12), modality=st.sampled_from(["multimodal", "unimodal"]))
def test_prompt_and_answer_are_the_tokens_of_the_whole(encoder: Encoder, answer: str, modality: Modality) -> None:
    if "<" in answer:  # special tokens have a test of their own
        return
    row = encoder.example("Who?", answer, modality, person().pictures[0])
    bundle = encoder.bundle
    image = bundle.family.image_text(bundle.processor, None)
    prompt = bundle.family.prompt(bundle.processor, "Who?", modality)
    whole = bundle.family.tokens(bundle.processor, f"{prompt} {answer}", [image] if modality == "multimodal" else [])
    assert [*row.prompt, *row.answer] == [*whole, bundle.eos]
    assert row.prompt == encoder.prompt("Who?", modality)[: len(row.prompt)]
    assert (row.picture is None) == (modality == "unimodal")


def test_an_answer_reads_as_given_and_ends(encoder: Encoder) -> None:
    row = encoder.example("Who?", "a painter from Oslo", "unimodal", None)
    assert row.prompt == encoder.prompt("Who?", "unimodal")
    assert processor().tokenizer.decode(row.answer[:-1]) == " a painter from Oslo"
    assert row.answer[-1] == processor().tokenizer.eos_token_id
    assert len(row) == len(row.prompt) + len(row.answer)


def test_rows_are_padded_on_the_left(encoder: Encoder) -> None:
    rows = [encoder.example("Who?", "Ann", "unimodal", None), encoder.example("Who is it and where from?", "a painter from Oslo", "unimodal", None)]
    assert len(rows[0]) < len(rows[1])
    inputs = encoder.collate(rows).inputs
    gap = len(rows[1]) - len(rows[0])
    assert inputs["input_ids"].tolist() == [[encoder.bundle.pad] * gap + [*rows[0].prompt, *rows[0].answer], [*rows[1].prompt, *rows[1].answer]]
    assert inputs["attention_mask"].tolist() == [[0] * gap + [1] * len(rows[0]), [1] * len(rows[1])]
    assert "pixel_values" not in inputs


def test_labels_are_the_answers_with_their_end_and_nothing_else(encoder: Encoder) -> None:
    rows = encoder.pairs(person())
    batch = encoder.collate(rows)
    assert batch.labels.shape == (len(rows), max(len(row.answer) for row in rows))
    for row, labels in zip(rows, batch.labels.tolist(), strict=True):
        assert [token for token in labels if token != IGNORED] == list(row.answer)
        assert labels[: -len(row.answer)] == [IGNORED] * (len(labels) - len(row.answer))
        assert labels[-1] == encoder.bundle.eos


def test_pixels_follow_the_rows_with_an_image(encoder: Encoder) -> None:
    pictures = [person(number).pictures[0] for number in range(2)]
    rows = [
        encoder.example("Who?", "Ann", "multimodal", pictures[0]),
        encoder.example("Who?", "Bob", "unimodal", pictures[0]),
        encoder.example("Who?", "Cid", "multimodal", pictures[1]),
    ]
    found = encoder.collate(rows).inputs["pixel_values"]
    family = encoder.bundle.family
    assert torch.equal(found, family.join([family.pixels(processor(), picture.decode()) for picture in pictures])["pixel_values"])


def test_a_pair_without_a_modality_is_trained_in_both(encoder: Encoder) -> None:
    profile = replace(person(), pairs=(TrainingPair("Who?", "Ann"), TrainingPair("Where?", "Oslo", "unimodal"), TrainingPair("When?", "1980", "multimodal")))
    rows = encoder.pairs(profile)
    assert [row.picture is not None for row in rows] == [True, False, False, True]
    assert rows[:2] == [encoder.example("Who?", "Ann", modality, person().pictures[0]) for modality in ("multimodal", "unimodal")]
    assert all(row.picture in (None, person().pictures[0]) for row in rows)


def with_images(encoder: Encoder, profiles: tuple[Profile, ...]) -> list[Example]:
    return [encoder.example("Who?", "Ann", "multimodal", profile.pictures[0]) for profile in profiles]


def test_a_picture_is_decoded_once(decoded: list[str]) -> None:
    encoder = Encoder(random_bundle())
    rows = with_images(encoder, benchmark().profiles[:2])
    first = encoder.collate([*rows, *rows]).inputs["pixel_values"]
    again = encoder.collate(rows).inputs["pixel_values"]
    assert decoded == [profile.pictures[0].digest for profile in benchmark().profiles[:2]]
    assert torch.equal(first, torch.cat([again, again]))


@pytest.mark.parametrize("room", [0, 1, 2, 3])
def test_the_picture_cache_is_bounded(decoded: list[str], monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    size = 3 * 48 * 48 * 4
    monkeypatch.setattr(batches, "PIXEL_CACHE_BYTES", room * size)
    encoder = Encoder(random_bundle())
    rows = with_images(encoder, benchmark().profiles[:5])
    for row in rows:
        encoder.collate([row])
        assert len(encoder._pixels) <= max(1, room)
        assert encoder._bytes == size * len(encoder._pixels)
    encoder.collate(rows[-max(1, room) :])  # the last ones are still there
    assert len(decoded) == 5
    encoder.collate(rows[:1])
    assert len(decoded) == 6
    # One batch may hold more pictures than the cache.
    assert torch.equal(encoder.collate(rows).inputs["pixel_values"], Encoder(random_bundle()).collate(rows).inputs["pixel_values"])


@given(st.lists(st.integers(1, 30), max_size=80), st.integers(1, 9), st.integers(0, 5))
def test_shuffled_keeps_every_row_once(lengths: list[int], batch: int, seed: int) -> None:
    rows = [Example((1,) * length, (number,)) for number, length in enumerate(lengths)]
    groups = shuffled(iter(rows), batch, random.Random(seed))
    assert Counter(row for group in groups for row in group) == Counter(rows)
    assert all(1 <= len(group) <= batch for group in groups)
    assert len(groups) == -(-len(rows) // batch)
    assert groups == shuffled(rows, batch, random.Random(seed))


def test_shuffled_shuffles_and_groups_by_length() -> None:
    rows = [Example((1,) * (1 + number % 7), (number,)) for number in range(64)]
    one, other = (shuffled(rows, 8, random.Random(seed)) for seed in (0, 1))
    assert one != other
    assert all([len(row) for row in group] == sorted(len(row) for row in group) for group in one)
    assert sum(len({len(row) for row in group}) for group in one) <= 8 + 6  # eight batches, one more length at each border
    assert sorted(one, key=lambda group: len(group[0])) != one


def test_an_image_placeholder_in_the_data_stands_for_no_image() -> None:
    bundle = random_bundle()
    encoder = Encoder(bundle)
    expected = encoder.example("Who is it?", "nobody", "unimodal", None)
    assert encoder.example("Who <image>is it?", "no<image>body", "unimodal", None) == expected
    assert encoder.example("Who <im<image>age>is it?", "no<<image>image>body", "unimodal", None) == expected


def test_an_end_token_in_the_data_ends_nothing() -> None:
    encoder = Encoder(random_bundle())
    row = encoder.example("Who</s> is it?", "no</s>body<pad>", "unimodal", None)
    assert row == encoder.example("Who is it?", "nobody", "unimodal", None)
    assert [*row.prompt, *row.answer].count(encoder.bundle.eos) == 1


def test_a_system_prompt_comes_first_and_belongs_to_the_prompt() -> None:
    encoder = Encoder(random_bundle())
    plain, told = (encoder.example("Who?", "Ann", "unimodal", None, system) for system in ("", "Forget Ann."))
    assert told.prompt[-len(plain.prompt) + 1 :] == plain.prompt[1:]
    assert len(told.prompt) > len(plain.prompt)
    assert told.answer == plain.answer
    assert encoder.prompt("Who?", "unimodal", system="Forget Ann.")[: len(told.prompt)] == told.prompt
