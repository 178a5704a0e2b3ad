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
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, TASKS, Split
from pytest_mllmu.benchmark.splits import draw, limited, synthetic_ids
from pytest_mllmu.console import Console
from pytest_mllmu.errors import MllmuError
from pytest_mllmu.fixtures import OWN, PROPERTY, pipeline_key, settings_key
from pytest_mllmu.killed import Killed
from pytest_mllmu.memory import Model
from pytest_mllmu.methods import registry
from pytest_mllmu.methods.base import Method
from pytest_mllmu.pipeline import Pipeline
from pytest_mllmu.settings import Settings
from pytest_mllmu.trials import Trial, trials

if TYPE_CHECKING:
    from pytest_mllmu.report.run import Run

ROLES = ("base", "vanilla", "oracle", "candidate")
NO_ORACLE = "no oracle (a model that never saw the forget set): the floor on forget and test is chance"


class Session:
    """The state of one session. On xdist workers it only runs tests; the controller collects, writes and shows.

    Raises MllmuError for data that cannot be read, before anything runs.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self.console = Console(config)
        self.trials = trials(settings, registry(_from_packages(config)), own_methods(config))
        self.pipeline = Pipeline(settings, self.console.progress(), self.trials)
        self.dialect = self.pipeline.dialect  # one that is not for these models is said before any test runs
        self.started = time.monotonic()
        self.killed = Killed([trial.id for trial in self.trials], self.console.show)
        self.judged: set[str] = set()
        self.verdicts: list[tuple[str, dict[str, Any]]] = []
        self.candidates: dict[str, Model] = {}
        self.run: Run | None = None
        self.said: list[str] = []
        config.stash[pipeline_key] = self.pipeline
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            # A project that sets the method in its ini file or its environment runs its own tests as well; who names it on the command line means the sets.
            own = [] if config.getoption("mllmu_method") else config.args
            config.args[:] = [*own, str(suite())]
        if self.worker:
            return
        if settings.data != "synthetic":  # bad data is said before any test runs
            for forget in settings.forget:
                self.pipeline.benchmark_of(forget)
        if not config.getoption("collectonly"):
            self.pipeline.store.open()

    @property
    def worker(self) -> bool:
        return hasattr(self.config, "workerinput")

    # --- header ---

    def header(self) -> str:
        pipeline, chosen = self.pipeline, self.settings
        benchmark = pipeline.benchmark
        titles = ", ".join(dict.fromkeys(self._title(trial) for trial in self.trials))
        origin = "" if chosen.data == "synthetic" else f", from {chosen.data}"
        people = f"{len(benchmark.profiles)} people and {len(benchmark.celebrities)} celebrities ({benchmark.name}{origin})"
        shares = ", ".join(f"{forget}% to forget ({len(pipeline.benchmark_of(forget).forget_ids)} people)" for forget in chosen.forget)
        return f"mllmu: {titles} on {chosen.model}, {people}, {shares}, seed {chosen.seed}, {pipeline.models.device}, {self._cache()}"

    def _title(self, trial: Trial) -> str:
        return f"your {trial.name}" if trial.own else self.pipeline.models.on_trial(trial).title

    def _cache(self) -> str:
        """What is stored already; of a user's own method only the session can tell, when its fixture runs."""
        pipeline = self.pipeline
        models = [pipeline.models.on_trial(trial) for trial in self.trials if not trial.own]
        models += [model for forget in self.settings.forget for model in pipeline.references(forget)]
        if all(pipeline.cached(model) for model in models):
            return f"all answers in the cache ({pipeline.store.root})"
        missing = pipeline.models.memory.missing([pipeline.models.base, *sorted(models, key=lambda model: ROLES.index(model.role))])
        return f"to build: {', '.join(model.title for model in missing)}" if missing else "models in the cache, answers to be asked for"

    # --- results ---

    def collect(self, report: pytest.TestReport) -> None:
        self.killed.reported(report)
        if report.when != "call" or report.nodeid in self.judged:  # judged before, and run again as its worker was killed between verdict and end
            return
        for key, value in report.user_properties:
            if key == PROPERTY:
                row = json.loads(str(value))
                model = Model.from_json(row["model"])
                self.judged.add(report.nodeid)
                self.candidates[model.name] = model
                self.verdicts.append((model.name, row["verdict"]))

    def finish(self, session: pytest.Session) -> None:
        """Puts the run together and writes the reports; what goes wrong here is said and makes the session red."""
        self.console.close()
        if (lost := self.killed.lost()) and session.exitstatus != pytest.ExitCode.INTERRUPTED:
            self.said.append(f"mllmu: {lost} test{'s were' if lost > 1 else ' was'} not run: workers were killed, and xdist started no other in their place")
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
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
        write(self.run, path, self._lines() if path.suffix == ".jsonl" else (), self.settings.signals == "yes")
        self.said.append(f"report written to {path}")

    def summary(self, reporter: pytest.TerminalReporter) -> None:
        if self.run is not None:
            from pytest_mllmu.report.terminal import render

            reporter.section("MLLMU-Bench", sep="=")
            reporter.write_line(render(self.run, self.settings.table, self.settings.signals == "yes"))
        for line in self.said:
            reporter.write_line(line)

    # --- the run as data ---

    def _judged(self) -> list[tuple[Model, tuple[Split, ...]]]:
        """The rows of the table: references and candidates that a gate of this session was about, with the sets that were judged.

        What else the cache holds is another run's.
        """
        rows = []
        for forget in self.settings.forget:
            found = [(trial, verdict) for trial, verdict in self.verdicts if verdict["forget"] == forget]
            splits = {verdict["split"] for _, verdict in found} | {split for _, verdict in found if verdict["person"] for split in FORGOTTEN}
            models = self.pipeline.references(forget) if found else []
            models += [self.candidates[trial.id] for trial in self.trials if trial.id in self.candidates and trial.forget == forget]
            rows += [(model, tuple(split for split in SPLITS if split in splits and self.pipeline.answered(model, split))) for model in models]
        return rows

    def _run(self) -> Run:
        from pytest_mllmu.analysis.table import Table
        from pytest_mllmu.analysis.verdicts import Verdict
        from pytest_mllmu.report.run import Run

        rows, benchmark = self._judged(), self.pipeline.benchmark
        forgotten = {str(forget): list(self.pipeline.benchmark_of(forget).forget_ids) for forget in self.settings.forget}
        made = {name: dict(model.made) for name, model in sorted(self.candidates.items())}
        keys = {_label(model, self.settings): model.key for model, _ in rows}
        paths = sorted({self.pipeline.path(model, split) for model, splits in rows for split in splits})
        return Run(
            settings={
                **self.settings.measured,
                "device": self.pipeline.models.device,
                "methods": made,
                "data": benchmark.name,
                "judge": "local",
                "paths": paths,
                "shown": self._shown(rows),
            },
            versions={
                **self.pipeline.models.versions,
                "python": sys.version.split()[0],
                "pytest-mllmu": pytest_mllmu.__version__,
                **_versions("faker", "pillow"),
            },
            seed=self.settings.seed,
            fingerprints={**benchmark.fingerprints, "models": keys, "forget": forgotten},
            table=Table(tuple(self.pipeline.row(model, splits) for model, splits in rows)),
            verdicts=[Verdict.from_json(row) for _, row in sorted(self.verdicts, key=self._order)],
            notes=(
                self.dialect.says(self.pipeline.exam(self.settings.forget[0], "forget")),
                *(f"asked {path}" for path in paths if path.startswith("one by one")),
                *self._cautions(),
                *(() if self.pipeline.with_oracle else (NO_ORACLE,)),
            ),
            timings={"session_seconds": round(time.monotonic() - self.started, 1)},
            benchmark_name=benchmark.name,
            synthetic=benchmark.synthetic,
        )

    def _shown(self, rows: list[tuple[Model, tuple[Split, ...]]]) -> dict[str, dict[str, dict[str, list[str]]]]:
        """Whose questions stood in the prompts, with their answers: ids by share of people to forget, split and task; empty for zero-shot."""
        shown: dict[str, dict[str, dict[str, list[str]]]] = {}
        for model, splits in rows:
            for split in splits:
                if people := self.pipeline.exam(model.forget, split).people:
                    shown.setdefault(str(model.forget), {})[split] = people
        return shown

    def _cautions(self) -> Iterator[str]:
        """What a reader of the numbers must know about the settings."""
        chosen = self.settings
        if chosen.limit is not None:
            yield f"only the first {chosen.limit} people of each set were asked about: too few for gates to mean much"
        if not self.pipeline.dialect.likelihood:
            yield "the gates are made for the strict dialect: read them with care, or take --mllmu-gates=off"
            if chosen.embedded:
                yield f"{chosen.model} was never taught to answer with a letter: its multiple choice says nothing in this dialect"

    def _order(self, row: tuple[str, dict[str, Any]]) -> tuple[Any, ...]:
        trial, verdict = row
        task, _, modality = str(verdict["gate"]).partition("-")
        places = (SPLITS.index(verdict["split"]), TASKS.index(task), MODALITIES.index(modality)) if modality else (len(SPLITS), 0, 0)
        return [known.id for known in self.trials].index(trial), places, verdict["person"] or ""

    def _lines(self) -> Iterator[dict[str, Any]]:
        """One line a question and model: the question, the response and the score."""
        for model, splits in self._judged():
            for split in splits:
                responses = self.pipeline.responses(model, split)
                for question, score in zip(self.pipeline.questions(model, split), self.pipeline.scores(model, split), strict=True):
                    response = json.loads(responses[question.id].to_line())
                    row = {"question": question.id, "model": model.title, "forget": model.forget, "split": split, "asked": question.to_json()}
                    yield row | {"response": response, "score": dict(score.values)}


def _label(model: Model, settings: Settings) -> str:
    several = len(settings.forget) > 1 and model.role != "vanilla"
    return f"{model.title} ({model.forget}%)" if several else model.title


def _from_packages(config: pytest.Config) -> list[type[Method]]:
    """What plugins and conftest files add through the hook, in a fixed order."""
    return sorted((kind for kinds in config.hook.pytest_mllmu_methods(config=config) for kind in kinds), key=lambda kind: str(getattr(kind, "name", kind)))


def own_methods(config: pytest.Config) -> list[str]:
    """The names of the user's fixtures ``mllmu_method_<name>``, in conftest files and plugins that pytest has loaded."""
    users = [
        module for module in config.pluginmanager.get_plugins() if getattr(module, "__name__", "") != "pytest_mllmu.plugin" and hasattr(module, "__dict__")
    ]
    return sorted({name.removeprefix(OWN) for module in users for name in vars(module) if name.startswith(OWN)})


def _versions(*names: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in names}


def suite() -> Path:
    """The question sets as test modules: packaged in a wheel, beside the package in a checkout."""
    packaged = Path(__file__).parent / "suite"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "benchmarks"


def parametrize(metafunc: pytest.Metafunc) -> None:
    """A test of ``mllmu_candidate`` runs for each method, one of ``mllmu_gate`` for each gate of its split, one of ``mllmu_person`` for each person."""
    from pytest_mllmu.analysis.gates import POLICIES

    config = metafunc.config
    settings = config.stash[settings_key]
    if not settings.method:
        missing = pytest.param(None, id="no-method", marks=pytest.mark.skip(reason="nothing on trial: give --mllmu-method"))
        for name in ("mllmu_candidate", "mllmu_gate", "mllmu_person"):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, [missing], indirect=True)
        return
    trials = config.stash[pipeline_key].trials
    if "mllmu_person" in metafunc.fixturenames:
        pairs = [(trial, person) for trial in trials for person in forget_ids(settings, trial.forget)]
        ids = [f"{trial.id}-{person}" for trial, person in pairs]
        metafunc.parametrize(("mllmu_candidate", "mllmu_person"), pairs, ids=ids, indirect=True)
        return
    metafunc.parametrize("mllmu_candidate", trials, ids=[trial.id for trial in trials], indirect=True, scope="session")
    if "mllmu_gate" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("mllmu_split")
        if marker is None:
            raise pytest.UsageError(f"{metafunc.definition.nodeid} asks for mllmu_gate: mark it with mllmu_split(name) to say of which set")
        gates = POLICIES[settings.gates].of(marker.kwargs["name"])
        metafunc.parametrize("mllmu_gate", [pytest.param(gate, id=gate.id, marks=pytest.mark.mllmu_task(name=gate.task)) for gate in gates], indirect=True)


def forget_ids(settings: Settings, forget: int) -> tuple[str, ...]:
    """Who is to be forgotten, from the ids alone: collecting tests reads no questions and draws no faces."""
    if settings.data == "synthetic":
        ids = draw(synthetic_ids(settings.profiles), forget, settings.seed).forget
    else:
        from pytest_mllmu.benchmark.parquet import read_ids

        ids = read_ids(Path(settings.data).expanduser(), forget, settings.seed).forget
    return limited(ids, settings.limit)
