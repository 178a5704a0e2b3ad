"""The candidates of one session: what a method leaves of the model that knows the people, or what somebody hands in.

A key is known without building anything, so answers that are stored are read back without torch being imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_mllmu.analysis.tradeoff import ON_TEXT
from pytest_mllmu.analysis.verdicts import count
from pytest_mllmu.benchmark.profiles import Benchmark, Modality, fingerprint
from pytest_mllmu.benchmark.splits import SplitIds
from pytest_mllmu.errors import ModelError
from pytest_mllmu.memory import Model
from pytest_mllmu.methods import method
from pytest_mllmu.methods.base import LossMethod, Method, PromptMethod
from pytest_mllmu.references import References
from pytest_mllmu.scenarios.requests import Parts, before, requests
from pytest_mllmu.trials import Trial, of_scenario

if TYPE_CHECKING:
    from pytest_mllmu.models.trainable import Trainable
    from pytest_mllmu.training.loop import Hyper

TITLE = 60
"""Characters of a served model's name that are printed."""
LOST = 0.01
"""How far a merged adapter may be from the task vectors that it stands for before that is said."""


@dataclass(frozen=True)
class Arms:
    """What the requests of the sequential scenario leave: after each of them, and the controls.

    ``at_once``: everybody in one request. ``merged``: each part forgotten on its own, and the adapters merged (SPUNGE); None for a single part, and for a
    method that trains no adapter.
    """

    parts: Parts
    steps: tuple[Model, ...]
    at_once: Model
    merged: Model | None


class LineUp(References):
    """References and candidates."""

    @cached_property
    def arms(self) -> dict[str, Arms]:
        """Of the sequential scenario, by trial: what was put on trial so far."""
        return {}

    @cached_property
    def given(self) -> dict[str, Any]:
        """What users' fixtures returned, by trial."""
        return {}

    def on_trial(self, trial: Trial, given: Any = None) -> Model:
        """The candidate of a trial. ``given`` is what a user's fixture of that name returned: a method, a folder, or a model.

        Raises ModelError for anything else.
        """
        self.given[trial.id] = given
        if given is None:
            return self._named(trial) if trial.method is None else self._unlearned(trial, trial.method)
        if isinstance(given, LossMethod | PromptMethod):
            return self._unlearned(trial, given)
        if self.settings.scenario != "standard":
            what = f"the {self.settings.scenario} scenario applies it several times: a method is expected, not {type(given).__name__}"
            raise ModelError(f"the fixture mllmu_method_{trial.name} returned {given!r:.80}: {what}")
        if isinstance(given, Model):
            return replace(given, role="candidate", forget=trial.forget, name=trial.id)
        if isinstance(given, str | Path):
            return replace(self._ready("candidate", trial.name, Path(given), self.vanilla), forget=trial.forget, name=trial.id)
        what = f"a method, the folder of a checkpoint, or a model is expected, not {type(given).__name__}"
        raise ModelError(f"the fixture mllmu_method_{trial.name} returned {given!r:.80}: {what}")

    def _named(self, trial: Trial) -> Model:
        """What ``--mllmu-candidate`` says: the model as it is."""
        chosen = self.settings.candidate
        if self.settings.endpoint_model is not None:
            model = self.settings.endpoint_model
            title = model.rstrip("/").rpartition("/")[2] if model.startswith("/") else model  # transformers serve calls a model by its folder
            return replace(self._served("candidate", f"{title[:TITLE]} (served)", model), forget=trial.forget, name=trial.id)
        if chosen == "base":
            found = self.base
        elif chosen == "oracle":
            found = self.oracle(trial.forget)
        else:
            found = self.vanilla() if chosen == "vanilla" else self._ready("candidate", "Candidate", Path(chosen), self.vanilla)
        titles = {"base": "Base as candidate", "vanilla": "Untouched", "oracle": "Oracle as candidate"}
        return replace(found, role="candidate", title=titles.get(chosen, found.title), forget=trial.forget, name=trial.id)

    def unlearned(self, name: str) -> Model:
        """The result of a built-in method for the first of the session's forget shares, on the session's modality."""
        modality: Modality = "unimodal" if self.settings.modality == "unimodal" else "multimodal"
        return self.on_trial(Trial(name, name, of_scenario(method(name), name, self.settings.scenario), modality, self.settings.forget[0]))

    def _unlearned(self, trial: Trial, chosen: Method) -> Model:
        if self.settings.scenario == "sequential":
            arms = self.arms[trial.id] = self._requested(trial, chosen)
            plain = _title(chosen, trial) if isinstance(chosen, LossMethod) else chosen.title
            title = f"{plain} ({len(arms.steps)} requests)"
            return replace(arms.steps[-1], title=title)
        return self._at_once(trial, chosen)

    def _at_once(self, trial: Trial, chosen: Method) -> Model:
        vanilla = self.vanilla(trial.forget)
        if isinstance(chosen, PromptMethod):
            return replace(vanilla, role="candidate", title=chosen.title, system=chosen.system, name=trial.id)
        assert isinstance(chosen, LossMethod)
        return self._forgotten(trial, chosen, vanilla, self.benchmark(trial.forget), _title(chosen, trial))

    def _forgotten(self, trial: Trial, chosen: LossMethod, start: Model, benchmark: Benchmark, title: str) -> Model:
        """What the method leaves of ``start``, which forgets the benchmark's people to forget: an adapter on it."""
        hyper, modality = self._hyper(chosen), trial.modality or "multimodal"
        oracle = self.oracle(trial.forget) if chosen.needs().reference == "oracle" else None

        def build(folder: Path) -> None:
            from pytest_mllmu.methods.unlearn import unlearn
            from pytest_mllmu.training.lora import save_adapter

            reference = self.memory.take(oracle) if oracle is not None else None
            said = f"unlearning {count(len(benchmark.forget_ids), 'person', 'people')} with {title}"
            with self.memory.lent(start) as bundle:
                place, trainable = self._checkpoint(inputs), cast("Trainable", self.settings.trainable)
                adapted = unlearn(chosen, bundle, benchmark, modality, hyper, self.settings.seed, self.progress, said, reference, place, trainable=trainable)
                save_adapter(adapted, folder)
                adapted.unload()

        needs = {"oracle": oracle.key} if oracle is not None else {}
        if chosen.needs().retain or "retain" in chosen.needs().passes:
            needs["retain"] = fingerprint(benchmark.people("retain"))
        if not _learned_here(start):
            needs["people"] = fingerprint(benchmark.people("forget"))
        if self.settings.trainable != "language":
            needs["trainable"] = self.settings.trainable
        inputs = self._inputs(
            "adapter", vanilla=start.key, forget=list(benchmark.forget_ids), modality=modality, hyper=hyper.to_json(), method=chosen.settings(), **needs
        )
        return Model("candidate", title, inputs, trial.forget, build, parent=start, name=trial.id)

    def restored(self, candidate: Model) -> Model:
        """The candidate with everything but its language model as it was before unlearning: PULSE found that a trained projector hides what is still known."""
        assert candidate.parent is not None
        parent = self.restored(candidate.parent) if candidate.parent.role == "candidate" else candidate.parent

        def build(folder: Path) -> None:
            from pytest_mllmu.models.restored import restore_projector

            unlearned = self.memory.built(candidate)
            with self.memory.lent(parent) as bundle:
                restore_projector(unlearned, folder, bundle)

        inputs = self._inputs("restored", candidate=candidate.key)
        return replace(candidate, title=f"{candidate.title}, projector restored", inputs=inputs, build=build, parent=parent)

    # --- the sequential scenario ---

    def _requested(self, trial: Trial, chosen: Method) -> Arms:
        """The parts in their order, the model after each of them, and the controls. A system prompt needs no requests: all are the same model."""
        benchmark, whole = self.benchmark(trial.forget), self.whole
        parts = requests(SplitIds(whole.forget_ids, whole.retain_ids), self.settings.steps, self.settings.seed).parts
        at_once = self._at_once(trial, chosen)
        if not isinstance(chosen, LossMethod):
            return Arms(parts, (at_once,) * len(parts), replace(at_once, title=f"{at_once.title} at once"), None)
        title, steps = _title(chosen, trial), [self.vanilla(trial.forget)]
        for number in range(1, len(parts) + 1):
            known = before(benchmark, parts, number)
            steps.append(self._forgotten(trial, chosen, steps[-1], known, f"{title} after {number} of {len(parts)}"))
        asked = [(number, replace(benchmark, forget_ids=part)) for number, part in enumerate(parts, 1)]
        alone = [self._forgotten(trial, chosen, steps[0], known, f"{title}, part {number} alone") for number, known in asked]
        merged = self._merged(trial, alone, f"{title} merged") if len(parts) > 1 else None
        return Arms(parts, tuple(steps[1:]), replace(at_once, title=f"{title} at once"), merged)

    def _merged(self, trial: Trial, alone: Sequence[Model], title: str) -> Model:
        vanilla = self.vanilla(trial.forget)

        def build(folder: Path) -> None:
            from pytest_mllmu.models.merging import merged

            folders = [self.memory.built(model) for model in alone]
            with self.memory.lent(vanilla) as bundle:
                found = merged(bundle, folders, folder)
            if found.lost > LOST:
                self.progress.say(f"{title}: at rank {found.rank} it is {found.lost:.0%} away from the merged task vectors")

        inputs = self._inputs("merged", parts=[model.key for model in alone])
        return Model("candidate", title, inputs, trial.forget, build, parent=vanilla, name=trial.id)

    # --- hyper-parameters ---

    def _hyper(self, chosen: LossMethod) -> Hyper:
        from pytest_mllmu.embedded.tiny import scaled

        hyper = scaled(chosen.tiny, self.settings.model) if self.settings.embedded else chosen.hyper
        lr, epochs = self.settings.lr, self.settings.epochs
        return self._as_run(replace(hyper, lr=hyper.lr if lr is None else lr, epochs=hyper.epochs if epochs is None else epochs))


def _title(chosen: LossMethod, trial: Trial) -> str:
    return f"{chosen.title}{ON_TEXT}" if trial.modality == "unimodal" else chosen.title


def _learned_here(model: Model) -> bool:
    """Whether the key says what the people's data are that the model learned; that of a checkpoint which somebody hands in does not."""
    while model.role == "candidate" and model.parent is not None:
        model = model.parent
    return not {"profiles", "celebrities"}.isdisjoint(model.inputs)
