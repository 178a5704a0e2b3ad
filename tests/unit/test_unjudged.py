"""Factuality that is missing, and options that are not named: what else was asked is judged as before, and nobody looks more forgetful than they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_mllmu.analysis.judgement import evidence_of, judge_all
from pytest_mllmu.analysis.pairs import Pairs
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Split, Task
from pytest_mllmu.scoring.scores import ABSTAINED, Score, unjudged

KINDS: dict[Task, tuple[str, float, float, int]] = {
    "classification": ("accuracy", 0.0, 1.0, 5),
    "generation": ("factuality", 1.0, 10.0, 2),
    "cloze": ("exact_match", 0.0, 1.0, 2),
}


def scores(known: dict[Split, float], *, people: int = 20, abstains: bool = False) -> list[Score]:
    """Of the topics of each person and set the first so many are answered; others are wrong, or with ``abstains`` name no option."""
    rows = []
    for split in SPLITS:
        for person in range(people):
            for modality in MODALITIES:
                place = 0
                for task, (metric, worst, best, count) in KINDS.items():
                    for n in range(count):
                        good = place < round(9 * known.get(split, 1.0))
                        place += 1
                        values = {metric: best if good else worst, "degenerate": 0.0}
                        if task == "generation":
                            values["rouge_l"] = float(good)
                        if abstains and task == "classification" and not good:
                            values[ABSTAINED] = 0.25
                        name = f"{split}-{person:02}-{task}-{modality}-{n}"
                        rows.append(Score(name, f"{split[0]}{person:02}", split, task, modality, values, 0.25 * (task == "classification")))
    return [row if row.split != "test" else Score(**{**vars(row), "person": f"f{row.person[1:]}"}) for row in rows]


def judged(candidate: Sequence[Score], vanilla: Sequence[Score]) -> dict[str, Verdict]:
    found = judge_all(BUILT_IN["default"], evidence_of("GA", candidate, vanilla))
    return {f"{one.gate} {one.person or ''}".strip(): one for one in found}


GONE: dict[Split, float] = {"forget": 0.0, "test": 0.0}


@pytest.mark.parametrize("who", ["candidate", "vanilla"])
def test_without_grades_the_other_verdicts_stay_and_these_are_open(who: str) -> None:
    candidate, vanilla = scores(GONE), scores({})
    whole = judged(candidate, vanilla)
    part = judged(*([unjudged(one) for one in rows] if name == who else rows for name, rows in (("candidate", candidate), ("vanilla", vanilla))))
    assert part.keys() == whole.keys()
    for name, verdict in part.items():
        if name == "guard.memorised":
            assert (verdict.status, "without generation, which is not judged" in verdict.message) == ("pass", who == "vanilla")
        elif "classification" in name or "cloze" in name or name.endswith(("reference", "output", "chance")):
            assert verdict == whole[name]
        else:
            assert (verdict.status, "not judged: factuality of generation is missing" in verdict.message) == ("inconclusive", True), name


def test_one_set_without_grades_leaves_the_other_sets() -> None:
    candidate, vanilla = scores(GONE), scores({})
    whole, part = judged(candidate, vanilla), judged([unjudged(one) if one.split == "celebrity" else one for one in candidate], vanilla)
    differ = {name for name in whole if part[name] != whole[name]}
    assert differ == {
        "celebrity.generation.multimodal", "celebrity.generation.unimodal", "celebrity.all.both", "guard.collapse-celebrity",
    }  # fmt: skip


def test_a_few_answers_without_a_grade_are_left_out() -> None:
    candidate, vanilla = scores(GONE), scores({})
    few = [unjudged(one) if one.question.endswith("00-generation-multimodal-0") else one for one in candidate]
    found = judged(few, vanilla)
    assert found["forget.generation.multimodal"].questions == 39
    assert found["forget.generation.multimodal"].status == "pass"
    assert {verdict.status for name, verdict in found.items() if name.startswith("persons")} == {"pass"}


@pytest.mark.parametrize("known", [0.0, 1 / 3, 5 / 9, 1.0])
def test_who_names_no_option_knows_as_much_as_who_guesses(known: float) -> None:
    """Of classification alone: a share k is known, and the rest is not answered. What is left is k, whatever is done about the rest."""
    asked: dict[Split, float] = {"forget": known, "test": known}
    one = [score for score in scores(asked, abstains=True) if score.task == "classification"]
    vanilla = [score for score in scores({}) if score.task == "classification"]
    right = sum(score.values["accuracy"] for score in one if score.split == "forget") / 200
    found = judged(one, vanilla)
    assert found["forget.classification.unimodal"].value == pytest.approx(right)
    assert found["forget.all.both"].value == pytest.approx(right)
    mine, theirs = (Pairs.of(rows, "forget") for rows in (one, vanilla))
    assert mine.retained(theirs, None).value == pytest.approx(right)
    assert found["guard.collapse-chance"].status == "pass"
    persons = [verdict.value for name, verdict in found.items() if name.startswith("persons")]
    assert persons == pytest.approx([right] * len(persons))
