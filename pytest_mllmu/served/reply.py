"""What a server replies: read from bytes that may be anything, without trusting them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 4_000_000
"""Of a reply; a chat completion of a few sentences has some thousand."""
MOST_CHARACTERS = 20_000
"""Of a reply's text that is kept; scoring reads 2,000 of them."""
FILTERED = "content_filter"


class Malformed(Exception):
    """Bytes that are no chat completion; the text says why."""


class Unbearable(Exception):
    """An answer that takes too long or is too large."""


@dataclass(frozen=True)
class Reply:
    """One chat completion.

    ``tops``: of the first token, the most probable ones with their log-probabilities, where the server gives them. ``refused``: the server's own
    filter, or the model by its refusal field, gave no answer. ``read``, ``written``: tokens by the server's count, 0 where it does not count.
    """

    text: str
    refused: bool = False
    tops: tuple[tuple[str, float], ...] = ()
    read: int = 0
    written: int = 0


def parse(data: bytes) -> Reply:
    """The reply in the body of a response. Raises Malformed."""
    try:
        row = json.loads(data)
        choice = row["choices"][0]
        message = choice["message"]
        if not isinstance(message, dict):
            raise TypeError("its message is no object")
        text = _text(message.get("content"))
        refusal = message.get("refusal")
        refused = choice.get("finish_reason") == FILTERED or bool(refusal)
        return Reply(text[:MOST_CHARACTERS], refused, _tops(choice.get("logprobs")), *_usage(row.get("usage")))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Malformed(f"no chat completion ({type(error).__name__}): {data[:80].decode('utf-8', 'replace')!r}") from None


def _text(content: Any) -> str:
    """Some servers send a list of parts."""
    if content is None:
        return ""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise TypeError("its content is no text")
    return content.encode("utf-8", "replace").decode()  # half of a surrogate pair could not be stored


def _tops(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """Nothing for a server that does not give any, or gives something else."""
    try:
        first = logprobs["content"][0]
        rows = first.get("top_logprobs") or [first]
        found = [(str(row["token"]), float(row["logprob"])) for row in rows]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError):
        return ()
    return tuple((token, value) for token, value in found if math.isfinite(value) and value <= 0.001)


def _usage(usage: Any) -> tuple[int, int]:
    counts = usage if isinstance(usage, Mapping) else {}
    found = [counts.get(name) for name in ("prompt_tokens", "completion_tokens")]
    read, written = (value if isinstance(value, int) and 0 <= value < 10**9 else 0 for value in found)
    return read, written
