"""What a question is about, from its words: the released data does not say it."""

from __future__ import annotations

import re

_WORDS: dict[str, str] = {
    "family": r"\bparents?\b|mother|father|spouse|sibling|brother|sister|married|\bwife\b|husband|\bchild",
    "birth": r"(\b(year|when|date)\b.*\b(where|place)\b|\b(where|place)\b.*\b(year|when|date)\b).*\b(born|birth)\b|about the birth\b",
    "birth year": r"\b(year|when|date)\b.*\bborn\b|birth ?(year|date|day)|(year|date) of birth",
    "birthplace": r"\bborn\b|birth|\bfrom\b\?|come from|native|hometown",
    "health": r"medical|health|illness|condition|disease|treated|allerg|diagnos|suffer",
    "occupation": r"occupation|profession|\bjobs?\b|works? as|for a living|career|employ|\bdo for\b|does .{1,60} do\b",
    "education": r"educat|universit|degree|college|school|studied|graduat|\bmajor",
    "hobby": r"hobb|pastime|free time|spare time|leisure|enjoy|interest|loves? most|passion|\bpets?\b|favou?rite",
    "appearance": r"height|weight|\btall\b|\beyes?\b|\bhair\b|blood type",
    "achievement": r"award|hono[u]?r|achiev|contribut|known for|famous|renowned|publi[sc]",
    "residence": r"\blives? |\blives?\b\?|residen|resides?|\bhome\b|address|town|city|meet .{1,60} in\b",
}
_KNOWN = [(name, re.compile(words, re.IGNORECASE)) for name, words in _WORDS.items()]
_ENOUGH = 500
"""Characters: a question is short, and its words come first."""


def attribute(text: str) -> str:
    """``birthplace``, ``occupation``, ...; ``other`` when no word tells."""
    head = text[:_ENOUGH]
    return next((name for name, words in _KNOWN if words.search(head)), "other")
