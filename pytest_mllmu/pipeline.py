"""From settings to scores: what is built from what, under which key, and when.

Everything is lazy. A key is known without building, so answers that are stored are read back without torch being imported.
"""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark import prompts
from pytest_mllmu.benchmark.profiles import SPLITS, Benchmark, Profile, Question, Split, fingerprint
from pytest_mllmu.errors import SettingsError
from pytest_mllmu.evaluation import engine
from pytest_mllmu.evaluation.responses import Response, read_responses, write_responses
from pytest_mllmu.methods import NONE
from pytest_mllmu.progress import Progress
from pytest_mllmu.settings import Settings
from pytest_mllmu.store import Store, default_root, key_of
from pytest_mllmu.threads import settle

if TYPE_CHECKING:
    from pytest_mllmu.analysis.table import Row
    from pytest_mllmu.models.families import Bundle
    from pytest_mllmu.scoring.scores import Score

CODE = 1
"""Schema version of everything stored: raise it when the same inputs give other artefacts."""
NUMERICS = ("torch", "transformers", "peft", "accelerate", "tokenizers")
"""Libraries whose version may change a model's weights or answers."""


@dataclass(frozen=True)
class Model:
    """A model that may not exist yet: its key's inputs say all that it depends on."""

    role: str
    title: str
    inputs: Mapping[str, Any] = field(repr=False)
    build: Callable[[Path], None] = field(repr=False, compare=False)
    parent: Model | None = field(default=None, repr=False)
    """For an adapter: the model it changes."""

    @property
    def key(self) -> str:
        return key_of(self.inputs)


class Pipeline:
    """One session's benchmark, models, responses and scores. ``progress`` is told about every long step."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings, self.progress = settings, progress
        self.store = Store(settings.cache or default_root())
        self._held: tuple[str, Bundle] | None = None
        self._asked: dict[Split, str] = {}
        self._scores: dict[tuple[str, Split], tuple[Score, ...]] = {}
        self._rows: dict[tuple[str, str, tuple[Split, ...]], Row] = {}

    # --- benchmark ---

    @cached_property
    def benchmark(self) -> Benchmark:
        chosen = self.settings
        if chosen.data == "synthetic":
            from pytest_mllmu.embedded.benchmark import synthetic_benchmark

            return synthetic_benchmark(chosen.profiles, chosen.celebrities, chosen.forget, chosen.seed)
        from pytest_mllmu.benchmark.parquet import read_benchmark

        return read_benchmark(Path(chosen.data).expanduser(), chosen.forget, chosen.seed)

    def people(self, split: Split) -> tuple[Profile, ...]:
        """The people of a split who are asked about: the first ``--mllmu-limit``, or all."""
        return self.benchmark.people(split)[: self.settings.limit]

    # --- models ---

    @cached_property
    def base(self) -> Model:
        def build(folder: Path) -> None:
            from pytest_mllmu.embedded import tiny
            from pytest_mllmu.models.loading import save

            save(tiny.build_base(self.benchmark.celebrities, self.settings.seed, self.device, self.progress), folder)

        return Model("base", "Base", self._inputs("base", celebrities=self.benchmark.fingerprints["celebrities"]), build)

    @cached_property
    def vanilla(self) -> Model:
        def build(folder: Path) -> None:
            from pytest_mllmu.embedded import tiny
            from pytest_mllmu.models.loading import save

            bundle = self._take(self.base)
            title = f"fine-tuning {self.settings.model} on {len(self.benchmark.profiles)} people (vanilla)"
            tiny.fine_tune(bundle, self.benchmark.profiles, self.benchmark.celebrities, self.settings.seed, self.progress, title)
            save(bundle, folder)

        return Model("vanilla", "Vanilla", self._inputs("vanilla", base=self.base.key, profiles=self.benchmark.fingerprints["profiles"]), build)

    def unlearned(self, name: str) -> Model:
        """The vanilla after the method ``name``; ``none`` is the vanilla itself."""
        if name == NONE:
            return replace(self.vanilla, role="candidate", title="Untouched")
        from pytest_mllmu.methods import method

        chosen = method(name)
        hyper = chosen.tiny
        if self.settings.lr is not None:
            hyper = replace(hyper, lr=self.settings.lr)
        if self.settings.epochs is not None:
            hyper = replace(hyper, epochs=self.settings.epochs)

        def build(folder: Path) -> None:
            from pytest_mllmu.methods.unlearn import unlearn
            from pytest_mllmu.training.lora import save_adapter

            bundle = self._take(self.vanilla)
            title = f"unlearning {len(self.benchmark.forget_ids)} people with {chosen.title}"
            save_adapter(unlearn(chosen, bundle, self.benchmark, hyper, self.settings.seed, self.progress, title), folder)

        inputs = self._inputs("adapter", vanilla=self.vanilla.key, forget=list(self.benchmark.forget_ids), hyper=hyper.to_json(), method=chosen.settings())
        return Model("candidate", chosen.title, inputs, build, self.vanilla)

    def load(self, model: Model) -> Bundle:
        """The model in memory, built first if need be. One is held at a time."""
        if self._held is None or self._held[0] != model.key:
            with runtime(self.device):
                from pytest_mllmu.models import loading

                artefact = self.store.get_or_build("model", model.inputs, model.build, self._waiting(model.title))
                bundle = loading.load(artefact.path, self.device) if model.parent is None else loading.with_adapter(self._take(model.parent), artefact.path)
            self._held = model.key, bundle
        return self._held[1]

    def _take(self, model: Model) -> Bundle:
        """The model for somebody who changes it: nobody else gets it from memory any more."""
        bundle, self._held = self.load(model), None
        return bundle

    def stored(self, model: Model) -> bool:
        return self.store.find("model", model.inputs) is not None

    # --- responses and scores ---

    def responses(self, model: Model, split: Split) -> dict[str, Response]:
        """What the model answers to the questions of a split, by question id; asked only once, whoever asks."""
        people = self.people(split)

        def build(folder: Path) -> None:
            bundle = self.load(model)
            rows = [(profile, question) for profile in people for question in profile.questions]
            with runtime(self.device), self.progress.step(f"asking {model.title} about the {split} set", total=len(rows), unit="questions") as step:
                answers = engine.answer(bundle, engine.asked(rows), self.settings.batch or engine.BATCH, step.advance)
            write_responses(folder / "responses.jsonl", answers)

        inputs = self._answers(model, split)
        artefact = self.store.get_or_build("responses", inputs, build, self._waiting(f"{model.title} on the {split} set"))
        return {response.question: response for response in read_responses(artefact.file("responses.jsonl"))}

    def answered(self, model: Model, split: Split) -> bool:
        return self.store.find("responses", self._answers(model, split)) is not None

    def scores(self, model: Model, split: Split) -> tuple[Score, ...]:
        from pytest_mllmu.scoring.scores import score

        key = (model.key, split)
        if key not in self._scores:
            responses = self.responses(model, split)
            self._scores[key] = tuple(score(question, responses[question.id], split) for question in self.questions(split))
        return self._scores[key]

    def row(self, model: Model, splits: tuple[Split, ...]) -> Row:
        """The model's row of the table, over some splits."""
        from pytest_mllmu.analysis.table import build_row

        key = (model.key, model.title, splits)  # an untouched candidate is the vanilla under another name
        if key not in self._rows:
            scores = [score for split in splits for score in self.scores(model, split)]
            self._rows[key] = build_row(model.role, model.title, scores, self.settings.seed)
        return self._rows[key]

    def questions(self, split: Split) -> list[Question]:
        return [question for profile in self.people(split) for question in profile.questions]

    def cached(self, model: Model) -> bool:
        """Whether all answers of the model are stored, so that nothing is trained or asked."""
        return all(self.answered(model, split) for split in SPLITS)

    # --- keys, device ---

    @property
    def device(self) -> str:
        """Embedded models run on the CPU unless told otherwise: it is quick enough, and the same everywhere."""
        return "cpu" if self.settings.device == "auto" else self.settings.device

    @cached_property
    def versions(self) -> dict[str, str]:
        return {name: importlib.metadata.version(name) for name in NUMERICS}

    def _inputs(self, kind: str, **inputs: Any) -> dict[str, Any]:
        from pytest_mllmu.embedded.tiny import recipe

        shared = {"code": CODE, "model": self.settings.model, "seed": self.settings.seed, "device": self.device, "versions": self.versions}
        return {"kind": kind, **shared, "recipe": recipe(kind), **inputs}

    def _answers(self, model: Model, split: Split) -> dict[str, Any]:
        if split not in self._asked:
            self._asked[split] = fingerprint(self.people(split))
        return {"code": CODE, "engine": engine.VERSION, "dialect": prompts.DIALECT, "model": model.key, "questions": self._asked[split]}

    def _waiting(self, what: str) -> Callable[[], None]:
        return lambda: self.progress.say(f"waiting for another process that builds {what}")


@contextmanager
def runtime(device: str) -> Iterator[None]:
    """The same arithmetic in every process, and libraries that keep quiet.

    The number of threads changes the order in which floats are added. A user's ``-W error`` is about the user's code: a
    deprecation inside transformers must not stop a training.
    """
    settle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from transformers.utils import logging

        from pytest_mllmu.embedded.tiny import THREADS

        _check(device)
        if device == "cpu":
            torch.set_num_threads(THREADS)
        logging.disable_progress_bar()
        yield


def _check(device: str) -> None:
    """Raises SettingsError when torch does not have the device."""
    import torch

    kind, _, number = device.partition(":")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise SettingsError(f"--mllmu-device={device}: torch sees {torch.cuda.device_count()} CUDA devices here; choose cpu, or leave it to auto")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise SettingsError(f"--mllmu-device={device}: torch sees no such device here; choose cpu, or leave it to auto")
