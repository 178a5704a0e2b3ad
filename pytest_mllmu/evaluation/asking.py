"""What is asked, as data: a question with its picture and its demonstrations, and then the same as a model reads it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mllmu.benchmark.profiles import Picture, Profile, Question
from pytest_mllmu.training.batches import Encoder, shared_length

if TYPE_CHECKING:
    from pytest_mllmu.evaluation.dialects import Dialect

AT_ONCE = 2048
"""Prompts that are turned into tokens together."""


@dataclass(frozen=True)
class Shown:
    """A demonstration: a question whose right answer stands in the prompt."""

    question: Question
    picture: Picture | None


@dataclass(frozen=True)
class Asked:
    """A question with the picture it is asked about, after some demonstrations. ``wrong`` are answers that a model without the knowledge
    would find as likely as the right one (perturbed answers)."""

    question: Question
    picture: Picture | None
    shown: tuple[Shown, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """A question as the model reads it. Multiple choice with ``options`` is scored, everything else is written by the model.

    ``tokens`` is the prompt; with ``options`` up to where they differ, should a tokenizer join its end to an answer. ``pictures``: in the order of their
    placeholders. ``options``: letter and answer tokens, end token included. ``truths``: the right answer's tokens first, then those of perturbed answers, with
    their end tokens: they are scored beside. ``letter``: only the first character of what is written counts, so that nothing need be written after it.
    """

    question: Question
    tokens: tuple[int, ...]
    pictures: tuple[Picture, ...] = ()
    shown: tuple[str, ...] = ()
    """Ids of the questions that are demonstrated."""
    options: tuple[tuple[str, tuple[int, ...]], ...] = ()
    truths: tuple[tuple[int, ...], ...] = ()
    new_tokens: int = 50
    letter: bool = False

    @property
    def answers(self) -> tuple[tuple[int, ...], ...]:
        """The tokens of everything that is scored: options, or truths."""
        return (*(option for _, option in self.options), *self.truths)


def asked(rows: Iterable[tuple[Profile, Question]]) -> list[Asked]:
    """Every question with one of its person's pictures; which one depends on the question's id alone."""
    return [Asked(question, picture_of(profile, question)) for profile, question in rows]


def picture_of(profile: Profile, question: Question) -> Picture | None:
    if question.modality == "unimodal":
        return None
    return profile.pictures[zlib.crc32(question.id.encode()) % len(profile.pictures)]


def prompts(encoder: Encoder, rows: Sequence[Asked], dialect: Dialect, system: str = "") -> list[Prompt]:
    """The rows as the encoder's model reads them; ``system`` is said before each question."""
    return [prompt for start in range(0, len(rows), AT_ONCE) for prompt in _prompts(encoder, rows[start : start + AT_ONCE], dialect, system)]


def _prompts(encoder: Encoder, rows: Sequence[Asked], dialect: Dialect, system: str) -> list[Prompt]:
    texts, shown = [dialect.text(encoder.bundle, row, system) for row in rows], [_pictures(row) for row in rows]
    answers = [_answers(row, dialect) for row in rows]
    wholes = [(encoder.answered(text, answer), seen) for text, seen, some in zip(texts, shown, answers, strict=True) for answer in some]
    tokens = iter(encoder.many_tokens([*zip(texts, shown, strict=True), *wholes]))
    begun = [next(tokens) for _ in rows]
    return [_prompt(row, dialect, begin, [(*next(tokens), encoder.bundle.eos) for _ in some]) for row, begin, some in zip(rows, begun, answers, strict=True)]


def _pictures(row: Asked) -> tuple[Picture, ...]:
    return tuple(picture for picture in (*(shown.picture for shown in row.shown), row.picture) if picture is not None)


def _answers(row: Asked, dialect: Dialect) -> list[str]:
    """What is scored: the options, or the right answer and wrong ones."""
    if row.question.options:
        return [answer for _, answer in row.question.options] if dialect.likelihood else []
    return [row.question.answer, *row.wrong]


def _prompt(row: Asked, dialect: Dialect, tokens: tuple[int, ...], wholes: Sequence[tuple[int, ...]]) -> Prompt:
    question = row.question
    shared = min(shared_length(tokens, whole) for whole in wholes) if wholes else len(tokens)
    ends = tuple(whole[shared:] for whole in wholes)
    options = tuple((letter, end) for (letter, _), end in zip(question.options, ends, strict=False))
    # Where the prompt's last token is joined to the answer (a released prompt ends in a blank), the right answer in its usual tokens does not follow what
    # the model is asked to go on from: its probability would contradict what is written, so it has none.
    joined = shared < len(tokens) and not options
    return Prompt(
        question,
        tokens[:shared] if options else tokens,
        _pictures(row),
        tuple(shown.question.id for shown in row.shown),
        options,
        () if question.options or joined else ends,
        dialect.new_tokens,
        letter=bool(question.options) and dialect.first_character,
    )
