"""A small random model with the real tokenizer, and a small benchmark: what the tests of models, training and evaluation share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

from pytest_mllmu.benchmark.profiles import Benchmark, Modality, Profile, Question, Task
from pytest_mllmu.embedded import tiny
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.embedded.persons import people
from pytest_mllmu.evaluation.asking import Asked, prompts
from pytest_mllmu.evaluation.dialects import DIALECTS
from pytest_mllmu.evaluation.engine import Engine
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import Encoder
from pytest_mllmu.training.loop import Hyper, answer_loss, train

torch.set_num_threads(1)  # the models are so small that more threads only wait for each other
SILENT = Progress.silent()


def processor() -> Any:
    return processor_of(tiny.NAME)


@cache
def processor_of(name: str) -> Any:
    return tiny.EMBEDDED[name].build_processor(people("background", tiny.BACKGROUND, 0), 0)


def random_bundle(seed: int = 0, name: str = tiny.NAME) -> Bundle:
    """A new untrained model; the processor is shared."""
    torch.manual_seed(seed)
    made = tiny.EMBEDDED[name]
    return Bundle(made.build_model(processor_of(name)).eval(), processor_of(name), made.family)


@cache
def benchmark() -> Benchmark:
    """Six people, two of them to be forgotten, and three celebrities."""
    return synthetic_benchmark(6, 3, 34, 0)


def person(number: int = 0) -> Profile:
    return benchmark().profiles[number]


def question(task: Task, modality: Modality, number: int = 0) -> Question:
    return person(number).ask(task, modality)[0]


@cache
def taught_bundle() -> Bundle:
    """A model that knows two people well enough to answer them with an end token. Not to be changed."""
    bundle = random_bundle()
    encoder = Encoder(bundle)
    rows = [row for profile in benchmark().profiles[:2] for row in encoder.pairs(profile)]
    hyper = Hyper(lr=4e-3, epochs=40, batch=16, schedule="one_cycle", beta2=0.95)
    train(bundle.model, encoder, lambda rng: rows, lambda batch: answer_loss(bundle, bundle.model, batch), hyper, 0, SILENT, "teaching")
    return bundle


def answer(bundle: Bundle, rows: Sequence[Asked], batch: int | None = None, *, system: str = "", sharing: bool = True, path: str = "") -> list[Response]:
    """What a model answers; with ``path`` also asserts how it was asked."""
    encoder = Encoder(bundle)
    engine = Engine(encoder, batch, sharing=sharing)
    found = engine.answer(prompts(encoder, rows, DIALECTS["strict"], system))
    assert path in engine.path
    return found


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
