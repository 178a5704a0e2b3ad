"""From settings to scores: what is asked of which model, and when.

Everything is lazy: answers that are stored are read back without torch being imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import SPLITS, Benchmark, Profile, Question, Split, fingerprint
from pytest_mllmu.clock import now
from pytest_mllmu.data import Data
from pytest_mllmu.errors import ServerError
from pytest_mllmu.evaluation import asking, engine
from pytest_mllmu.evaluation.asking import Asked
from pytest_mllmu.evaluation.dialects import Dialect, dialect
from pytest_mllmu.evaluation.endpoint import Endpoint
from pytest_mllmu.evaluation.exam import Exam, exam
from pytest_mllmu.evaluation.journal import Journal
from pytest_mllmu.evaluation.perturbed import perturbed
from pytest_mllmu.evaluation.responses import Response, read_responses, write_responses
from pytest_mllmu.lineup import LineUp
from pytest_mllmu.memory import Memory, Model, Served
from pytest_mllmu.progress import Progress
from pytest_mllmu.references import CODE
from pytest_mllmu.runtime import runtime
from pytest_mllmu.scenarios.requests import sequential
from pytest_mllmu.scoring.grading import title_of
from pytest_mllmu.scoring.judge import Answer, Judged, ServedJudge, served_judge
from pytest_mllmu.scoring.judge import name as name_of_judge
from pytest_mllmu.served.access import endpoint_client
from pytest_mllmu.settings import LOCAL, Settings
from pytest_mllmu.store import Artefact, Store, default_root, key_of
from pytest_mllmu.trials import Trial

if TYPE_CHECKING:
    from pytest_mllmu.analysis.table import Cell, Row
    from pytest_mllmu.scoring.scores import Score

RESPONSES, HOW = "responses.jsonl", "asked.json"

Answered = Callable[[Sequence[Response]], None]
Asker = Callable[[Answered, Mapping[str, Response]], tuple[list[Response], str]]
"""Asks what is not known yet, gives every answer to the first as it comes, and says by which path; a ServerError ends it early."""


class Pipeline:
    """One session's benchmark, models, responses and scores. ``progress`` is told about every long step.

    Raises SettingsError for a judge that cannot be asked.
    """

    def __init__(
        self,
        settings: Settings,
        progress: Progress,
        trials: tuple[Trial, ...] = (),
        *,
        share: Pipeline | None = None,
        benchmark: Callable[[int], Benchmark] | None = None,
    ) -> None:
        """``share``: the pipeline of the same session that this one stands beside, with a ``benchmark`` of its own by share of people to forget."""
        self.settings, self.progress, self.trials = settings, progress, trials
        self.store: Store = share.store if share else Store(settings.cache or default_root())
        self.data: Data = share.data if share else Data(settings)
        self._given = benchmark
        memory: Memory | None = share.models.memory if share else None
        self.models: LineUp = LineUp(settings, self.store, progress, self.benchmark_of, lambda: self.data.whole(settings.forget[0]), memory)
        self._benchmarks: dict[int, Benchmark] = {}
        self._asked: dict[tuple[int, Split], str] = {}
        self._exams: dict[tuple[int, Split], Exam] = {}
        self._scores: dict[tuple[str, int, Split], tuple[Score, ...]] = {}
        self._judged: dict[tuple[str, int, Split], Judged] = {}
        self.judge: ServedJudge | None = share.judge if share else served_judge(settings, self.store.root) if settings.judge != LOCAL else None
        """None for the local judge."""
        self._cells: dict[tuple[str, int, Split], tuple[Cell, ...]] = {}

    # --- benchmark ---

    @property
    def benchmark(self) -> Benchmark:
        """That of the session's first share of people to forget; only who is to be forgotten differs in the others."""
        return self.benchmark_of(self.settings.forget[0])

    def benchmark_of(self, forget: int) -> Benchmark:
        if forget not in self._benchmarks:
            self._benchmarks[forget] = self._case(forget)
        return self._benchmarks[forget]

    def _case(self, forget: int) -> Benchmark:
        """The people as the scenario has them."""
        if self._given is not None:
            return self._given(forget)
        whole = self.data.whole(forget)
        return sequential(whole, self.settings.steps, self.settings.seed) if self.settings.scenario == "sequential" else whole

    def beside(self, settings: Settings, benchmark: Callable[[int], Benchmark]) -> Pipeline:
        """Another case of the same session, which shares data, store, judge and memory."""
        return Pipeline(settings, self.progress, share=self, benchmark=benchmark)

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

    def responses(self, model: Model, split: Split, only: Collection[str] | None = None) -> dict[str, Response]:
        """What the model answers to the questions of a split, or to ``only`` these, by question id; asked only once, whoever asks."""
        artefact = self._artefact(model, split)
        return {response.question: response for response in read_responses(artefact.file(RESPONSES), only)}

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
        people = {person.id: person for person in self.people(model, split)}
        rows = [replace(row, wrong=perturbed(people[row.question.person], row.question)) for row in self.exam(model.forget, split).rows]
        title, known = f"asking {model.title} about the {split} set", journal.read()
        ask = self._local(model, rows) if model.served is None else self._served(model, model.served, rows)
        with self.progress.step(title, total=len(rows), unit="questions") as step:
            step.advance(len(known))

            def answered(found: Sequence[Response]) -> None:
                journal.add(found)
                step.advance(len(found))

            try:
                responses, path = ask(answered, known)
            except ServerError as error:
                stored = f"{len(journal.read())} of {len(rows)} answers about the {split} set are stored, and the next run goes on from there"
                raise ServerError(f"{error}; {stored}") from None
        if path.startswith("one by one"):
            self.progress.say(f"{title}: {path}")
        return responses, path

    def _local(self, model: Model, rows: Sequence[Asked]) -> Asker:
        """Loads the model, which may have to be built first."""
        from pytest_mllmu.training.batches import Encoder

        bundle = self.models.memory.load(model)

        def ask(answered: Answered, known: Mapping[str, Response]) -> tuple[list[Response], str]:
            with runtime(self.models.device, self.settings.embedded):
                encoder = Encoder(bundle)
                asker = engine.Engine(encoder, self.settings.batch)
                return asker.answer(asking.prompts(encoder, rows, self.dialect, model.system), answered, known), asker.path

        return ask

    def _served(self, model: Model, served: Served, rows: Sequence[Asked]) -> Asker:
        def ask(answered: Answered, known: Mapping[str, Response]) -> tuple[list[Response], str]:
            asker = Endpoint(endpoint_client(self.settings, served.model), served.model, self.dialect.new_tokens)
            return asker.answer(rows, answered, known, model.system), f"{asker.path}; {_when()}"

        return ask

    def answered(self, model: Model, split: Split) -> bool:
        return self.store.find("responses", self._answers(model, split)) is not None

    def scores(self, model: Model, split: Split) -> tuple[Score, ...]:
        from pytest_mllmu.scoring.circular import with_rotations
        from pytest_mllmu.scoring.scores import score, unjudged

        key = (model.key + model.system, model.forget, split)
        if key not in self._scores:
            responses, judged = self.responses(model, split), self.judged(model, split)
            judge = {"judge": judged.score} if judged is not None else {}
            rows = [score(question, responses[question.id], split, dialect=self.dialect.name, **judge) for question in self.questions(model, split)]
            whole = with_rotations(rows)
            self._scores[key] = tuple(whole if judged is None or judged.complete else map(unjudged, whole))
        return self._scores[key]

    @cached_property
    def judge_name(self) -> str:
        """Who gave factuality, as reports say it."""
        return name_of_judge(self.settings)

    @property
    def judge_title(self) -> str:
        """As messages say it."""
        return title_of(self.judge_name)

    def judged(self, model: Model, split: Split) -> Judged | None:
        """The grades of a served judge for what the model wrote; None for the local judge, which needs no asking."""
        if self.judge is None:
            return None
        key = (model.key + model.system, model.forget, split)
        if key not in self._judged:
            from filelock import FileLock

            answers = self._to_judge(model, split)
            place = self.store.root / "locks" / f"judged-{key_of({'judge': self.judge.model, 'answers': answers})}.lock"
            place.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(place):  # another worker that judges the same pays for it, and this one reads it
                self._judged[key] = self.judge.judge(answers, partial(self._judging, model, split))
        return self._judged[key]

    def _to_judge(self, model: Model, split: Split) -> list[Answer]:
        from pytest_mllmu.scoring.reading import READINGS

        responses, reading = self.responses(model, split), READINGS[self.dialect.name]
        asked = [question for question in self.questions(model, split) if question.task == "generation"]
        return [(question.text, question.answer, reading.answer(responses[question.id].answer)) for question in asked]

    @contextmanager
    def _judging(self, model: Model, split: Split, total: int, costs: str) -> Iterator[Callable[[], None]]:
        assert self.judge is not None
        title = f"{self.judge.model} judges {model.title} on the {split} set"
        self.progress.say(f"{title}: {costs}")
        with self.progress.step(title, total=total, unit="answers") as step:
            yield partial(step.advance, 1)

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
        return all(self.answered(model, split) for split in SPLITS if self.people(model, split))

    def _answers(self, model: Model, split: Split) -> dict[str, Any]:
        place = model.forget, split
        if place not in self._asked:
            self._asked[place] = fingerprint(self.people(model, split))
        system = {"system": model.system} if model.system else {}
        asked = {"engine": engine.VERSION, **self.dialect.settings(self.exam(model.forget, split)), "questions": self._asked[place]}
        return {"code": CODE, "model": model.key, **asked, **system}


def _when() -> str:
    """When a served model was asked: its weights may be others tomorrow."""
    try:
        moment = now()
    except ValueError:  # answers that were paid for are not lost over a date
        moment = datetime.now(UTC)
    return f"asked {moment:%Y-%m-%d %H:%M} UTC"
