"""Ways to ask: which words, which demonstrations, how multiple choice is answered. How answers are read is in ``scoring/reading.py``."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

from pytest_mllmu.benchmark import prompts
from pytest_mllmu.benchmark.profiles import MODALITIES, Benchmark, Picture, Profile, Question, Split, Task
from pytest_mllmu.errors import SettingsError
from pytest_mllmu.evaluation import released
from pytest_mllmu.evaluation.asking import Asked, Shown, picture_of
from pytest_mllmu.evaluation.exam import Exam, Lesson
from pytest_mllmu.models.families import Bundle, Family, Turn

RELEASED_FOR = ("llava", "idefics2")
"""Types of models that there is a released evaluation for."""
NOTHING = Lesson()


@dataclass(frozen=True)
class Dialect(ABC):
    """``seed`` decides what is drawn."""

    name: ClassVar[str]
    likelihood: ClassVar[bool]
    """Multiple choice is answered by the probability of each option's text (paper 3.2.1), not by a letter that the model writes."""
    first_character: ClassVar[bool] = False
    """Of a written multiple choice only the first character counts, so that nothing need be written after it."""
    new_tokens: ClassVar[int] = 50
    seed: int = 0

    @abstractmethod
    def text(self, bundle: Bundle, row: Asked, system: str) -> str:
        """The whole prompt up to where the answer begins, with the processor's placeholder for each picture."""

    @abstractmethod
    def lesson(self, benchmark: Benchmark, split: Split, task: Task) -> Lesson:
        """What is shown before each question of a task, and which questions of the split are therefore not asked."""

    @abstractmethod
    def says(self, exam: Exam) -> str:
        """The line that is printed with the table; ``exam`` is that of the forget set."""

    def picture(self, profile: Profile, question: Question) -> Picture | None:
        """Which of the person's pictures the question is asked about."""
        return picture_of(profile, question)

    def settings(self, exam: Exam) -> dict[str, Any]:
        """What answers depend on besides the questions and the model: part of their key."""
        return {"dialect": self.name, **({"seed": self.seed, **exam.key} if exam.key else {})}


@dataclass(frozen=True)
class Strict(Dialect):
    """The wordings of the released evaluation in the model's own form of conversation. Zero-shot, or after ``demonstrations`` people to be retained:
    the same ones whatever is asked of whatever split, one question of each, as earlier turns. What is shown is not asked."""

    name = "strict"
    likelihood = True
    demonstrations: int = 0

    def text(self, bundle: Bundle, row: Asked, system: str) -> str:
        family, processor = bundle.family, bundle.processor
        turns = [Turn(_worded(bundle, shown.question), shown.question.modality, family.plain(processor, shown.question.answer_text)) for shown in row.shown]
        return family.conversation(processor, turns, _worded(bundle, row.question), row.question.modality, system)

    def lesson(self, benchmark: Benchmark, split: Split, task: Task) -> Lesson:
        if not self.demonstrations:
            return NOTHING
        able = [person for person in benchmark.people("retain") if any(question.task == task for question in person.questions)]
        if len(able) < self.demonstrations:
            raise SettingsError(f"--mllmu-demonstrations: {self.demonstrations} people of the retain set are to be shown ({task}); it has {len(able)}")
        rng = random.Random(f"{self.seed}/demonstrations/{task}")
        people = tuple(rng.sample(able, self.demonstrations))
        drawn = {modality: [(person, rng.choice(person.ask(task, modality))) for person in people if person.ask(task, modality)] for modality in MODALITIES}
        shown = {modality: tuple(Shown(question, self.picture(person, question)) for person, question in rows) for modality, rows in drawn.items()}
        return Lesson(people, shown, frozenset(question.id for rows in drawn.values() for _, question in rows))

    def says(self, exam: Exam) -> str:
        if not self.demonstrations:
            return f"dialect: {self.name}, zero-shot"
        return f"dialect: {self.name}: {exam}, drawn from the retain set and not asked there"


@dataclass(frozen=True)
class Written(Strict):
    """``strict`` as a served model can be asked: multiple choice is written, in the words of the option or by its letter.

    All models of a session with a served one are asked so. A candidate that is only read as it writes would else be compared with references whose
    probabilities were looked at, which show more: it would look more forgetful than it is.
    """

    name = "strict-written"
    likelihood = False

    def says(self, exam: Exam) -> str:
        return f"{super().says(exam)}; multiple choice is written and read strictly"


@dataclass(frozen=True)
class Upstream(Dialect):
    """The current released evaluation, to the letter but for its unseeded draws, which ``seed`` decides.

    Before multiple choice stand all questions of one person *of the split that is asked about*, before cloze those of ``cloze_people`` (2 for LLaVA,
    1 for Idefics2); they are drawn for each task anew, looked up in the full set, and not asked about. Celebrities are looked up there, too, where
    hardly ever one is found: they are asked without demonstrations. In the test split a person is seen in one pose a task.
    """

    name = "upstream"
    likelihood = False
    first_character = True
    choose: ClassVar[str] = released.ONE_LETTER
    cloze_people: int = 2

    def text(self, bundle: Bundle, row: Asked, system: str) -> str:
        family, processor = bundle.family, bundle.processor
        shown = "".join(_demonstration(family, processor, shown.question) for shown in row.shown)
        question = released.asked(_cleaned(family, processor, row.question), _image(processor, row.question), self.choose)
        return "".join([f"{system}\n" if system else "", shown, question])

    def picture(self, profile: Profile, question: Question) -> Picture | None:
        rng = random.Random(f"{self.seed}/{self.name}/pose/{question.task}/{profile.id}")
        return None if question.modality == "unimodal" else profile.pictures[rng.randrange(len(profile.pictures))]

    def lesson(self, benchmark: Benchmark, split: Split, task: Task) -> Lesson:
        count = {"classification": 0 if split == "celebrity" else 1, "generation": 0, "cloze": self.cloze_people}[task]
        drawn = self._drawn(benchmark, split, split, task, count)
        asked = {question.id for person in benchmark.people(split) if person.id in {one.id for one in drawn} for question in person.questions}
        return _lesson(drawn, task, asked)

    def says(self, exam: Exam) -> str:
        leak = "of the same set, which leaks forgotten facts into the prompt (celebrities: without)"
        return f"dialect: upstream (released evaluation): {exam}, {leak}; multiple choice by the first letter written, cloze by a substring"

    def settings(self, exam: Exam) -> dict[str, Any]:
        return {"seed": self.seed, **super().settings(exam)}  # poses are drawn even where nothing is shown

    def _drawn(self, benchmark: Benchmark, pool: Split, split: Split, task: Task, count: int) -> tuple[Profile, ...]:
        """Some people of the split ``pool`` to be shown in ``split``, as the full set has them; of celebrities it hardly ever has any."""
        ids = [person.id for person in benchmark.people(pool)]
        known = {person.id: person for person in benchmark.profiles}
        drawn = random.Random(f"{self.seed}/{self.name}/{task}/{split}").sample(ids, min(count, len(ids)))
        return tuple(known[person] for person in drawn if person in known)


@dataclass(frozen=True)
class Submission(Upstream):
    """The evaluation of October 2024, which the paper's Table 2 fits: the first question of each of two people *to be retained* stands before multiple
    choice, for celebrities as well, and everybody else is asked. Cloze is not in that code: it is asked in the released words, without demonstrations.
    """

    name = "upstream-submission"
    choose = released.OPTIONS_LETTER
    cloze_people: int = 0

    def lesson(self, benchmark: Benchmark, split: Split, task: Task) -> Lesson:
        drawn = self._drawn(benchmark, "retain", split, task, 2 if task == "classification" else 0)
        asked = {question.id for person in drawn if split == "retain" for question in person.questions}
        return _lesson(drawn, task, asked, each=1)

    def says(self, exam: Exam) -> str:
        named = "dialect: upstream-submission (evaluation of October 2024)"
        return f"{named}: {exam}, of the retain set; multiple choice by the first letter written, cloze (not in that code) by a substring"


DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (Strict(), Written(), Upstream(), Submission())}


def dialect(name: str, seed: int, demonstrations: int = 0, model_type: str = "") -> Dialect:
    """The dialect of a session; ``model_type`` is that of the models' configuration, if it is known.

    Raises SettingsError for a released evaluation of a model that there is none for: its prompts know one way of showing a picture.
    """
    if isinstance(ours := DIALECTS[name], Strict):
        return replace(ours, seed=seed, demonstrations=demonstrations)
    if model_type not in (*RELEASED_FOR, ""):
        raise SettingsError(f"--mllmu-dialect: {name} is for {' and '.join(RELEASED_FOR)}, not for {model_type}: no such evaluation was released; take strict")
    chosen = replace(DIALECTS[name], seed=seed)
    return replace(chosen, cloze_people=1) if type(chosen) is Upstream and model_type == "idefics2" else chosen


def _lesson(people: tuple[Profile, ...], task: Task, left_out: set[str], each: int | None = None) -> Lesson:
    """The first ``each`` questions of some people, or all, with their picture of the full set."""
    shown = {
        modality: tuple(
            Shown(question, person.pictures[0] if modality == "multimodal" else None) for person in people for question in person.ask(task, modality)[:each]
        )
        for modality in MODALITIES
    }
    return Lesson(people, shown, frozenset(left_out)) if people else NOTHING


def _worded(bundle: Bundle, question: Question) -> str:
    return bundle.family.plain(bundle.processor, prompts.instruction(question))


@lru_cache(maxsize=64)
def _demonstration(family: Family, processor: Any, question: Question) -> str:
    """Kept, because it stands before every question of its task."""
    return released.shown(_cleaned(family, processor, question), _image(processor, question))


def _cleaned(family: Family, processor: Any, question: Question) -> Question:
    """The question with nothing in it that could stand for a picture or end a text."""
    options = tuple((family.plain(processor, letter), family.plain(processor, option)) for letter, option in question.options)
    return replace(question, text=family.plain(processor, question.text), answer=family.plain(processor, question.answer), options=options)


def _image(processor: Any, question: Question) -> str:
    return str(processor.image_token) if question.modality == "multimodal" else ""
