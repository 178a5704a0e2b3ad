"""How the answers of each dialect are read (how it asks is in ``evaluation/dialects.py``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_mllmu.evaluation.released import ANSWERS
from pytest_mllmu.scoring.choices import option
from pytest_mllmu.scoring.cloze import contains, exact_match
from pytest_mllmu.scoring.letters import first_letter
from pytest_mllmu.scoring.rouge import Rouge, released_rouge_l, rouge_l


@dataclass(frozen=True)
class Reading:
    """``answer``: what of the text that a model wrote is its answer; the others read that. ``cloze`` and ``rouge`` get the truth first."""

    answer: Callable[[str], str]
    option: Callable[[str, Sequence[tuple[str, str]]], str | None]
    cloze: Callable[[str, str], float]
    rouge: Callable[[str, str], Rouge]
    lettered: bool = False
    """Whether a letter was asked for, so that an answer without one is none. Else a model may write what it believes, and that need not be an option:
    such an answer is wrong, and nothing is broken."""


def before_another(text: str) -> str:
    """Up to where the model begins another turn of its own: the released code takes what stands between the first two marks of an answer."""
    return text.partition(ANSWERS)[0].strip()


_SOUND = Reading(str, option, exact_match, rouge_l)
_RELEASED = Reading(before_another, first_letter, contains, released_rouge_l, lettered=True)

READINGS: dict[str, Reading] = {"strict": _SOUND, "strict-written": _SOUND, "upstream": _RELEASED, "upstream-submission": _RELEASED}
