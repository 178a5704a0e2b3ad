"""The registry of metrics: what a score's numbers mean and how they are shown (paper, section 3.3 and appendix A)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pytest_mllmu.benchmark.profiles import Task

Unit = Literal["percent", "share", "probability", "points"]


@dataclass(frozen=True)
class Metric:
    """One number per question.

    ``unit``: "percent" is stored as 0..1 and shown as 97.8%, "share" is 0..1 with three decimals, "probability" with two (its
    intervals are wider), "points" are 1..10. ``also`` are the tasks that it pools with ``task``.
    ``chance`` is what a model without any knowledge earns; None means that it depends on the question (1/options).
    """

    name: str
    title: str
    task: Task
    unit: Unit
    chance: float | None = 0.0
    also: tuple[Task, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (self.task, *self.also)

    @property
    def worst(self) -> float:
        return 1.0 if self.unit == "points" else 0.0

    @property
    def best(self) -> float:
        return 10.0 if self.unit == "points" else 1.0

    def show(self, value: float) -> str:
        """``97.8%``, ``0.645`` or ``6.78``; ``-`` for what is not a number."""
        if math.isnan(value):
            return "-"
        return {"percent": f"{100 * value:.1f}%", "share": f"{value:.3f}", "probability": f"{value:.2f}", "points": f"{value:.2f}"}[self.unit]

    def show_half(self, low: float, high: float) -> str:
        """Half the width of an interval (``±9.7``, in percentage points for "percent"); nothing when there is no interval."""
        half = (high - low) / 2
        if math.isnan(half):
            return ""
        return {"percent": f"±{100 * half:.1f}", "share": f"±{half:.3f}", "probability": f"±{half:.2f}", "points": f"±{half:.2f}"}[self.unit]

    def show_interval(self, low: float, high: float) -> str:
        """`` [91.2, 100.0]`` with a leading space, without unit; nothing when there is no interval."""
        if math.isnan(low) or math.isnan(high):
            return ""
        return f" [{self.show(low).rstrip('%')}, {self.show(high).rstrip('%')}]"


ACCURACY = Metric("accuracy", "Class.", "classification", "percent", chance=None)
UNPARSEABLE = Metric("unparseable", "Unparseable", "classification", "percent")
DEGENERATE = Metric("degenerate", "Degenerate", "generation", "percent", also=("cloze", "classification"))
ROUGE_L = Metric("rouge_l", "ROUGE-L", "generation", "share")
ROUGE_L_RECALL = Metric("rouge_l_recall", "ROUGE-L recall", "generation", "share")
FACTUALITY = Metric("factuality", "Fact.", "generation", "points", chance=1.0)
EXACT_MATCH = Metric("exact_match", "Cloze", "cloze", "percent")

OPTION_PROBABILITY = Metric("option_probability", "Opt. prob.", "classification", "probability", chance=None)
ANSWER_PROBABILITY = Metric("answer_probability", "Ans. prob.", "generation", "probability", also=("cloze",))
TRUTH_RATIO = Metric("truth_ratio", "Truth ratio", "classification", "probability", also=("generation", "cloze"))
EXTRACTION_STRENGTH = Metric("extraction_strength", "Extr.", "generation", "probability", also=("cloze",))
EXACT_MEMORISATION = Metric("exact_memorisation", "Memo.", "generation", "probability", also=("cloze",))

SIGNAL_METRICS: tuple[Metric, ...] = (OPTION_PROBABILITY, ANSWER_PROBABILITY, TRUTH_RATIO, EXTRACTION_STRENGTH, EXACT_MEMORISATION)
"""The columns of the table of probabilities (signals.py says what they are)."""

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (ACCURACY, UNPARSEABLE, DEGENERATE, ROUGE_L, ROUGE_L_RECALL, FACTUALITY, EXACT_MATCH, *SIGNAL_METRICS)
}

TABLE_METRICS: tuple[Metric, ...] = (ACCURACY, ROUGE_L, FACTUALITY, EXACT_MATCH)
"""The columns of the paper's Table 2, in its order."""

DECISIVE: dict[Task, Metric] = {"classification": ACCURACY, "generation": FACTUALITY, "cloze": EXACT_MATCH}
"""The metric a gate decides by. Generation: factuality, because the template of the sentence alone already earns ROUGE-L."""
