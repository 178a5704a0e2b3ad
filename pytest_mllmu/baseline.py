"""The run that this one is compared with, and where the run itself goes: a history, the summary of a CI job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mllmu.errors import SettingsError, StoreError
from pytest_mllmu.parsing import FAIL_ON
from pytest_mllmu.settings import Settings

if TYPE_CHECKING:
    from pytest_mllmu.analysis.comparison import Change
    from pytest_mllmu.analysis.gates import Policy
    from pytest_mllmu.report.run import Run

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


class Baseline:
    """Raises SettingsError, before any test runs, for limits that cannot be read and for a baseline that cannot be compared with."""

    def __init__(self, settings: Settings, policy: Policy) -> None:
        from pytest_mllmu.analysis.comparison import limits

        self.settings, self.policy = settings, policy
        self.limits = limits(settings.fail_on)
        self._run: Run | None = None

    @property
    def path(self) -> Path:
        """``baseline.json`` in a folder of runs."""
        assert self.settings.compare is not None
        return self.settings.compare if self.settings.compare.suffix == ".json" else self.settings.compare / "baseline.json"

    def check(self, about: Mapping[str, Any]) -> None:
        """A missing baseline is an error under CI, where nobody would see that nothing is compared; else the first run has none yet."""
        from pytest_mllmu.analysis.comparison import refused
        from pytest_mllmu.report.json import read_json

        if not self.path.is_file():
            if under_ci():
                how = "a run without --mllmu-compare, but with --mllmu-report or with --mllmu-history and mllmu promote, makes it"
                raise SettingsError(f"--mllmu-compare: no baseline {self.path}, and under CI there must be one: {how}")
            return
        try:
            self._run = read_json(self.path)
        except StoreError as error:
            raise SettingsError(f"--mllmu-compare: {error}") from None
        if why := refused(self._run.about, about, self.settings.across):
            raise SettingsError(f"--mllmu-compare: {self.path}: {why}")

    def changes(self, run: Run) -> list[Change]:
        from pytest_mllmu.report.changes import between

        return between(self._run, run, self.limits, self.policy.inconclusive, self.policy.people_at_least) if self._run is not None else []

    def idle(self, run: Run) -> list[str]:
        """Limits of the user's that judged nothing, such as one on a set that was not asked."""
        from pytest_mllmu.analysis.comparison import idle

        return idle(self.limits, run.changes) if self._run is not None and self.settings.fail_on != FAIL_ON else []

    def lacking(self, run: Run) -> list[str]:
        """What the baseline has and this run has not; under CI that is red, since nobody would see that little was compared."""
        from pytest_mllmu.analysis.comparison import lacking

        return lacking(self._run.table, run.table) if self._run is not None else []

    def remarks(self, run: Run) -> list[str]:
        from pytest_mllmu.analysis.comparison import remarks

        return remarks(self._run.table, run.table) if self._run is not None else []

    def lines(self, run: Run) -> Iterator[tuple[str, str]]:
        """Lines for the terminal, each with its colour."""
        from pytest_mllmu.report import changes

        if self.settings.compare is None:
            return
        if self._run is None:
            yield f"no baseline yet: {self.path} (--mllmu-report={self.path} writes this run there)", "yellow"
            return
        if missing := self.lacking(run):
            colour = "red" if under_ci() else "yellow"
            yield f"not compared, as this run did not ask it: {len(missing)} of the baseline's numbers, such as {missing[0]}", colour
        for line in self.remarks(run):
            yield line, "yellow"
        worse, unsure = (any(change.outcome == outcome for change in run.changes) for outcome in ("worse", "inconclusive"))
        for line in changes.lines(run.changes):
            yield f"  {line}", "red" if line.startswith("worse:") else ""
        yield f"compared with {self.path}: {changes.summary(run.changes)}", "red" if worse else "yellow" if unsure else "green"


def under_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def publish(run: Run, settings: Settings) -> list[str]:
    """Writes the run to the history and to the summary of a GitHub job, where there is one; what to say about it."""
    said = []
    if settings.history is not None:
        from pytest_mllmu.report.history import add

        said.append(f"run kept as {add(run, settings.history)}")
    if summary := os.environ.get(STEP_SUMMARY):
        from pytest_mllmu.report.markdown import render

        try:
            with open(summary, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(render(run, signals=settings.signals == "yes") + "\n")
        except OSError as error:
            said.append(f"mllmu: {STEP_SUMMARY}={summary}: cannot be written: {error.strerror or error}")  # which says nothing about the model
    return said
