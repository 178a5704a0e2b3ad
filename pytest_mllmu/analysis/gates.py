"""What is asked of a candidate, as data: a gate bounds the retained knowledge of one kind of question, a policy is a set of gates.

Retained knowledge is (score - floor) / (vanilla - floor): 1 is all that the vanilla model knew, 0 is nothing.

Where the default bounds come from: the six published GA rows of the paper's Table 2 must hold them, a candidate that does
nothing (1.0) must fail on what is to be forgotten, and one that collapsed to the floor (0.0) must fail on what is to be kept.
Retained knowledge of the published GA rows, lowest to highest (floor = chance; ROUGE-L is shown, it decides nothing):

    =========  ==============  ============  ============  ============
    split      classification  factuality    cloze         ROUGE-L
    =========  ==============  ============  ============  ============
    forget     0.35 .. 0.78    0.36 .. 0.47  0.65 .. 0.78  0.53 .. 0.86
    test       0.59 .. 0.85    0.51 .. 0.83  0.56 .. 0.86  0.64 .. 0.86
    bound      <= 0.90         <= 0.90       <= 0.90       none
    retain     0.67 .. 0.78    0.36 .. 0.63  0.66 .. 0.77  0.64 .. 0.94
    celebrity  0.57 .. 0.95    0.30 .. 0.57  0.50 .. 0.79  0.44 .. 0.86
    bound      >= 0.40         >= 0.25       >= 0.40       none
    =========  ==============  ============  ============  ============

The bounds are wide on purpose. The published prompting rows break them (retained cloze on forget 0.92 .. 0.98, classification
on test up to 1.27), and so do some rows of KL Minimization (classification on test 0.88 .. 1.04), NPO (factuality on forget
up to 0.93) and GA Difference (classification on test up to 0.98).
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, TASKS, Modality, Split, Task

FORGOTTEN: tuple[Split, ...] = ("forget", "test")
"""The splits that ask about the people to be forgotten."""

AT_MOST = 0.90
PERSON_AT_MOST = 0.95  # looser: some 36 questions about one person have no interval, and one more right answer is 3 points
AT_LEAST: dict[Task, float] = {"classification": 0.40, "generation": 0.25, "cloze": 0.40}


@dataclass(frozen=True)
class Gate:
    """Bounds of the retained knowledge, as shares of what the vanilla model knew; None is no bound."""

    split: Split
    task: Task
    modality: Modality
    at_most: float | None = None
    at_least: float | None = None

    @property
    def id(self) -> str:
        """Within its split, such as ``classification-multimodal``."""
        return f"{self.task}-{self.modality}"

    @property
    def bound(self) -> str:
        """``the gate allows at most 90%``"""
        parts = [f"allows at most {self.at_most:.0%}"] if self.at_most is not None else []
        if self.at_least is not None:
            parts.append(f"asks for at least {self.at_least:.0%}")
        return f"the gate {' and '.join(parts)}" if parts else "no gate is set"


@dataclass(frozen=True)
class Policy:
    """Gates for every split, and the share that may be left of any one forgotten person (None: no bound)."""

    name: str
    gates: tuple[Gate, ...]
    person_at_most: float | None

    def of(self, split: Split) -> tuple[Gate, ...]:
        return tuple(gate for gate in self.gates if gate.split == split)


def _gate(split: Split, task: Task, modality: Modality, *, bounded: bool) -> Gate:
    if not bounded:
        return Gate(split, task, modality)
    return Gate(split, task, modality, at_most=AT_MOST) if split in FORGOTTEN else Gate(split, task, modality, at_least=AT_LEAST[task])


def _policy(name: str, *, bounded: bool) -> Policy:
    gates = tuple(_gate(split, task, modality, bounded=bounded) for split in SPLITS for task in TASKS for modality in MODALITIES)
    return Policy(name, gates, PERSON_AT_MOST if bounded else None)


POLICIES: dict[str, Policy] = {"default": _policy("default", bounded=True), "off": _policy("off", bounded=False)}
"""``off`` measures and says everything but lets everything pass."""
