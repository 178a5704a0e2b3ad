"""Perturbed answers: as the right one but for a fact, so that a model without the knowledge finds them as likely (TOFU, arXiv 2401.06121, section 2.2).

MLLMU-Bench brings none, and TOFU has them written by GPT-4. Here they come from the same person's multiple-choice questions: "X was born in 1990 in
Ulm." and a question whose options are Ulm, Rome, Oslo and Bonn give three. The same data give the same answers, and no fact is anybody's invention.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from pytest_mllmu.benchmark.profiles import Profile, Question

MOST = 3
"""Perturbed answers to a question: the wrong options of a question with four."""


def perturbed(profile: Profile, question: Question) -> tuple[str, ...]:
    """Wrong answers to a generation or cloze question of ``profile``, in the order of the letters; none when no option occurs in the right answer.

    The option that stands for most of the answer is replaced, in the sentence as it is; questions of the same modality come first where
    several are as long.
    """
    if question.options:
        return ()
    answer = unicodedata.normalize("NFC", question.answer)
    choices = sorted(_choices(profile), key=lambda choice: (-len(_text(choice.answer_text)), choice.modality != question.modality))
    for choice in choices:
        found = _replaced(answer, choice)
        if found:
            return found
    return ()


def _choices(profile: Profile) -> Iterator[Question]:
    return (question for question in profile.questions if question.options)


def _replaced(answer: str, choice: Question) -> tuple[str, ...]:
    """``answer`` with each wrong option in the place of the right one; empty when it does not hold the right one."""
    right = _text(choice.answer_text)
    wrong = [_text(text) for letter, text in sorted(choice.options) if letter != choice.answer]
    spans = _spans(right, answer)
    if not spans and _words(answer) == _words(right) != []:
        spans = [(0, len(answer))]  # the same but for punctuation
    if not spans:
        return ()
    found = dict.fromkeys(_put(answer, spans, _cased(text, right, answer[spans[0][0]])) for text in wrong if text.casefold() != right.casefold())
    return tuple(found)[:MOST]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _text(option: str) -> str:
    return unicodedata.normalize("NFC", option).strip()


def _spans(text: str, answer: str) -> list[tuple[int, int]]:
    """Where ``text`` stands in ``answer`` as whole words, whatever its case. A single letter is rather an article than a fact."""
    if not text or (len(text) == 1 and text.isalpha()):
        return []
    found = (match.span() for match in re.finditer(re.escape(text), answer, re.IGNORECASE))
    return [(start, end) for start, end in found if not (_inside(answer, start) or _inside(answer, end))]


def _inside(text: str, place: int) -> bool:
    """Whether ``place`` is between two characters of one word; marks (accents, vowel signs) belong to the letter before them."""
    return 0 < place < len(text) and _in_word(text[place - 1]) and _in_word(text[place])


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _put(answer: str, spans: list[tuple[int, int]], text: str) -> str:
    """``answer`` with ``text`` at every span."""
    parts, done = [], 0
    for start, end in spans:
        parts += [answer[done:start], text]
        done = end
    return "".join([*parts, answer[done:]])


def _cased(text: str, right: str, stood: str) -> str:
    """``text`` as the sentence would write it: where "Engineer" stood as "engineer", "Doctor" becomes "doctor", but "IT manager" stays."""
    if right[0] == stood or not stood.isalpha() or text[1:2].isupper():
        return text
    return (text[:1].lower() if stood.islower() else text[:1].upper()) + text[1:]
