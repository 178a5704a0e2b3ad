"""The ``local`` factuality judge: 1..10 (paper A.5) without a network, the same number every time.

The paper asks GPT-4o to rate an answer from 1, entirely nonsensical, to 10, factually correct even if paraphrased. The local
judge gives 1 + 9 x the share of the ground truth's facts that the answer states and does not contradict.

* A fact is a phrase of content words of the ground truth that the question does not give away already; words which only tie
  a fact to a person ("was born in", "works as") are none. A year is a fact of its own.
* It is stated when all its stems occur in the answer, in any order.
* It is contradicted when it is negated in the answer but not in the ground truth (or the other way round), or when another
  number of the same length is offered along with it ("2001 or 2004").

What it cannot see: synonyms, invented extras, and a list of several places of which one is right. It is therefore
labelled wherever it is printed, and its numbers must not be compared with those of GPT-4o.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

from pytest_mllmu.scoring.words import MAX_CHARACTERS, stem

LABEL = "local judge"

_TOKEN = re.compile(r"[^\W_]+|[,;:!?()\n]|(?<=\w\w\w\w)\.(?=\s|$)")
_YEAR = re.compile(r"\d{4}")
_NEGATIONS = frozenset({"not", "never", "no", "without", "neither", "nor", "nobody", "none"})
_SOFTENERS = frozenset({"only", "just", "merely"})
_LINKS = frozenset({"of", "de", "del", "da", "di", "du", "la", "le", "van", "von", "bin", "al"})
"""Function words inside a name (Isle of Man) do not end it."""
_FUNCTION_WORDS = """
a an the this that these those and or but so as at by for from in into on onto to with about near who whom whose which what when
where why how he she it they him her hers his its them their theirs i you we me my your our us is are was were be been being am do does did
has have had having can could will would shall should may might must there here also very s t"""
_FRAME_WORDS = """
person individual man woman people born birth birthplace birthday live lives living reside resides residence home work works working
job profession occupation employed serve serves enjoy enjoys hobby name named called known year date place located come comes originally"""
_FUNCTION = _NEGATIONS | frozenset(_FUNCTION_WORDS.split())
_CLAUSE_ENDS = frozenset(",;:!?().\n") | {"but"}
_REACH = 6
"""How many words before a fact a negation is looked for; within the clause."""


def tokens(text: str) -> list[str]:
    """Lower-case words without accents and the marks that end a clause; negations as words of their own."""
    plain = unicodedata.normalize("NFKD", text[:MAX_CHARACTERS].casefold())
    plain = unicodedata.normalize("NFKC", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    plain = re.sub(r"n['’]t\b", " not", plain).replace("cannot", "can not")
    return _TOKEN.findall(re.sub(r"['’]s\b", "", plain))


@cache
def _frame() -> frozenset[str]:
    return frozenset(stem(word) for word in _FRAME_WORDS.split())


def _ties(token: str) -> bool:
    return token in _FUNCTION or stem(token) in _frame()


def facts(question: str, truth: str) -> list[tuple[str, ...]]:
    """The facts of ``truth`` as tuples of stems: what ``question`` says already is left out unless nothing else is there."""
    words = tokens(truth)
    given = {stem(token) for token in tokens(question)}
    found = _phrases(words, given) or _phrases(words, set())
    whole = tuple(stem(word) for word in words if word.isalnum())
    return found or ([whole] if whole else [])


def _phrases(words: Sequence[str], given: set[str]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    phrase: list[str] = []
    for word in [*words, ","]:
        content = word.isalnum() and not _ties(word) and word not in _LINKS and stem(word) not in given
        if phrase and word in _LINKS:
            continue
        year = bool(_YEAR.fullmatch(word))
        if phrase and (year or not content):
            found.append(tuple(phrase))
            phrase = []
        if year and content:
            found.append((word,))
        elif content:
            phrase.append(stem(word))
    return list(dict.fromkeys(found))


def _negated(fact: tuple[str, ...], words: Sequence[str]) -> bool:
    return any(_denied_before(words, at, _REACH + len(fact)) or _denied_after(words, at) for at, word in enumerate(words) if stem(word) == fact[-1])


def _denied_before(words: Sequence[str], at: int, reach: int) -> bool:
    for place in range(at - 1, max(-1, at - 1 - reach), -1):
        if words[place] in _CLAUSE_ENDS:
            return False
        if words[place] in _NEGATIONS and words[place + 1] not in _SOFTENERS:
            return True
    return False


def _denied_after(words: Sequence[str], at: int) -> bool:
    return len(words) > at + 2 and words[at + 1] in {"is", "was", "are", "were"} and words[at + 2] in _NEGATIONS


def _hedged(fact: tuple[str, ...], words: Sequence[str], allowed: set[str]) -> bool:
    """Whether a number of the fact comes with another of its length, with nothing but function words and numbers between them."""
    numbers = [(part, len(part)) for part in fact if part.isdigit()]
    # A run of words that say nothing by themselves: within it, numbers are offered for one and the same blank.
    runs: list[set[str]] = [set()]
    for word in words:
        if word.isdigit():
            runs[-1].add(word)
        elif word.isalnum() and not _ties(word):
            runs.append(set())
    return any(number in run and any(len(other) == length and other not in allowed for other in run) for number, length in numbers for run in runs)


def judge(question: str, truth: str, answer: str) -> float:
    """1..10: 1 + 9 x the share of the facts of ``truth`` that ``answer`` states and does not contradict; 1 when there is no fact or no answer."""
    wanted, said, true = facts(question, truth), tokens(answer), tokens(truth)
    stems = {stem(word) for word in said}
    allowed = {word for word in [*true, *tokens(question)] if word.isdigit()}
    right = [fact for fact in wanted if stems.issuperset(fact) and _negated(fact, said) == _negated(fact, true) and not _hedged(fact, said, allowed)]
    return 1.0 + 9.0 * len(right) / len(wanted) if wanted else 1.0
