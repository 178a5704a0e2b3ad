"""The cloze task: exact match after normalisation (paper 3.3 "exact matching"; the released code accepts any substring)."""

from __future__ import annotations

import re
import unicodedata

from pytest_mllmu.scoring.words import MAX_CHARACTERS

_APOSTROPHES = re.compile("['’ʼ`´]")
_ARTICLES = {"a", "an", "the"}


def normalise(text: str) -> str:
    """``text`` in NFKC and case-folded, without punctuation, articles and superfluous white space.

    Articles stay where nothing else is left: "A" is a blood group.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).casefold())
    # John's and Johns are one name, but stamp-collecting is two words.
    joined = _APOSTROPHES.sub("", folded)
    words = "".join(" " if unicodedata.category(letter).startswith("P") else letter for letter in joined).split()
    return " ".join([word for word in words if word not in _ARTICLES] or words)


def exact_match(truth: str, answer: str) -> float:
    """1.0 when ``answer`` is ``truth`` but for case, punctuation, articles and white space, else 0.0; nothing never matches."""
    wanted = normalise(truth)
    return float(bool(wanted) and normalise(answer) == wanted)


def contains(truth: str, answer: str) -> float:
    """1.0 when ``truth`` is somewhere in ``answer``, whatever the case: the released reading, in which "heart" is right where "art" is."""
    return float(truth.lower() in answer.lower())
