"""Verdicts on single people: whoever is still known is named with what is known, and among many strangers luck accuses nobody."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.analysis.gates import Policy
from pytest_mllmu.analysis.people import judge_people, knows
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.statistics import benjamini_hochberg
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Split, Task
from pytest_mllmu.scoring.scores import Score

DEFAULT = BUILT_IN["default"]
KINDS: dict[Task, tuple[str, float, float, int]] = {
    "classification": ("accuracy", 0.0, 1.0, 5),
    "generation": ("factuality", 1.0, 10.0, 2),
    "cloze": ("exact_match", 0.0, 1.0, 2),
}
"""Metric, value of a wrong and of a right answer, questions a person: the 18 of the embedded benchmark, in two sets."""
ATTRIBUTES = {
    "classification": ("birthplace", "birth year", "occupation", "hobby", "health"),
    "generation": ("birth year", "occupation"),
    "cloze": ("residence", "hobby"),
}
SETS: tuple[Split, ...] = ("forget", "test")


def asked(person: str, knowing: float, rng: random.Random | None = None, modalities: Sequence[Modality] = MODALITIES) -> list[Score]:
    """All questions about one person. Right with probability ``knowing``, or by luck; in other ``modalities`` than those by luck alone.

    Without ``rng`` luck never helps, and ``knowing`` is the share of topics that are answered well.
    """
    rows = []
    for split in SETS:
        for modality in MODALITIES:
            place = 0
            for task, (metric, wrong, right, count) in KINDS.items():
                for n in range(count):
                    chance = 0.25 * (task == "classification")
                    share = knowing if modality in modalities else 0.0
                    good = place < round(9 * share) if rng is None else rng.random() < share or rng.random() < chance
                    place += 1
                    about = ATTRIBUTES[task][n]
                    name = f"{split}-{person}-{task}-{modality}-{n}"
                    rows.append(Score(name, person, split, task, modality, {metric: right if good else wrong}, chance, about))
    return rows


def everybody(count: int, knowing: float, seed: int | None = None) -> dict[str, list[Score]]:
    rng = None if seed is None else random.Random(seed)
    return {f"p{number:02}": asked(f"p{number:02}", knowing, rng) for number in range(count)}


def flat(people: dict[str, list[Score]]) -> list[Score]:
    return [row for rows in people.values() for row in rows]


def judged(candidate: dict[str, list[Score]], vanilla: dict[str, list[Score]], oracle: Sequence[Score] = (), policy: str = "default") -> dict[str, Verdict]:
    return judge_people(list(vanilla), flat(candidate), flat(vanilla), BUILT_IN[policy], "GA", oracle)


def policy_at_most(bound: float) -> Policy:
    return replace(DEFAULT, gates={**DEFAULT.gates, "persons": replace(DEFAULT.gates["persons"], at_most=bound)})


def test_one_person_who_is_still_known_fails_among_those_who_are_not() -> None:
    vanilla = everybody(12, 1.0)
    candidate = everybody(12, 0.0, seed=1) | {"p07": vanilla["p07"]}
    found = judged(candidate, vanilla)
    assert [person for person, verdict in found.items() if verdict.status == "fail"] == ["p07"]
    known = found["p07"]
    assert (known.red, known.value, known.low, known.high, known.person, known.gate, known.questions) == (True, 1, 1, 1, "p07", "persons", 36)
    for part in ("person p07: GA still holds 100% [100, 100] of what vanilla knew", "n = 36 questions on 9 topics", "at most 50%", "p = less than 0.001"):
        assert part in known.message
    assert "classification multimodal 10 of 10 (vanilla 10)" in known.message
    assert found["p03"].status == "pass"
    assert found["p03"].leaks == ()
    assert "still" not in found["p03"].message


def test_what_is_still_known_is_listed_with_its_modalities() -> None:
    found = judged({"a": asked("a", 1.0)}, {"a": asked("a", 1.0)})["a"]
    assert found.leaks == tuple(f"{name} (image + text)" for name in ("birth year", "birthplace", "health", "hobby", "occupation", "residence"))
    assert found.message.endswith(f"\n  still known: {', '.join(found.leaks)}")


@pytest.mark.parametrize(("modality", "side"), [("multimodal", "image"), ("unimodal", "text")])
def test_who_is_known_in_one_modality_is_listed_with_that_one(modality: Modality, side: str) -> None:
    found = judge_people(["a"], asked("a", 1.0, modalities=[modality]), asked("a", 1.0), policy_at_most(0.1), "GA")["a"]
    assert found.status == "fail"
    assert {leak.partition(" (")[2] for leak in found.leaks} == {f"{side})"}


@pytest.mark.parametrize(("lost", "leak"), [(1, "hobby (image + text)"), (2, "hobby (image)"), (3, "hobby (image)"), (4, "hobby (image)")])
def test_an_attribute_is_known_when_most_of_what_vanilla_answers_still_is(lost: int, leak: str) -> None:
    """A hobby is asked four times in text."""
    vanilla = asked("a", 1.0)
    gone = [row.question for row in vanilla if (row.attribute, row.modality) == ("hobby", "unimodal")][:lost]
    candidate = [replace(row, values=dict.fromkeys(row.values, 0.0)) if row.question in gone else row for row in vanilla]
    leaks = judge_people(["a"], candidate, vanilla, policy_at_most(0.3), "GA")["a"].leaks
    assert leak in leaks
    assert "birthplace (image + text)" in leaks


def test_what_vanilla_did_not_answer_is_no_leak() -> None:
    vanilla = [replace(row, values=dict.fromkeys(row.values, 0.0)) if row.attribute == "birthplace" else row for row in asked("a", 1.0)]
    found = judge_people(["a"], asked("a", 1.0), vanilla, DEFAULT, "GA")["a"]
    assert found.status == "fail"
    assert not any("birthplace" in leak for leak in found.leaks)
    assert "health (image + text)" in found.leaks


def test_half_of_what_vanilla_knew_by_hand() -> None:
    # Of 9 topics the first 5, all of multiple choice, are kept: -1/3 for a wrong choice, 0 for other wrong answers.
    found = judged({"a": asked("a", 5 / 9)}, {"a": asked("a", 1.0)})["a"]
    assert found.value == pytest.approx(5 / 9)
    assert found.status == "inconclusive"  # above a half, and it may be luck
    assert "inconclusive: that may be luck; p = " in found.message
    assert found.low < 5 / 9 < found.high


def test_who_answers_below_chance_is_below_the_floor() -> None:
    found = judged({"a": asked("a", 0.0)}, {"a": asked("a", 1.0)})["a"]
    assert found.value == pytest.approx(-5 / 3 / 9)
    assert "below the floor" in found.message


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (Score("q", "p", "forget", "classification", "unimodal", {"accuracy": 1.0}, 0.25), 1),
        (Score("q", "p", "forget", "classification", "unimodal", {"accuracy": 0.0}, 0.25), -1 / 3),
        (Score("q", "p", "forget", "classification", "unimodal", {"accuracy": 0.0}, 0.5), -1),
        (Score("q", "p", "forget", "cloze", "unimodal", {"exact_match": 0.0}), 0),
        (Score("q", "p", "forget", "generation", "unimodal", {"factuality": 1.0}), 0),
        (Score("q", "p", "forget", "generation", "unimodal", {"factuality": 5.5}), 0.5),
    ],
    ids=["choice", "wrong-of-four", "wrong-of-two", "cloze", "no-fact", "half-the-facts"],
)
def test_what_an_answer_shows(score: Score, expected: float) -> None:
    assert knows(score) == pytest.approx(expected)


def test_what_the_oracle_answers_is_the_floor() -> None:
    # The oracle has 20 of 40 choices right: (0.5 - 0.25) / 0.75 = 1/3 is no knowledge of the people. Vanilla knows all, the candidate as much as the oracle.
    def choices(right: int) -> list[Score]:
        return [Score(f"q{n:02}", f"p{n % 4}", "forget", "classification", "unimodal", {"accuracy": float(n // 4 < right)}, 0.25) for n in range(40)]

    people = [f"p{number}" for number in range(4)]
    found = judge_people(people, choices(7), choices(10), DEFAULT, "GA", choices(5))
    assert [verdict.value for verdict in found.values()] == pytest.approx([(0.6 - 1 / 3) / (1 - 1 / 3)] * 4)
    plain = judge_people(people, choices(7), choices(10), DEFAULT, "GA")
    assert [verdict.value for verdict in plain.values()] == pytest.approx([0.6] * 4)


def test_what_the_oracle_answers_about_others_is_no_floor() -> None:
    vanilla = {"a": asked("a", 1.0)}
    others = [replace(row, split="retain") for row in asked("b", 1.0)]
    assert judged(vanilla, vanilla, others)["a"].value == 1


def test_who_was_not_memorised_cannot_be_forgotten() -> None:
    found = judged({"a": asked("a", 0.0)}, {"a": asked("a", 0.0)})["a"]
    assert (found.status, found.red) == ("inconclusive", False)
    assert "person a: not memorised" in found.message


def test_who_the_oracle_knows_as_well_was_not_memorised() -> None:
    vanilla = {"a": asked("a", 1.0)}
    assert "not memorised" in judged(vanilla, vanilla, vanilla["a"])["a"].message


@pytest.mark.parametrize(("topics", "status"), [(4, "inconclusive"), (5, "fail")])
def test_from_few_topics_nothing_is_concluded(topics: int, status: str) -> None:
    rows = [Score(f"{split}-{n}", "a", split, "cloze", "unimodal", {"exact_match": 1.0}) for split in SETS for n in range(topics)]
    found = judge_people(["a"], rows, rows, DEFAULT, "GA")["a"]
    assert found.status == status
    assert ("too few questions" in found.message) == (status == "inconclusive")


def test_of_whom_nothing_was_asked_nothing_is_concluded() -> None:
    vanilla = {"a": asked("a", 1.0)}
    found = judge_people(["a", "b"], vanilla["a"], vanilla["a"], DEFAULT, "GA")
    assert found["b"].status == "inconclusive"
    assert "person b: nothing was asked" in found["b"].message


def test_the_retain_set_says_nothing_about_who_was_forgotten() -> None:
    rows = [replace(row, split="retain") for row in asked("a", 1.0)]
    assert "nothing was asked" in judge_people(["a"], rows, rows, DEFAULT, "GA")["a"].message


def test_nothing_concluded_about_one_person_is_yellow_even_when_strict() -> None:
    found = judged({"a": asked("a", 0.0)}, {"a": asked("a", 0.0)}, policy="strict")["a"]
    assert (found.status, found.red) == ("inconclusive", False)


def test_a_policy_that_is_off_judges_nobody() -> None:
    vanilla = everybody(3, 1.0)
    assert {(verdict.status, verdict.red) for verdict in judged(vanilla, vanilla, policy="off").values()} == {("off", False)}


def test_the_order_of_the_scores_does_not_matter() -> None:
    vanilla, candidate = everybody(6, 1.0), everybody(6, 0.5, seed=2)
    found = judge_people(list(vanilla), flat(candidate)[::-1], flat(vanilla), DEFAULT, "GA")
    assert found == judged(candidate, vanilla)


def test_among_forty_people_who_were_never_seen_hardly_anybody_is_called_remembered() -> None:
    """In 20 lineups of 40: by an unadjusted p-value alone, at a bound of nothing left, a few dozen would be."""
    vanilla = everybody(40, 1.0)
    strict = policy_at_most(0.0)
    accused, unadjusted = 0, 0
    for seed in range(20):
        strangers = flat(everybody(40, 0.0, seed=seed))
        accused += sum(verdict.status == "fail" for verdict in judge_people(list(vanilla), strangers, flat(vanilla), strict, "GA").values())
        alone = [judge_people([person], strangers, vanilla[person], strict, "GA")[person] for person in vanilla]
        unadjusted += sum(verdict.status == "fail" for verdict in alone)
    assert accused <= 2
    assert unadjusted > 10
    found = judged(everybody(40, 0.0, seed=0), vanilla)
    assert {verdict.status for verdict in found.values()} == {"pass"}


def test_many_people_who_are_known_are_all_found() -> None:
    vanilla = everybody(40, 1.0)
    half = {person: rows for number, (person, rows) in enumerate(everybody(40, 0.97, seed=3).items()) if number % 2}
    found = judged(everybody(40, 0.0, seed=4) | half, vanilla, policy="acceptance")
    assert {person for person, verdict in found.items() if verdict.status == "fail"} == set(half)


def test_p_values_are_adjusted_for_how_many_people_are_judged() -> None:
    vanilla = everybody(40, 1.0)
    candidate = everybody(40, 0.0, seed=5) | {"p00": asked("p00", 0.9, random.Random(6))}
    many, alone = judged(candidate, vanilla)["p00"], judged({"p00": candidate["p00"]}, {"p00": vanilla["p00"]})["p00"]
    assert many.p is not None
    assert alone.p is not None
    assert many.p == pytest.approx(min(1.0, 40 * alone.p), abs=1e-4)
    assert many.value == alone.value


P_VALUES = st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0])), min_size=1, max_size=60)


@given(values=P_VALUES)
def test_benjamini_hochberg_is_that_of_scipy(values: list[float]) -> None:
    from scipy.stats import false_discovery_control

    found = benjamini_hochberg({f"p{number}": value for number, value in enumerate(values)})
    assert list(found) == [f"p{number}" for number in range(len(values))]
    assert list(found.values()) == pytest.approx(list(false_discovery_control(values)))


def test_benjamini_hochberg_of_nobody() -> None:
    assert benjamini_hochberg({}) == {}


@pytest.mark.parametrize("topics", [5, 6, 9])
def test_strangers_with_a_single_question_a_topic_are_not_accused_of_luck(topics: int) -> None:
    rng = random.Random(topics)
    accused = 0
    for _ in range(20):
        people = [f"p{number:02}" for number in range(40)]
        names = [(person, f"{person}-{n}") for person in people for n in range(topics)]
        vanilla = [Score(name, person, "forget", "classification", "unimodal", {"accuracy": 1.0}, 0.25) for person, name in names]
        guesses = [replace(row, values={"accuracy": float(rng.random() < 0.25)}) for row in vanilla]
        found = judge_people(people, guesses, vanilla, BUILT_IN["acceptance"], "GA")
        accused += any(one.status == "fail" for one in found.values())
    assert accused <= 2  # at most 5% of the lineups, and a little luck


def test_a_candidate_that_does_nothing_is_certain_whatever_vanilla_knows() -> None:
    vanilla = everybody(5, 0.6, seed=1)
    assert {one.status for one in judged(vanilla, vanilla).values()} == {"fail"}
