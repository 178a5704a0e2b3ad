"""What is written as UMU-Bench writes it is read back equal, and whatever a cell holds is read or refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mllmu.benchmark import umu
from pytest_mllmu.benchmark.cells import Place
from pytest_mllmu.benchmark.parquet import read_benchmark
from pytest_mllmu.benchmark.profiles import MODALITIES, Benchmark, Profile, TrainingPair
from pytest_mllmu.errors import DataError
from tests.property.strategies import benchmarks
from tests.umu import plain_json, write

quick = settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
WORDS = st.sampled_from([*umu.NAMES, "um\n", "question", "Question", "answer", "Correct_Answer", "options", "Type", "A", "B", "B. x", "x", "", "\ud800"])
SOUND = st.sampled_from(["A", "B", "B. x", "x", "y"])
OPTIONS = st.dictionaries(st.sampled_from("ABC"), SOUND, min_size=2, max_size=3) | st.lists(SOUND | st.none(), max_size=4)
QUESTIONS = st.fixed_dictionaries({"question": SOUND, "answer": SOUND, "options": OPTIONS})
GROUPS = st.lists(QUESTIONS, max_size=2) | st.dictionaries(SOUND, QUESTIONS, max_size=2)
SIDES = st.fixed_dictionaries({"unimodal": GROUPS, "muitimodal": GROUPS}) | GROUPS
VALUES = SIDES | st.recursive(
    st.none() | st.integers() | WORDS | QUESTIONS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4) | st.fixed_dictionaries({"question": inner, "answer": inner}),
    max_leaves=12,
)
"""Cells that are nearly right, and others."""

PLACE = Place(Path("some.parquet"), 4)


def as_umu(profile: Profile) -> Profile:
    """What UMU-Bench can say of a person; ids and positions of questions follow from the modalities, so they stay."""
    pairs = [pair for side in ("multimodal", "unimodal") for pair in profile.pairs if pair.modality == side]
    return replace(profile, question="", answer="", pictures=profile.pictures[:1], pairs=tuple(pairs))


@quick
@given(benchmark=benchmarks(), percent=st.integers(1, 99), text=st.sampled_from([repr, plain_json, json.dumps]), transformed=st.booleans())
def test_what_umu_bench_says_is_read_back_equal(benchmark: Benchmark, percent: int, text: Callable[[Any], str], transformed: bool) -> None:
    written = replace(
        benchmark,
        name="data",
        synthetic=False,
        profiles=tuple(as_umu(profile) for profile in benchmark.profiles),
        transformed=tuple(as_umu(profile) for profile in benchmark.transformed) if transformed else (),
        celebrities=tuple(as_umu(profile) for profile in benchmark.celebrities),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        write(folder, written, percent, text)
        read = read_benchmark(folder, percent, seed=0)
        assert read == written
        assert read.fingerprints == written.fingerprints


def outcome(read: Callable[[], Any]) -> Any:
    """What is read, or the refusal; any other exception is a defect."""
    try:
        return read()
    except DataError as error:
        return error


@settings(max_examples=300, deadline=None, database=None)
@given(value=VALUES, text=st.sampled_from([repr, json.dumps]), column=st.sampled_from([*umu.TASKS.values(), *umu.PAIRS.values()]))
def test_any_cell_is_read_or_refused(value: Any, text: Callable[[Any], str], column: str) -> None:
    row = dict.fromkeys([*umu.TASKS.values(), *umu.PAIRS.values()]) | {column: text(value)}
    found = outcome(lambda: [*umu.bodies_of(row, PLACE), *(umu.pairs_of(row, PLACE) or ())])
    if isinstance(found, DataError):
        assert (found.row, str(found.column).startswith(column)) == (4, True)
        assert str(found).encode().count(b"\n") == 0
        return
    for asked in found:
        if isinstance(asked, TrainingPair):
            assert (bool(asked.question.strip()), bool(asked.answer.strip()), asked.modality in MODALITIES) == (True, True, True)
        else:
            assert asked.text.strip()
            assert asked.answer in dict(asked.options) if asked.task == "classification" else asked.answer.strip()


@settings(max_examples=300, deadline=None, database=None)
@given(text=st.text(max_size=60) | st.text(st.sampled_from("{}[]()'\":,\\ \n\0#_-+*ax1.<>="), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    row = dict.fromkeys([*umu.TASKS.values(), *umu.PAIRS.values()], text)
    for read in (lambda: list(umu.bodies_of(row, PLACE)), lambda: umu.pairs_of(row, PLACE)):
        assert "\n" not in str(outcome(read))
