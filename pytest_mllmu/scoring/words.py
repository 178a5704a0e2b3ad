"""Words and their stems, as rouge_score cuts them, but for every script."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

MAX_CHARACTERS = 2_000
"""Only so much of an answer is scored: answers are untrusted, and the cost of ROUGE-L grows with their length."""

_WORD = re.compile(r"[^\W_]+")


@cache
def _stemmer() -> Any:
    """Loaded with the first word: its library takes a second, and every session and xdist worker imports this module when it starts."""
    from rouge_score.tokenizers import porter

    return porter.PorterStemmer()


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Porter's stem of a lower-case word; as in rouge_score, words of up to 3 letters stay as they are."""
    return str(_stemmer().stem(word)) if len(word) > 3 else word


class UnicodeTokenizer:
    """rouge_score's tokenizer without its limit to a-z and 0-9: on ASCII text it gives the same tokens.

    The library drops every other letter, so that half of the names in the benchmark would not count.
    """

    def tokenize(self, text: str) -> list[str]:
        return [stem(word) for word in _WORD.findall(unicodedata.normalize("NFC", text.lower()))]
