"""ROUGE-L between an answer and the ground truth (paper A.4), with the library the reference evaluation uses."""

from __future__ import annotations

from dataclasses import dataclass

from rouge_score import rouge_scorer

from pytest_mllmu.scoring.words import MAX_CHARACTERS, UnicodeTokenizer

_SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True, tokenizer=UnicodeTokenizer())
_RELEASED = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)


@dataclass(frozen=True)
class Rouge:
    """F-measure (what Table 2 prints) and recall (what TOFU prints), both 0..1."""

    f: float
    recall: float


def rouge_l(truth: str, answer: str) -> Rouge:
    """ROUGE-L of the first 2,000 characters of ``answer`` (paper A.4, equation 3); 0 when either has no words."""
    return _rouge_l(_SCORER, truth, answer)


def released_rouge_l(truth: str, answer: str) -> Rouge:
    """The same by the library's own tokenizer, as the reference evaluation has it: letters beyond a to z and digits do not count."""
    return _rouge_l(_RELEASED, truth, answer)


def _rouge_l(scorer: rouge_scorer.RougeScorer, truth: str, answer: str) -> Rouge:
    result = scorer.score(truth[:MAX_CHARACTERS], answer[:MAX_CHARACTERS])["rougeL"]
    return Rouge(f=float(result.fmeasure), recall=float(result.recall))
