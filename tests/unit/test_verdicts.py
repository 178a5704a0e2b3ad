"""Gates: what was published holds them, a candidate that does nothing or nothing any more does not, and every verdict shows its numbers."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mllmu.analysis.people import judge_person
from pytest_mllmu.analysis.statistics import Interval
from pytest_mllmu.analysis.table import Cell, Row, build_row
from pytest_mllmu.analysis.verdicts import POLICIES, Gate, Verdict, decide, judge_gate, retained
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Modality, Split, Task
from pytest_mllmu.report.run import jsonable
from pytest_mllmu.scoring.scores import Score

DEFAULT = POLICIES["default"]
PUBLISHED = list(csv.DictReader((Path(__file__).parents[1] / "data" / "mllmu_bench_table2.csv").read_text(encoding="utf-8").splitlines()))
COLUMNS = {
    "accuracy": ("classification_accuracy_percent", 100, 0.25),
    "rouge_l": ("generation_rouge_l", 1, 0.0),
    "factuality": ("generation_factuality_1_to_10", 1, 1.0),
    "exact_match": ("cloze_accuracy_percent", 100, 0.0),
}
NAN = math.nan


def published(model: str, percent: str, method: str) -> Row:
    (found,) = (row for row in PUBLISHED if (row["model"], row["forget_percent"], row["method"]) == (model, percent, method))
    return Row(
        method,
        method,
        tuple(
            Cell(metric, split, modality, float(found[f"{split}_{column}"]) / scale, NAN, NAN, 100, 50, chance)
            for split in SPLITS
            for modality in MODALITIES
            for metric, (column, scale, chance) in COLUMNS.items()
        ),
    )


def floored(row: Row) -> Row:
    return replace(row, cells=tuple(replace(cell, value=cell.chance) for cell in row.cells))


def verdicts(candidate: Row, vanilla: Row, splits: tuple[Split, ...] = SPLITS) -> list[Verdict]:
    return [judge_gate(gate, candidate, vanilla, "GA") for gate in DEFAULT.gates if gate.split in splits]


SETTINGS = [(model, percent) for model in ("LLaVA-1.5-7B", "Idefics-2-8B") for percent in ("5", "10", "15")]


@pytest.mark.parametrize(("model", "percent"), SETTINGS)
def test_published_ga_holds_every_gate(model: str, percent: str) -> None:
    found = verdicts(published(model, percent, "GA"), published(model, percent, "Vanilla"))
    assert len(found) == 24
    assert [verdict.message for verdict in found if verdict.status != "pass"] == []


@pytest.mark.parametrize(("model", "percent"), SETTINGS)
def test_doing_nothing_and_collapsing_fail(model: str, percent: str) -> None:
    vanilla = published(model, percent, "Vanilla")
    assert {verdict.status for verdict in verdicts(vanilla, vanilla, ("forget", "test"))} == {"fail"}
    assert {verdict.status for verdict in verdicts(vanilla, vanilla, ("retain", "celebrity"))} == {"pass"}
    assert {verdict.status for verdict in verdicts(floored(vanilla), vanilla, ("retain", "celebrity"))} == {"fail"}
    assert {verdict.status for verdict in verdicts(floored(vanilla), vanilla, ("forget", "test"))} == {"pass"}


def answers(right: int, split: Split = "forget", *, people: int = 10, each: int = 5, modality: Modality = "multimodal") -> list[Score]:
    """The first ``right`` of ``people x each`` questions are answered well, spread over the people."""
    return [Score(f"{split}-{n:03}", f"p{n % people}", split, "classification", modality, {"accuracy": float(n < right)}, 0.25) for n in range(people * each)]


GATE = Gate("forget", "classification", "multimodal", at_most=0.9)


def gate_of(right: int, known: int = 50, oracle: int | None = None, gate: Gate = GATE) -> Verdict:
    candidate, vanilla = (build_row("m", "M", answers(count, gate.split), seed=0) for count in (right, known))
    reference = None if oracle is None else build_row("oracle", "Oracle", answers(oracle, gate.split), seed=0)
    return judge_gate(gate, candidate, vanilla, "GA", oracle=reference)


def test_doing_nothing_fails_even_when_vanilla_is_imperfect() -> None:
    # The vanilla's own interval is wide, but the same people are drawn for both models.
    found = gate_of(38, known=38)
    assert (found.status, found.low, found.high) == ("fail", 1.0, 1.0)


def test_the_message_says_it_all() -> None:
    found = gate_of(49)
    assert found.message.startswith("forget, classification, multimodal: GA still holds 97% [92, 100] of what vanilla knew")
    for part in ("accuracy 98.0% [94.0, 100.0]", "vanilla 100.0%", "chance 25.0%", "n = 50 questions about 10 people", "allows at most 90%"):
        assert part in found.message
    assert (found.status, found.questions, found.people, found.at_most) == ("fail", 50, 10, 0.9)


def test_an_estimate_outside_with_an_interval_that_reaches_the_bound_is_inconclusive() -> None:
    found = gate_of(47)
    assert found.status == "inconclusive"
    assert "too few questions" in found.message
    assert decide(0.95, Interval(NAN, NAN), 0.9, None) == "fail"
    assert decide(0.95, Interval(0.91, 1.0), 0.9, None) == "fail"
    assert decide(0.3, Interval(0.2, 0.5), None, 0.4) == "inconclusive"
    assert decide(0.3, Interval(0.2, 0.39), None, 0.4) == "fail"
    assert decide(0.9, Interval(0.8, 1.0), 0.9, None) == "pass"


def test_not_memorised_is_inconclusive() -> None:
    found = gate_of(5, known=13)
    assert found.status == "inconclusive"
    assert "not memorised" in found.message
    assert "n = 50 questions" in found.message


def test_the_oracle_is_the_floor_where_people_are_forgotten() -> None:
    found = gate_of(30, known=50, oracle=20)
    assert found.retained == pytest.approx(1 / 3)
    assert "oracle 40.0%" in found.message
    assert gate_of(30, known=50).retained == pytest.approx((0.6 - 0.25) / 0.75)
    kept = gate_of(30, known=50, oracle=20, gate=Gate("retain", "classification", "multimodal", at_least=0.4))
    assert kept.retained == pytest.approx((0.6 - 0.25) / 0.75)
    assert gate_of(30, known=50, oracle=50).status == "inconclusive"


def test_below_chance_is_said_aloud() -> None:
    found = gate_of(0)
    assert found.retained == pytest.approx(-1 / 3)
    assert found.status == "pass"
    assert "below chance" in found.message


def test_nothing_asked_is_inconclusive() -> None:
    empty = Row("m", "M", ())
    found = judge_gate(GATE, empty, build_row("v", "V", answers(50), 0), "GA")
    assert (found.status, found.questions) == ("inconclusive", 0)
    assert "nothing was asked of GA" in found.message
    assert "nothing was asked of vanilla" in judge_gate(GATE, build_row("v", "V", answers(50), 0), empty, "GA").message


def test_generation_is_decided_by_factuality_and_names_rouge() -> None:
    def row(factuality: float) -> Row:
        values = {"rouge_l": 0.8, "rouge_l_recall": 0.8, "factuality": factuality}
        return build_row("m", "M", [Score(f"q{n}", f"p{n}", "forget", "generation", "unimodal", values) for n in range(8)], 0)

    found = judge_gate(Gate("forget", "generation", "unimodal", at_most=0.9), row(1.0), row(10.0), "GA")
    assert found.status == "pass"
    for part in ("factuality by the local judge 1.00", "ROUGE-L 0.800", "n = 8 questions about 8 people"):
        assert part in found.message


def test_policies() -> None:
    assert len({(gate.split, gate.id) for gate in DEFAULT.gates}) == 24
    assert GATE.id == "classification-multimodal"
    bounds: dict[tuple[Split, Task], tuple[float | None, float | None]] = {(gate.split, gate.task): (gate.at_most, gate.at_least) for gate in DEFAULT.gates}
    assert bounds["test", "cloze"] == (0.9, None)
    assert bounds["celebrity", "generation"] == (None, 0.25)
    vanilla = published("LLaVA-1.5-7B", "5", "Vanilla")
    off = [judge_gate(gate, vanilla, vanilla, "GA") for gate in POLICIES["off"].gates]
    assert {verdict.status for verdict in off} == {"off"}
    assert "no gate is set" in off[0].message


def test_retained_knowledge_is_not_clipped() -> None:
    assert retained(0.1, 0.5, 0.25) == pytest.approx(-0.6)
    assert retained(0.75, 0.5, 0.25) == 2
    assert math.isnan(retained(0.3, 0.25, 0.25))


def test_a_person_who_is_still_known_fails() -> None:
    asked = [*answers(50), *answers(50, "test")]
    vanilla, same = asked, asked
    gone = [*answers(10), *answers(10, "test")]
    held = judge_person("p3", same, vanilla, DEFAULT, "GA")
    assert (held.status, held.person, held.retained, held.questions) == ("fail", "p3", 1.0, 10)
    for part in ("person p3", "GA still holds 100%", "n = 10 questions", "at most 95%", "classification multimodal 10 of 10 (vanilla 10)"):
        assert part in held.message
    forgotten = judge_person("p3", gone, vanilla, DEFAULT, "GA")
    assert forgotten.status == "pass"
    assert "2 of 10" in forgotten.message
    assert "below the floor" in forgotten.message
    assert judge_person("p3", same, vanilla, POLICIES["off"], "GA").status == "off"


def test_a_person_of_another_split_or_nobody_is_inconclusive() -> None:
    retain = answers(50, "retain")
    assert judge_person("p3", retain, retain, DEFAULT, "GA").status == "inconclusive"
    unknown = answers(12)
    found = judge_person("p9", unknown, unknown, DEFAULT, "GA")
    assert found.status == "inconclusive"
    assert "not memorised" in found.message


def test_verdicts_are_json() -> None:
    row = json.loads(json.dumps(jsonable(gate_of(5, known=13).to_json()), allow_nan=False))
    assert row["retained"] is None
    assert row["gate"] == "classification-multimodal"
