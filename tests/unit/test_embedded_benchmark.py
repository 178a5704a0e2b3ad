"""The embedded benchmark has the paper's size, no leaks between its sets, and depends on its seed alone."""

from __future__ import annotations

import io
from itertools import combinations

import pytest
from PIL import Image, ImageChops

from pytest_mllmu.benchmark.profiles import Benchmark, Profile
from pytest_mllmu.benchmark.splits import draw_forget, synthetic_ids
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.embedded.faces import SIZE
from pytest_mllmu.embedded.persons import people

SEED = 7


@pytest.fixture(scope="module")
def full_size() -> Benchmark:
    return synthetic_benchmark(500, 153, 5, SEED)


@pytest.fixture(scope="module")
def small() -> Benchmark:
    return synthetic_benchmark(40, 10, 15, SEED)


def test_counts_are_those_of_table_1(full_size: Benchmark) -> None:
    assert full_size.counts() == {
        "questions": 20_754,
        "multimodal": 10_377,
        "classification": 11_530,
        "generation": 4_612,
        "cloze": 4_612,
        "images": 1_153,
    }


def test_split_is_the_one_known_from_the_ids(full_size: Benchmark) -> None:
    assert full_size.forget_ids == draw_forget(synthetic_ids(500), 5, SEED)
    assert len(full_size.retain_ids) == 475
    assert [profile.id for profile in full_size.people("test")] == list(full_size.forget_ids)
    assert full_size.synthetic
    assert full_size.name == "synthetic"


@pytest.mark.parametrize("seed", [0, 1, 2, SEED])
def test_no_celebrity_has_the_name_of_a_profile(seed: int) -> None:
    profiles = {person.name.casefold() for person in people("profile", 500, seed)}
    celebrities = {person.name.casefold() for person in people("celebrity", 153, seed)}
    assert len(profiles) == 500
    assert len(celebrities) == 153
    assert not profiles & celebrities


def test_a_hundred_people_are_the_first_of_five_hundred(full_size: Benchmark) -> None:
    fewer = synthetic_benchmark(100, 40, 5, SEED)
    for part, some in (("profiles", 100), ("transformed", 100), ("celebrities", 40)):
        first = getattr(full_size, part)[:some]
        for ours, theirs in zip(getattr(fewer, part), first, strict=True):
            assert (ours.id, ours.biography, ours.questions, ours.pairs) == (theirs.id, theirs.biography, theirs.questions, theirs.pairs)
    assert fewer.profiles[:3] == full_size.profiles[:3]


def test_same_seed_same_benchmark_other_seed_another(small: Benchmark) -> None:
    again, other = synthetic_benchmark(40, 10, 15, SEED), synthetic_benchmark(40, 10, 15, SEED + 1)
    assert again == small
    assert again.fingerprints == small.fingerprints
    assert not set(other.fingerprints.values()) & set(small.fingerprints.values())


def test_ids_name_set_person_task_and_modality(small: Benchmark) -> None:
    rows = small.profiles + small.transformed + small.celebrities
    ids = [question.id for profile in rows for question in profile.questions]
    assert len(set(ids)) == len(ids)
    assert {"full-001-classification-multimodal-4", "test-040-cloze-unimodal-1", "celebrity-C010-generation-multimodal-0"} <= set(ids)
    assert all(question.person == profile.id for profile in rows for question in profile.questions)


def test_options_hold_the_right_answer_once(full_size: Benchmark) -> None:
    facts = {profile.id: profile.biography for profile in full_size.profiles + full_size.celebrities}
    letters = set()
    for profile in full_size.profiles + full_size.transformed + full_size.celebrities:
        for question in (*profile.ask("classification", "multimodal"), *profile.ask("classification", "unimodal")):
            texts = [text for _, text in question.options]
            assert [letter for letter, _ in question.options] == list("ABCD")
            assert len(set(texts)) == 4
            assert texts.count(question.answer_text) == 1
            assert question.answer_text in facts[profile.id]
            letters.add(question.answer)
    assert letters == set("ABCD")


def test_transformed_questions_are_all_worded_anew(small: Benchmark) -> None:
    for profile, transformed in zip(small.profiles, small.transformed, strict=True):
        assert (profile.id, profile.biography) == (transformed.id, transformed.biography)
        pairs = list(zip(profile.questions, transformed.questions, strict=True))
        assert len(pairs) == 18
        for ours, theirs in pairs:
            assert (ours.task, ours.modality, ours.answer_text) == (theirs.task, theirs.modality, theirs.answer_text)
        assert not {ours.text for ours, _ in pairs} & {theirs.text for _, theirs in pairs}


def test_questions_reveal_a_name_only_without_the_picture(small: Benchmark) -> None:
    for profile in small.profiles:
        name = profile.biography.partition(" was born")[0]
        for question in profile.questions:
            assert (name in question.text) == (question.modality == "unimodal")


def test_everybody_to_learn_has_training_pairs(small: Benchmark) -> None:
    for profile in small.profiles + small.celebrities:
        assert {pair.modality for pair in profile.pairs} == {"multimodal", "unimodal"}
        assert all(pair.question and pair.answer for pair in profile.pairs)
    assert not any(profile.pairs for profile in small.transformed)


def _pixels(profile: Profile, number: int = 0) -> Image.Image:
    return profile.pictures[number].decode()


def _difference(left: Image.Image, right: Image.Image) -> float:
    histogram = ImageChops.difference(left.convert("L"), right.convert("L")).histogram()
    return sum(value * count for value, count in enumerate(histogram)) / sum(histogram)


def test_portraits_are_small_pngs(small: Benchmark) -> None:
    with Image.open(io.BytesIO(small.profiles[0].pictures[0].data)) as image:
        assert (image.format, image.size) == ("PNG", (SIZE, SIZE))
    assert small.profiles[0].pictures[0].place == ("embedded face of 001, pose 0", None, None)


def test_faces_differ_between_people_and_between_poses(small: Benchmark) -> None:
    digests = [picture.digest for profile in small.profiles + small.transformed + small.celebrities for picture in profile.pictures]
    assert len(digests) == 40 + 3 * 40 + 10
    assert len(set(digests)) == len(digests)
    portraits = [_pixels(profile) for profile in small.profiles + small.celebrities]
    assert min(_difference(left, right) for left, right in combinations(portraits, 2)) > 1.0


def test_transformed_faces_are_nearer_to_their_own_portrait(small: Benchmark) -> None:
    portraits = {profile.id: _pixels(profile) for profile in small.profiles}
    nearest = 0
    for profile in small.transformed:
        seen = _pixels(profile, 1)
        nearest += min(portraits, key=lambda person, seen=seen: _difference(portraits[person], seen)) == profile.id  # type: ignore[misc]
    assert nearest > 20  # of 40; chance is 1. Grey values alone: a model sees colours too


def test_nothing_is_drawn_before_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise AssertionError("drawn")

    monkeypatch.setattr("pytest_mllmu.embedded.benchmark.portrait", fail)
    benchmark = synthetic_benchmark(3, 1, 15, SEED)
    with pytest.raises(AssertionError, match="drawn"):
        _ = benchmark.profiles[0].pictures[0].data
