"""A few questions with what each model answered, before and after: a reader judges more from ten answers than from a table.

Which ones is drawn by the seed and not by how they came out. Answers and pictures are untrusted: they are cut short here, and pictures are drawn anew.
"""

from __future__ import annotations

import base64
import io
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, TASKS, Modality, Question, Split, Task

if TYPE_CHECKING:
    from pytest_mllmu.benchmark.profiles import Picture

PATTERN: tuple[Split, ...] = ("forget", "retain", "forget", "test", "celebrity", "forget", "general", "retain", "forget", "test", "celebrity", "forget")
"""Sets, in the order in which questions are drawn from them: about the people to forget most, and everybody else, too."""
KINDS: tuple[tuple[Task, Modality], ...] = (
    ("generation", "multimodal"),
    ("cloze", "unimodal"),
    ("classification", "multimodal"),
    ("generation", "unimodal"),
    ("cloze", "multimodal"),
    ("classification", "unimodal"),
)
LONGEST = 600
"""Characters of a question or an answer; a model may write without end."""
SIDE = 160
"""Of a picture, in pixels at most."""
PICTURE = 60_000
"""Of a stored picture, in characters of base64 at most: what is larger was not written here."""


@dataclass(frozen=True)
class Answer:
    """Of the row ``name``; ``points``: how much of it is right, from 0 to 1 by the decisive metric of its task, None where nobody graded it."""

    name: str
    text: str
    points: float | None


@dataclass(frozen=True)
class Sample:
    """``picture``: base64 of a PNG or JPEG, empty for a question in text. ``truth``: the right answer in words."""

    forget: int
    split: Split
    person: str
    task: Task
    modality: Modality
    question: str
    options: tuple[str, ...]
    truth: str
    answers: tuple[Answer, ...]
    picture: str = ""

    def to_json(self) -> dict[str, Any]:
        row = {part.name: getattr(self, part.name) for part in fields(self)}
        answers = [{"name": answer.name, "text": answer.text, "points": answer.points} for answer in self.answers]
        return row | {"options": list(self.options), "answers": answers}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Sample:
        """Raises KeyError, TypeError, AttributeError or ValueError for what is none, a set or task that does not exist among it."""
        if row["split"] not in SPLITS or row["task"] not in TASKS or row["modality"] not in MODALITIES:
            raise ValueError(f"a sample about {row['split']!r}, {row['task']!r}, {row['modality']!r}")
        answers = tuple(Answer(str(one["name"]), short(str(one["text"])), None if one["points"] is None else float(one["points"])) for one in row["answers"])
        person, question, truth = (short(str(row[key])) for key in ("person", "question", "truth"))
        options, picture = tuple(short(str(one)) for one in row["options"]), sound(row["picture"])
        return cls(int(row["forget"]), row["split"], person, row["task"], row["modality"], question, options, truth, answers, picture)


def short(text: str) -> str:
    """The text, or its beginning and how much there was."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 40]} … ({len(text):,} characters)"


def draw(pools: Mapping[Split, Sequence[Question]], number: int, seed: int) -> Iterator[tuple[Split, Question]]:
    """``number`` questions, or as many as there are: by turns from the sets, tasks and modalities, of a person who was not drawn before if there is one."""
    chance = random.Random(f"samples {seed}")
    left = {split: sorted(questions, key=lambda question: question.id) for split, questions in pools.items()}
    turns: dict[Split, Iterator[tuple[Task, Modality]]] = {split: cycle(KINDS) for split in left}
    seen: dict[Split, set[str]] = defaultdict(set)
    for split in cycle(PATTERN):
        if number <= 0 or not any(left.values()):
            return
        if not left.get(split):
            continue
        for kind in islice(turns[split], len(KINDS)):
            if asked := [question for question in left[split] if (question.task, question.modality) == kind]:
                break
        found = chance.choice([question for question in asked if question.person not in seen[split]] or asked)
        left[split].remove(found)
        seen[split].add(found.person)
        number -= 1
        yield split, found


def said(question: Question, answer: str, chosen: bool) -> str:
    """An answer as a reader wants to see it: the option in the place of its letter. ``chosen``: by its probability, and not written."""
    return short(dict(question.options).get(answer, answer) if chosen else answer)


def drawn(picture: Picture | None) -> str:
    """A small copy of a picture, base64. Raises DataError when the picture cannot be read."""
    if picture is None:
        return ""
    image = picture.decode()
    image.thumbnail((SIDE, SIDE))
    files = []
    for kind in ("PNG", "JPEG"):
        file = io.BytesIO()
        image.save(file, kind)
        files.append(file.getvalue())
    return base64.b64encode(min(files, key=len)).decode("ascii")


def sound(text: object) -> str:
    """A stored picture that may be shown: base64 and nothing else. Raises ValueError for another thing."""
    if not isinstance(text, str) or len(text) > PICTURE:
        raise ValueError("a picture that is none")
    data = base64.b64decode(text, validate=True)
    if text and not data.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff")):
        raise ValueError("a picture that is none")
    return text
