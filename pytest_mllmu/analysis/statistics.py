"""Intervals for means of questions that come in clusters: a person's questions succeed and fail together.

One person is one cluster (arXiv 2411.00640, section 2.2), so persons are drawn with replacement, each with all their questions,
and the percentiles of the means are the interval. Two things it cannot do: when all questions are right the interval
has no width, and with fewer than about ten people it is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
LEVEL = 0.95

Floats = NDArray[np.float64]
Groups = Mapping[str, tuple[float, int]]
"""Person id -> (sum of the scores, number of questions)."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends are nan when there is none."""

    low: float
    high: float


NO_INTERVAL = Interval(math.nan, math.nan)


def mean(values: Sequence[float]) -> float:
    """Independent of the order of ``values`` to the last bit; nan when there are none."""
    return math.fsum(values) / len(values) if values else math.nan


def group(values: Sequence[float], clusters: Sequence[str]) -> Groups:
    """Sums and counts per cluster, in the order of the cluster ids."""
    by_cluster: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        by_cluster.setdefault(cluster, []).append(value)
    return {cluster: (math.fsum(rows), len(rows)) for cluster, rows in sorted(by_cluster.items())}


@lru_cache(maxsize=8)
def _weights(clusters: int, seed: int, resamples: int) -> Floats:
    """How often each cluster is drawn in each resample: (resamples, clusters)."""
    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    return drawn.astype(np.float64)


def resampled_means(groups: Groups, seed: int, resamples: int = RESAMPLES) -> Floats:
    """The mean in each resample of the people. Equal people and seed give equal draws, so that two models can be compared in pairs."""
    return _means(tuple(groups[cluster] for cluster in sorted(groups)), seed, resamples)


@lru_cache(maxsize=512)
def _means(rows: tuple[tuple[float, int], ...], seed: int, resamples: int) -> Floats:
    """Every gate compares with the same vanilla: what was drawn for it is kept. Not to be written to."""
    weights = _weights(len(rows), seed, resamples)
    sums, counts = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=np.float64)
    means: Floats = (weights @ sums) / (weights @ counts)
    means.flags.writeable = False
    return means


def percentiles(samples: Floats, level: float = LEVEL) -> Interval:
    """The middle ``level`` of some samples, rounded to 10 digits: the last bits of a matrix product depend on the machine."""
    if not np.isfinite(samples).any():
        return NO_INTERVAL
    low, high = np.nanquantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return Interval(round(float(low), 10), round(float(high), 10))


def bootstrap(groups: Groups, seed: int, resamples: int = RESAMPLES, level: float = LEVEL) -> Interval:
    """As cluster_bootstrap, for values that are grouped already."""
    return percentiles(resampled_means(groups, seed, resamples), level) if len(groups) >= 2 else NO_INTERVAL


def cluster_bootstrap(values: Sequence[float], clusters: Sequence[str], seed: int, resamples: int = RESAMPLES, level: float = LEVEL) -> Interval:
    """The interval of the mean of ``values``, in their unit; nan when there are fewer than two clusters.

    Raises ValueError when ``values`` and ``clusters`` differ in length.
    """
    return bootstrap(group(values, clusters), seed, resamples, level)
