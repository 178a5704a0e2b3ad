"""One pytest session with the plugin in use: what is collected, what was found, and the report of it."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pytest_mllmu
from pytest_mllmu.analysis.gates import FORGOTTEN
from pytest_mllmu.benchmark import prompts
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, TASKS, Split
from pytest_mllmu.benchmark.splits import draw, limited, synthetic_ids
from pytest_mllmu.console import Console
from pytest_mllmu.errors import MllmuError
from pytest_mllmu.fixtures import PROPERTY, pipeline_key, settings_key
from pytest_mllmu.pipeline import Model, Pipeline
from pytest_mllmu.settings import Settings

if TYPE_CHECKING:
    from pytest_mllmu.report.run import Run

NO_ORACLE = "no oracle (a model that never saw the forget set): the floor on forget and test is chance"


class Session:
    """The state of one session. On xdist workers it only runs tests; the controller collects, writes and shows.

    Raises MllmuError for data that cannot be read, before anything runs.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self.console = Console(config)
        self.pipeline = Pipeline(settings, self.console.progress())
        self.started = time.monotonic()
        self.verdicts: list[tuple[str, dict[str, Any]]] = []
        self.run: Run | None = None
        self.said: list[str] = []
        config.stash[pipeline_key] = self.pipeline
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            config.args[:] = [str(suite())]
        if not self.worker and settings.data != "synthetic":
            _ = self.pipeline.benchmark  # bad data is said before any test runs
        if not self.worker and not config.getoption("collectonly"):
            self.pipeline.store.open()

    @property
    def worker(self) -> bool:
        return hasattr(self.config, "workerinput")

    # --- header ---

    def header(self) -> str:
        pipeline, chosen = self.pipeline, self.settings
        benchmark = pipeline.benchmark
        candidate = pipeline.unlearned(str(chosen.method))
        people = f"{len(benchmark.profiles)} people and {len(benchmark.celebrities)} celebrities ({benchmark.name})"
        forgotten = f"{chosen.forget}% to forget ({len(benchmark.forget_ids)} people)"
        return f"mllmu: {candidate.title} on {chosen.model}, {people}, {forgotten}, seed {chosen.seed}, {pipeline.device}, {self._cache(candidate)}"

    def _cache(self, candidate: Model) -> str:
        pipeline = self.pipeline
        if pipeline.cached(candidate) and pipeline.cached(pipeline.vanilla):
            return f"all answers in the cache ({pipeline.store.root})"
        models = [pipeline.base, pipeline.vanilla, candidate]
        missing = [model.title for model in models if not pipeline.stored(model)]
        return f"to build: {', '.join(missing)}" if missing else "models in the cache, answers to be asked for"

    # --- results ---

    def collect(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.verdicts += [(value["method"], value["verdict"]) for key, value in report.user_properties if key == PROPERTY]  # type: ignore[index]

    def finish(self, session: pytest.Session) -> None:
        """Puts the run together and writes the reports; what goes wrong here is said and makes the session red."""
        self.console.close()
        if self.worker or not self.verdicts:
            if self.settings.report and not self.worker and not self.config.getoption("collectonly"):
                self.said.append("mllmu: no report written: no gate was judged")
            return
        try:
            self.run = self._run()
            for path in self.settings.report:
                self._write(path)
        except MllmuError as error:
            self.said.append(f"mllmu: {error}")
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def _write(self, path: Path) -> None:
        from pytest_mllmu.report import write

        assert self.run is not None
        write(self.run, path, self._lines() if path.suffix == ".jsonl" else ())
        self.said.append(f"report written to {path}")

    def summary(self, reporter: pytest.TerminalReporter) -> None:
        if self.run is not None:
            from pytest_mllmu.report.terminal import render

            reporter.section("MLLMU-Bench", sep="=")
            reporter.write_line(render(self.run, self.settings.table))
        for line in self.said:
            reporter.write_line(line)

    # --- the run as data ---

    def _models(self) -> list[Model]:
        vanilla = self.pipeline.vanilla
        return [vanilla, *(self.pipeline.unlearned(name) for name in sorted({method for method, _ in self.verdicts}))]

    def _splits(self, model: Model) -> tuple[Split, ...]:
        """The sets that a gate of this session was about: what else the cache holds is another run's."""
        judged = {verdict["split"] for _, verdict in self.verdicts} | {split for _, verdict in self.verdicts if verdict["person"] for split in FORGOTTEN}
        return tuple(split for split in SPLITS if split in judged and self.pipeline.answered(model, split))

    def _run(self) -> Run:
        from pytest_mllmu.analysis.table import Table
        from pytest_mllmu.analysis.verdicts import Verdict
        from pytest_mllmu.report.run import Run

        models, benchmark = self._models(), self.pipeline.benchmark
        return Run(
            settings={**self.settings.measured, "data": benchmark.name, "dialect": prompts.DIALECT, "judge": "local", "demonstrations": 0},
            versions={**self.pipeline.versions, "python": sys.version.split()[0], "pytest-mllmu": pytest_mllmu.__version__, **_versions("faker", "pillow")},
            seed=self.settings.seed,
            fingerprints={**benchmark.fingerprints, "models": {model.title: model.key for model in models}, "forget": list(benchmark.forget_ids)},
            table=Table(tuple(self.pipeline.row(model, self._splits(model)) for model in models)),
            verdicts=[Verdict.from_json(row) for _, row in sorted(self.verdicts, key=_order)],
            notes=(NO_ORACLE,),
            timings={"session_seconds": round(time.monotonic() - self.started, 1)},
            benchmark_name=benchmark.name,
            synthetic=benchmark.synthetic,
        )

    def _lines(self) -> Iterator[dict[str, Any]]:
        """One line a question and model: the question, the response and the score."""
        for model in self._models():
            for split in self._splits(model):
                responses = self.pipeline.responses(model, split)
                for question, score in zip(self.pipeline.questions(split), self.pipeline.scores(model, split), strict=True):
                    response = json.loads(responses[question.id].to_line())
                    row = {"question": question.id, "model": model.title, "split": split, "asked": question.to_json()}
                    yield row | {"response": response, "score": dict(score.values)}


def _order(row: tuple[str, dict[str, Any]]) -> tuple[Any, ...]:
    method, verdict = row
    task, _, modality = str(verdict["gate"]).partition("-")
    places = (SPLITS.index(verdict["split"]), TASKS.index(task), MODALITIES.index(modality)) if modality else (len(SPLITS), 0, 0)
    return method, places, verdict["person"] or ""


def _versions(*names: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in names}


def suite() -> Path:
    """The question sets as test modules: packaged in a wheel, beside the package in a checkout."""
    packaged = Path(__file__).parent / "suite"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "benchmarks"


def parametrize(metafunc: pytest.Metafunc) -> None:
    """A test of ``mllmu_candidate`` runs for each method, one of ``mllmu_gate`` for each gate of its split, one of ``mllmu_person`` for each person."""
    from pytest_mllmu.analysis.gates import POLICIES

    settings = metafunc.config.stash[settings_key]
    if settings.method is None:
        missing = pytest.param(None, id="no-method", marks=pytest.mark.skip(reason="nothing on trial: give --mllmu-method"))
        for name in ("mllmu_candidate", "mllmu_gate", "mllmu_person"):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, [missing], indirect=True)
        return
    metafunc.parametrize("mllmu_candidate", [settings.method], indirect=True, scope="session")
    if "mllmu_gate" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("mllmu_split")
        if marker is None:
            raise pytest.UsageError(f"{metafunc.definition.nodeid} asks for mllmu_gate: mark it with mllmu_split(name) to say of which set")
        gates = POLICIES[settings.gates].of(marker.kwargs["name"])
        metafunc.parametrize("mllmu_gate", [pytest.param(gate, id=gate.id, marks=pytest.mark.mllmu_task(name=gate.task)) for gate in gates], indirect=True)
    if "mllmu_person" in metafunc.fixturenames:
        people = forget_ids(settings)
        metafunc.parametrize("mllmu_person", people, ids=people, indirect=True)


def forget_ids(settings: Settings) -> tuple[str, ...]:
    """Who is to be forgotten, from the ids alone: collecting tests reads no questions and draws no faces."""
    if settings.data == "synthetic":
        ids = draw(synthetic_ids(settings.profiles), settings.forget, settings.seed).forget
    else:
        from pytest_mllmu.benchmark.parquet import read_ids

        ids = read_ids(Path(settings.data).expanduser(), settings.forget, settings.seed).forget
    return limited(ids, settings.limit)
