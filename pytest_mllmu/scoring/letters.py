"""Which option a written answer names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_mllmu.scoring.words import MAX_CHARACTERS

_DECORATED = r"""[\s"'`*_(\[{<]*+"""
_ENDS = r"""(?:[\W_]*$|[\s"'`*_]*[.:,;)\]}>*_](?:[\W_]*$|[\s*_])|\s+[-–—]\s)"""
"""Nothing more, or a mark that closes the letter; then a blank, so that initials, dates and names such as D'Arcy name no option."""
_MARK = re.compile(rf"{_DECORATED}([A-Za-z]){_ENDS}")
"""``C``, ``(C)``, ``C.``, ``**C**``, ``C: a text`` at the beginning of a line."""
_GAP = r"""[\s:"'`*_(\[{<]*+"""
_SAID = re.compile(
    rf"(?i:\b(?:answer|option|choice|letter)\b)(?:\s++(?i:is|was|would\s+be|should\s+be)\b)?{_GAP}(?:(?i:option|choice|letter)\s{_GAP})?"
    rf"(?:([A-Za-z])(?={_ENDS}|\s+(?:because|since)\b)|([B-HJ-Z])(?=\s))(?:\W*(?:,|\bor\b|\band\b)\s*([A-HJ-Z])\b)?",
    re.MULTILINE,
)
"""``Answer: C``, ``The correct answer is (C) because`` anywhere, and the other letter of ``C or D``. Before further words only a letter that is no
word itself: "The answer is A man" names none. Quantifiers are possessive: an answer may be any text, and must not make this slow."""


def letter(answer: str) -> str | None:
    """The option that an answer names, if it names one and no other; None for anything else, such as "As an AI" or "A man"."""
    text = answer[:MAX_CHARACTERS]
    marks = [found for line in text.splitlines() if (found := _MARK.match(line))]
    named = {found[1].upper() for found in marks} or {one.upper() for found in _SAID.findall(text) for one in found if one}
    return named.pop() if len(named) == 1 else None


def first_letter(answer: str, options: Sequence[tuple[str, str]] = ()) -> str | None:
    """The first character, as the released evaluation reads it: "As an AI" names A there. It need not be a letter."""
    return answer[:1].upper() or None
