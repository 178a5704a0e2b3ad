"""How much faster an epoch of unlearning is than the plain way of doing it, for each registered method, as a ratio measured in one run.

    python benchmarks/performance/training.py [--people 10] [--rounds 3] [--methods ga,npo] [--models tiny-llava,image-576]

Every way takes the same optimizer steps, of the same rows (at most 16, a person's pairs together), so their loss curves must agree; dropout is off.

- plain: batches of 4 in any order, padded to the longest; image, reference and teacher go through the model at every step; output head on all tokens
- rows: 16 rows by length; image features, reference and teacher computed once; output head on answer tokens only
- packed: as rows, and a person's pairs share one image trunk (``Hyper.packed``)

An epoch includes what is computed once. The weights are random: time does not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from pytest_mllmu.benchmark.profiles import Benchmark
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.embedded.persons import people
from pytest_mllmu.embedded.tiny import BACKGROUND, EMBEDDED
from pytest_mllmu.methods import method, registry
from pytest_mllmu.methods.base import LossMethod, UnlearnStep
from pytest_mllmu.methods.unlearn import unlearn
from pytest_mllmu.models.families import Bundle, unwrapped
from pytest_mllmu.models.llava import Llava
from pytest_mllmu.progress import Progress
from pytest_mllmu.runtime import runtime
from pytest_mllmu.training import loop, packing, reference
from pytest_mllmu.training.lora import Lora
from pytest_mllmu.training.plan import Part, Step, planned

if TYPE_CHECKING:
    import torch

ROWS, PLAIN_ROWS = 16, 4
TOLERANCE = 1e-3  # of two loss curves in float32: rounding grows from step to step
GOALS = {"tiny-llava": 1.5, "image-576": 5.0}


class Plain(Llava):
    """LLaVA as the released code runs it: nothing is remembered, and the head runs on every token."""

    def vision(self, model: Any) -> tuple[Any, ...]:
        return ()

    def answer_logits(self, model: Any, inputs: dict[str, torch.Tensor], asked: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = unwrapped(model)(**inputs).logits[:, -asked.shape[1] - 1 : -1][asked]
        return logits


@dataclass
class Epoch:
    """Seconds, those of the processor (which hardly depend on what else the machine does), and the loss of each step."""

    seconds: float = 0.0
    processor: float = 0.0
    losses: list[float] = field(default_factory=list)


@cache
def processor_of(model: str) -> Any:
    found = EMBEDDED["tiny-llava"].build_processor(people("background", BACKGROUND, 0), 0)
    if model != "image-576":
        return found
    images = type(found.image_processor)(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    return type(found)(images, found.tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1, image_token="<image>")


def bundle(model: str, family: Llava) -> Bundle:
    """``tiny-llava`` has 9 image tokens; ``image-576`` is the same with LLaVA-1.5's 336 / 14 pixels: 576."""
    import torch
    from transformers import LlavaForConditionalGeneration

    torch.manual_seed(0)
    built = EMBEDDED["tiny-llava"].build_model(processor_of(model))
    if model == "image-576":
        built.config.vision_config.image_size, built.config.vision_config.patch_size = 336, 14
        built = LlavaForConditionalGeneration(built.config)
    return Bundle(built.eval(), processor_of(model), family)


def recut(cut: Callable[[Part], Iterator[Part]], rows: Any, beside: Any, epochs: int, batch: int, accumulate: int, seed: int, packed: bool) -> list[list[Step]]:
    """The steps of the packed way, each cut into other parts."""
    return [[tuple(part for whole in step for part in cut(whole)) for step in steps] for steps in planned(rows, beside, epochs, ROWS, 1, seed, True)]


def by_length(part: Part) -> Iterator[Part]:
    yield Part(tuple(sorted(part.rows, key=len)), tuple(sorted(part.beside, key=len)))


def as_they_come(part: Part) -> Iterator[Part]:
    rows, beside = part.rows, part.beside
    count = -(-len(rows) // PLAIN_ROWS)
    count = min(count, len(beside)) if beside else count  # no batch without its retain batch
    for number in range(count):
        yield Part(*(whole[number * len(whole) // count : (number + 1) * len(whole) // count] for whole in (rows, beside)))


@contextmanager
def way(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        if name != "packed":
            stack.enter_context(patch.object(loop, "planned", partial(recut, as_they_come if name == "plain" else by_length)))
            stack.enter_context(patch.object(packing, "KNOWN", set()))
        if name == "plain":
            stack.enter_context(patch.object(reference, "REFERENCE_CACHE_BYTES", 0))
        yield


def epoch(name: str, model: str, chosen: str, benchmark: Benchmark) -> Epoch:
    """One epoch of a method, on a fresh model."""
    made, found = method(chosen), Epoch()
    assert isinstance(made, LossMethod)
    kind, shares = type(made), [1.0]
    loss = kind.loss

    def recorded(made: LossMethod, step: UnlearnStep) -> Any:
        value = loss(made, step)
        assert step.forget is not None
        if shares[-1] > 1 - 1e-6:
            shares[-1] = 0.0
            found.losses.append(0.0)
        shares[-1] += step.forget.share
        found.losses[-1] += value.item() * step.forget.share
        return value

    run = loop._run

    def timed(*args: Any) -> list[float]:
        began, used = time.perf_counter(), time.process_time()
        means = run(*args)
        found.seconds, found.processor = time.perf_counter() - began, time.process_time() - used
        return means

    hyper = replace(made.tiny, lr=made.tiny.lr / 10, epochs=1, batch=ROWS, packed=True)
    family = Plain() if name == "plain" else Llava()
    oracle = bundle(model, family) if made.needs().reference == "oracle" else None
    with way(name), patch.object(kind, "loss", recorded), patch.object(kind, "lora", Lora(dropout=0.0)), patch.object(loop, "_run", timed):
        unlearn(made, bundle(model, family), benchmark, "multimodal", hyper, 0, Progress.silent(), chosen, oracle)
    return found


def difference(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference of two loss curves, relative to the size of the loss."""
    return max(abs(left - right) / max(1.0, abs(left)) for left, right in zip(one, other, strict=True))


def compare(model: str, chosen: str, benchmark: Benchmark, rounds: int) -> bool:
    """Prints a line for each way; False when a loss curve is another one."""
    ways = ("plain", "rows", "packed")
    runs = [{name: epoch(name, model, chosen, benchmark) for name in ways} for _ in range(rounds)]
    same = True
    for name in ways[1:]:
        ratios = [run["plain"].seconds / run[name].seconds for run in runs]
        work = statistics.median(run["plain"].processor / run[name].processor for run in runs)
        apart = max(difference(run["plain"].losses, run[name].losses) for run in runs)
        same &= apart < TOLERANCE
        curve = f"same loss curve ({len(runs[0][name].losses)} steps, {apart:.0e} apart)" if apart < TOLERANCE else f"ANOTHER LOSS CURVE: {apart:.1e} apart"
        print(
            f"{model:11} {chosen:16} {name:7} {statistics.median(ratios):5.2f}x (from {min(ratios):.2f} to {max(ratios):.2f}; processor {work:.2f}x)   {curve}",
            flush=True,
        )
    return same


def main() -> None:
    parser = argparse.ArgumentParser(description="Ratios of training time to the plain way")
    parser.add_argument("--people", type=int, default=10, help="people to forget, and as many others")
    parser.add_argument("--rounds", type=int, default=3)
    trained = [name for name, kind in registry().items() if issubclass(kind, LossMethod)]
    parser.add_argument("--methods", default=",".join(trained))
    parser.add_argument("--models", default=",".join(GOALS))
    chosen = parser.parse_args()
    benchmark = synthetic_benchmark(2 * chosen.people, 1, 50, 0)
    with runtime("cpu"):
        sound = True
        for model in chosen.models.split(","):
            print(f"{model}: goal {GOALS[model]}x", flush=True)
            epoch("plain", model, trained[0], synthetic_benchmark(2, 1, 50, 0))  # what is slow only once: imports, threads, memory
            for name in chosen.methods.split(","):
                sound &= compare(model, name, benchmark, chosen.rounds)
    raise SystemExit(0 if sound else 1)


if __name__ == "__main__":
    main()
