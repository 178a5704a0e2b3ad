"""The cluster bootstrap: the same every time, about right, and aware that a person's questions go together."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from pytest_mllmu.analysis.statistics import bootstrap, cluster_bootstrap, group, mean, resampled_means


def test_the_same_every_time_and_in_any_order() -> None:
    rng = random.Random(1)
    rows = [(rng.random(), f"p{number % 12}") for number in range(60)]
    first = cluster_bootstrap([row[0] for row in rows], [row[1] for row in rows], seed=3)
    rng.shuffle(rows)
    assert cluster_bootstrap([row[0] for row in rows], [row[1] for row in rows], seed=3) == first
    assert cluster_bootstrap([row[0] for row in rows], [row[1] for row in rows], seed=4) != first
    assert first.low < mean([row[0] for row in rows]) < first.high


@pytest.mark.parametrize("values", [[], [1.0, 0.0]])
def test_fewer_than_two_people_have_no_interval(values: list[float]) -> None:
    found = cluster_bootstrap(values, ["p"] * len(values), seed=0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_lengths_have_to_agree() -> None:
    with pytest.raises(ValueError, match="shorter"):
        cluster_bootstrap([1.0, 2.0], ["p"], seed=0)


def test_clusters_matter() -> None:
    # Ten people, each with ten equal answers: ten pieces of information, not a hundred.
    values = [float(number // 10 % 2) for number in range(100)]
    by_person = cluster_bootstrap(values, [str(number // 10) for number in range(100)], seed=0)
    by_question = cluster_bootstrap(values, [str(number) for number in range(100)], seed=0)
    assert by_person.high - by_person.low > 2.5 * (by_question.high - by_question.low)


def test_people_with_many_questions_weigh_more() -> None:
    # The mean is over questions, so a resample of 9 right and 1 wrong question is never just (1 + 0) / 2.
    groups = group([1.0] * 9 + [0.0], ["a"] * 9 + ["b"])
    assert groups == {"a": (9.0, 9), "b": (0.0, 1)}
    assert set(np.round(resampled_means(groups, seed=0), 6)) == {0.0, 0.9, 1.0}


def test_coverage_is_about_the_level() -> None:
    truth, hits, rounds = 0.6, 0, 200
    for seed in range(rounds):
        rng = random.Random(seed)
        chances = [min(1.0, max(0.0, rng.gauss(truth, 0.15))) for _ in range(30)]
        values = [float(rng.random() < chance) for chance in chances for _ in range(5)]
        found = cluster_bootstrap(values, [str(person) for person in range(30) for _ in range(5)], seed, resamples=400)
        hits += found.low <= truth <= found.high
    assert 0.88 <= hits / rounds <= 0.99


def test_two_models_are_drawn_in_pairs() -> None:
    groups = group([1.0, 0.0, 1.0, 1.0], list("abcd"))
    assert (resampled_means(groups, 5) == resampled_means(dict(sorted(groups.items(), reverse=True)), 5)).all()
    assert bootstrap(groups, 5) == cluster_bootstrap([1.0, 0.0, 1.0, 1.0], list("abcd"), 5)
