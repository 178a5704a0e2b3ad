"""What follows from scores: verdicts, table, what was asked, and the sentence. Written by a session, recomputed by whoever verifies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mllmu.analysis.gates import FORGOTTEN, LIGHTS, NAMES, Gate, Policy
from pytest_mllmu.analysis.judgement import evidence_of, judge_all
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.verdicts import Outcome, Verdict, about_forgetting, count, outcome_of
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, TASKS
from pytest_mllmu.errors import StoreError
from pytest_mllmu.report.run import jsonable
from pytest_mllmu.scoring.grading import title_of
from pytest_mllmu.scoring.scores import Score

ROLES = ("candidate", "vanilla", "oracle")


@dataclass(frozen=True)
class Case:
    """What is judged: ``titles`` of the models by role, ``people`` who were to be forgotten and were asked about, ``forget`` their percentage."""

    titles: Mapping[str, str]
    policy: Policy
    people: Collection[str]
    forget: int
    judge: str
    own: bool = False
    """Whether the policy is the issuer's own and none of those that this package brings, whatever it is called."""


@dataclass(frozen=True)
class Findings:
    verdicts: list[dict[str, Any]]
    table: list[dict[str, Any]]
    sets: list[dict[str, Any]]
    outcome: Outcome
    statement: str


def find(case: Case, scores: Mapping[str, Sequence[Score]]) -> Findings:
    """``scores`` by role; as JSON holds them."""
    label = title_of(case.judge)
    evidence = evidence_of(case.titles["candidate"], scores["candidate"], scores["vanilla"], scores.get("oracle", ()), case.forget, label)
    verdicts = judge_all(case.policy, evidence, case.people)
    sets = asked(scores["candidate"])
    outcome = outcome_of(verdicts)
    rows = {"candidate": evidence.candidate, "vanilla": evidence.vanilla} | ({"oracle": evidence.oracle} if evidence.oracle else {})
    table = [{"model": role, "title": case.titles[role], **cell.to_json()} for role, row in rows.items() for cell in row.cells]
    for cell in table:  # follow from the evidence, which is in the file already
        cell.pop("sums", None)
        cell.pop("asked", None)
    found = jsonable([verdict.to_json() for verdict in verdicts])
    return Findings(found, jsonable(table), sets, outcome, statement(case, verdicts, scores["candidate"], outcome))


def asked(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """How many questions about how many people, by set, task and modality."""
    rows = []
    for split in SPLITS:
        for task in TASKS:
            for modality in MODALITIES:
                found = [score for score in scores if (score.split, score.task, score.modality) == (split, task, modality)]
                people = len({score.person for score in found})
                rows += [{"split": split, "task": task, "modality": modality, "questions": len(found), "people": people}] if found else []
    return rows


def statement(case: Case, verdicts: Sequence[Verdict], scores: Sequence[Score], outcome: Outcome) -> str:
    """The sentence that a reader sees first."""
    name = f"{case.policy.name} (bounds of the issuer's own)" if case.own else case.policy.name
    model, red = case.titles["candidate"], sum(verdict.red for verdict in verdicts)
    by_status = Counter(verdict.status for verdict in verdicts)
    counts = ", ".join(f"{by_status[status]} {status}" for status in ("pass", "fail", "inconclusive", "off") if by_status[status] or status != "off")
    passing = ", which this policy lets pass" if by_status["inconclusive"] and outcome == "accepted" else ""
    if by_status.keys() <= {"off"}:
        says = f"Nothing is decided about the model {model}: the policy {name} judges nothing."
    elif outcome == "not decided" and not about_forgetting(verdicts):
        says = f"Nothing is decided about the model {model}: the policy {name} judges nothing of what was to be forgotten ({counts})."
    elif outcome == "accepted":
        says = f"The model {model} is accepted under the policy {name}: none of its {len(verdicts)} verdicts is red ({counts}{passing})."
    elif outcome == "refused":
        says = f"The model {model} is refused under the policy {name}: {red} of its {len(verdicts)} verdicts {'is' if red == 1 else 'are'} red ({counts})."
    else:
        why = f"no verdict fails, but {red} of {len(verdicts)} {'is' if red == 1 else 'are'} inconclusive where the policy asks for certainty"
        says = f"Nothing is decided about the model {model} under the policy {name}: {why} ({counts})."
    subjects = {score.person for score in scores if score.split in FORGOTTEN}
    others = {score.person for score in scores if score.split not in FORGOTTEN}
    about = f"{len(subjects)} {'person who was' if len(subjects) == 1 else 'people who were'} to be forgotten"
    return f"{says} It was asked {len(scores):,} questions, about {about} and {count(len(others), 'other')}."


def built_in(policy: Mapping[str, Any]) -> bool:
    """Whether a policy, as JSON, is the one of that name that this package brings."""
    known = BUILT_IN.get(str(policy["name"]))
    return known is not None and known.to_json() == {key: policy[key] for key in known.to_json()}


def policy_of(row: Mapping[str, Any]) -> Policy:
    """The policy that a certificate holds. Raises StoreError for gates that do not exist, and KeyError and the like for what is no policy."""
    gates = {}
    for name in NAMES:
        if name not in row["gates"]:
            continue
        gate = row["gates"][name]
        bounds = [None if gate[key] is None else float(gate[key]) for key in ("at_most", "at_least")]
        light = next((light for light in LIGHTS if light == gate["inconclusive"]), None)
        if light is None:
            raise StoreError(f"the gate {name} has no colour {str(gate['inconclusive'])[:40]!r}")
        gates[name] = Gate(name, bounds[0], bounds[1], light)
    if odd := sorted(set(row["gates"]) - set(gates)):
        raise StoreError(f"there is no gate {odd[0][:40]!r}")
    return Policy(str(row["name"]), gates, people_at_least=int(row["people_at_least"]), discovery_rate=float(row["discovery_rate"]))
