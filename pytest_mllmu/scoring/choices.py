"""Which option a written answer names, by its letter or by its text: strictly, but as a reader would understand it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mllmu.scoring.cloze import normalise
from pytest_mllmu.scoring.letters import letter
from pytest_mllmu.scoring.words import MAX_CHARACTERS

_MARKED = re.compile(r"(?:^|[\s(\[{\"'*_,/&])([A-Z])(?=[\"'*_]*(?:[.:)\]},/&]|\s*$|\s+(?:or|and|&)\b))", re.MULTILINE)
"""A letter alone that a mark closes, anywhere: several of them are no choice."""
_WORD = re.compile(r"[^\W_]+(?:['’ʼ`´][^\W_]+)*|[,;:.!?\n]")
_ENDS = frozenset(",;:.!?\n")
_NEGATIONS = frozenset(
    ["not", "never", "neither", "nor", "no", "cannot", "without", "except", "isnt", "wasnt", "arent", "werent", "doesnt", "didnt", "dont", "hasnt", "havent"]
)
_REACH = 6
"""How many words before an option's text a negation is looked for, within the clause."""


@dataclass(frozen=True)
class Found:
    """Where the text of an option stands among the words of an answer."""

    letter: str
    start: int
    end: int


def option(answer: str, options: Sequence[tuple[str, str]]) -> str | None:
    """``B``, ``B: Paris``, ``Paris``, ``She was born in Paris.``, ``I am not sure, but it may be Paris``: what is denied is not named.

    None when an answer names several or none, or when its letter and its text disagree.
    """
    texts = {known.upper(): normalise(text) for known, text in options}
    same = [known for known, text in texts.items() if text and text == normalise(answer)]
    marked = {found for found in _MARKED.findall(answer[:MAX_CHARACTERS]) if found in texts}
    named = letter(answer)
    if len(same) > 1 or len(marked) > 1 or (same and named in texts and named != same[0]):
        return named if len(same) > 1 and named in same else None
    if same:
        return same[0]
    told = _told(answer, texts)
    if named in texts:
        return named if told <= {named} else None
    return told.pop() if len(told) == 1 else None


def _told(answer: str, texts: dict[str, str]) -> set[str]:
    """The options whose text an answer says and does not deny."""
    words, closed = _words(answer)
    found = [one for known, text in texts.items() if text for one in _places(known, text.split(), words)]
    # York is not named by New York.
    longest = [
        one for one in found if not any(other.start <= one.start and one.end <= other.end and other.end - other.start > one.end - one.start for other in found)
    ]
    return {one.letter for one in longest if not _denied(one, words, closed)}


def _words(answer: str) -> tuple[list[str], set[int]]:
    """The words as ``normalise`` makes them, and the places of those before which a clause ends."""
    words: list[str] = []
    closed: set[int] = set()
    for part in _WORD.findall(answer[:MAX_CHARACTERS]):
        if part in _ENDS:
            closed.add(len(words))
            continue
        if part.casefold() == "but":
            closed.add(len(words))
        plain = normalise(part)
        words += [word for word in plain.split() if part.casefold() not in ("a", "an", "the")]
    return words, closed


def _places(known: str, text: list[str], words: list[str]) -> list[Found]:
    return [Found(known, at, at + len(text)) for at in range(len(words) - len(text) + 1) if words[at : at + len(text)] == text]


def _denied(one: Found, words: list[str], closed: set[int]) -> bool:
    for at in range(one.start, max(0, one.start - _REACH), -1):
        if at in closed:
            return False
        if words[at - 1] in _NEGATIONS:
            return True
    return False
