"""Asks a served model every question, over the OpenAI chat API with pictures as data URLs.

Everything is decoded greedily (temperature 0). Multiple choice goes by the probabilities of the options where the server gives those of the first
token (``logprobs``), else by what the model writes, read strictly (``scoring/letters.py``). A served model's answers come one by one, are kept as they
come, and are not asked for again.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pytest_mllmu.benchmark import prompts
from pytest_mllmu.benchmark.profiles import Picture, Question
from pytest_mllmu.evaluation.asking import Asked
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.served.client import Client
from pytest_mllmu.served.reply import Reply

TOPS = 20
"""How many of the most probable first tokens are asked for: the most that the API allows."""
MASS = 0.5
"""The share of the first token's probability that must be on options, for them to decide; a model that begins with "The" is read as it writes."""
_AROUND = " \t\n\"'*_([{<:.)]}>"
KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp", b"GIF8": "gif"}


class Endpoint:
    """``model`` as the server calls it. ``path`` says how multiple choice was answered, once something was asked."""

    def __init__(self, client: Client, model: str, new_tokens: int) -> None:
        self._client, self._model, self._new_tokens = client, model, new_tokens
        self._by: set[str] = set()

    @property
    def path(self) -> str:
        how = " and ".join(sorted(self._by)) or "nothing"
        return f"served at {self._client.host}: multiple choice by {how}"

    def answer(
        self, rows: Sequence[Asked], answered: Callable[[Sequence[Response]], object], known: Mapping[str, Response], system: str = ""
    ) -> list[Response]:
        """The responses to ``rows``, in their order; ``answered`` is given each as it comes, ``known`` are not asked for again.

        Raises ServerError when the server fails for good; what was answered until then has been given to ``answered``.
        """
        found = dict(known)
        questions = {row.question.id: row.question for row in rows}

        def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
            for row in rows:
                if row.question.id not in known:
                    yield row.question.id, self.request(row, system)

        def done(question: str, reply: Reply) -> None:
            found[question] = response(questions[question], reply)
            answered([found[question]])

        self._client.many(jobs(), done)
        self._by = {"the probabilities of options" if one.options else "what is written" for one in found.values() if questions[one.question].options}
        return [found[row.question.id] for row in rows]

    def request(self, row: Asked, system: str = "") -> dict[str, Any]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        for shown in row.shown:
            messages.append(_user(shown.question, shown.picture))
            messages.append({"role": "assistant", "content": shown.question.answer_text})
        messages.append(_user(row.question, row.picture))
        request: dict[str, Any] = {"model": self._model, "messages": messages, "temperature": 0, "max_tokens": self._new_tokens}
        return request | ({"logprobs": True, "top_logprobs": TOPS} if row.question.options else {})


def _user(question: Question, picture: Picture | None) -> dict[str, Any]:
    text = prompts.instruction(question)
    if picture is None:
        return {"role": "user", "content": text}
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(picture)}}, {"type": "text", "text": text}]}


@lru_cache(maxsize=64)  # a person's questions come one after the other
def data_url(picture: Picture) -> str:
    """The picture as it is stored where servers know its format, else as PNG: nothing is lost on the way. Raises DataError for a damaged one."""
    image = picture.decode()
    kind = next((name for magic, name in KINDS.items() if picture.data.startswith(magic)), None)
    data = picture.data
    if kind is None:
        import io

        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        kind, data = "png", buffer.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def response(question: Question, reply: Reply) -> Response:
    """An answer that the server refused to give is an empty one, and says so."""
    options = option_log_probs(question, reply.tops) if question.options and not reply.refused else None
    if options:
        return Response(question.id, max(options, key=lambda letter: options[letter]), options)
    return Response(question.id, "" if reply.refused else reply.text.strip(), refused=reply.refused)


def option_log_probs(question: Question, tops: Sequence[tuple[str, float]]) -> dict[str, float] | None:
    """Log-probability of each option by letter, from the most probable first tokens: an option is named by its letter, or by how its text begins.

    A token that could be several options counts for none. An option that no token names has the most that it can have: no more than the least one listed,
    and no more than what is left. None where less than ``MASS`` is on options, or another token is as probable as the best of them: the first token then does
    not decide.
    """
    mass: dict[str, list[float]] = {letter: [] for letter, _ in question.options}
    other = [0.0]
    for token, value in tops:
        named = _named(token, question.options)
        (mass[named] if named else other).append(math.exp(value))
    best = max(map(sum, mass.values()))
    if sum(map(sum, mass.values())) < MASS or best <= max(other):
        return None
    rest = 1 - sum(math.exp(value) for _, value in tops)
    least = round(min(math.log(max(rest, 1e-9)), *(value for _, value in tops)), 4)
    return {letter: round(math.log(sum(found)), 4) if sum(found) > 0 else least for letter, found in mass.items()}


def _named(token: str, options: Sequence[tuple[str, str]]) -> str | None:
    bare = token.strip(_AROUND)
    if not bare:
        return None
    if bare in dict(options):  # a letter alone: how a text begins is hardly ever a token of one letter
        return bare
    found = {letter for letter, text in options if text.casefold().startswith(bare.casefold())}
    return found.pop() if len(found) == 1 else None
