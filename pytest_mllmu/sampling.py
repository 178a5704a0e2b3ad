"""What a report shows of single people and answers, taken from a session's answers: who still leaks what, and a few answers before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_mllmu.analysis.gates import FORGOTTEN
from pytest_mllmu.analysis.leaks import Leaks, leaks
from pytest_mllmu.analysis.pairs import decided, points
from pytest_mllmu.benchmark.profiles import Question, Split
from pytest_mllmu.memory import Model
from pytest_mllmu.pipeline import Pipeline
from pytest_mllmu.report.samples import Answer, Sample, draw, drawn, said

Asked = Sequence[tuple[Model, tuple[Split, ...]]]
"""Models and the sets that were judged: the rows of the table."""


def who_leaks(pipeline: Pipeline, rows: Asked) -> Iterator[Leaks]:
    """Of every row but the vanilla, whose answers are what can leak; the oracle shows what luck looks like."""
    vanillas = {model.forget: model for model, _ in rows if model.role == "vanilla"}
    for model, splits in rows:
        both = [split for split in FORGOTTEN if split in splits]
        if model.role == "vanilla" or model.forget not in vanillas or not both:
            continue
        people = [person.id for person in pipeline.people(model, "forget")]
        mine, theirs = ([score for split in both for score in pipeline.scores(one, split)] for one in (model, vanillas[model.forget]))
        yield leaks(model.name or model.role, model.forget, people, mine, theirs)


def samples(pipeline: Pipeline, rows: Asked, number: int) -> Iterator[Sample]:
    """``number`` in all, from each share of people to forget as many."""
    shares = list(dict.fromkeys(model.forget for model, _ in rows))
    for place, forget in enumerate(shares):
        mine = [(model, splits) for model, splits in rows if model.forget == forget]
        part = number // len(shares) + (place < number % len(shares))
        pools = {split: pipeline.questions(mine[0][0], split) for split in mine[0][1]}
        chosen = list(draw(pools, part, pipeline.settings.seed))
        told: dict[str, list[Answer]] = {question.id: [] for _, question in chosen}
        for model, splits in mine:
            for split in splits:
                asked = {question.id: question for one, question in chosen if one == split}
                for name, answer in _answers(pipeline, model, split, asked) if asked else ():
                    told[name].append(answer)
        for split, question in chosen:
            yield _sample(pipeline, forget, split, question, told[question.id])


def _answers(pipeline: Pipeline, model: Model, split: Split, asked: Mapping[str, Question]) -> Iterator[tuple[str, Answer]]:
    responses = pipeline.responses(model, split, asked)
    for score in pipeline.scores(model, split):
        if score.question in asked:
            response = responses[score.question]
            text = said(asked[score.question], response.answer, response.options is not None)
            yield score.question, Answer(model.name or model.role, text, points(score) if decided(score) else None)


def _sample(pipeline: Pipeline, forget: int, split: Split, question: Question, answers: Sequence[Answer]) -> Sample:
    (picture,) = (row.picture for row in pipeline.exam(forget, split).rows if row.question.id == question.id)
    options = tuple(text for _, text in question.options)
    asked = (question.task, question.modality, question.text, options, question.answer_text)
    return Sample(forget, split, question.person, *asked, answers=tuple(answers), picture=drawn(picture))
