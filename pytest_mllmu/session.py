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
from pytest_mllmu.analysis.gates import FORGOTTEN, GUARDS, PERSONS
from pytest_mllmu.analysis.policies import policy
from pytest_mllmu.baseline import Baseline, publish
from pytest_mllmu.benchmark.profiles import SPLITS, Split
from pytest_mllmu.benchmark.splits import draw, limited, synthetic_ids
from pytest_mllmu.console import Console
from pytest_mllmu.errors import MllmuError
from pytest_mllmu.fixtures import OWN, PROPERTY, pipeline_key, policy_key, settings_key
from pytest_mllmu.memory import Model
from pytest_mllmu.methods import registry
from pytest_mllmu.methods.base import Method
from pytest_mllmu.pipeline import Pipeline
from pytest_mllmu.report.run import about
from pytest_mllmu.settings import Settings
from pytest_mllmu.trials import Trial, trials

if TYPE_CHECKING:
    from pytest_mllmu.analysis.gates import Gate, Policy
    from pytest_mllmu.report.run import Run

ROLES = ("base", "vanilla", "oracle", "candidate")
JUDGE = "local"
MOST = 12
"""Inconclusive verdicts that are spelled out in a terminal."""
NO_ORACLE = "no oracle (a model that never saw the forget set): the floor on forget and test is chance"


class Session:
    """The state of one session. On xdist workers it only runs tests; the controller collects, writes and shows.

    Raises MllmuError for data that cannot be read, before anything runs.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self.console = Console(config)
        self.trials = trials(settings, registry(_from_packages(config)), own_methods(config))
        self.policy = config.stash[policy_key] = chosen_policy(config, settings)
        self.pipeline = Pipeline(settings, self.console.progress(), self.trials)
        self.dialect = self.pipeline.dialect  # one that is not for these models is said before any test runs
        self.started = time.monotonic()
        self.verdicts: list[tuple[str, dict[str, Any]]] = []
        self.candidates: dict[str, Model] = {}
        self.run: Run | None = None
        self.said: list[str] = []
        self.broken = False  # the run could not be put together, which is said already
        config.stash[pipeline_key] = self.pipeline
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            # A project that sets the method in its ini file or its environment runs its own tests as well; who names it on the command line means the sets.
            own = [] if config.getoption("mllmu_method") or config.getoption("mllmu_candidate") else config.args
            config.args[:] = [*own, str(suite())]
        if self.worker:
            return
        self.baseline = Baseline(settings, self.policy)
        if settings.data != "synthetic":  # bad data is said before any test runs
            for forget in settings.forget:
                self.pipeline.benchmark_of(forget)
        if not config.getoption("collectonly"):
            self.pipeline.store.open()
            if settings.compare:
                self.baseline.check(about({**settings.measured, "judge": JUDGE}, settings.seed, self._fingerprints()))

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

    def status(self, report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """An inconclusive gate that the policy lets pass is neither a pass nor a failure."""
        if report.when == "call" and report.passed and (f"{PROPERTY}_verdict", "inconclusive") in report.user_properties:
            return "inconclusive", "?", ("INCONCLUSIVE", {"yellow": True})
        return None

    def collect(self, report: pytest.TestReport) -> None:
        for key, value in report.user_properties if report.when == "call" else ():
            if key == PROPERTY:
                row = json.loads(str(value))
                model = Model.from_json(row["model"])
                self.candidates[model.name] = model
                self.verdicts.append((model.name, row["verdict"]))

    def conclude(self, session: pytest.Session) -> None:
        """After the last test: the run is put together and compared with the baseline. What got worse counts as a failed test, without a traceback."""
        if self.worker or self.config.getoption("collectonly"):
            return
        if not self.verdicts:
            if self.settings.compare:  # that nothing is compared must not look like nothing got worse
                self.said.append("mllmu: not compared with the baseline: no gate was judged")
                session.testsfailed += 1
            return
        try:
            self.run = self._run()
            self.run.changes = self.baseline.changes(self.run)
            session.testsfailed += sum(change.red for change in self.run.changes)
        except MllmuError as error:
            self.said.append(f"mllmu: {error}")
            session.testsfailed += 1
            self.broken = self.run is None

    def finish(self, session: pytest.Session) -> None:
        """Writes the reports; what goes wrong here is said and makes the session red. A run that was cut short is reported as far as it went."""
        self.console.close()
        if self.worker or self.broken or self.config.getoption("collectonly"):
            return
        if not self.verdicts:
            if self.settings.report:
                self.said.append("mllmu: no report written: no gate was judged")
            return
        try:
            if self.run is None:
                self.run = self._run()
                if self.settings.compare:
                    self.said.append("mllmu: the run was cut short: not compared with the baseline")
            for path in self.settings.report:
                self._write(path)
            self.said += publish(self.run, self.settings)
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
            from pytest_mllmu.report.terminal import conclusions, render

            reporter.section("MLLMU-Bench", sep="=")
            reporter.write_line(render(self.run, self.settings.table, self.settings.signals == "yes"))
            for line, colour in conclusions(self.run, MOST if self.config.get_verbosity() <= 0 else None):
                reporter.write_line(line, **({colour: True} if colour else {}))
            for line, colour in self.baseline.lines(self.run):
                reporter.write_line(line, **({colour: True} if colour else {}))
        if self.config.getoption("collectonly"):
            show_gates(self.policy, reporter)
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
            splits = {split for _, verdict in found for split in _looked_at(verdict["gate"])}
            models = self.pipeline.references(forget) if found else []
            models += [self.candidates[trial.id] for trial in self.trials if trial.id in self.candidates and trial.forget == forget]
            rows += [(model, tuple(split for split in SPLITS if split in splits and self.pipeline.answered(model, split))) for model in models]
        return rows

    def _run(self) -> Run:
        from pytest_mllmu.analysis.table import Table
        from pytest_mllmu.analysis.verdicts import Verdict
        from pytest_mllmu.report.run import Run

        rows, benchmark = self._judged(), self.pipeline.benchmark
        made = {name: dict(model.made) for name, model in sorted(self.candidates.items())}
        keys = {_label(model, self.settings): model.key for model, _ in rows}
        paths = sorted({self.pipeline.path(model, split) for model, splits in rows for split in splits})
        return Run(
            settings={
                **self.settings.measured,
                "device": self.pipeline.models.device,
                "methods": made,
                "data": benchmark.name,
                "judge": JUDGE,
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
            fingerprints={**self._fingerprints(), "models": keys},
            policy=self.policy.to_json(),
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

    def _fingerprints(self) -> dict[str, Any]:
        forgotten = {str(forget): list(self.pipeline.benchmark_of(forget).forget_ids) for forget in self.settings.forget}
        return {**self.pipeline.benchmark.fingerprints, "forget": forgotten}

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
        return [known.id for known in self.trials].index(trial), list(self.policy.gates).index(verdict["gate"]), verdict["person"] or ""

    def _lines(self) -> Iterator[dict[str, Any]]:
        """One line a question and model: the question, the response and the score."""
        for model, splits in self._judged():
            for split in splits:
                responses = self.pipeline.responses(model, split)
                for question, score in zip(self.pipeline.questions(model, split), self.pipeline.scores(model, split), strict=True):
                    response = json.loads(responses[question.id].to_line())
                    row = {"question": question.id, "model": model.title, "forget": model.forget, "split": split, "asked": question.to_json()}
                    yield row | {"response": response, "score": dict(score.values)}


def chosen_policy(config: pytest.Config, settings: Settings) -> Policy:
    return policy(settings.gates or "", config.rootpath / "pyproject.toml")


def show_gates(policy: Policy, reporter: pytest.TerminalReporter) -> None:
    """What the gates ask, under the collected tests; not with ``-q``, whose lines scripts read."""
    if reporter.verbosity >= 0:
        for line in policy.lines():
            reporter.write_line(line)


class GatesShown:
    """``pytest --mllmu-gates=strict --co`` without a method: nothing is on trial, but what would be asked of it can be read."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.policy = chosen_policy(config, settings)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        show_gates(self.policy, terminalreporter)


def _looked_at(gate: str) -> tuple[Split, ...]:
    """The sets that the gate of this name asks about."""
    if gate == PERSONS:
        return FORGOTTEN
    return GUARDS.get(gate.removeprefix("guard."), tuple(split for split in SPLITS if gate.startswith(f"{split}.")))


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
    """A test of ``mllmu_candidate`` runs for each method, one of ``mllmu_gate`` for each gate of its split, and so on for guards and people."""
    config = metafunc.config
    settings = config.stash[settings_key]
    if not settings.method:
        missing = pytest.param(None, id="no-method", marks=pytest.mark.skip(reason="nothing on trial: give --mllmu-method"))
        for name in ("mllmu_candidate", "mllmu_gate", "mllmu_guard", "mllmu_person"):
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
    if "mllmu_guard" in metafunc.fixturenames:
        metafunc.parametrize("mllmu_guard", [pytest.param(gate, id=gate.id) for gate in config.stash[policy_key].guards], indirect=True)
    if "mllmu_gate" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("mllmu_split")
        if marker is None:
            raise pytest.UsageError(f"{metafunc.definition.nodeid} asks for mllmu_gate: mark it with mllmu_split(name) to say of which set")
        gates = config.stash[policy_key].of(marker.kwargs["name"])
        metafunc.parametrize("mllmu_gate", [pytest.param(gate, id=gate.id, marks=_of_a_task(gate)) for gate in gates], indirect=True)


def _of_a_task(gate: Gate) -> tuple[pytest.MarkDecorator, ...]:
    """So that ``-m "mllmu_task(name='cloze')"`` selects; what pools tasks is of none."""
    tasks = {task for task, _ in gate.cells}
    return tuple(pytest.mark.mllmu_task(name=task) for task in tasks) if len(tasks) == 1 else ()


def forget_ids(settings: Settings, forget: int) -> tuple[str, ...]:
    """Who is to be forgotten, from the ids alone: collecting tests reads no questions and draws no faces."""
    if settings.data == "synthetic":
        ids = draw(synthetic_ids(settings.profiles), forget, settings.seed).forget
    else:
        from pytest_mllmu.benchmark.parquet import read_ids

        ids = read_ids(Path(settings.data).expanduser(), forget, settings.seed).forget
    return limited(ids, settings.limit)
