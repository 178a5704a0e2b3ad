"""Intervals for means of questions that come in clusters: a person's questions succeed and fail together.

One person is one cluster (arXiv 2411.00640, section 2.2). A mean is a ratio, the sum of the scores by the number of questions, and each
person moves it by their *influence*; the sum of the squared influences is its variance, and with few people the t distribution on
people - 1 degrees of freedom says how far off it may be. Sums and differences of means add the influences person by person, so
whatever is asked of the same people is compared in pairs, and what is asked of others is independent.

The plain cluster bootstrap is not used: over 10 people its 95% interval covers the truth 84 to 93% of the time (docs/validity.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

LEVEL = 0.95
DIGITS = 10
"""Of what is published: the last bits of a sum depend on the machine."""
_NOTHING = 1e-12
"""A standard error below this is none: all people agree to the last bits."""

Groups = Mapping[str, tuple[float, int]]
"""Person id -> (sum of the scores, number of questions)."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends are nan when there is none."""

    low: float
    high: float


NO_INTERVAL = Interval(math.nan, math.nan)


@dataclass(frozen=True)
class Estimate:
    """A number that was estimated from people: ``influence`` says how each of them moves it.

    ``people`` are those of the smallest set that it rests on.
    """

    value: float
    influence: Mapping[str, float] = field(default_factory=dict, repr=False)
    people: int = 0

    @property
    def error(self) -> float:
        """The standard error, nan with fewer than two people."""
        return covariance(self, self) ** 0.5 if self.people > 1 else math.nan

    def __add__(self, other: Estimate) -> Estimate:
        return combination([(1.0, self), (1.0, other)])

    def __sub__(self, other: Estimate) -> Estimate:
        return combination([(1.0, self), (-1.0, other)])

    def scaled(self, factor: float, shift: float = 0.0) -> Estimate:
        return Estimate(self.value * factor + shift, {person: part * factor for person, part in self.influence.items()}, self.people)


def mean(values: Sequence[float]) -> float:
    """Independent of the order of ``values`` to the last bit; nan when there are none."""
    return math.fsum(values) / len(values) if values else math.nan


def group(values: Sequence[float], clusters: Sequence[str]) -> Groups:
    """Sums and counts per cluster, in the order of the cluster ids. Raises ValueError when the two differ in length."""
    by_cluster: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        by_cluster.setdefault(cluster, []).append(value)
    return {cluster: (math.fsum(rows), len(rows)) for cluster, rows in sorted(by_cluster.items())}


def estimate(groups: Groups) -> Estimate:
    """The mean over all questions. The influences carry the factor people / (people - 1) of a sample's variance."""
    people, questions = len(groups), sum(count for _, count in groups.values())
    if not questions:
        return Estimate(math.nan)
    value = math.fsum(total for total, _ in groups.values()) / questions
    spread = math.sqrt(people / (people - 1)) / questions if people > 1 else math.nan
    return Estimate(value, {person: (total - value * count) * spread for person, (total, count) in groups.items()}, people)


def at_an_end(groups: Groups, worst: float, best: float) -> Estimate:
    """The mean, not taken to be certain where everybody is at the same end of the scale: its error is then that of ``mean_interval``.

    It stands in the place of one more person, so that two models that answer alike still differ by exactly nothing.
    """
    found = estimate(groups)
    if found.people < 2 or found.value not in (worst, best) or found.error > _NOTHING:
        return found
    reach = t_quantile(found.people - 1)
    nobody = f"all at {found.value} of {'/'.join(f'{person}:{count}' for person, (_, count) in sorted(groups.items()))}"
    return Estimate(found.value, {**found.influence, nobody: (best - worst) * reach / (found.people + reach**2)}, found.people)


def combination(parts: Iterable[tuple[float, Estimate]]) -> Estimate:
    """The weighted sum of some estimates, whose people may be the same or others."""
    rows = list(parts)
    influence: dict[str, float] = {}
    for weight, part in rows:
        for person, moved in part.influence.items():
            influence[person] = influence.get(person, 0.0) + weight * moved
    people = min((part.people for _, part in rows if part.people), default=0)
    return Estimate(math.fsum(weight * part.value for weight, part in rows), influence, people)


def covariance(one: Estimate, other: Estimate) -> float:
    return math.fsum(moved * other.influence[person] for person, moved in one.influence.items() if person in other.influence)


def t_interval(found: Estimate, level: float = LEVEL, at_least: float = 0.0) -> Interval:
    """The interval of any estimate, without bounds; none with fewer than two people. ``at_least`` as in ``p_above``."""
    if found.people < 2:
        return NO_INTERVAL
    reach = t_quantile(found.people - 1, level) * max(found.error, at_least)
    return _rounded(found.value - reach, found.value + reach)


def mean_interval(groups: Groups, worst: float, best: float, level: float = LEVEL) -> Interval:
    """The interval of a mean on the scale ``worst``..``best``, never outside of it; none with fewer than two people.

    Wilson's, for as many independent questions as would have the variance found between people (the effective sample size of Korn and
    Graubard 1998), with t for z. Where all people score alike no variance is found: each then counts as one question, so that
    10 people without a mistake are 100% [66, 100] and not 100% [100, 100].
    """
    found = estimate(groups)
    if found.people < 2:
        return NO_INTERVAL
    share = min(1.0, max(0.0, (found.value - worst) / (best - worst)))
    error = found.error / (best - worst)
    questions = share * (1 - share) / error**2 if error > _NOTHING and 0 < share < 1 else float(found.people)
    square = t_quantile(found.people - 1, level) ** 2
    middle = (share + square / (2 * questions)) / (1 + square / questions)
    reach = math.sqrt(square) / (1 + square / questions) * math.sqrt(share * (1 - share) / questions + square / (4 * questions**2))
    low, high = (worst + (best - worst) * min(1.0, max(0.0, end)) for end in (middle - reach, middle + reach))
    return Interval(min(round(low, DIGITS), found.value), max(round(high, DIGITS), found.value))


def ratio(above: Estimate, below: Estimate) -> Estimate:
    """``above / below`` with its influences to first order; nan where ``below`` is 0."""
    if not below.value:
        return Estimate(math.nan, people=min(above.people, below.people))
    value = above.value / below.value
    return Estimate(value, combination([(1 / below.value, above), (-value / below.value, below)]).influence, min(above.people, below.people))


def ratio_interval(above: Estimate, below: Estimate, level: float = LEVEL) -> Interval:
    """Fieller's interval of ``above / below``: every ratio r for which ``above - r * below`` may be 0.

    None when ``below`` may itself be 0. A candidate that answers as the vanilla does is exactly 1 [1, 1], whatever the vanilla knows.
    """
    people = min(above.people, below.people)
    if people < 2:
        return NO_INTERVAL
    square = t_quantile(people - 1, level) ** 2
    a = below.value**2 - square * covariance(below, below)
    b = above.value * below.value - square * covariance(above, below)
    c = above.value**2 - square * covariance(above, above)
    if a <= _NOTHING:
        return NO_INTERVAL
    reach = math.sqrt(max(0.0, b * b - a * c))
    return _rounded((b - reach) / a, (b + reach) / a)


def p_above(found: Estimate, bound: float = 0.0, at_least: float = 0.0) -> float:
    """How probable an estimate this far above ``bound`` is, or one farther, when the truth is ``bound``: one-sided t test.

    ``at_least``: the standard error is not taken to be smaller than this.
    """
    if found.people < 2 or math.isnan(found.value):
        return 1.0
    error = max(found.error, at_least)
    if error <= _NOTHING:
        return 0.0 if found.value > bound + _NOTHING else 1.0
    from scipy.special import stdtr

    return float(stdtr(found.people - 1, (bound - found.value) / error))


def benjamini_hochberg(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted so that calling all below 5% a discovery is wrong in 5% of the discoveries (Benjamini and Hochberg 1995)."""
    order = sorted(p_values, key=lambda name: (p_values[name], name))
    adjusted, least = {}, 1.0
    for rank, name in reversed(list(enumerate(order, 1))):
        least = min(least, p_values[name] * len(order) / rank)
        adjusted[name] = least
    return {name: adjusted[name] for name in p_values}


@lru_cache(maxsize=4096)
def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """How many standard errors to either side hold ``level`` of the t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def _rounded(low: float, high: float) -> Interval:
    return Interval(round(low, DIGITS), round(high, DIGITS))
