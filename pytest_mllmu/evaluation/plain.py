"""The plain path: each prompt whole, in batches of rows padded on the left; answers by transformers' ``generate``. For models that cannot share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import Picture
from pytest_mllmu.evaluation.asking import Prompt
from pytest_mllmu.evaluation.reading import Scored, finished, response, scored, smaller, text_of
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.models.said import said
from pytest_mllmu.training.batches import Encoder

if TYPE_CHECKING:
    import torch


class Plain:
    """Answers prompts, at most ``limit`` rows at a time."""

    def __init__(self, encoder: Encoder, limit: int) -> None:
        self._encoder, self._bundle, self.limit = encoder, encoder.bundle, limit

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[Response]]:
        """As ``Shared.answers``."""
        import torch

        order = sorted(prompts, key=lambda prompt: (len(prompt.pictures), bool(prompt.options), prompt.new_tokens, len(prompt.tokens)))
        while order:
            kind = _kind(order[0])
            taken = [prompt for prompt in order[: self.limit] if _kind(prompt) == kind]
            try:
                done = self._ask(taken)
            except torch.OutOfMemoryError as error:
                problem = said(error)
            else:
                order = order[len(taken) :]
                yield done
                continue
            self.limit = smaller(self.limit, problem)  # not in the except clause, where the error still holds what was computed

    def _ask(self, prompts: Sequence[Prompt]) -> list[Response]:
        answers = [(prompt, answer) for prompt in prompts for answer in prompt.answers]
        found: list[Scored] = []
        for start in range(0, len(answers), self.limit):
            found += self._score(answers[start : start + self.limit])
        written = [""] * len(prompts) if prompts[0].options else self._write(prompts)
        responses, place = [], 0
        for prompt, text in zip(prompts, written, strict=True):
            end = place + len(prompt.answers)
            responses.append(response(prompt, found[place:end], text))
            place = end
        return responses

    def last(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """As ``Shared.last``: one prompt at a time."""
        import torch

        mark = torch.ones((1, 1), dtype=torch.bool, device=self._bundle.device)
        found = {}
        for prompt in prompts:
            logits = self._bundle.family.logits(self._bundle.model, self._inputs([prompt.tokens], [prompt.pictures]), mark)
            found[prompt.question.id] = logits[0].float()
        return found

    def _score(self, answers: Sequence[tuple[Prompt, tuple[int, ...]]]) -> list[Scored]:
        import torch

        longest = max(len(answer) for _, answer in answers)
        asked = torch.tensor([[False] * (longest - len(answer)) + [True] * len(answer) for _, answer in answers], device=self._bundle.device)
        inputs = self._inputs([(*prompt.tokens, *answer) for prompt, answer in answers], [prompt.pictures for prompt, _ in answers])
        logits = self._bundle.family.answer_logits(self._bundle.model, inputs, asked).float()
        return scored(logits, range(len(logits)), [answer for _, answer in answers])

    def _write(self, prompts: Sequence[Prompt]) -> list[str]:
        from transformers import GenerationConfig

        bundle, limit = self._bundle, max(prompt.new_tokens for prompt in prompts)
        inputs = self._inputs([prompt.tokens for prompt in prompts], [prompt.pictures for prompt in prompts])
        # A checkpoint's own settings may change what greedy means (a penalty for repetition); pads are set because rows end one by one.
        greedy = GenerationConfig(do_sample=False, max_new_tokens=limit, eos_token_id=bundle.stops, pad_token_id=bundle.pad)
        tokens = bundle.model.generate(**inputs, past_key_values=bundle.family.cache(), generation_config=greedy)
        return [self._ended(prompt, row) for prompt, row in zip(prompts, tokens[:, inputs["input_ids"].shape[1] :].tolist(), strict=True)]

    def _ended(self, prompt: Prompt, tokens: Sequence[int]) -> str:
        """What was written up to where the answer ends: other rows may have gone on."""
        end = next((end for end in range(1, len(tokens)) if finished(self._bundle, prompt, tokens[:end])), len(tokens))
        return text_of(self._bundle, tokens[:end])

    def _inputs(self, rows: Sequence[Sequence[int]], pictures: Sequence[Sequence[Picture]]) -> dict[str, Any]:
        import torch

        bundle, width = self._bundle, max(map(len, rows))
        inputs = {
            "input_ids": torch.tensor([[bundle.pad] * (width - len(row)) + [*row] for row in rows]),
            "attention_mask": torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
        }
        inputs |= bundle.family.token_inputs(bundle.model, bundle.processor, inputs["input_ids"])
        seen = bundle.family.join([self._encoder.pixels(picture) for row in pictures for picture in row])
        return {key: value.to(bundle.device) for key, value in (inputs | bundle.family.by_row(seen, len(rows))).items()}


def _kind(prompt: Prompt) -> tuple[int, bool, int]:
    return len(prompt.pictures), bool(prompt.options), prompt.new_tokens
