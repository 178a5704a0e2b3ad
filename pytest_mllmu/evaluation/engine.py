"""Asks a local model every question: the same answers as one at a time, whatever the batch size, the order or the path.

Multiple choice is scored: the prediction is the option whose text is most probable, by mean log-probability per token (paper 3.2.1). Everything else
is decoded greedily. Which path ran is said in the result; the fast one is used when it gives this model's logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_mllmu.evaluation.asking import Prompt
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.models.said import said
from pytest_mllmu.training.batches import Encoder

if TYPE_CHECKING:
    from pytest_mllmu.evaluation.plain import Plain
    from pytest_mllmu.evaluation.shared import Shared

VERSION = 4
"""Part of the key of stored responses: raise it when answers can change."""
BATCH = 128
CLOSE, CLOSE_IN_HALF = 1e-3, 5e-2
"""How far logits of the two paths may be apart, as a share of the greatest: in float32 only the order of sums differs."""


class Engine:
    """``path`` says how questions are asked: "prefix tree", or with the reason why not, "shared prefixes" or "one by one"."""

    def __init__(self, encoder: Encoder, batch: int | None = None, *, sharing: bool = True) -> None:
        self._encoder = encoder
        self._batch, self._sharing = batch or BATCH, sharing
        self.path = ""

    def answer(
        self,
        prompts: Sequence[Prompt],
        answered: Callable[[Sequence[Response]], object] = lambda found: None,
        known: Mapping[str, Response] | None = None,
    ) -> list[Response]:
        """The responses to ``prompts``, in their order. ``answered`` is given some as soon as they are there; ``known`` are not asked for again."""
        import torch

        found = dict(known or {})
        if not prompts:
            return []
        with torch.inference_mode():
            path = self._path(prompts)
            for part in path.answers([prompt for prompt in prompts if prompt.question.id not in found]):
                found |= {response.question: response for response in part}
                answered(part)
        return [found[prompt.question.id] for prompt in prompts]

    def _path(self, prompts: Sequence[Prompt]) -> Shared | Plain:
        from pytest_mllmu.evaluation.plain import Plain
        from pytest_mllmu.evaluation.shared import Shared

        plain = Plain(self._encoder, self._batch)
        reason = "" if self._sharing else "as asked for"
        for name, tree in (("prefix tree", True), ("shared prefixes", False)) if self._sharing else ():
            shared = Shared(self._encoder, self._batch, tree=tree)
            why = _differ(self._encoder.bundle, plain, shared, prompts)
            if not why:
                self.path = f"{name} ({reason})" if reason else name
                return shared
            reason = reason or why
        self.path = f"one by one ({reason})"
        return plain


def _differ(bundle: Bundle, plain: Plain, shared: Shared, prompts: Sequence[Prompt]) -> str:
    """Why the shared path cannot be used, or nothing: a few prompts are read in both ways, and their logits compared."""
    config = bundle.model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    longest = max(len(prompt.tokens) + prompt.new_tokens for prompt in prompts)
    if window and longest > window:
        return f"attention reaches back {window} tokens, prompts are longer"
    some = _few(prompts)
    try:
        one, other = plain.last(some), shared.last(some)
    except Exception as error:  # a model may refuse a cache, positions or image features in its own way
        return said(error)
    close = CLOSE if bundle.model.dtype.itemsize >= 4 else CLOSE_IN_HALF
    for name, logits in one.items():
        apart, most = (logits - other[name]).abs().max().item(), logits.abs().max().item()
        if not apart <= close * most:
            return f"logits would be {apart:.2g} apart, of at most {most:.2g}"
    return ""


def _few(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Two prompts about a picture, if there are, and two without one."""
    seen = [prompt for prompt in prompts if prompt.pictures]
    beside = [prompt for prompt in seen[1:] if prompt.pictures == seen[0].pictures and len(prompt.tokens) != len(seen[0].tokens)]
    blind = [prompt for prompt in prompts if not prompt.pictures]
    return [*seen[:1], *beside[:1], *seen[-1:], *blind[:1], *blind[-1:]]
