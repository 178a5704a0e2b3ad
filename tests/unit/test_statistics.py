"""Intervals over people: they cover the truth as often as they say, in pairs where pairs are, and never claim to be sure of a few."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from pytest_mllmu.analysis.statistics import (
    NO_INTERVAL,
    Estimate,
    Groups,
    Interval,
    benjamini_hochberg,
    estimate,
    group,
    mean_interval,
    p_above,
    ratio,
    ratio_interval,
    t_interval,
    t_quantile,
)

ROUNDS = 1_000
QUESTIONS = 5  # multiple choice of a person in one modality
TOGETHER = 0.1  # how much alike a person's answers are (intra-class correlation)
VANILLA, CANDIDATE, ORACLE = 0.9, 0.45, 0.25


def people(rng: np.random.Generator, count: int, *chances: float, together: float = TOGETHER) -> list[Groups]:
    """Several models are asked the same questions about ``count`` people; people whom one model finds easy the others mostly do, too."""
    from scipy.stats import beta

    size, found = 1 / together - 1, []
    common = rng.random(count)
    for chance in chances:
        place = np.where(rng.random(count) < 0.5, common, rng.random(count))
        right = rng.binomial(QUESTIONS, beta.ppf(place, chance * size, (1 - chance) * size))
        found.append({str(person): (float(number), QUESTIONS) for person, number in enumerate(right)})
    return found


def of_a_mean(chance: float) -> Callable[[np.random.Generator, int], tuple[Interval, float]]:
    return lambda rng, count: (mean_interval(people(rng, count, chance)[0], 0, 1), chance)


def of_a_difference(rng: np.random.Generator, count: int) -> tuple[Interval, float]:
    candidate, vanilla = map(estimate, people(rng, count, CANDIDATE, VANILLA))
    return t_interval(candidate - vanilla), CANDIDATE - VANILLA


def of_retained_knowledge(rng: np.random.Generator, count: int) -> tuple[Interval, float]:
    candidate, vanilla, oracle = map(estimate, people(rng, count, CANDIDATE, VANILLA, ORACLE))
    return ratio_interval(candidate - oracle, vanilla - oracle), (CANDIDATE - ORACLE) / (VANILLA - ORACLE)


INTERVALS = {
    "mean-25": of_a_mean(0.25),
    "mean-50": of_a_mean(0.5),
    "mean-75": of_a_mean(0.75),
    "difference": of_a_difference,
    "retained": of_retained_knowledge,
}


@pytest.mark.parametrize("count", [10, 25, 75])
@pytest.mark.parametrize("kind", INTERVALS)
def test_the_interval_covers_the_truth_in_95_of_100_draws(kind: str, count: int) -> None:
    rng = np.random.default_rng(count)
    found = [INTERVALS[kind](rng, count) for _ in range(ROUNDS)]
    covered = sum(interval.low <= truth <= interval.high for interval, truth in found) / ROUNDS
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("count", [10, 25, 75])
def test_near_the_end_of_the_scale_the_interval_is_rather_too_wide(count: int) -> None:
    """Where the plain bootstrap and the t interval cover the truth in 75 of 100 draws: often nobody makes a mistake."""
    rng = np.random.default_rng(count)
    found = [mean_interval(people(rng, count, 0.97)[0], 0, 1) for _ in range(ROUNDS)]
    assert sum(interval.low <= 0.97 <= interval.high for interval in found) / ROUNDS >= 0.94


def test_the_order_does_not_matter() -> None:
    rng = random.Random(1)
    rows = [(rng.random(), f"p{number % 12}") for number in range(60)]
    first = mean_interval(group([row[0] for row in rows], [row[1] for row in rows]), 0, 1)
    rng.shuffle(rows)
    assert mean_interval(group([row[0] for row in rows], [row[1] for row in rows]), 0, 1) == first


@pytest.mark.parametrize("values", [[], [1.0, 0.0]])
def test_fewer_than_two_people_have_no_interval(values: list[float]) -> None:
    groups = group(values, ["p"] * len(values))
    assert math.isnan(mean_interval(groups, 0, 1).low)
    assert math.isnan(t_interval(estimate(groups)).high)
    assert p_above(estimate(groups)) == 1


def test_lengths_have_to_agree() -> None:
    with pytest.raises(ValueError, match="shorter"):
        group([1.0, 2.0], ["p"])


def test_clusters_matter() -> None:
    # Ten people, each with ten equal answers: ten pieces of information, not a hundred.
    values = [float(number // 10 % 2) for number in range(100)]
    by_person = mean_interval(group(values, [str(number // 10) for number in range(100)]), 0, 1)
    by_question = mean_interval(group(values, [str(number) for number in range(100)]), 0, 1)
    assert by_person.high - by_person.low > 2.5 * (by_question.high - by_question.low)


def test_ten_people_without_a_mistake_are_not_certain() -> None:
    groups = {str(person): (5.0, 5) for person in range(10)}
    square = t_quantile(9) ** 2
    assert mean_interval(groups, 0, 1) == Interval(round(10 / (10 + square), 10), 1.0)
    assert mean_interval(dict.fromkeys(groups, (0.0, 5)), 0, 1) == Interval(0.0, round(square / (10 + square), 10))


def test_an_interval_stays_on_the_scale_and_holds_the_mean() -> None:
    for right in range(11):
        interval = mean_interval({str(person): (float(person < right), 1) for person in range(10)}, 0, 1)
        assert 0 <= interval.low <= right / 10 <= interval.high <= 1
    points = mean_interval({"a": (10.0, 1), "b": (1.0, 1)}, 1, 10)
    assert 1 <= points.low < 5.5 < points.high <= 10


def test_a_hand_computed_mean_with_unequal_people() -> None:
    # 9 of 9 and 0 of 1: the mean is over questions, and influences are (9 - .9 * 9) / 10 = .09 and (0 - .9) / 10 = -.09, times the root of 2.
    found = estimate({"a": (9.0, 9), "b": (0.0, 1)})
    assert found.value == 0.9
    assert found.error == pytest.approx(0.18)


def test_what_is_asked_of_the_same_people_is_compared_in_pairs() -> None:
    one = estimate({str(person): (float(person % 5), 5) for person in range(20)})
    same = estimate({str(person): (float(person % 5) + 0.5, 5) for person in range(20)})
    others = estimate({f"other {person}": (float(person % 5) + 0.5, 5) for person in range(20)})
    assert (same - one).error == pytest.approx(0)
    assert (others - one).error == pytest.approx(one.error * 2**0.5)


def test_the_smaller_set_of_people_decides_how_sure_one_is() -> None:
    few, many = estimate({str(n): (float(n % 2), 1) for n in range(6)}), estimate({f"m{n}": (float(n % 2), 1) for n in range(60)})
    assert (few - many).people == 6


def test_a_candidate_that_does_nothing_is_exactly_one() -> None:
    rng = np.random.default_rng(0)
    (vanilla,) = map(estimate, people(rng, 10, 0.6))
    assert ratio_interval(vanilla.scaled(1, -0.25), vanilla.scaled(1, -0.25)) == Interval(1, 1)
    assert ratio(vanilla, vanilla).error == pytest.approx(0)


def test_there_is_no_ratio_to_what_may_be_nothing() -> None:
    above, below = estimate({"a": (1.0, 1), "b": (0.0, 1), "c": (1.0, 1)}), estimate({"a": (0.0, 1), "b": (0.1, 1), "c": (-0.1, 1)})
    assert ratio_interval(above, below) == NO_INTERVAL
    assert math.isnan(ratio(above, below.scaled(0)).value)


def test_p_values() -> None:
    from scipy.stats import ttest_1samp

    values = [0.3, 0.1, 0.5, -0.1, 0.2]
    found = estimate({str(place): (value, 1) for place, value in enumerate(values)})
    assert p_above(found, 0.1) == pytest.approx(ttest_1samp(values, 0.1, alternative="greater").pvalue)
    assert p_above(Estimate(0.5, {"a": 0.0, "b": 0.0}, 2), 0.4) == 0
    assert p_above(Estimate(0.4, {"a": 0.0, "b": 0.0}, 2), 0.4) == 1


def test_benjamini_hochberg_by_hand() -> None:
    assert benjamini_hochberg({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.04, "c": 0.04})
    assert benjamini_hochberg({}) == {}
