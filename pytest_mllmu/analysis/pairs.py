"""Questions that are asked with the image and in text: what counts as forgotten is a pair of which both are answered wrong, and as
kept a pair of which both are right (UMU-Bench)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_mllmu.analysis.knowledge import Retained
from pytest_mllmu.analysis.statistics import Estimate, estimate, group, mean
from pytest_mllmu.benchmark.profiles import MODALITIES, Split
from pytest_mllmu.scoring.metrics import DECISIVE
from pytest_mllmu.scoring.scores import Score


@dataclass(frozen=True)
class Pair:
    """``luck``: the chance of somebody who guesses to have one of the two right; ``credit``: the same of those that name no option."""

    person: str
    right: tuple[bool, bool]
    luck: float
    credit: float = 0.0


@dataclass(frozen=True)
class Pairs:
    """Of one model and one set."""

    rows: tuple[Pair, ...]

    @classmethod
    def of(cls, scores: Iterable[Score], split: Split) -> Pairs:
        """A person's n-th question of a task in one modality belongs to the n-th in the other, as both benchmarks arrange them."""
        asked: dict[tuple[str, str], dict[str, list[Score]]] = defaultdict(lambda: {modality: [] for modality in MODALITIES})
        for score in scores:
            if score.split == split:
                asked[score.person, score.task][score.modality].append(score)
        rows = []
        for (person, _), sides in sorted(asked.items()):
            image, text = (sorted(side, key=lambda score: score.question) for side in sides.values())
            both = [(one, other) for one, other in zip(image, text, strict=False) if decided(one) and decided(other)]
            rows += [Pair(person, (right(one), right(other)), _either(one.chance, other.chance), _either(one.credit, other.credit)) for one, other in both]
        return cls(tuple(rows))

    @property
    def pairs(self) -> int:
        return len(self.rows)

    @property
    def people(self) -> int:
        return len({row.person for row in self.rows})

    @property
    def both_wrong(self) -> int:
        return sum(not any(row.right) for row in self.rows)

    @property
    def both_right(self) -> int:
        return sum(all(row.right) for row in self.rows)

    @property
    def told(self) -> Estimate:
        """The share of pairs of which either question is answered right."""
        return estimate(group([1.0 if any(row.right) else row.credit for row in self.rows], [row.person for row in self.rows]))

    def retained(self, vanilla: Pairs, oracle: Pairs | None) -> Retained:
        """What is left of the pairs that the vanilla knows in either modality, above the oracle or luck."""
        floor = Estimate(mean([row.luck for row in self.rows])) if oracle is None else oracle.told
        return Retained(self.told - floor, vanilla.told - floor, self.people, 2 * self.pairs)


def _either(one: float, other: float) -> float:
    return 1 - (1 - one) * (1 - other)


def decided(score: Score) -> bool:
    """Whether an answer has its decisive metric: a judge may have given it no grade."""
    return DECISIVE[score.task].name in score.values


def points(score: Score) -> float:
    """What an answer earned by its task's decisive metric, from 0 (the worst value) to 1 (the best)."""
    metric = DECISIVE[score.task]
    return (score.values[metric.name] - metric.worst) / (metric.best - metric.worst)


def right(score: Score) -> bool:
    """Whether an answer earned at least half of the points of its task's decisive metric."""
    metric = DECISIVE[score.task]
    return score.values[metric.name] >= (metric.worst + metric.best) / 2
