"""Table 2 as data."""

from __future__ import annotations

import json
import math
import random

import pytest

from pytest_mllmu.analysis.statistics import group, mean_interval
from pytest_mllmu.analysis.table import Table, build_row
from pytest_mllmu.benchmark.profiles import Modality
from pytest_mllmu.errors import StoreError
from pytest_mllmu.report.run import jsonable
from pytest_mllmu.scoring.scores import Score


def choice(number: int, person: str, right: bool, modality: Modality = "multimodal", chance: float = 0.25) -> Score:
    return Score(f"q{number}", person, "forget", "classification", modality, {"accuracy": float(right)}, chance)


SCORES = [choice(n, f"p{n % 4}", n % 3 == 0) for n in range(20)] + [choice(20 + n, f"p{n % 4}", True, "unimodal", 0.5) for n in range(20)]


def test_a_cell_counts_questions_and_people() -> None:
    row = build_row("ga", "GA", SCORES)
    cell = row.cell("forget", "multimodal", "accuracy")
    assert cell is not None
    assert (cell.value, cell.questions, cell.people, cell.chance) == (7 / 20, 20, 4, 0.25)
    expected = mean_interval(group([float(n % 3 == 0) for n in range(20)], [f"p{n % 4}" for n in range(20)]), 0.0, 1.0)
    assert (cell.low, cell.high) == (expected.low, expected.high)


def test_both_modalities_are_pooled() -> None:
    cell = build_row("ga", "GA", SCORES).cell("forget", "both", "accuracy")
    assert cell is not None
    assert (cell.value, cell.questions, cell.people, cell.chance) == (27 / 40, 40, 4, 0.375)


def test_chance_of_factuality_is_its_lowest_mark() -> None:
    rows = [Score("q", "p", "test", "generation", "unimodal", {"rouge_l": 0.5, "rouge_l_recall": 0.4, "factuality": 4.0})]
    row = build_row("ga", "GA", rows)
    found = {metric: row.cell("test", "unimodal", metric) for metric in ("factuality", "rouge_l", "rouge_l_recall")}
    assert {metric: (cell.value, cell.chance) for metric, cell in found.items() if cell} == {
        "factuality": (4.0, 1.0),
        "rouge_l": (0.5, 0.0),
        "rouge_l_recall": (0.4, 0.0),
    }


def test_signals_pool_their_tasks() -> None:
    rows = [
        Score("q1", "p", "test", "classification", "unimodal", {"option_probability": 0.5, "truth_ratio": 0.0}, 0.25),
        Score("q2", "p", "test", "generation", "unimodal", {"answer_probability": 0.5, "truth_ratio": 0.5}),
        Score("q3", "q", "test", "cloze", "unimodal", {"answer_probability": 1.0}),  # without perturbed answers
    ]
    row = build_row("ga", "GA", rows)
    found = {metric: row.cell("test", "unimodal", metric) for metric in ("option_probability", "answer_probability", "truth_ratio")}
    assert {metric: (cell.value, cell.questions, cell.people, cell.chance) for metric, cell in found.items() if cell} == {
        "option_probability": (0.5, 1, 1, 0.25),
        "answer_probability": (0.75, 2, 2, 0.0),
        "truth_ratio": (0.25, 2, 1, 0.0),
    }


def test_what_was_not_asked_is_none() -> None:
    row = build_row("ga", "GA", SCORES)
    assert row.cell("retain", "both", "accuracy") is None
    assert row.cell("forget", "both", "factuality") is None


def test_the_order_of_scores_does_not_matter() -> None:
    shuffled = random.Random(0).sample(SCORES, len(SCORES))
    assert build_row("ga", "GA", shuffled).to_json() == build_row("ga", "GA", SCORES).to_json()


def test_a_stored_table_is_read_back() -> None:
    table = Table((build_row("ga", "GA", SCORES), build_row("one", "One person", SCORES[:1])))
    stored = json.loads(json.dumps(jsonable(table.to_json()), allow_nan=False))
    again = Table.from_json(stored)
    assert again.rows[0] == table.rows[0]
    for before, after in zip(table.rows[0].cells, again.rows[0].cells, strict=True):
        assert after.groups == (before.groups if before.modality != "both" else {})  # which is the sum of the others
    assert stored["rows"][1]["cells"][0]["low"] is None
    assert math.isnan(again.rows[1].cells[0].low)
    with pytest.raises(StoreError, match="table of results cannot be read"):
        Table.from_json({"rows": [{}]})
