"""All verdicts of a policy on one candidate, from scores alone: no model, no pytest."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mllmu.analysis.gates import FORGOTTEN, PERSONS, Policy
from pytest_mllmu.analysis.guards import Evidence, judge_guard
from pytest_mllmu.analysis.people import judge_people
from pytest_mllmu.analysis.table import build_row
from pytest_mllmu.analysis.verdicts import Verdict, judge_gate
from pytest_mllmu.scoring.scores import Score


def evidence_of(method: str, candidate: Sequence[Score], vanilla: Sequence[Score], oracle: Sequence[Score] = ()) -> Evidence:
    """What all gates look at; no oracle is no scores."""
    rows = [build_row(name, name, scores) for name, scores in (("candidate", candidate), ("vanilla", vanilla), ("oracle", oracle))]
    return Evidence(rows[0], rows[1], rows[2] if oracle else None, (candidate, vanilla, oracle), method)


def judge_all(policy: Policy, evidence: Evidence) -> list[Verdict]:
    """In the order of the policy's gates, then by person. Sets that the candidate was not asked about are not judged."""
    candidate, vanilla, oracle = evidence.scores
    method = evidence.method
    asked = {score.split for score in candidate}
    found: list[Verdict] = []
    for gate in policy.gates.values():
        if not asked & set(gate.splits):
            continue
        if gate.name == PERSONS:
            people = sorted({score.person for score in candidate if score.split in FORGOTTEN})
            found += judge_people(people, candidate, vanilla, policy, method, oracle).values()
        elif gate.guard:
            found.append(judge_guard(gate, evidence, policy))
        else:
            found.append(judge_gate(gate, evidence.candidate, evidence.vanilla, method, policy, oracle=evidence.oracle))
    return found
