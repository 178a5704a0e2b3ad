"""ROUGE-L between an answer and the ground truth (paper A.4), with the library the reference evaluation uses."""

from __future__ import annotations

from dataclasses import dataclass

from rouge_score import rouge_scorer

from pytest_mllmu.scoring.words import MAX_CHARACTERS, UnicodeTokenizer

_SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True, tokenizer=UnicodeTokenizer())


@dataclass(frozen=True)
class Rouge:
    """F-measure (what Table 2 prints) and recall (what TOFU prints), both 0..1."""

    f: float
    recall: float


def rouge_l(truth: str, answer: str) -> Rouge:
    """ROUGE-L of the first 2,000 characters of ``answer`` (paper A.4, equation 3); 0 when either has no words."""
    result = _SCORER.score(truth[:MAX_CHARACTERS], answer[:MAX_CHARACTERS])["rougeL"]
    return Rouge(f=float(result.fmeasure), recall=float(result.recall))
