"""Small certificates without any model: made-up answers to the embedded questions, judged and written as a session's are."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pytest_mllmu.analysis.judgement import evidence_of, judge_all
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.benchmark.profiles import SPLITS, Benchmark, Question, Split
from pytest_mllmu.certificate import canonical
from pytest_mllmu.certificate.evidence import Answer, row_of
from pytest_mllmu.certificate.recomputing import case_of, findings, from_answers, from_scores
from pytest_mllmu.certifying import Draft, write
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.evaluation.responses import Response, Truth
from pytest_mllmu.scoring.grading import title_of
from pytest_mllmu.settings import LOCAL

KNOWS: dict[str, set[Split]] = {"vanilla": set(SPLITS), "oracle": {"retain", "celebrity"}, "candidate": {"retain", "celebrity"}}
TITLES = {"candidate": "Mine | <b>x</b>", "vanilla": "Vanilla", "oracle": "Retrain (oracle)"}


@cache
def benchmark() -> Benchmark:
    """12 people, 6 of them to be forgotten, and 5 celebrities."""
    return synthetic_benchmark(12, 5, 50, 0)


def answer(question: Question, right: bool, rng: random.Random) -> Response:
    """With log-probabilities that nearly all differ."""
    truth = Truth((round(-rng.random(), 4), -0.5), (right, True), (round(-rng.random(), 4),))
    if not question.options:
        return Response(question.id, question.answer if right else rng.choice(["nobody knows", "a\u2028b\x85c", "ü \ud800 \x1b[31m| **x**"]), None, truth)
    options = {letter: round(-1 - rng.random() - rng.random(), 4) for letter, _ in question.options}
    chosen = question.answer if right else rng.choice([letter for letter in options if letter != question.answer])
    return Response(question.id, chosen, options | {chosen: -0.1})


def answers(roles: Mapping[str, str], judge: str = LOCAL, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of evidence; ``roles`` says for each role under whose name its answers are stored."""
    rng, rows = random.Random(seed), []
    for split in SPLITS:
        for _, question in sorted(benchmark().questions(split), key=lambda row: row[1].id):
            found: dict[str, Answer] = {}
            for name in sorted(set(roles.values())):
                right = split in KNOWS[name] if rng.random() < 0.95 else split not in KNOWS[name]
                grade = None if judge == LOCAL or question.task != "generation" else (9.0 if right else 1.5)
                found[name] = answer(question, right, rng), grade
            rows.append(row_of(question, split, found, judge))
    return rows


def draft(
    policy: str = "acceptance", subjects: str = "ids", roles: Mapping[str, str] | None = None, judge: str = LOCAL, limit: int | None = None, **changed: Any
) -> Draft:
    """As a session puts it together. ``roles`` as for ``answers``: ``{"candidate": "vanilla", "vanilla": "vanilla"}`` is an untouched one."""
    roles = roles or {role: role for role in KNOWS}
    forgotten, rows = benchmark().forget_ids, answers(roles, judge)
    files = {name: {"model.safetensors": f"{number:064x}"} for number, name in enumerate(KNOWS)}
    document: dict[str, Any] = {
        "certificate_schema": canonical.SCHEMA,
        "subjects": {"n": len(forgotten), "percent": 50, "named": subjects, "origin": "50%, drawn with the seed", "of": 12},
        "policy": {**BUILT_IN[policy].to_json(), "built_in": True},
        "tested": {"limit": limit, "device": "cpu", "dtype": "auto", "quantize": "no"},
        "notes": ["dialect: strict, zero-shot"],
        "models": {role: {"title": TITLES[role], "answers": name, "how": "handed in", "files": files[name]} for role, name in roles.items()},
        "data": {"name": "synthetic", "synthetic": True, "fingerprints": dict(benchmark().fingerprints)},
        "dialect": {"name": "strict", "demonstrations": 0, "says": "dialect: strict, zero-shot"},
        "judge": judge,
        "seed": 0,
        "versions": {"pytest-mllmu": "0.1.0", "python": "3.13.0"},
        "issued": "2026-01-01T00:00:00Z",
        **{name.rstrip("_"): value for name, value in changed.items()},
    }
    scores = from_answers(document, rows)
    case = case_of({**document, "subjects": {**document["subjects"], "people": forgotten, "not_asked": []}})
    by_role = {role: scores[name] for role, name in roles.items()}
    evidence = evidence_of(TITLES["candidate"], by_role["candidate"], by_role["vanilla"], by_role.get("oracle", []), 50, title_of(judge))
    return Draft(document, rows, judge_all(BUILT_IN[policy], evidence, case.people), forgotten, (), {}, True)


def written(folder: Path, **chosen: Any) -> Path:
    """The path of a new certificate in a folder."""
    path = folder / "c.json"
    assert str(path) in write(draft(**chosen), path)
    return path


def changed(path: Path, change: Callable[[dict[str, Any]], object], seal: bool = False) -> None:
    """Alters a certificate; with ``seal`` as somebody who knows how it is written, digest and all."""
    document = canonical.parsed(path.read_bytes())
    change(document)
    if seal:
        document = canonical.sealed({key: value for key, value in document.items() if key != "digest"})
    path.write_bytes(canonical.encoded(canonical.render(document)))
    if seal:
        path.with_suffix(".md").unlink(missing_ok=True)


def follows(document: dict[str, Any]) -> None:
    """Writes anew what follows from answers or scores, as somebody who wants a forged certificate to be sound."""
    scores = from_answers(document, document["evidence"]["rows"]) if document["evidence"]["kept"] == "here" else from_scores(document)
    found = findings(document, scores)
    document.update(outcome=found.outcome, statement=found.statement, verdicts=found.verdicts, table=found.table)
    document["tested"]["sets"] = found.sets
