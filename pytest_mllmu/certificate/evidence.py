"""The questions and answers in a certificate, a row a question, and the scores that follow from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, TASKS, Question, Split
from pytest_mllmu.errors import StoreError
from pytest_mllmu.evaluation.responses import Response, Truth
from pytest_mllmu.scoring import factuality
from pytest_mllmu.scoring.scores import Score, score
from pytest_mllmu.settings import LOCAL

Answer = tuple[Response, float | None]
"""What was answered, and the grade of a judge that cannot be asked again (None: it gave none, or the local judge is)."""


def row_of(question: Question, split: Split, answers: Mapping[str, Answer], judge: str) -> dict[str, Any]:
    """``answers``: by the name under which a model's answers are stored."""
    about = {"about": question.about} if question.about else {}
    return {**question.to_json(), **about, "split": split, "answers": {name: _stored(*answer, judge) for name, answer in answers.items()}}


def _stored(response: Response, grade: float | None, judge: str) -> dict[str, Any]:
    row: dict[str, Any] = {"answer": response.answer}
    if response.options is not None:
        row["options"] = {letter: _number(value) for letter, value in response.options.items()}
    if response.truth is not None:
        truth = response.truth
        row["truth"] = {"log_probs": [_number(value) for value in truth.log_probs], "hits": [int(hit) for hit in truth.hits]}
        row["truth"] |= {"wrong": [_number(value) for value in truth.wrong]} if truth.wrong else {}
    return row if judge == LOCAL else {**row, "grade": grade}


def _number(value: float) -> float | str:
    """A model whose numbers overflow gives nan, which JSON has no number for."""
    return value if math.isfinite(value) else str(value)


def question_of(row: Mapping[str, Any]) -> Question:
    options = tuple((str(letter), str(text)) for letter, text in sorted(row.get("options", {}).items()))
    return Question(row["id"], row["person"], row["task"], row["modality"], row["text"], row["answer"], options, row.get("about", ""))


def names_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Under which answers are stored."""
    return sorted({name for row in rows for name in row["answers"]})


def scores_of(rows: Sequence[Mapping[str, Any]], name: str, dialect: str, judge: str) -> list[Score]:
    """Of the answers stored under ``name``. Raises StoreError for rows that cannot be scored, and KeyError and the like for what is no row."""
    return [_score(row, row["answers"][name], dialect, judge) for row in rows if name in row["answers"]]


def _score(row: Mapping[str, Any], answer: Mapping[str, Any], dialect: str, judge: str) -> Score:
    check_place(row)
    question = question_of(row)
    options = {letter: float(value) for letter, value in answer["options"].items()} if "options" in answer else None
    truth = Truth.from_json(answer["truth"]) if "truth" in answer else None
    response = Response(question.id, str(answer["answer"]), options, truth)
    if judge == LOCAL:
        return score(question, response, row["split"], factuality.judge, dialect)
    return score(question, response, row["split"], lambda *_: _grade(answer), dialect)


def _grade(answer: Mapping[str, Any]) -> float | None:
    """Raises StoreError for a grade that no judge gives."""
    grade = answer["grade"]
    if grade is not None and not 1 <= float(grade) <= 10:
        raise StoreError(f"a grade of {float(grade):g}; judges give 1 to 10")
    return None if grade is None else float(grade)


def check_place(row: Mapping[str, Any]) -> None:
    """Raises StoreError for a set, task or modality that does not exist: an answer there would count nowhere."""
    for key, known in (("split", SPLITS), ("task", TASKS), ("modality", MODALITIES)):
        if row[key] not in known:
            raise StoreError(f"the question {str(row.get('id', row.get('question')))[:80]!r} has {key} {str(row[key])[:40]!r}; there is {', '.join(known)}")


def score_rows(scores: Mapping[str, Sequence[Score]]) -> list[dict[str, Any]]:
    """The scores of all models, a row a question; ``scores`` by the name under which answers are stored."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for name, found in scores.items():
        for one in found:
            row = one.to_json()
            values = row.pop("values")
            rows.setdefault((one.split, one.question), {**row, "values": {}})["values"][name] = values
    order: dict[str, int] = {split: number for number, split in enumerate(SPLITS)}
    return [rows[place] for place in sorted(rows, key=lambda place: (order[place[0]], place[1]))]


def scores_from(rows: Sequence[Mapping[str, Any]], name: str) -> list[Score]:
    """The reverse, for one model."""
    for row in rows:
        check_place(row)
    return [Score.from_json({**row, "values": row["values"][name]}) for row in rows if name in row["values"]]
