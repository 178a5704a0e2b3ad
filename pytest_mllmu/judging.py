"""Verdicts of one session: a candidate's answers against the references, by the policy. Asks the models when nobody asked them before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mllmu.analysis.gates import FORGOTTEN, Gate, Policy
from pytest_mllmu.memory import Model
from pytest_mllmu.pipeline import Pipeline

if TYPE_CHECKING:
    from pytest_mllmu.analysis.guards import Evidence
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
        """On a set, or a guard: only the sets that it looks at are asked."""
        from pytest_mllmu.analysis.judgement import judge_one

        return judge_one(gate, self._evidence(model, self.asked(model, gate)), self.policy)

    def person(self, model: Model, person: str) -> Verdict:
        """Judged together with all others who were to be forgotten."""
        from pytest_mllmu.analysis.judgement import judge_persons

        key = (model.key, model.system, model.title, model.forget)  # an untouched candidate is the vanilla under another name
        if key not in self._people:
            people = [profile.id for profile in self.pipeline.people(model, "forget")]
            self._people[key] = judge_persons(people, self._evidence(model, FORGOTTEN), self.policy)
        return self._people[key][person]

    def _evidence(self, model: Model, splits: tuple[Split, ...]) -> Evidence:
        from pytest_mllmu.analysis.guards import Evidence

        vanilla, *oracle = self.pipeline.references(model.forget)
        rows = [self.pipeline.row(one, splits) for one in (model, vanilla, *oracle)]
        scores = self._scores(model, splits), self._scores(vanilla, splits), self._scores(oracle[0], splits) if oracle else ()
        return Evidence(rows[0], rows[1], rows[2] if oracle else None, scores, model.title, model.forget, self.pipeline.judge_title)

    def _scores(self, model: Model, splits: tuple[Split, ...]) -> tuple[Score, ...]:
        return tuple(score for split in splits for score in self.pipeline.scores(model, split))
