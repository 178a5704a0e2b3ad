"""One pytest session with the plugin in use: what is collected, what was found, and the report of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mllmu.analysis.policies import policy
from pytest_mllmu.baseline import Baseline, publish, under_ci
from pytest_mllmu.benchmark.profiles import SPLITS
from pytest_mllmu.collecting import from_packages, own_methods, suite
from pytest_mllmu.console import Console
from pytest_mllmu.errors import MllmuError, SettingsError, StoreError
from pytest_mllmu.fixtures import FOUND, PROPERTY, pipeline_key, policy_key
from pytest_mllmu.killed import OUTCOME, Killed
from pytest_mllmu.methods import registry
from pytest_mllmu.phases import Pretrained, pipeline
from pytest_mllmu.record import Record
from pytest_mllmu.settings import Settings
from pytest_mllmu.trials import Trial, trials

if TYPE_CHECKING:
    from pytest_mllmu.analysis.gates import Policy
    from pytest_mllmu.report.run import Run

ROLES = ("base", "vanilla", "oracle", "candidate")


class Session:
    """The state of one session. On xdist workers it only runs tests; the controller collects, writes and shows.

    Raises MllmuError for data that cannot be read, before anything runs.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self.console = Console(config)
        self.handed = () if self.worker else _handed_in(settings)
        self.trials = trials(settings, registry(from_packages(config)), own_methods(config))
        if settings.certificate is not None and len(self.trials) != 1:
            on_trial = ", ".join(trial.id for trial in self.trials)
            raise SettingsError(f"--mllmu-certificate: a certificate is about one model, and {len(self.trials)} are on trial: {on_trial}")
        self.policy = config.stash[policy_key] = chosen_policy(config, settings)
        self.pipeline = pipeline(settings, self.console.progress(), self.trials)
        _ = self.pipeline.dialect  # one that is not for these models is said before any test runs
        self._look()
        self.record = Record(self.pipeline, self.policy, self.handed)
        self.started = time.monotonic()
        self.killed = Killed([trial.id for trial in self.trials], self.console.show)
        self.judged: set[str] = set()
        self.run: Run | None = None
        self.said: list[str] = []
        self.broken = False  # the run could not be put together, which is said already
        self.cut_short = False
        config.stash[pipeline_key] = self.pipeline
        if config.args_source is not pytest.Config.ArgsSource.ARGS:
            # A project that sets the method in its ini file or its environment runs its own tests as well; who names it on the command line means the sets.
            named = any(config.getoption(f"mllmu_{name}") for name in ("method", "candidate", "endpoint"))
            own = [] if named else config.args
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
                self.baseline.check(self.record.about)

    def _look(self) -> None:
        """What would else be an error while tests are collected: too few people for a scenario, questions of general ability that cannot be read."""
        if isinstance(self.pipeline, Pretrained):
            _ = self.pipeline.number
        elif self.settings.scenario != "standard":
            _ = self.pipeline.benchmark
        _ = self.pipeline.data.general

    @property
    def worker(self) -> bool:
        return hasattr(self.config, "workerinput")

    # --- header ---

    def header(self) -> list[str]:
        """What is on trial, and what is to be said about the checkpoints that are handed in."""
        return [self._header(), *(f"mllmu: {note}" for note in self.handed)]

    def _header(self) -> str:
        pipeline, chosen = self.pipeline, self.settings
        benchmark = pipeline.data.whole(chosen.forget[0])
        titles = ", ".join(dict.fromkeys(self._title(trial) for trial in self.trials))
        origin = "" if chosen.data == "synthetic" else f", from {chosen.data}"
        people = f"{len(benchmark.profiles)} people and {len(benchmark.celebrities)} celebrities ({benchmark.name}{origin})"
        general = f", {len(benchmark.general)} general questions" if benchmark.general else ""
        line = f"mllmu: {titles} on {chosen.model}, {people}{general}, {self._to_forget()}, seed {chosen.seed}, {pipeline.models.device}, {self._cache()}"
        return "\n".join([line, *self._judge()])

    def _to_forget(self) -> str:
        pipeline, chosen = self.pipeline, self.settings
        if isinstance(pipeline, Pretrained):
            return pipeline.says()
        shares = ", ".join(f"{forget}% to forget ({len(pipeline.benchmark_of(forget).forget_ids)} people)" for forget in chosen.forget)
        return f"{shares} in {chosen.steps} requests" if chosen.scenario == "sequential" else shares

    def _judge(self) -> Iterator[str]:
        """What a served judge will cost at most, before it is asked anything."""
        pipeline, chosen = self.pipeline, self.settings
        if pipeline.judge is None:
            return
        if chosen.scenario != "standard":
            yield f"mllmu: judge {pipeline.judge.model} at {pipeline.judge.client.host}: asked about every model of the scenario, its cost is not estimated"
            return
        answers = [
            (question.text, question.answer, question.answer)
            for forget in chosen.forget
            for split in SPLITS
            for question in (row.question for row in pipeline.exam(forget, split).rows)
            if question.task == "generation"
            for _ in range(len(pipeline.references(forget)) + sum(trial.forget == forget for trial in self.trials))
        ]
        limit = f"; the budget is {chosen.judge_budget}" if chosen.judge_budget else ""
        yield f"mllmu: judge {pipeline.judge.model} at {pipeline.judge.client.host}: {pipeline.judge.says(answers)}, less what is stored{limit}"

    def distributed(self, node: Any) -> None:
        """xdist's workers ask the judge; this process reads what they stored, and their common ledger."""
        if self.pipeline.judge is not None:
            self.pipeline.judge.watch(self.pipeline.store.root, str(node.workerinput.get("testrunuid", "")))

    def _title(self, trial: Trial) -> str:
        if trial.own:
            return f"your {trial.name}"
        if self.settings.scenario != "standard":  # whom the model of the trial forgets may have to be asked first
            return trial.method.title if trial.method else "Untouched"
        return self.pipeline.models.on_trial(trial).title

    def _cache(self) -> str:
        """What is stored already; of a user's own method only the session can tell, when its fixture runs."""
        pipeline = self.pipeline
        if isinstance(pipeline, Pretrained) and not pipeline.asked:
            return f"to build: {', '.join(model.title for model in pipeline.models.memory.missing([pipeline.models.base])) or 'the candidates'}"
        models = [pipeline.models.on_trial(trial) for trial in self.trials if not trial.own]
        models += [model for arms in pipeline.models.arms.values() for model in (*arms.steps, arms.at_once, *([arms.merged] if arms.merged else []))]
        models += [model for forget in self.settings.forget for model in pipeline.references(forget)]
        if all(pipeline.cached(model) for model in models):
            return f"all answers in the cache ({pipeline.store.root})"
        base = [] if self.settings.baseless else [pipeline.models.base]
        missing = pipeline.models.memory.missing([*base, *sorted(models, key=lambda model: ROLES.index(model.role))])
        return f"to build: {', '.join(model.title for model in missing)}" if missing else "models in the cache, answers to be asked for"

    # --- results ---

    def status(self, report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """An inconclusive gate that the policy lets pass is neither a pass nor a failure, and no more is a test whose worker was killed."""
        if report.outcome == OUTCOME:
            return "rerun", "R", ("RERUN", {"yellow": True})
        if report.when == "call" and report.passed and (f"{PROPERTY}_verdict", "inconclusive") in report.user_properties:
            return "inconclusive", "?", ("INCONCLUSIVE", {"yellow": True})
        if report.when == "call" and report.passed and (f"{PROPERTY}_verdict", "off") in report.user_properties:
            return "measured", "m", ("MEASURED", {"yellow": True})  # nothing was judged, so nothing has passed
        return None

    def collect(self, report: pytest.TestReport) -> None:
        self.killed.reported(report)
        if report.when != "call" or report.nodeid in self.judged:  # judged before, and run again as its worker was killed between verdict and end
            return
        for key, value in report.user_properties:
            if key == PROPERTY:
                self.judged.add(report.nodeid)
                self.record.add(str(value))
            elif key == FOUND:
                self.record.found(str(value))

    def conclude(self, session: pytest.Session) -> None:
        """After the last test: the run is put together and compared with the baseline. What got worse counts as a failed test, without a traceback."""
        if self.worker or self.config.getoption("collectonly"):
            return
        if (lost := self.killed.lost()) and session.exitstatus != pytest.ExitCode.INTERRUPTED:
            self.said.append(f"mllmu: {lost} test{'s were' if lost > 1 else ' was'} not run: workers were killed, and xdist started no other in their place")
            session.testsfailed += 1
        if not self.record.verdicts:
            if self.settings.compare:  # that nothing is compared must not look like nothing got worse
                self.said.append("mllmu: not compared with the baseline: no gate was judged")
                session.testsfailed += 1
            return
        try:
            self.run = self.record.run(time.monotonic() - self.started)
            self.run.changes = self.baseline.changes(self.run)
            session.testsfailed += sum(change.red for change in self.run.changes)
            session.testsfailed += bool(under_ci() and self.baseline.lacking(self.run))
            for limit in self.baseline.idle(self.run):
                self.said.append(f"mllmu: --mllmu-fail-on={limit}: nothing of this run could be compared that it is about")
                session.testsfailed += 1
        except MllmuError as error:
            self.said.append(f"mllmu: {error}")
            session.testsfailed += 1
            self.broken = self.run is None

    def finish(self, session: pytest.Session) -> None:
        """Writes the reports; what goes wrong here is said and makes the session red. A run that was cut short is reported as far as it went."""
        self.console.close()
        if self.worker or self.broken or self.config.getoption("collectonly"):
            return
        if not self.record.verdicts:
            if self.settings.report:
                self.said.append("mllmu: no report written: no gate was judged")
            if self.settings.certificate:
                self.said.append("mllmu: no certificate written: no gate was judged")
            return
        try:
            self.cut_short = self.run is None
            if self.run is None:
                self.run = self.record.run(time.monotonic() - self.started)
                if self.settings.compare:
                    self.said.append("mllmu: the run was cut short: not compared with the baseline")
            for path in self.settings.report:
                self._write(path)
            self.said += publish(self.run, self.settings)
            if self.settings.certificate is not None:
                self._certify(self.settings.certificate)
        except MllmuError as error:
            self.said.append(f"mllmu: {error}")
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def _write(self, path: Path) -> None:
        from pytest_mllmu.report import write

        assert self.run is not None
        files = write(self.run, path, self.record.lines() if path.suffix == ".jsonl" else (), self.settings.signals == "yes")
        self.said += [f"report written to {file}" for file in files]

    def _spent(self) -> Iterator[str]:
        if self.pipeline.judge is not None and (spent := self.pipeline.judge.spent()):
            yield f"mllmu: {spent}"

    def _certify(self, path: Path) -> None:
        """Raises StoreError when nothing can be certified: whoever asks for a certificate must not take its absence for a good sign."""
        from pytest_mllmu.certifying import certify

        if self.cut_short:
            raise StoreError("no certificate written: the run was cut short")
        assert self.run is not None
        self.said.append(certify(self.record, self.run, path))

    def summary(self, reporter: pytest.TerminalReporter) -> None:
        """Our section; ``-q`` is a few lines without a heading, for scripts, and ``-qq`` only what went wrong or was written."""
        from pytest_mllmu.report.grid import columns, fitting

        with fitting(columns()):
            self._summary(reporter, self.config.get_verbosity())

    def _summary(self, reporter: pytest.TerminalReporter, verbosity: int) -> None:
        if self.run is not None:
            self._section(self.run, reporter, verbosity)
        if self.config.getoption("collectonly"):
            show_gates(self.policy, reporter)
        for line in [*self.said, *(self._spent() if verbosity > -2 else ())]:
            reporter.write_line(line)
        if self.run is not None and verbosity >= 0 and not self.cut_short:
            from pytest_mllmu.report.next import next_step

            for line in next_step(self.run, self.settings, [str(part) for part in self.config.invocation_params.args], verbosity):
                reporter.write_line(line)

    def _section(self, run: Run, reporter: pytest.TerminalReporter, verbosity: int) -> None:
        from pytest_mllmu.report.grid import wrap
        from pytest_mllmu.report.terminal import section

        if verbosity >= 0:
            reporter.section("MLLMU-Bench", sep="=")
        chosen, written = self.settings, any(path.suffix.lower() != ".jsonl" for path in self.settings.report)
        for line, colour in section(run, chosen.table, chosen.signals == "yes", verbosity, not written):
            reporter.write_line(line, **({colour: True} if colour else {}))
        for line, colour in self.baseline.lines(run) if verbosity > -2 else ():
            if verbosity >= 0 or colour in ("red", "yellow"):  # a comparison that did not take place must not look like one that found nothing
                for part in wrap(line, rest="     ", whole=True) if verbosity >= 0 else [line]:
                    reporter.write_line(part, **({colour: True} if colour else {}))


def _handed_in(settings: Settings) -> tuple[str, ...]:
    """What is to be said about checkpoints that somebody hands in, none of which is loaded yet. Raises ModelError for one that may not be."""
    if not any((settings.vanilla, settings.oracle != "auto", settings.candidate != "vanilla", not settings.embedded)):
        return ()
    from pytest_mllmu.models.agreement import handed_in

    return handed_in(settings)


def chosen_policy(config: pytest.Config, settings: Settings) -> Policy:
    return policy(settings.gates or "", config.rootpath / "pyproject.toml")


def show_gates(policy: Policy, reporter: pytest.TerminalReporter) -> None:
    """What the gates ask, under the collected tests; not with ``-q``, whose lines scripts read."""
    if reporter.verbosity >= 0:
        for line in policy.lines():
            reporter.write_line(line)


class NothingOnTrial:
    """Options on the command line that take a model on trial, and none is: said, as it would else look like nothing was wrong.

    ``pytest --mllmu-gates=strict --co`` shows what would be asked of one.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.collected, self.policy = bool(config.getoption("collectonly")), chosen_policy(config, settings)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.collected:
            show_gates(self.policy, terminalreporter)
        terminalreporter.write_line("mllmu: nothing is on trial: --mllmu-method or --mllmu-candidate says what", yellow=True)
