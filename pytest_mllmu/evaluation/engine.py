"""Asks a local model every question, in batches: the same answers as one at a time, whatever the batch size.

Multiple choice is one forward pass over prompt + option for each option: the prediction is the option whose text is
most probable, by mean log-probability per token (paper 3.2.1). Generation and cloze are decoded greedily, at most
``NEW_TOKENS`` tokens, as released. Rows are padded on the left and sorted by length; text-only and image rows never mix.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mllmu.benchmark import prompts
from pytest_mllmu.benchmark.profiles import Picture, Profile, Question
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.training.batches import IGNORED, Encoder, Example

VERSION = 1
"""Part of the key of stored responses: raise it when answers can change."""
NEW_TOKENS = 50
BATCH = 128


@dataclass(frozen=True)
class Asked:
    """A question with the picture it is asked about."""

    question: Question
    picture: Picture | None


def asked(rows: Iterable[tuple[Profile, Question]]) -> list[Asked]:
    """Every question with one of its person's pictures; which one depends on the question's id alone."""
    return [Asked(question, _picture(profile, question)) for profile, question in rows]


def _picture(profile: Profile, question: Question) -> Picture | None:
    if question.modality == "unimodal":
        return None
    return profile.pictures[zlib.crc32(question.id.encode()) % len(profile.pictures)]


def answer(
    bundle: Bundle, questions: Sequence[Asked], batch: int = BATCH, answered: Callable[[int], object] = lambda count: None, system: str = ""
) -> list[Response]:
    """The responses to ``questions``, in their order. ``answered`` is told how many more are done; ``system`` is said before each question."""
    encoder = Encoder(bundle)
    choices = [row for row in questions if row.question.task == "classification"]
    others = [row for row in questions if row.question.task != "classification"]
    responses = _choose(encoder, choices, batch, answered, system) | _write(encoder, others, batch, answered, system)
    return [responses[row.question.id] for row in questions]


def _choose(encoder: Encoder, rows: Sequence[Asked], batch: int, answered: Callable[[int], object], system: str) -> dict[str, Response]:
    candidates = [
        (row.question, letter, encoder.example(prompts.instruction(row.question), text, row.question.modality, row.picture, system))
        for row in rows
        for letter, text in row.question.options
    ]
    options: dict[str, dict[str, float]] = {row.question.id: {} for row in rows}
    for group in _batches(candidates, batch, lambda row: row[2]):
        for (question, letter, _), value in zip(group, _log_probabilities(encoder, [row[2] for row in group]), strict=True):
            options[question.id][letter] = value
            answered(len(options[question.id]) == len(question.options))
    responses = {}
    for row in rows:
        scores = {letter: options[row.question.id][letter] for letter, _ in row.question.options}
        responses[row.question.id] = Response(row.question.id, max(scores, key=lambda letter: scores[letter]), scores)
    return responses


def _log_probabilities(encoder: Encoder, examples: Sequence[Example]) -> list[float]:
    """Mean log-probability per answer token of each example (its end token included), rounded so that batching cannot show."""
    import torch

    batch = encoder.collate(examples)
    asked = batch.labels != IGNORED
    with torch.inference_mode():
        logits = encoder.bundle.family.answer_logits(encoder.bundle.model, batch.inputs, asked)
        tokens = -torch.nn.functional.cross_entropy(logits.float(), batch.labels[asked], reduction="none")
        means = torch.zeros(len(examples), device=tokens.device).index_add(0, asked.nonzero()[:, 0], tokens) / asked.sum(1)
    return [round(value, 4) for value in means.tolist()]


def _write(encoder: Encoder, rows: Sequence[Asked], batch: int, answered: Callable[[int], object], system: str) -> dict[str, Response]:
    prompted = []
    for row in rows:
        tokens = encoder.prompt(prompts.instruction(row.question), row.question.modality, row.picture, system)
        # The last prompt token stands where an answer would: an example is a prompt and what follows it.
        prompted.append((row.question, Example(tokens[:-1], (tokens[-1],), row.picture)))
    responses = {}
    for group in _batches(prompted, batch, lambda row: row[1]):
        for (question, _), text in zip(group, _generate(encoder, [row[1] for row in group]), strict=True):
            responses[question.id] = Response(question.id, text)
            answered(1)
    return responses


def _generate(encoder: Encoder, examples: Sequence[Example]) -> list[str]:
    import torch

    bundle = encoder.bundle
    inputs = encoder.collate(examples).inputs
    with torch.inference_mode():
        tokens = bundle.model.generate(
            **inputs, past_key_values=bundle.family.cache(), do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=bundle.stops, pad_token_id=bundle.pad
        )
    return [text.strip() for text in bundle.processor.tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)]


def _batches(rows: Sequence[Any], batch: int, example: Callable[[Any], Example]) -> Iterable[list[Any]]:
    ordered = sorted(rows, key=lambda row: (example(row).picture is None, len(example(row)), len(example(row).answer)))
    split = sum(example(row).picture is not None for row in ordered)
    for part in (ordered[:split], ordered[split:]):
        yield from (list(part[start : start + batch]) for start in range(0, len(part), batch))
