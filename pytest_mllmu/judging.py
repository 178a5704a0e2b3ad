"""Verdicts of one session: a candidate's answers against the references, by the policy. Asks the models when nobody asked them before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mllmu.analysis.gates import FORGOTTEN, Gate, Policy
from pytest_mllmu.memory import Model
from pytest_mllmu.pipeline import Pipeline

if TYPE_CHECKING:
    from pytest_mllmu.analysis.table import Row
    from pytest_mllmu.analysis.verdicts import Verdict
    from pytest_mllmu.benchmark.profiles import Split
    from pytest_mllmu.scoring.scores import Score


class Judging:
    """Rows and scores come from the pipeline, which keeps them."""

    def __init__(self, pipeline: Pipeline, policy: Policy) -> None:
        self.pipeline, self.policy = pipeline, policy
        self._people: dict[tuple[str, str, str, int], dict[str, Verdict]] = {}

    def asked(self, model: Model, gate: Gate) -> tuple[Split, ...]:
        """The sets that a gate looks at, as far as the data has them."""
        return tuple(split for split in gate.splits if self.pipeline.people(model, split))

    def gate(self, model: Model, gate: Gate) -> Verdict:
        from pytest_mllmu.analysis.verdicts import judge_gate

        candidate, vanilla, oracle = self._rows(model, (gate.split,))
        return replace(judge_gate(gate, candidate, vanilla, model.title, self.policy, oracle=oracle, judge=self.pipeline.judge_title), forget=model.forget)

    def guard(self, model: Model, gate: Gate) -> Verdict:
        from pytest_mllmu.analysis.guards import Evidence, judge_guard

        splits = self.asked(model, gate)
        rows, (candidate, vanilla, oracle) = self._rows(model, splits), (self._scores(one, splits) for one in self._models(model))
        evidence = Evidence(*rows, (candidate, vanilla, oracle), model.title)
        return replace(judge_guard(gate, evidence, self.policy), forget=model.forget)

    def person(self, model: Model, person: str) -> Verdict:
        """Judged together with all others who were to be forgotten."""
        from pytest_mllmu.analysis.people import judge_people

        key = (model.key, model.system, model.title, model.forget)  # an untouched candidate is the vanilla under another name
        if key not in self._people:
            candidate, vanilla, oracle = (self._scores(one, FORGOTTEN) for one in self._models(model))
            people = [profile.id for profile in self.pipeline.people(model, "forget")]
            self._people[key] = judge_people(people, candidate, vanilla, self.policy, model.title, oracle)
        return replace(self._people[key][person], forget=model.forget)

    def _models(self, model: Model) -> tuple[Model, Model, Model | None]:
        vanilla, *oracle = self.pipeline.references(model.forget)
        return model, vanilla, oracle[0] if oracle else None

    def _rows(self, model: Model, splits: tuple[Split, ...]) -> tuple[Row, Row, Row | None]:
        candidate, vanilla, oracle = self._models(model)
        return self.pipeline.row(candidate, splits), self.pipeline.row(vanilla, splits), self.pipeline.row(oracle, splits) if oracle else None

    def _scores(self, model: Model | None, splits: tuple[Split, ...]) -> tuple[Score, ...]:
        return tuple(score for split in splits for score in self.pipeline.scores(model, split)) if model else ()
