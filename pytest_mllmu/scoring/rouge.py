"""ROUGE-L between an answer and the ground truth (paper A.4), with the library the reference evaluation uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pytest_mllmu.scoring.words import MAX_CHARACTERS, UnicodeTokenizer


@dataclass(frozen=True)
class Rouge:
    """F-measure (what Table 2 prints) and recall (what TOFU prints), both 0..1."""

    f: float
    recall: float


def rouge_l(truth: str, answer: str) -> Rouge:
    """ROUGE-L of the first 2,000 characters of ``answer`` (paper A.4, equation 3); 0 when either has no words."""
    return _rouge_l(_scorer(), truth, answer)


def released_rouge_l(truth: str, answer: str) -> Rouge:
    """The same by the library's own tokenizer, as the reference evaluation has it: letters beyond a to z and digits do not count."""
    return _rouge_l(_scorer(released=True), truth, answer)


@cache
def _scorer(*, released: bool = False) -> Any:
    """Made with the first answer, as the library is slow to load."""
    from rouge_score import rouge_scorer

    return rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True, tokenizer=None if released else UnicodeTokenizer())


def _rouge_l(scorer: Any, truth: str, answer: str) -> Rouge:
    result = scorer.score(truth[:MAX_CHARACTERS], answer[:MAX_CHARACTERS])["rougeL"]
    return Rouge(f=float(result.fmeasure), recall=float(result.recall))
