"""Benchmarks as hypothesis draws them: any text, any number of questions, the ids that the released layout implies."""

from __future__ import annotations

from functools import partial

from hypothesis import strategies as st

from pytest_mllmu.benchmark.profiles import MODALITIES, TASKS, Benchmark, Modality, Picture, Profile, Question, Task, TrainingPair
from pytest_mllmu.benchmark.splits import order

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TEXT = ANY_TEXT.filter(lambda text: bool(text.strip()))
IDS = st.one_of(st.integers(0, 1200).map(lambda number: f"{number:03d}"), TEXT)


@st.composite
def option_lists(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    letters = sorted(draw(st.sets(st.sampled_from("ABCD"), min_size=2)))
    return tuple((letter, draw(TEXT)) for letter in letters)


@st.composite
def questions(draw: st.DrawFn, kind: str, person: str, task: Task, modality: Modality, number: int) -> Question:
    options = draw(option_lists()) if task == "classification" else ()
    answer = draw(st.sampled_from([letter for letter, _ in options]) if options else TEXT)
    return Question(f"{kind}-{person}-{task}-{modality}-{number}", person, task, modality, draw(TEXT), answer, options)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    return Picture(partial(bytes, draw(st.binary(max_size=30))))


@st.composite
def profiles(draw: st.DrawFn, kind: str, person: str, most_pictures: int) -> Profile:
    asked = tuple(
        draw(questions(kind, person, task, modality, number)) for modality in MODALITIES for task in TASKS for number in range(draw(st.integers(0, 2)))
    )
    pairs = st.builds(TrainingPair, TEXT, TEXT, st.sampled_from([None, *MODALITIES]))
    return Profile(
        id=person,
        pictures=tuple(draw(st.lists(pictures(), min_size=1, max_size=most_pictures))),
        biography=draw(ANY_TEXT),
        question=draw(ANY_TEXT),
        answer=draw(ANY_TEXT),
        questions=asked,
        pairs=tuple(draw(st.lists(pairs, max_size=2))),
    )


@st.composite
def benchmarks(draw: st.DrawFn) -> Benchmark:
    ids = sorted(draw(st.lists(IDS, min_size=1, max_size=4, unique=True)), key=order)
    celebrities = sorted(draw(st.lists(IDS, max_size=2, unique=True)), key=order)
    forget = draw(st.sets(st.sampled_from(ids), min_size=1))
    retain = set(ids) - forget
    names_everybody = draw(st.booleans())
    if retain and not names_everybody:
        retain.pop()
    several = draw(st.sampled_from([1, 2]))
    return Benchmark(
        name=draw(ANY_TEXT),
        synthetic=draw(st.booleans()),
        profiles=tuple(draw(profiles("full", person, several)) for person in ids),
        transformed=tuple(draw(profiles("test", person, 3)) for person in ids),
        celebrities=tuple(draw(profiles("celebrity", person, several)) for person in celebrities),
        forget_ids=tuple(person for person in ids if person in forget),
        retain_ids=tuple(person for person in ids if person in retain),
    )
