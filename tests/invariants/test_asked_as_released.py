"""The script that compares ways to ask: its released way is the released one, it asks everything, and what it counts is what is done."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import pytest
import torch

from pytest_mllmu.benchmark.profiles import Modality, Question, Task
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.evaluation.asking import Asked, Shown
from pytest_mllmu.models.families import Bundle
from tests.models import person, processor, random_bundle
from tests.scripts import performance

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

TOWN = "Where was this person born?\nA: Oslo\nB: Lima\nC: Rome\nD: Kyiv\n"
YEAR = "In which year was Ada born?\nA: 1950\nB: 1960\nC: 1970\nD: 1980\n"
FILL = "Please **ONLY** provide the correct answer that should replace the [Blank]."
PROMPTS = {
    (
        "classification",
        "multimodal",
    ): f"USER: <image>\nQuestion: {TOWN}Correct Answer: B\nUSER: <image>\nQuestion: {TOWN}Correct Answer: C\nUSER: <image>\n{TOWN}"
    "Just give ONE letter representing the answer directly.\nASSISTANT:",
    ("classification", "unimodal"): f"USER:\nQuestion: {YEAR}Correct Answer: B\nUSER:\nQuestion: {YEAR}Correct Answer: C\nUSER:\n{YEAR}"
    "Just give ONE letter representing the answer directly.\nASSISTANT:",
    ("generation", "multimodal"): "USER: <image>\nWho is this?\nAnswer the question based on your trained knowledge in one sentence accurately in ENGLISH."
    "\nASSISTANT: ",
    ("generation", "unimodal"): "USER: Who is Ada?\nAnswer the question based on your trained knowledge in one sentence in ENGLISH.\nASSISTANT:",
    ("cloze", "multimodal"): f"USER:<image>\nShe lives in [Blank].\n{FILL}\nCorrect Answer: Lima\nUSER:<image>\nShe lives in [Blank].\n{FILL}\n"
    f"Correct Answer: Rome\nUSER: <image>\nShe lives in [Blank].\n{FILL}\nASSISTANT:",
    ("cloze", "unimodal"): f"USER:\nAda lives in [Blank].\n{FILL}\nCorrect Answer: Lima\nUSER:\nAda lives in [Blank].\n{FILL}\nCorrect Answer: Rome\n"
    f"USER:\nAda lives in [Blank].\n{FILL}\nASSISTANT:",
}
TEXTS = {
    ("classification", "multimodal"): "Where was this person born?", ("classification", "unimodal"): "In which year was Ada born?",
    ("generation", "multimodal"): "Who is this?", ("generation", "unimodal"): "Who is Ada?",
    ("cloze", "multimodal"): "She lives in __.", ("cloze", "unimodal"): "Ada lives in ____.",
}  # fmt: skip
OPTIONS = {"multimodal": ("Oslo", "Lima", "Rome", "Kyiv"), "unimodal": ("1950", "1960", "1970", "1980")}
CELLS = sorted(PROMPTS)


@pytest.fixture(scope="module")
def script() -> Any:
    module = performance("evaluation")
    module.small_processor = processor
    return module


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Random enough that what is seen and asked shows in the answer."""
    made = random_bundle()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.15)
    return made


def asked(task: Task, modality: Modality) -> Asked:
    def question(answer: str) -> Question:
        options = tuple(zip("ABCD", OPTIONS[modality], strict=True)) if task == "classification" else ()
        return Question(f"{task}-{modality}-{answer}", "Ada", task, modality, TEXTS[task, modality], answer, options)

    answers = {"classification": "BC", "generation": (), "cloze": ("Lima", "Rome")}[task]
    seen = modality == "multimodal"
    shown = tuple(Shown(question(answer), person(number).pictures[0] if seen else None) for number, answer in enumerate(answers, 1))
    return Asked(question("A"), person().pictures[0] if seen else None, shown)


def plainly(bundle: Bundle, row: Asked, text: str) -> str:
    """What transformers gives, one call after the other."""
    inputs: dict[str, Any] = {"text": text.replace("<image>", "<image>" * 9), "return_tensors": "pt"}
    read = dict(bundle.processor.tokenizer(**inputs))
    pictures = [*(shown.picture for shown in row.shown), row.picture]
    if row.picture is not None:
        images = [picture.decode() for picture in pictures if picture is not None]
        read["pixel_values"] = torch.cat([bundle.processor.image_processor(image, return_tensors="pt")["pixel_values"] for image in images])
    tokens = bundle.model.generate(**read, max_new_tokens=50, do_sample=False)[0, read["input_ids"].shape[1] :]
    return str(bundle.processor.tokenizer.decode(tokens, skip_special_tokens=True)).strip()


@pytest.mark.parametrize(("task", "modality"), CELLS)
def test_the_released_way_is_transformers_on_the_released_words(script: Any, bundle: Bundle, task: Task, modality: Modality) -> None:
    row = asked(task, modality)
    assert script.prompt(row) == PROMPTS[task, modality]
    assert script.released(bundle, row) == plainly(bundle, row, PROMPTS[task, modality]) != ""


def test_answers_differ(script: Any, bundle: Bundle) -> None:
    assert len({script.released(bundle, asked(task, modality)) for task, modality in CELLS}) == len(CELLS)


def test_a_prediction_is_the_first_character(script: Any) -> None:
    choice, text = asked("classification", "unimodal").question, asked("cloze", "unimodal").question
    assert [script.prediction(choice, said) for said in ("b", " Don't know", "I cannot", "", "7")] == ["B", "D", None, None, None]
    assert script.prediction(text, " Lima ") == "Lima"


def test_everything_is_asked_but_the_people_shown(script: Any) -> None:
    data = synthetic_benchmark(20, 10, 20, 0)
    rows = script.plan(data)
    assert len({row.asked.question.id for row in rows}) == len(rows) == data.counts()["questions"] - 3 * (10 + 2 * 4)
    for (split, task, modality), cell in script.cells(rows).items():
        people = {shown.question.person for row in cell for shown in row.asked.shown}
        assert not people & {row.asked.question.person for row in cell}
        assert len(people) == (0 if split == "celebrity" else script.SHOTS[task])
        assert {len(row.asked.shown) for row in cell} == {0 if split == "celebrity" else {"classification": 5, "generation": 0, "cloze": 4}[task]}
        assert all((shown.question.task, shown.question.modality) == (task, modality) for row in cell for shown in row.asked.shown)
        assert all((shown.picture is None) == (modality == "unimodal") for row in cell for shown in row.asked.shown)
        assert split not in ("forget", "test") or people <= set(data.forget_ids)


@pytest.mark.parametrize("count", [48, 100, 192])
def test_a_part_is_spread_evenly(script: Any, count: int) -> None:
    rows = script.plan(synthetic_benchmark(20, 10, 20, 0))
    part = script.spread(rows, count)
    assert len(part) == len({row.asked.question.id for row in part}) == count
    sizes, whole = Counter(row.cell for row in part), Counter(row.cell for row in rows)
    assert len(sizes) == 24
    largest = max(sizes.values())
    assert all(size >= largest - 1 or size == whole[cell] for cell, size in sizes.items())
    halves = [Counter(row.cell for row in half) for half in script.halves(part)]
    assert all(abs(halves[0][cell] - halves[1][cell]) <= 1 for cell in sizes)
    assert sum(map(Counter.total, halves)) == count


def test_a_part_of_ours_is_whole_people(script: Any) -> None:
    rows = script.plan(synthetic_benchmark(20, 10, 20, 0))
    part = script.of_whole_people(rows, len(rows) // 3)
    people = {(row.split, row.asked.question.person) for row in part}
    assert len(rows) / 4 < len(part) < len(rows) / 2
    assert part == [row for row in rows if (row.split, row.asked.question.person) in people]
    assert {row.split for row in part} == {"forget", "test", "retain", "celebrity"}
    assert script.of_whole_people(rows, None) == script.of_whole_people(rows, len(rows)) == rows


def test_a_small_comparison(script: Any, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the released way on both sides all answers are the same, and as much is done."""
    monkeypatch.setattr(script, "ours", lambda bundle, rows: {row.asked.question.id: script.released(bundle, row.asked) for row in rows})
    monkeypatch.setattr(script, "NEW_TOKENS", 3)
    rows = [row for row in script.plan(synthetic_benchmark(12, 2, 25, 0)) if row.split in ("forget", "celebrity")]
    run = script.compare(bundle, script.of_whole_people(rows, 40), 24)
    assert len(run.before) + len(run.after) == len(run.released)
    assert run.agreement("all")[:2] == (1.0, len(run.released))
    for task in ("classification", "generation", "cloze", "all"):
        assert run.extrapolated(task).operations == pytest.approx(run.cost[task].operations, rel=0.1)
    script.show("random", run, len(rows), 1.0)


def test_operations_are_those_that_torch_counts(script: Any) -> None:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    made = script.random_llava(processor(), TEXT, VISION, -1, "cpu", "float32")
    meter, row = script.Meter(made.model), asked("classification", "multimodal")
    with FlopCounterMode(display=False) as counter, meter.running(), sdpa_kernel(SDPBackend.MATH):
        script.released(made, row)
    tokens = meter.passes[0][1]
    unseen = 4 * TEXT["num_hidden_layers"] * TEXT["hidden_size"] * tokens * (tokens - 1) / 2  # the plain kernel also computes what causality hides
    assert tokens > 100
    assert meter.images == 3
    assert meter.taken() + unseen == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert meter.taken() == 0


TEXT: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "tie_word_embeddings": False, "vocab_size": 3100,
    "max_position_embeddings": 1024,
}  # fmt: skip
VISION = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 48, "patch_size": 16}


def test_a_random_model_never_ends_its_answers(script: Any) -> None:
    made = script.random_llava(processor(), TEXT, VISION, -1, "cpu", "bfloat16")
    assert made.model.dtype == torch.bfloat16
    inputs = made.processor.tokenizer(["Who are you?", "And you, who are you?"], return_tensors="pt", padding=True)
    written = made.model.generate(**inputs, max_new_tokens=50, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    assert written.shape[1] == 50
    assert written.max() < len(made.processor.tokenizer)
    assert not {*made.processor.tokenizer.all_special_ids} & {*written.flatten().tolist()}
    assert script.released(made, asked("cloze", "multimodal"))


def test_the_sizes_are_those_of_llava(script: Any) -> None:
    made = script.random_7b(argparse.Namespace(device="meta")).model
    assert sum(parameter.numel() for parameter in made.parameters()) == pytest.approx(7.06e9, rel=0.01)
    assert sum(parameter.numel() for parameter in script.random_30m(argparse.Namespace(device="meta")).model.parameters()) == pytest.approx(30e6, rel=0.1)
