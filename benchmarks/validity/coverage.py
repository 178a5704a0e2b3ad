"""How often 95% intervals over people hold the truth, on draws whose truth is known: ``python benchmarks/validity/coverage.py``.

People are drawn with a chance of their own for right answers (beta distributed: ``together`` is how alike a person's answers are), and each is asked
five questions, as in multiple choice. Compared are ours, the plain cluster bootstrap (percentiles), BCa, and t on clusters.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap
from tabulate import tabulate

from pytest_mllmu.analysis.statistics import Groups, Interval, estimate, mean_interval, t_interval

QUESTIONS = 5
Rights = NDArray[np.int64]
"""Right answers by person."""


def draw(rng: np.random.Generator, people: int, chance: float, together: float) -> Rights:
    size = 1 / together - 1
    return rng.binomial(QUESTIONS, rng.beta(chance * size, (1 - chance) * size, people))


def groups(rights: Rights) -> Groups:
    return {str(person): (float(right), QUESTIONS) for person, right in enumerate(rights)}


def ours(rights: Rights) -> Interval:
    return mean_interval(groups(rights), 0, 1)


def t_on_clusters(rights: Rights) -> Interval:
    return t_interval(estimate(groups(rights)))


def bootstrapped(rights: Rights, method: str) -> Interval:
    if len(set(rights)) == 1:  # no resample differs
        return Interval(rights[0] / QUESTIONS, rights[0] / QUESTIONS)
    found = bootstrap((rights / QUESTIONS,), np.mean, n_resamples=999, method=method, rng=np.random.default_rng(0)).confidence_interval
    return Interval(float(found.low), float(found.high))


METHODS: Mapping[str, Callable[[Rights], Interval]] = {
    "plain bootstrap": partial(bootstrapped, method="percentile"),
    "BCa": partial(bootstrapped, method="BCa"),
    "t on clusters": t_on_clusters,
    "ours": ours,
}


def covered(method: Callable[[Rights], Interval], people: int, chance: float, together: float, rounds: int) -> float:
    """The share of draws whose interval holds the truth; every method sees the same draws."""
    rng = np.random.default_rng(people)
    found = [method(draw(rng, people, chance, together)) for _ in range(rounds)]
    return sum(interval.low - 1e-9 <= chance <= interval.high + 1e-9 for interval in found) / rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000, help="draws for each figure (default: 1000, whose own standard error is 0.7 points)")
    parser.add_argument("--together", type=float, default=0.1, help="intra-class correlation of a person's answers (default: 0.1)")
    given = parser.parse_args()
    rows = [
        [f"{chance:.0%}", people, *(f"{100 * covered(method, people, chance, given.together, given.rounds):.1f}%" for method in METHODS.values())]
        for chance in (0.25, 0.5, 0.75, 0.9, 0.97)
        for people in (10, 25, 75)
    ]
    print(tabulate(rows, ["truth", "people", *METHODS], tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
