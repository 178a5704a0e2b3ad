"""Answers that are no answer, as a model gives them that collapsed: nothing at all, or the same again and again."""

from __future__ import annotations

from pytest_mllmu.scoring.words import MAX_CHARACTERS

_SHARE = 3
"""Of so many words (or pieces of text) at most one is another one: ``US US US US``."""
_WORDS, _CHARACTERS, _PIECE = 4, 24, 3
"""From how many words on, or characters in a text that has no blanks, repetition can be told from emphasis."""


def degenerate(answer: str) -> bool:
    """Whether an answer has no letter or digit, or is one thing repeated."""
    text = answer[:MAX_CHARACTERS].casefold()
    if not any(letter.isalnum() for letter in text):
        return True
    words = ["".join(letter for letter in word if letter.isalnum()) for word in text.split()]
    if _repeats([word for word in words if word], _WORDS):
        return True
    longest = max(words, key=len)
    return _repeats([longest[at : at + _PIECE] for at in range(len(longest) - _PIECE + 1)], _CHARACTERS)


def _repeats(parts: list[str], enough: int) -> bool:
    return len(parts) >= enough and _SHARE * len(set(parts)) <= len(parts)
