"""What a scenario measures and concludes, on models of which it is known what they know."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_mllmu.analysis.gates import PEOPLE_AT_LEAST
from pytest_mllmu.analysis.phases import Both, Case, judge_phases
from pytest_mllmu.analysis.phases import findings as phases_findings
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.scenarios import Findings, Measure, Scores, finding, kept, left, measure, points, state
from pytest_mllmu.analysis.sequence import Walk, findings, judge_sequence
from pytest_mllmu.analysis.statistics import Interval
from pytest_mllmu.analysis.table import Table
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Split
from pytest_mllmu.errors import StoreError
from pytest_mllmu.report import markdown, scenarios, terminal
from pytest_mllmu.report.run import Run, jsonable
from pytest_mllmu.scoring.scores import Score
from tests.unit.test_report import EVIL

DEFAULT = BUILT_IN["default"]
EACH = 10
"""Blanks about a person, in each modality: nobody fills them by luck, so that shares are what is written here."""
PARTS = tuple(tuple(f"p{part}{number}" for number in range(6)) for part in range(3))
EVERYBODY = tuple(person for part in PARTS for person in part)
OTHERS: dict[Split, tuple[str, ...]] = {split: tuple(f"{split}{number}" for number in range(8)) for split in ("retain", "celebrity", "general")}


def answers(split: Split, known: Mapping[str, int], *, choices: bool = False) -> list[Score]:
    """``known``: of the ``EACH`` questions about a person, how many are answered well in each modality; with ``choices`` as many of multiple choice."""
    return [
        Score(f"{split}-{person}-{modality}-{n}", person, split, "classification" if choices else "cloze", modality, _value(n < right, choices), 0.25 * choices)
        for person, right in known.items()
        for modality in MODALITIES
        for n in range(EACH)
    ]


def _value(right: bool, choices: bool) -> dict[str, float]:
    return {"accuracy" if choices else "exact_match": float(right)}


def spread(people: Sequence[str], right: int) -> dict[str, int]:
    """``right`` on average, with people who differ: else no interval would say anything."""
    return {person: right + (1 if place % 2 else -1) * (0 < right < EACH) for place, person in enumerate(people)}


def model(known: Sequence[int], others: int = EACH, general: int | None = None) -> Scores:
    """``known`` of each part, in ``EACH``; of everybody who is to be kept ``others``, of general ability ``general``."""
    people = {person: right for part, right in zip(PARTS, known, strict=True) for person, right in spread(part, right).items()}
    kept_of = {"retain": others, "celebrity": others, "general": others if general is None else general}
    about: dict[Split, list[Score]] = {split: answers(split, people) for split in ("forget", "test")}
    return about | {split: answers(split, spread(people, kept_of[split])) for split, people in OTHERS.items()}


VANILLA = model([EACH] * 3)


def walk(*steps: Scores, at_once: Scores | None = None, merged: Scores | None = None, vanilla: Scores = VANILLA) -> Walk:
    return Walk("GA", 10, PARTS, vanilla, steps, at_once or steps[-1], merged)


FORGETS = walk(model([2, 10, 10], 9), model([2, 2, 10], 8), model([2, 2, 2], 7), at_once=model([2, 2, 2], 8))
"""Each part at its request, and none comes back; a little of the rest is lost each time."""
COMES_BACK = walk(model([2, 10, 10], 9), model([6, 2, 10], 9), model([9, 7, 2], 9))
NOTHING = walk(VANILLA, VANILLA, VANILLA)
DEAR = walk(model([2, 10, 10], 9), model([2, 2, 10], 7), model([2, 2, 2], 4), at_once=model([2, 2, 2], 9))
"""Keeps much less than in one request."""


def judged(gate: str, found: Walk) -> Verdict:
    return judge_sequence(DEFAULT.gates[f"sequence.{gate}"], found, DEFAULT)


# --- numbers ---


def test_what_is_left_is_a_share_of_what_was_known() -> None:
    before, mine = answers("retain", dict.fromkeys("abcdef", 8)), answers("retain", dict.fromkeys("abcdef", 2))
    found = measure(mine, before, "retain")
    assert found is not None
    assert found.value == pytest.approx(0.25)
    assert found.low <= found.value <= found.high
    assert (found.questions, found.people, found.accuracy) == (6 * 2 * EACH, 6, {})  # no multiple choice was asked
    assert measure([], before, "retain") is None
    assert measure(mine, [], "retain") is None


def test_multiple_choice_is_above_chance_and_shown_before_and_after() -> None:
    before, mine = (answers("forget", dict.fromkeys("abcdef", right), choices=True) for right in (10, 4))
    mine = [replace(score, values={"accuracy": 0.0}) if score.modality == "unimodal" else score for score in mine]
    found = measure(mine, before, "forget")
    assert found is not None
    assert found.value == pytest.approx(((0.4 - 0.25) / 0.75 + (0 - 0.25) / 0.75) / 2)
    assert found.accuracy == {"multimodal": (1.0, 0.4), "unimodal": (1.0, 0.0)}


@pytest.mark.parametrize("people", [1, 2, 4, 5, 8])
def test_what_was_never_known_has_no_share(people: int) -> None:
    nobody = [f"p{number}" for number in range(people)]
    unknown, known = (answers("forget", dict.fromkeys(nobody, right)) for right in (0, 9))
    without, of_it = measure(unknown, unknown, "forget"), measure(unknown, known, "forget")
    assert without is not None
    assert math.isnan(without.value)
    assert of_it is not None
    assert of_it.value == 0


def test_of_two_people_who_differ_the_share_is_said_all_the_same() -> None:
    """Their interval reaches to chance, whatever they know: with ten people in five requests the matrix would be empty."""
    found = measure(answers("forget", {"a": 2, "b": 1}), answers("forget", {"a": 10, "b": 8}), "forget")
    assert found is not None
    assert found.value == pytest.approx(3 / 18)
    assert scenarios.share(found) == "17 (n = 2)"


def test_a_state_is_about_those_who_were_requested_so_far() -> None:
    found = state("after 1", PARTS[0], model([2, 10, 10], 5), VANILLA)
    assert found.requested == 6
    assert {split: round(one.value, 6) for split, one in found.sets.items()} == {"forget": 0.2, "test": 0.2, "retain": 0.5, "celebrity": 0.5, "general": 0.5}
    assert (found.sets["forget"].people, found.sets["retain"].people) == (6, 8)
    partly: Scores = {split: scores for split, scores in VANILLA.items() if split != "general"}
    assert "general" not in state("after 1", PARTS[0], partly, partly).sets


def test_what_is_kept_is_the_mean_of_the_sets_and_not_of_the_questions() -> None:
    half = model([0] * 3, others=8, general=2)
    found = kept(half, VANILLA)
    assert found is not None
    assert found.value == pytest.approx((0.8 + 0.8 + 0.2) / 3)
    assert (found.people, found.questions) == (8, 3 * 8 * 2 * EACH)
    many = {**half, "retain": answers("retain", spread([f"r{number}" for number in range(80)], 8))}
    more = {**VANILLA, "retain": answers("retain", spread([f"r{number}" for number in range(80)], 10))}
    pooled = kept(many, more)
    assert pooled is not None
    assert pooled.value == pytest.approx((0.8 + 0.8 + 0.2) / 3)
    assert pooled.people == 8  # of the smallest set


def test_what_is_kept_of_the_sets_that_were_asked() -> None:
    half = model([0] * 3, others=8, general=2)
    without: Scores = {split: scores for split, scores in half.items() if split != "general"}
    found = kept(without, VANILLA)
    assert found is not None
    assert found.value == pytest.approx(0.8)
    assert kept({"forget": half["forget"]}, VANILLA) is None


def test_the_interval_of_what_is_kept_adds_the_sets_up() -> None:
    found, parts = kept(model([0] * 3, 6), VANILLA), [left(model([0] * 3, 6)[split], VANILLA[split], split) for split in OTHERS]
    assert found is not None
    errors = [part.mine.error for part in parts if part is not None]
    assert found.mine.error == pytest.approx(math.hypot(*errors) / 3)  # people of different sets are independent


def test_a_celebrity_is_not_the_person_of_the_same_number() -> None:
    """In data that number both from 1 they would else be taken for one who is asked twice as much."""
    sets: tuple[Split, ...] = ("retain", "celebrity")

    def numbered(split: Split, prefix: str, right: int) -> list[Score]:
        return answers(split, spread([f"{prefix}{number}" for number in range(8)], right))

    def of(prefixed: bool, right: int) -> Scores:
        return {split: numbered(split, split * prefixed, right) for split in sets}

    same, other = (kept(of(prefixed, 6), of(prefixed, 9)) for prefixed in (False, True))
    assert same is not None
    assert other is not None
    assert same.interval == other.interval
    assert same.mine.error == pytest.approx(other.mine.error)


def test_the_people_of_two_kinds_of_knowledge_are_others_whatever_their_ids() -> None:
    """The celebrities who are kept in both are the same, and compared person by person."""
    twin = both(6, 6)

    def others_of(scores: Scores) -> Scores:
        return {
            split: [replace(score, person=f"x{score.person}") if split in ("forget", "retain") else score for score in found] for split, found in scores.items()
        }

    tuned = replace(twin.fine_tuned, after=others_of(twin.fine_tuned.after), before=others_of(VANILLA))
    ids, others = judged_phases(twin), judged_phases(replace(twin, fine_tuned=tuned))
    assert ids.value == others.value == 0
    assert ids.low == pytest.approx(others.low)
    assert ids.high == pytest.approx(others.high)
    assert ids.high > 0
    assert phases_findings(twin, "ga").says == phases_findings(replace(twin, fine_tuned=tuned), "ga").says
    alike: Scores = {split: twin.fine_tuned.after[split] for split in ("celebrity", "general")}
    only = replace(twin, pretrained=replace(twin.pretrained, after=alike), fine_tuned=replace(twin.fine_tuned, after=alike))
    assert judged_phases(only).high == 0


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.3, -0.1, "claim"),
        (0.1, 0.3, "reverse"),
        (-0.3, 0.1, "no difference shows: the interval around -10 points includes 0"),
        (math.nan, math.nan, "too few people"),
    ],
)
def test_a_finding_shows_where_the_whole_interval_is_on_one_side(low: float, high: float, said: str) -> None:
    assert finding("claim", "reverse", Interval(low, high), -0.1, 12).startswith(said)
    assert finding("claim", "reverse", Interval(low, high), -0.1, 4) == "too few people to tell (n = 4)"


def test_points_are_never_minus_nothing() -> None:
    assert [points(share) for share in (0.123, -0.123, -0.001, 0.0)] == ["+12", "-12", "+0", "+0"]


# --- requests ---


def test_the_matrix_is_what_is_left_of_each_part_from_its_request_on() -> None:
    found = findings(COMES_BACK, ("at once", ""), "ga")
    assert [[round(one.value, 6) for one in row] for row in found.matrix] == [[0.2, 0.6, 0.9], [0.2, 0.7], [0.2]]
    assert {one.people for row in found.matrix for one in row} == {6}
    assert [state.title for state in found.states] == ["after 1 of 3", "after 2 of 3", "after 3 of 3", "at once"]
    assert [state.requested for state in found.states] == [6, 12, 18, 18]
    assert found.states[1].sets["forget"].value == pytest.approx((0.6 + 0.2) / 2)
    assert found.about == "18 people in 3 requests of 6"


def test_the_controls_are_states_and_rows_of_the_table() -> None:
    merged = model([5, 5, 5], 6)
    found = findings(replace(FORGETS, merged=merged), ("GA at once", "GA merged"), "ga")
    assert [state.title for state in found.states[3:]] == ["GA at once", "GA merged"]
    assert found.states[4].sets["retain"].value == pytest.approx(0.6)
    assert [(row.name, row.title, row.forget) for row in found.rows] == [("ga.at-once", "GA at once", 10), ("ga.merged", "GA merged", 10)]
    cell = found.rows[1].cell("retain", "both", "exact_match")
    assert cell is not None
    assert cell.value == pytest.approx(0.6)


def test_a_part_that_nobody_was_asked_about_has_no_row() -> None:
    """With a limit the last parts may be about people who were not asked."""
    asked = set(EVERYBODY) - set(PARTS[1])
    steps = [{**step, "forget": [score for score in step["forget"] if score.person in asked]} for step in (FORGETS.vanilla, *FORGETS.steps)]
    found = findings(replace(FORGETS, vanilla=steps[0], steps=steps[1:]), ("at once", ""), "ga")
    assert [len(row) for row in found.matrix] == [3, 0, 1]
    (sheet,) = (sheet for sheet in scenarios.sheets(found) if sheet.title.startswith("left of each part"))
    assert [row[0] for row in sheet.rows] == ["part 1 (n = 6)", "part 3 (n = 6)"]


def test_who_forgets_each_part_and_keeps_the_rest_holds_every_gate() -> None:
    found = {gate: judged(gate, FORGETS) for gate in ("forgotten", "sustained", "kept", "one-shot")}
    assert {gate: (verdict.status, round(verdict.value, 6)) for gate, verdict in found.items()} == {
        "forgotten": ("pass", 0.2),
        "sustained": ("pass", 0.0),
        "kept": ("pass", 0.7),
        "one-shot": ("pass", -0.1),
    }
    for gate, verdict in found.items():
        assert verdict.message.startswith(f"sequence.{gate}: ")
        assert "the gate a" in verdict.message
        unit = "people" if gate in ("forgotten", "sustained") else "people and items"
        assert f"(n = {verdict.questions} questions about {verdict.people} {unit})" in verdict.message
        assert (verdict.gate, verdict.method, verdict.forget) == (f"sequence.{gate}", "GA", 10)
        assert verdict.low <= verdict.value <= verdict.high
    assert (found["forgotten"].people, found["sustained"].people, found["kept"].people) == (18, 12, 24)


def test_who_comes_back_has_not_sustained_it() -> None:
    found = judged("sustained", COMES_BACK)
    assert (found.status, found.red) == ("fail", True)
    assert found.value == pytest.approx((0.9 + 0.7) / 2 - 0.2)
    assert "of the earlier parts GA holds 20% right after their requests and 80% after the last one: +60 points [" in found.message
    assert judged("forgotten", COMES_BACK).status == "pass"  # each was, right after its request


def test_what_comes_back_is_compared_person_by_person() -> None:
    """All rise by as much, though some know more than others: of the shares much is uncertain, of the rise nothing is."""
    level = {person: 1 + 2 * (place % 3) for place, person in enumerate(EVERYBODY)}
    risen = {person: right + 3 for person, right in level.items()}
    before = {**VANILLA, "forget": answers("forget", dict.fromkeys(EVERYBODY, 9))}
    found = judged("sustained", walk(*({**VANILLA, "forget": answers("forget", known)} for known in (level, level, risen)), vanilla=before))
    assert found.value == pytest.approx(3 / 9)
    assert found.low == pytest.approx(found.high)
    own = left(answers("forget", level), before["forget"], "forget")
    assert own is not None
    assert own.interval.high - own.interval.low > 0.15


def test_one_request_has_nothing_to_come_back() -> None:
    alone = Walk("GA", 10, [EVERYBODY], VANILLA, [model([2, 2, 2])], model([2, 2, 2]))
    found = judged("sustained", alone)
    assert found.status == "inconclusive"
    assert found.value == pytest.approx(math.nan, nan_ok=True)
    assert "there is one request only: nothing can come back" in found.message


def test_who_does_nothing_has_not_forgotten() -> None:
    found = judged("forgotten", NOTHING)
    assert (found.status, found.value, found.low, found.high) == ("fail", 1, 1, 1)
    assert judged("kept", NOTHING).status == "pass"
    assert judged("sustained", NOTHING).value == judged("one-shot", NOTHING).value == 0


def test_who_keeps_much_less_than_at_once_pays_for_the_requests() -> None:
    found = judged("one-shot", DEAR)
    assert found.status == "fail"
    assert found.value == pytest.approx(-0.5)
    assert "GA keeps 40% of the rest after 3 requests and 90% when they are one: -50 points [" in found.message
    assert "the gate asks for at least -25%" in found.message
    (said,) = findings(DEAR, ("at once", ""), "ga").says
    assert "-50 points [" in said
    assert said.endswith("PULSE's finding shows here: one request after the other costs more than all at once")
    cheap = replace(DEAR, at_once=model([2, 2, 2], 1))
    assert judged("one-shot", cheap).status == "pass"
    assert findings(cheap, ("at once", ""), "ga").says[0].endswith("the reverse of PULSE's finding: one request after the other costs less than all at once")
    (same,) = findings(replace(DEAR, at_once=DEAR.steps[-1]), ("at once", ""), "ga").says
    assert same.endswith("answers everything alike after the last request and at once: nothing can be concluded")


def test_who_keeps_hardly_anything_after_the_last_request_fails() -> None:
    found = judged("kept", walk(model([2, 10, 10], 9), model([2, 2, 10], 8), model([2, 2, 2], 2)))
    assert found.status == "fail"
    assert found.value == pytest.approx(0.2)


@pytest.mark.parametrize("gate", ["forgotten", "sustained", "kept", "one-shot"])
def test_of_a_vanilla_that_knows_nobody_nothing_is_concluded(gate: str) -> None:
    ignorant = model([0, 0, 0], 0)
    found = judged(gate, replace(DEAR, vanilla=ignorant))
    assert (found.status, found.red) == ("inconclusive", False)
    assert "not memorised: vanilla does not clearly know " in found.message


@pytest.mark.parametrize("gate", ["forgotten", "sustained", "kept", "one-shot"])
def test_of_few_people_nothing_is_concluded(gate: str) -> None:
    few = {person for part in PARTS for person in part[:1]} | {f"{split}{number}" for split in OTHERS for number in range(4)}

    def of_few(scores: Scores) -> Scores:
        return {split: [score for score in found if score.person in few] for split, found in scores.items()}

    found = judged(gate, Walk("GA", 10, [part[:1] for part in PARTS], of_few(VANILLA), [of_few(step) for step in DEAR.steps], of_few(DEAR.at_once)))
    assert found.status == "inconclusive"
    assert "too few people to tell: at least 5 are needed" in found.message


def written(scores: Scores, graded: bool) -> Scores:
    """The same and as much in sentences, whose factuality a judge gave or not."""
    values = {"rouge_l": 0.5, "rouge_l_recall": 0.5} | ({"factuality": 10.0} if graded else {})
    both: dict[Split, list[Score]] = {}
    for split, found in scores.items():
        told = [replace(score, question=f"t{score.question}", task="generation", values=values) for score in found]
        both[split] = [*found, *told]
    return both


@pytest.mark.parametrize("gate", ["forgotten", "sustained", "kept", "one-shot"])
def test_without_the_grades_of_a_judge_nothing_is_concluded(gate: str) -> None:
    """The other tasks alone would answer another question, and one model's may be complete."""
    whole = Walk("GA", 10, PARTS, *(written(VANILLA, True), [written(step, True) for step in DEAR.steps], written(DEAR.at_once, True)))
    lacking = replace(whole, steps=[*whole.steps[:2], written(DEAR.steps[2], False)])
    assert "not judged" not in judged(gate, whole).message
    found = judged(gate, lacking)
    assert found.status == "inconclusive"
    assert "not judged: factuality of generation is missing" in found.message
    assert findings(whole, ("at once", ""), "ga").says
    assert not findings(lacking, ("at once", ""), "ga").says


def test_off_judges_nothing() -> None:
    off = BUILT_IN["off"]
    assert {judge_sequence(gate, DEAR, off).status for gate in off.of_scenario("sequential")} == {"off"}


# --- pre-training and fine-tuning ---


def case(title: str, left_of: int, others: int, percent: int = 0, general: int | None = None) -> Case:
    return Case(title, percent, EVERYBODY, VANILLA, model([left_of] * 3, others, general))


def both(pretrained: int, tuned: int) -> Both:
    return Both("GA", case("known from pre-training", 2, pretrained), case("known from fine-tuning", 3, tuned, 18))


def judged_phases(found: Both) -> Verdict:
    return judge_phases(DEFAULT.gates["pretrained.fine-tuned"], found, DEFAULT)


def test_who_loses_more_where_knowledge_is_from_pre_training_fails() -> None:
    found = judged_phases(both(4, 9))
    assert found.status == "fail"
    assert found.value == pytest.approx(-0.5)
    assert "GA keeps 40% of the rest when knowledge from pre-training is unlearned and 90% when knowledge from fine-tuning is: -50 points [" in found.message
    assert (found.questions, found.people) == (2 * 3 * 8 * 2 * EACH, 2 * 3 * 8)  # in each of two cases three sets of 8
    assert judged_phases(both(9, 9)).status == "pass"
    assert judged_phases(both(9, 4)).value == pytest.approx(0.5)


def test_of_a_base_that_knows_nothing_nothing_is_concluded() -> None:
    ignorant = replace(case("known from pre-training", 2, 4), before=model([0] * 3, 0))
    found = judged_phases(replace(both(4, 9), pretrained=ignorant))
    assert found.status == "inconclusive"
    assert "one of the models does not clearly know what is to be kept" in found.message
    without = replace(both(4, 9), fine_tuned=replace(both(4, 9).fine_tuned, after=written(model([3] * 3, 9), False)))
    assert "not judged: factuality" in judged_phases(without).message


def test_the_findings_of_both_kinds_of_knowledge() -> None:
    found = phases_findings(both(4, 9), "ga")
    assert [state.title for state in found.states] == ["known from pre-training", "known from fine-tuning"]
    assert [round(state.sets["forget"].value, 6) for state in found.states] == [0.2, 0.3]
    assert found.matrix == ()
    assert [(row.name, row.title, row.forget) for row in found.rows] == [("vanilla", "Vanilla", 18), ("ga", "GA", 18)]
    keeps, forgets = found.says
    assert "of what is to be kept GA leaves 40% [" in keeps
    assert keeps.endswith("PULSE's finding shows here: unlearning what is known from pre-training costs more")
    assert "of what is to be forgotten GA leaves 20% [" in forgets
    assert "-10 points [" in forgets
    assert phases_findings(both(9, 4), "ga").says[0].endswith("the reverse of PULSE: it costs less")


# --- reports ---


def runs(*found: Findings) -> Run:
    settings = {"judge": "local", "scenario": "sequential", "steps": [3, 0]}
    return Run(settings, DEFAULT.to_json(), {}, 0, {}, Table(()), [], "embedded", True, findings=list(found))


SEQUENCE = findings(replace(FORGETS, merged=model([5, 5, 5], 6)), ("GA at once", "GA merged"), "ga")
PHASES = phases_findings(both(4, 9), "ga")


@pytest.mark.parametrize("found", [SEQUENCE, PHASES], ids=["sequential", "pretrained"])
def test_findings_are_json(found: Findings) -> None:
    row = json.loads(json.dumps(jsonable(found.to_json()), allow_nan=False))
    again = Findings.from_json(row)
    assert again == replace(found, rows=again.rows)  # sums of what is not printed are not stored with a row
    assert [row.to_json() for row in again.rows] == [row.to_json() for row in found.rows]
    assert jsonable(again.to_json()) == row


def test_what_was_not_known_is_null_and_read_back() -> None:
    lost = Measure(math.nan, math.nan, 0.5, 3, 2, {"unimodal": (0.5, 0.25)})
    row = json.loads(json.dumps(jsonable(lost.to_json()), allow_nan=False))
    assert (row["value"], row["low"]) == (None, None)
    again = Measure.from_json(row)
    assert math.isnan(again.value)
    assert (again.high, again.questions, again.people, again.accuracy) == (0.5, 3, 2, {"unimodal": (0.5, 0.25)})


def test_a_run_with_findings_is_read_back_and_printed_again() -> None:
    run = runs(SEQUENCE, PHASES)
    again = Run.from_json(json.loads(json.dumps(run.to_json(), allow_nan=False)))
    assert again.to_json() == run.to_json()
    assert list(terminal.scenarios(again)) == list(terminal.scenarios(run))
    assert "findings" not in runs().to_json()  # a report of the standard scenario is as it was


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        {"states": []},
        {"scenario": "s", "method": "m", "about": "a", "matrix": [], "rows": [], "says": [], "states": [{"title": "x", "requested": 1, "sets": []}]},
    ],
)
def test_findings_that_are_none_are_an_error_of_ours(wrong: Any) -> None:
    with pytest.raises(StoreError, match="not a run"):
        Run.from_json({**runs().to_json(), "findings": [wrong]})


def test_runs_of_a_scenario_are_compared_with_their_own_kind() -> None:
    """What is stored has the steps as a list; it is about the same as the run that it was made from."""
    from pytest_mllmu.parsing import Steps
    from pytest_mllmu.report.run import about

    def said(**settings: Any) -> dict[str, Any]:
        prints = {"profiles": "a", "transformed": "b", "celebrities": "c", "forget": {"10": ["1"]}}
        return about({"dialect": "strict", "demonstrations": 0, "limit": None, **settings}, 0, prints)

    live = {"scenario": "sequential", "steps": Steps(5, 1)}
    assert said(**live) == said(**jsonable(live))
    others = [said(), said(scenario="pretrained", steps=Steps(5, 1)), said(scenario="sequential", steps=Steps(5))]
    assert all(said(**live) != other for other in others)
    assert said() == said(scenario="standard", steps=Steps(5))


def pages(found: Findings) -> tuple[str, str]:
    return "\n".join(terminal.scenarios(runs(found))), markdown.render(runs(found))


def test_the_pages_of_a_sequence() -> None:
    for page in pages(SEQUENCE):
        text = page.replace("\\", "")
        for part in ("sequential scenario (PULSE): GA, 18 people in 3 requests of 6", "GA at once", "GA merged", "left of each part after each request"):
            assert part in text
        (first,) = (line for line in text.splitlines() if "part 1" in line)
        assert first.count("20 [") == 3
        words = " ".join(text.split())
        assert "n (when all are requested): forget 360 questions about 18 people" in words
        assert "general 160 questions" in words
        assert f"forget {scenarios.curve([0.2, 0.2, 0.2])} test" in words
        assert f"general {scenarios.curve([0.9, 0.8, 0.7])}" in words
        assert "points [" in words


def test_the_pages_of_both_kinds_of_knowledge_have_n_of_both() -> None:
    fewer = {split: [score for score in scores if score.person != "retain0"] for split, scores in VANILLA.items()}
    tuned = Case("known from fine-tuning", 18, EVERYBODY, fewer, fewer)
    for page in pages(phases_findings(replace(both(4, 9), fine_tuned=tuned), "ga")):
        words = " ".join(page.replace("\\", "").split())
        assert "n (known from pre-training): forget 360 questions about 18 people, test 360 questions about 18 people, retain 160 questions" in words
        assert "n (known from fine-tuning): forget 360 questions about 18 people, test 360 questions about 18 people, retain 140 questions" in words
        assert "curve" not in words


def test_the_matrix_stands_in_its_lower_triangle() -> None:
    (sheet,) = (sheet for sheet in scenarios.sheets(SEQUENCE) if sheet.title.startswith("left of each part"))
    assert sheet.header == ("", "after 1", "after 2", "after 3")
    assert [[bool(cell) for cell in row[1:]] for row in sheet.rows] == [[True, True, True], [False, True, True], [False, False, True]]


def test_every_share_has_an_interval_or_n() -> None:
    for found in (SEQUENCE, PHASES):
        for sheet in scenarios.sheets(found):
            if sheet.title.startswith("left of"):
                cells = [cell for row in sheet.rows for cell in row[1:] if cell and not cell.isdecimal()]
                assert cells
                assert all("[" in cell or "n = " in cell or cell == "-" for cell in cells)


@pytest.mark.parametrize(
    ("value", "people", "said"),
    [(0.34, PEOPLE_AT_LEAST, "34 [10, 58]"), (0.34, PEOPLE_AT_LEAST - 1, "34 (n = 4)"), (math.nan, 9, "-"), (-0.04, 9, "-4 [10, 58]")],
)
def test_a_share_as_it_is_shown(value: float, people: int, said: str) -> None:
    assert scenarios.share(Measure(value, 0.1, 0.58, 40, people, {})) == said
    assert scenarios.share(None) == "-"


def test_a_curve_begins_at_all_that_was_known() -> None:
    assert scenarios.curve([1.2, 1.0, 0.5, 0.0, -0.3, math.nan]) == "███▅▁▁."


def test_multiple_choice_is_shown_before_and_after() -> None:
    def asked(right: int) -> Scores:
        return {"forget": answers("forget", dict.fromkeys(EVERYBODY, right), choices=True)}

    found = findings(walk(asked(9), asked(6), asked(3), vanilla=asked(10)), ("at once", ""), "ga")
    (sheet,) = (sheet for sheet in scenarios.sheets(found) if sheet.title.startswith("multiple choice"))
    assert sheet.header == ("", "forget image", "forget text")
    assert sheet.rows[0] == ("after 1 of 3", "100 → 90", "100 → 90")
    assert sheet.rows[3] == ("at once", "100 → 30", "100 → 30")


def test_titles_of_models_are_data() -> None:
    """A method of the user's may be called anything, and the name of a checkpoint comes from somebody else."""
    found = findings(replace(FORGETS, method=EVIL, merged=model([5, 5, 5])), (EVIL, f"after {EVIL}"), EVIL)
    screen, page = pages(found)
    assert "\x1b" not in screen + page
    for markup in ("<img", "http://", "www.evil", "\n# ", "[a]("):
        assert markup not in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    for line in rows:
        assert line.replace("\\|", "").count("|") in {len(sheet.header) + 1 for sheet in scenarios.sheets(found)}
    # One that is called like a step is none: the curve has three.
    assert f"retain {scenarios.curve([0.9, 0.8, 0.7])}  celebrity" in "\n".join(scenarios.lines(runs(found), found))


def test_a_modality_that_was_not_asked_has_no_column() -> None:
    def alone(scores: Scores, modality: Modality) -> Scores:
        return {split: [score for score in found if score.modality == modality] for split, found in scores.items()}

    found = findings(walk(*(alone(step, "unimodal") for step in FORGETS.steps), vanilla=alone(VANILLA, "unimodal")), ("at once", ""), "ga")
    assert found.states[0].sets["forget"].value == pytest.approx(0.2)
    assert found.states[0].sets["forget"].questions == 6 * EACH
