"""The fixtures a test asks for. Session-scoped ones are lazy: a model is built when somebody needs it, once per key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_mllmu.errors import MllmuError

if TYPE_CHECKING:
    from pytest_mllmu.analysis.gates import Gate
    from pytest_mllmu.analysis.verdicts import Verdict
    from pytest_mllmu.benchmark.profiles import Benchmark, Split
    from pytest_mllmu.pipeline import Model, Pipeline
    from pytest_mllmu.scoring.scores import Score
    from pytest_mllmu.settings import Settings

PROPERTY = "mllmu"
"""The user property in which a verdict travels, from an xdist worker too."""

settings_key: pytest.StashKey[Settings] = pytest.StashKey()
pipeline_key: pytest.StashKey[Pipeline] = pytest.StashKey()


@contextmanager
def one_line(config: pytest.Config) -> Iterator[None]:
    """An error of ours ends the session with one line and exit code 4; in a worker, which cannot end it, the test."""
    try:
        yield
    except MllmuError as error:
        if hasattr(config, "workerinput"):
            pytest.fail(f"mllmu: {error}", pytrace=False)
        pytest.exit(f"mllmu: {error}", returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(scope="session")
def mllmu_settings(pytestconfig: pytest.Config) -> Settings:
    """What the user chose, checked."""
    return pytestconfig.stash[settings_key]


@pytest.fixture(scope="session")
def mllmu_pipeline(pytestconfig: pytest.Config) -> Pipeline:
    """Everything from the benchmark to the scores, built when asked for."""
    return pytestconfig.stash[pipeline_key]


@pytest.fixture(scope="session")
def mllmu_benchmark(pytestconfig: pytest.Config, mllmu_pipeline: Pipeline) -> Benchmark:
    """Who is asked what."""
    with one_line(pytestconfig):
        return mllmu_pipeline.benchmark


@pytest.fixture(scope="session")
def mllmu_base(mllmu_pipeline: Pipeline, mllmu_benchmark: Benchmark) -> Model:
    """The model before it learned the profiles."""
    return mllmu_pipeline.base


@pytest.fixture(scope="session")
def mllmu_vanilla(mllmu_pipeline: Pipeline, mllmu_benchmark: Benchmark) -> Model:
    """The base fine-tuned on all profiles."""
    return mllmu_pipeline.vanilla


@pytest.fixture(scope="session")
def mllmu_method_ga(mllmu_pipeline: Pipeline, mllmu_vanilla: Model) -> Model:
    """The vanilla after gradient ascent on the forget set."""
    return mllmu_pipeline.unlearned("ga")


@pytest.fixture(scope="session")
def mllmu_method_none(mllmu_pipeline: Pipeline, mllmu_vanilla: Model) -> Model:
    """The vanilla as it is: what a method that does nothing would hand in."""
    return mllmu_pipeline.unlearned("none")


@pytest.fixture(scope="session")
def mllmu_candidate(request: pytest.FixtureRequest) -> Model:
    """The model on trial: the result of the method named by the test's parameter."""
    model: Model = request.getfixturevalue(f"mllmu_method_{request.param}")
    return model


@pytest.fixture(scope="session")
def mllmu_scores(pytestconfig: pytest.Config, mllmu_pipeline: Pipeline) -> Callable[[Model, Split], tuple[Score, ...]]:
    """``mllmu_scores(model, "forget")``: one score a question; the model is asked when nobody asked it before."""

    def scores(model: Model, split: Split) -> tuple[Score, ...]:
        with one_line(pytestconfig):
            return mllmu_pipeline.scores(model, split)

    return scores


@pytest.fixture
def mllmu_gate(request: pytest.FixtureRequest) -> Gate:
    """The gate of this test case: a task, a modality and the bounds of the policy, for the split of the test's marker."""
    gate: Gate = request.param
    return gate


@pytest.fixture
def mllmu_person(request: pytest.FixtureRequest) -> str:
    """The id of one person who was to be forgotten."""
    return str(request.param)


@pytest.fixture
def mllmu_verdict(request: pytest.FixtureRequest, mllmu_pipeline: Pipeline, mllmu_vanilla: Model, mllmu_candidate: Model, mllmu_gate: Gate) -> Verdict:
    """Whether the candidate holds the gate, recorded for the report."""
    from pytest_mllmu.analysis.verdicts import judge_gate

    with one_line(request.config):
        candidate, vanilla = (mllmu_pipeline.row(model, (mllmu_gate.split,)) for model in (mllmu_candidate, mllmu_vanilla))
        return _recorded(request, judge_gate(mllmu_gate, candidate, vanilla, mllmu_candidate.title, seed=mllmu_pipeline.settings.seed))


@pytest.fixture
def mllmu_person_verdict(request: pytest.FixtureRequest, mllmu_pipeline: Pipeline, mllmu_vanilla: Model, mllmu_candidate: Model, mllmu_person: str) -> Verdict:
    """Whether the candidate has forgotten one person, over the forget and the test set."""
    from pytest_mllmu.analysis.gates import FORGOTTEN, POLICIES
    from pytest_mllmu.analysis.people import judge_person

    with one_line(request.config):
        candidate, vanilla = ([score for split in FORGOTTEN for score in mllmu_pipeline.scores(model, split)] for model in (mllmu_candidate, mllmu_vanilla))
        policy = POLICIES[mllmu_pipeline.settings.gates]
        return _recorded(request, judge_person(mllmu_person, candidate, vanilla, policy, mllmu_candidate.title))


def _recorded(request: pytest.FixtureRequest, verdict: Verdict) -> Verdict:
    request.node.user_properties.append((PROPERTY, {"method": request.node.callspec.params["mllmu_candidate"], "verdict": verdict.to_json()}))
    return verdict


def require(verdict: Verdict) -> None:
    """Fails the test unless the verdict is a pass or there is no gate; the message is readable without the source."""
    __tracebackhide__ = True
    bounded = verdict.at_most is not None or verdict.at_least is not None  # with --mllmu-gates=off nothing is, and nothing fails
    if bounded and verdict.status != "pass":
        said = "" if verdict.status == "fail" else f"{verdict.status}: "
        pytest.fail(f"{said}{verdict.message}", pytrace=False)
