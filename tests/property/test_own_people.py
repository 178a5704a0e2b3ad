"""Whatever a list of people says, it is refused in a line or gives sound questions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pytest_mllmu.benchmark.derived import same
from pytest_mllmu.benchmark.profiles import MODALITIES, TASKS, Benchmark, Profile
from pytest_mllmu.benchmark.prompts import instruction
from pytest_mllmu.benchmark.source import read_benchmark, read_ids
from pytest_mllmu.errors import DataError
from pytest_mllmu.evaluation.perturbed import perturbed
from tests.people import picture

quick = settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SAID = ["1990", "1991", "-3", "0.50", "007", "Ulm", "ulm.", "Rome", "{who}", "A", "a b", "x and the y"]
KNOWN = ["birthplace", "birth year", "occupation", "Hobby", "condition", "residence", "Shoe size", "{label}", "x", "y", "x and the y"]
WILD = st.text(max_size=12)
TAME = st.from_regex(r"[aZ09é李][aZ09{}.' -]{0,4}[aZ0]", fullmatch=True) | st.sampled_from(SAID)
SETS = st.sampled_from(["forget", "retain", "celebrity"])


@st.composite
def lists(draw: st.DrawFn, text: st.SearchStrategy[str], fewest: int) -> list[dict[str, str | None]]:
    """``fewest``: people, and attributes that are known about each."""
    columns = draw(st.lists(st.sampled_from(KNOWN) | text, min_size=2, max_size=8, unique_by=str.casefold))
    names = draw(st.lists(text, min_size=max(1, fewest), max_size=6, unique_by=str.casefold))
    rows: list[dict[str, str | None]] = []
    for name in names:
        known = {column: draw(text if number < fewest else text | st.none()) for number, column in enumerate(columns)}
        rows.append({**known, "name": name, "image": "a.png"})
    if draw(st.booleans()):
        sets = [*("forget", "retain")[:fewest], *(draw(SETS) for _ in names[fewest:])]
        rows = [{**row, "set": group} for row, group in zip(rows, sets, strict=True)]
    return rows


@quick
@given(rows=lists(TAME, 2) | lists(TAME | WILD, 0), percent=st.integers(1, 99), seed=st.integers(0, 5))
def test_a_list_is_refused_or_gives_sound_questions(rows: list[dict[str, str | None]], percent: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        picture(Path(name) / "a.png")
        path = Path(name) / "people.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        benchmark = outcome(path, percent, seed)
        if isinstance(benchmark, DataError):
            event("refused")
            assert "\n" not in str(benchmark)
            return
        event("read")
        assert read_ids(str(path), percent, seed) == (benchmark.forget_ids, benchmark.retain_ids)
        assert benchmark.fingerprints == read_benchmark(str(path), percent, seed).fingerprints
    check(benchmark)


def outcome(path: Path, percent: int, seed: int) -> Benchmark | DataError:
    """What is read, or the refusal; any other exception is a defect."""
    try:
        return read_benchmark(str(path), percent, seed)
    except DataError as error:
        return error


# Soundness


def check(benchmark: Benchmark) -> None:
    assert benchmark.forget_ids
    assert benchmark.retain_ids or benchmark.celebrities
    everybody = benchmark.profiles + benchmark.transformed + benchmark.celebrities
    ids = [question.id for profile in everybody for question in profile.questions]
    assert len(set(ids)) == len(ids)
    for profile in everybody:
        check_questions(profile)
    for profile, transformed in zip(benchmark.profiles, benchmark.transformed, strict=True):
        told = {(pair.question, pair.modality) for pair in profile.pairs}
        assert not told & {(question.text, question.modality) for question in transformed.questions}
        both = zip(profile.questions, transformed.questions, strict=True)
        assert all((ours.about, ours.answer_text) == (theirs.about, theirs.answer_text) for ours, theirs in both)
    for profile in benchmark.profiles + benchmark.celebrities:
        assert {pair.modality for pair in profile.pairs} == set(MODALITIES)


def check_questions(profile: Profile) -> None:
    for task, most in zip(TASKS, (5, 2, 2), strict=True):
        shown, written = (profile.ask(task, modality) for modality in MODALITIES)
        assert [question.about for question in shown] == [question.about for question in written]
        assert len(shown) <= most
        assert shown or task == "classification"
        for questions in (shown, written):
            assert len({question.text for question in questions}) == len(questions)
    for question in profile.questions:
        assert question.text.strip() and question.answer.strip() and instruction(question)  # noqa: PT018
        assert (question.text.count("__") == 1) == (question.task == "cloze")
        perturbed(profile, question)
        if question.task == "classification":
            letters, texts = zip(*question.options, strict=True)
            assert letters == tuple("ABCD"[: len(letters)])
            assert 2 <= len(letters) == len({same(text) for text in texts})
            assert question.answer in letters
