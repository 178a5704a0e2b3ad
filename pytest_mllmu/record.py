"""What a session found, put together as one run: verdicts as they come in, and the answers behind them."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest_mllmu
from pytest_mllmu.analysis.gates import Policy
from pytest_mllmu.analysis.scenarios import Findings
from pytest_mllmu.analysis.table import Row, Table
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import SPLITS, Split
from pytest_mllmu.memory import Model
from pytest_mllmu.parsing import OURS
from pytest_mllmu.phases import Pretrained
from pytest_mllmu.pipeline import Pipeline
from pytest_mllmu.report.run import PARTIAL, Run, about
from pytest_mllmu.sampling import samples, who_leaks
from pytest_mllmu.scoring.judge import Judged
from pytest_mllmu.settings import Settings

NO_ORACLE = "no oracle (a model that never saw the forget set): the floor on forget and test is chance"

Asked = list[tuple[Model, tuple[Split, ...]]]
"""Models and the sets that were judged."""


class Record:
    """Everything that a report of the session says, from the verdicts that its tests recorded and the answers in the store."""

    def __init__(self, pipeline: Pipeline, policy: Policy, handed: Sequence[str] = ()) -> None:
        """``handed``: what is to be said about checkpoints that somebody handed in."""
        self.pipeline, self.settings, self.policy, self.handed = pipeline, pipeline.settings, policy, tuple(handed)
        self.verdicts: list[tuple[str, dict[str, Any]]] = []
        """The id of the trial, and the verdict as JSON."""
        self.candidates: dict[str, Model] = {}
        self.findings: dict[str, Findings] = {}
        """Of a scenario, by trial."""

    def add(self, recorded: str) -> None:
        """A verdict as the fixtures recorded it, in this process or in a worker."""
        row = json.loads(recorded)
        model = Model.from_json(row["model"])
        self.candidates[model.name] = model
        self.verdicts.append((model.name, row["verdict"]))

    def found(self, recorded: str) -> None:
        """What a scenario found, as the fixtures recorded it."""
        row = json.loads(recorded)
        self.findings[str(row["trial"])] = Findings.from_json(row["found"])

    @property
    def about(self) -> dict[str, Any]:
        """What another run must have in common to be compared; known before anything is asked."""
        return about({**self.settings.measured, "judge": self.pipeline.judge_name}, self.settings.seed, self._fingerprints())

    def run(self, seconds: float) -> Run:
        rows, benchmark = self.asked(), self.pipeline.benchmark
        made = {name: dict(model.made) for name, model in sorted(self.candidates.items())}
        keys = {_label(model, self.settings): model.key for model, _ in rows}
        paths = sorted({self.pipeline.path(model, split) for model, splits in rows for split in splits})
        found = {
            "device": self.pipeline.models.device,
            "methods": made,
            "data": benchmark.name,
            "judge": self.pipeline.judge_name,
            "paths": paths,
            "shown": self._shown(rows),
        }
        return Run(
            settings={**self.settings.measured, **found},
            policy=self.policy.to_json(),
            versions={**self.pipeline.models.versions, **_versions("faker", "pillow", "scipy"), "python": sys.version.split()[0]}
            | {"pytest-mllmu": pytest_mllmu.__version__},
            seed=self.settings.seed,
            fingerprints={**self._fingerprints(), "models": keys},
            table=Table((*(self.pipeline.row(model, splits) for model, splits in rows), *self._controls())),
            leaks=list(who_leaks(self.pipeline, rows)),
            samples=list(samples(self.pipeline, rows, self.settings.samples)),
            findings=[self.findings[trial.id] for trial in self.pipeline.trials if trial.id in self.findings],
            verdicts=[Verdict.from_json(row) for _, row in sorted(self.verdicts, key=self._order)],
            notes=(*self._notes(paths), *self._refused(rows), *self._judged(rows)),
            timings={"session_seconds": round(seconds, 1)},
            benchmark_name=benchmark.name,
            synthetic=benchmark.synthetic,
        )

    def _controls(self) -> Iterator[Row]:
        """The rows of a scenario's controls, each once."""
        seen: set[tuple[str, int]] = set()
        for trial in self.pipeline.trials:
            for row in self.findings[trial.id].rows if trial.id in self.findings else ():
                if (row.name, row.forget) not in seen:
                    seen.add((row.name, row.forget))
                    yield row

    def lines(self) -> Iterator[dict[str, Any]]:
        """One line a question and model: the question, the response and the score."""
        for model, splits in self.asked():
            for split in splits:
                responses = self.pipeline.responses(model, split)
                for question, score in zip(self.pipeline.questions(model, split), self.pipeline.scores(model, split), strict=True):
                    response = json.loads(responses[question.id].to_line())
                    row = {"question": question.id, "model": model.title, "forget": model.forget, "split": split, "asked": question.to_json()}
                    yield row | {"response": response, "score": dict(score.values)}

    def asked(self) -> Asked:
        """The rows of the table: references and candidates that a gate of this session was about. What else the cache holds is another run's."""
        rows: Asked = []
        for forget in self.settings.forget:
            found = [(trial, verdict) for trial, verdict in self.verdicts if verdict["forget"] == forget]
            splits = {split for _, verdict in found for split in self.policy.gates[verdict["gate"]].splits}
            models = self.pipeline.references(forget) if found else []
            models += [self.candidates[trial.id] for trial in self.pipeline.trials if trial.id in self.candidates and trial.forget == forget]
            rows += [(model, tuple(split for split in SPLITS if split in splits and self.pipeline.answered(model, split))) for model in models]
        return rows

    def _order(self, row: tuple[str, dict[str, Any]]) -> tuple[Any, ...]:
        trial, verdict = row
        return [known.id for known in self.pipeline.trials].index(trial), list(self.policy.gates).index(verdict["gate"]), verdict["person"] or ""

    def _fingerprints(self) -> dict[str, Any]:
        forgotten = {str(forget): list(self.pipeline.benchmark_of(forget).forget_ids) for forget in self.settings.forget}
        return {**self.pipeline.benchmark.fingerprints, "forget": forgotten}

    def _shown(self, rows: Asked) -> dict[str, dict[str, dict[str, list[str]]]]:
        """Whose questions stood in the prompts, with their answers: ids by share of people to forget, split and task; empty for zero-shot."""
        shown: dict[str, dict[str, dict[str, list[str]]]] = {}
        for model, splits in rows:
            for split in splits:
                if people := self.pipeline.exam(model.forget, split).people:
                    shown.setdefault(str(model.forget), {})[split] = people
        return shown

    def _notes(self, paths: list[str]) -> Iterator[str]:
        """What a reader of the numbers must know."""
        chosen, dialect = self.settings, self.pipeline.dialect
        yield dialect.says(self.pipeline.exam(chosen.forget[0], "forget"))
        yield from self.handed
        if isinstance(self.pipeline, Pretrained):
            yield f"{chosen.model}: {self.pipeline.says()}; where a sentence says vanilla it means the base: nothing was fine-tuned"
        yield from self.pipeline.data.notes
        if any("trainable" in model.inputs for model in self.candidates.values()):
            yield f"unlearning trained {'the projector and the language model' if chosen.trainable == 'projector' else 'all linear layers'}"
        yield from (f"asked {path}" for path in paths if path.startswith("one by one"))
        yield from (f"{path}; its weights are unknown" for path in paths if path.startswith("served at"))
        if chosen.limit is not None:
            yield f"only the first {chosen.limit} people of each set were asked about: too few for gates to mean much"
        if chosen.dialect not in OURS:
            yield "the gates are made for the strict dialect: read them with care, or take --mllmu-gates=off"
            if chosen.embedded:
                yield f"{chosen.model} was never taught to answer with a letter: its multiple choice says nothing in this dialect"
        if not self.pipeline.with_oracle:
            yield NO_ORACLE
        left_out = sorted({gate.partition(".")[0] for gate in self.not_judged()})
        if left_out:
            yield f"{PARTIAL}: not all on {', '.join(left_out)}"

    def _refused(self, rows: Asked) -> Iterator[str]:
        """What a server's filter kept back: it is counted as not known, which a model behind another server may be."""
        for model, splits in rows if self.settings.endpoint is not None else ():
            for split in splits:
                found = [response.refused for response in self.pipeline.responses(model, split).values()]
                if any(found):
                    yield f"refused by the server's filter (counted as wrong): {sum(found)} of {len(found)} answers of {model.title} on {split}"

    def _judged(self, rows: Asked) -> Iterator[str]:
        """How much of what was written the judge graded."""
        found = [(model, split, judged) for model, splits in rows for split in splits if (judged := self.pipeline.judged(model, split)) is not None]
        why: dict[str, list[tuple[str, Split, Judged]]] = {}
        for model, split, judged in found:
            if not judged.complete:
                why.setdefault(judged.reason, []).append((_label(model, self.settings), split, judged))
        for reason, rows_of in why.items():  # one server fails in one way: said once
            models, splits = (", ".join(dict.fromkeys(str(row[at]) for row in rows_of)) for at in (0, 1))
            missing, asked = sum(row[2].missing for row in rows_of), sum(len(row[2].answers) for row in rows_of)
            ungraded = asked - sum(row[2].count("graded") for row in rows_of)
            yield f"not judged: factuality of {models} on {splits} ({missing or ungraded} of {asked} answers: {reason})"
        if found:
            graded, unparseable, refused = (sum(judged.count(outcome) for _, _, judged in found) for outcome in ("graded", "unparseable", "refused"))
            pleas = sum(judged.pleas for _, _, judged in found)
            aside = f"; {pleas} answers spoke to the judge: the local judge scored them" if pleas else ""
            yield f"judge: {graded} answers graded, {unparseable} grades unparseable, {refused} refused (left out of n){aside}"

    def not_judged(self) -> Iterator[str]:
        """Gates of the policy that no test of this session was about, though the data has what they ask of."""
        judged = {verdict["gate"] for _, verdict in self.verdicts}
        for name, gate in self.policy.gates.items():
            if gate.useless(self.settings.scenario, self.settings.trainable):
                continue
            if name not in judged and any(self.pipeline.benchmark.people(split) for split in gate.splits):
                yield name


def _label(model: Model, settings: Settings) -> str:
    several = len(settings.forget) > 1 and model.role != "vanilla"
    return f"{model.title} ({model.forget}%)" if several else model.title


def _versions(*names: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in names}
