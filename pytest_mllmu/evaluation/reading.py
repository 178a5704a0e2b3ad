"""From what a model computed to a response: the same for every path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from pytest_mllmu.errors import ModelError
from pytest_mllmu.evaluation.asking import Prompt
from pytest_mllmu.evaluation.responses import Response, Truth
from pytest_mllmu.models.families import Bundle

if TYPE_CHECKING:
    import torch

DIGITS = 4
"""Of log-probabilities: rounded so that the order of sums cannot show."""


@dataclass(frozen=True)
class Scored:
    """An answer read token by token: log-probability of each token, and whether it was the most probable one."""

    log_probs: tuple[float, ...]
    hits: tuple[bool, ...]

    @property
    def mean(self) -> float:
        return round(sum(self.log_probs) / len(self.log_probs), DIGITS)


def response(prompt: Prompt, scored: Sequence[Scored], written: str) -> Response:
    """``scored`` holds the options and then the truths of the prompt; ``written`` counts where there are no options."""
    if prompt.options:
        options = {letter: found.mean for (letter, _), found in zip(prompt.options, scored, strict=True)}
        return Response(prompt.question.id, max(options, key=lambda letter: options[letter]), options)
    truth = None
    if scored:
        right, *wrong = scored
        truth = Truth(tuple(round(value, DIGITS) for value in right.log_probs), right.hits, tuple(found.mean for found in wrong))
    return Response(prompt.question.id, written, truth=truth)


def finished(bundle: Bundle, prompt: Prompt, tokens: Sequence[int]) -> bool:
    """Whether an answer has ended: by an end token, at its greatest length, or with the first character where only that counts."""
    return tokens[-1] in bundle.ends or len(tokens) >= prompt.new_tokens or (prompt.letter and bool(text_of(bundle, tokens)))


def text_of(bundle: Bundle, tokens: Sequence[int]) -> str:
    """What the tokens of an answer say, without its end."""
    kept = tokens[:-1] if tokens and tokens[-1] in bundle.ends else tokens
    return str(bundle.processor.tokenizer.decode(kept, skip_special_tokens=True)).strip()


def scored(logits: torch.Tensor, sources: Sequence[int], answers: Sequence[Sequence[int]]) -> list[Scored]:
    """Some answers read off ``logits`` (places, vocabulary); ``sources`` says from which place each token is predicted, answer by answer."""
    import torch

    if not sources:
        return []
    source = torch.tensor(sources, device=logits.device)
    target = torch.tensor([token for answer in answers for token in answer], device=logits.device)
    values = (logits[source, target] - logits.logsumexp(-1)[source]).tolist()
    hits = (logits.argmax(-1)[source] == target).tolist()
    ends = list(accumulate(map(len, answers)))
    return [Scored(tuple(values[start:end]), tuple(hits[start:end])) for start, end in pairwise([0, *ends])]


def smaller(limit: int, problem: str) -> int:
    """How many rows at a time to try after ``limit`` were too many for the memory. Raises ModelError when it was a single one."""
    import torch

    if limit == 1:
        raise ModelError(f"the memory is not enough for one question: {problem}")
    torch.cuda.empty_cache()
    return limit // 2
