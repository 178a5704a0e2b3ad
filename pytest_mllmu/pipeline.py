"""From settings to scores: what is asked of which model, and when.

Everything is lazy: answers that are stored are read back without torch being imported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import SPLITS, Benchmark, Profile, Question, Split, fingerprint
from pytest_mllmu.evaluation import asking, engine
from pytest_mllmu.evaluation.dialects import Dialect, dialect
from pytest_mllmu.evaluation.exam import Exam, exam
from pytest_mllmu.evaluation.journal import Journal
from pytest_mllmu.evaluation.perturbed import perturbed
from pytest_mllmu.evaluation.responses import Response, read_responses, write_responses
from pytest_mllmu.lineup import CODE, LineUp
from pytest_mllmu.memory import Model
from pytest_mllmu.progress import Progress
from pytest_mllmu.runtime import runtime
from pytest_mllmu.settings import Settings
from pytest_mllmu.store import Artefact, Store, default_root, key_of
from pytest_mllmu.trials import Trial

if TYPE_CHECKING:
    from pytest_mllmu.analysis.table import Cell, Row
    from pytest_mllmu.scoring.scores import Score

RESPONSES, HOW = "responses.jsonl", "asked.json"


class Pipeline:
    """One session's benchmark, models, responses and scores. ``progress`` is told about every long step."""

    def __init__(self, settings: Settings, progress: Progress, trials: tuple[Trial, ...] = ()) -> None:
        self.settings, self.progress, self.trials = settings, progress, trials
        self.store = Store(settings.cache or default_root())
        self.models = LineUp(settings, self.store, progress, self.benchmark_of)
        self._benchmarks: dict[int, Benchmark] = {}
        self._asked: dict[tuple[int, Split], str] = {}
        self._exams: dict[tuple[int, Split], Exam] = {}
        self._scores: dict[tuple[str, int, Split], tuple[Score, ...]] = {}
        self._cells: dict[tuple[str, int, Split], tuple[Cell, ...]] = {}

    # --- benchmark ---

    @property
    def benchmark(self) -> Benchmark:
        """That of the session's first share of people to forget; only who is to be forgotten differs in the others."""
        return self.benchmark_of(self.settings.forget[0])

    def benchmark_of(self, forget: int) -> Benchmark:
        if forget not in self._benchmarks:
            self._benchmarks[forget] = self._read(forget)
        return self._benchmarks[forget]

    def _read(self, forget: int) -> Benchmark:
        chosen = self.settings
        if chosen.data == "synthetic":
            from pytest_mllmu.embedded.benchmark import synthetic_benchmark

            return synthetic_benchmark(chosen.profiles, chosen.celebrities, forget, chosen.seed)
        from pytest_mllmu.benchmark.source import read_benchmark

        return read_benchmark(chosen.data, forget, chosen.seed)

    def people(self, model: Model, split: Split) -> tuple[Profile, ...]:
        """The people of a split whom the model is asked about: the first ``--mllmu-limit``, or all."""
        return self.benchmark_of(model.forget).people(split)[: self.settings.limit]

    @cached_property
    def dialect(self) -> Dialect:
        """Raises SettingsError for one that is not for the session's models."""
        return dialect(self.settings.dialect, self.settings.seed, self.settings.demonstrations, self.models.model_type)

    def exam(self, forget: int, split: Split) -> Exam:
        """What is asked of a split, and who is shown before."""
        if (forget, split) not in self._exams:
            self._exams[forget, split] = exam(self.dialect, self.benchmark_of(forget), split, self.settings.limit)
        return self._exams[forget, split]

    # --- references ---

    @cached_property
    def with_oracle(self) -> bool:
        """Whether there is an oracle in this session: handed in, asked for, or needed by a method."""
        from pytest_mllmu.methods.base import LossMethod

        needed = any(isinstance(trial.method, LossMethod) and trial.method.needs().reference == "oracle" for trial in self.trials)
        return self.settings.oracle != "auto" or needed or self.settings.candidate == "oracle"

    def references(self, forget: int) -> list[Model]:
        """The models that a candidate is compared with: the vanilla and, where there is one, the oracle."""
        return [self.models.vanilla(forget), *([self.models.oracle(forget)] if self.with_oracle else [])]

    # --- responses and scores ---

    def responses(self, model: Model, split: Split) -> dict[str, Response]:
        """What the model answers to the questions of a split, by question id; asked only once, whoever asks."""
        artefact = self._artefact(model, split)
        return {response.question: response for response in read_responses(artefact.file(RESPONSES))}

    def path(self, model: Model, split: Split) -> str:
        """How the questions were asked: over shared prefixes, or why not."""
        return str(json.loads(self._artefact(model, split).file(HOW).read_text(encoding="utf-8"))["path"])

    def _artefact(self, model: Model, split: Split) -> Artefact:
        inputs = self._answers(model, split)
        journal = Journal(self.store.root / "answers" / f"{key_of(inputs)}.jsonl")

        def build(folder: Path) -> None:
            responses, path = self._ask(model, split, journal)
            write_responses(folder / RESPONSES, responses)
            (folder / HOW).write_text(json.dumps({"path": path}), encoding="utf-8")

        artefact = self.store.get_or_build("responses", inputs, build, self.models.memory.waiting(f"{model.title} on the {split} set"))
        journal.remove()  # whoever built it: all is in the artefact now
        return artefact

    def _ask(self, model: Model, split: Split, journal: Journal) -> tuple[list[Response], str]:
        """All answers of a model to the questions of a split, and by which path; those in the journal are not asked for again."""
        from pytest_mllmu.training.batches import Encoder

        people = {person.id: person for person in self.people(model, split)}
        rows = [replace(row, wrong=perturbed(people[row.question.person], row.question)) for row in self.exam(model.forget, split).rows]
        bundle, known = self.models.memory.load(model), journal.read()
        title = f"asking {model.title} about the {split} set"
        with runtime(self.models.device, self.settings.embedded), self.progress.step(title, total=len(rows), unit="questions") as step:
            step.advance(len(known))

            def answered(found: Sequence[Response]) -> None:
                journal.add(found)
                step.advance(len(found))

            encoder = Encoder(bundle)
            asker = engine.Engine(encoder, self.settings.batch)
            responses = asker.answer(asking.prompts(encoder, rows, self.dialect, model.system), answered, known)
        if asker.path.startswith("one by one"):
            self.progress.say(f"{title}: {asker.path}")
        return responses, asker.path

    def answered(self, model: Model, split: Split) -> bool:
        return self.store.find("responses", self._answers(model, split)) is not None

    def scores(self, model: Model, split: Split) -> tuple[Score, ...]:
        from pytest_mllmu.scoring.scores import score

        key = (model.key + model.system, model.forget, split)
        if key not in self._scores:
            responses = self.responses(model, split)
            self._scores[key] = tuple(score(question, responses[question.id], split, dialect=self.dialect.name) for question in self.questions(model, split))
        return self._scores[key]

    def row(self, model: Model, splits: tuple[Split, ...]) -> Row:
        """The model's row of the table, over some splits."""
        from pytest_mllmu.analysis.table import Row, build_row

        cells: list[Cell] = []
        for split in splits:
            key = (model.key + model.system, model.forget, split)
            if key not in self._cells:
                self._cells[key] = build_row("", "", self.scores(model, split)).cells
            cells += self._cells[key]
        return Row(model.name or model.role, model.title, tuple(cells), model.forget)

    def questions(self, model: Model, split: Split) -> list[Question]:
        """Those that are scored: what a dialect shows is not asked."""
        return [row.question for row in self.exam(model.forget, split).rows]

    def cached(self, model: Model) -> bool:
        """Whether all answers of the model are stored, so that nothing is trained or asked."""
        return all(self.answered(model, split) for split in SPLITS)

    def _answers(self, model: Model, split: Split) -> dict[str, Any]:
        place = model.forget, split
        if place not in self._asked:
            self._asked[place] = fingerprint(self.people(model, split))
        system = {"system": model.system} if model.system else {}
        asked = {"engine": engine.VERSION, **self.dialect.settings(self.exam(model.forget, split)), "questions": self._asked[place]}
        return {"code": CODE, "model": model.key, **asked, **system}
