"""The words of the released evaluation, to the letter: the same for LLaVA and Idefics2, without a chat template.

``image`` is the processor's placeholder for a picture, or nothing for a question without one.
"""

from __future__ import annotations

from pytest_mllmu.benchmark.profiles import Question
from pytest_mllmu.benchmark.prompts import BLANK, DESCRIBE, FILL

ONE_LETTER = "Just give ONE letter representing the answer directly."
OPTIONS_LETTER = "Answer with the option's letter from the given choices directly."
"""What the code of the paper's submission asks for."""
ANSWERS = "ASSISTANT:"


def asked(question: Question, image: str, choose: str = ONE_LETTER) -> str:
    """The question up to where its answer begins."""
    if question.task == "classification":
        return f"{_user(image)}{_choice(question)}\n{choose}\n{ANSWERS}"
    if question.task == "cloze":
        return f"{_user(image)}{_cloze(question)}\n{ANSWERS}"
    if image:  # the one prompt that ends with a blank
        return f"{_user(image)}{question.text}\n{DESCRIBE['multimodal']}\n{ANSWERS} "
    return f"USER: {question.text}\n{DESCRIBE['unimodal']}\n{ANSWERS}"


def shown(question: Question, image: str) -> str:
    """The question as a demonstration, with its right answer. A cloze question has no blank before its picture."""
    if question.task == "classification":
        return f"{_user(image)}Question: {_choice(question)}\nCorrect Answer: {question.answer}\n"
    return f"USER:{image}\n{_cloze(question)}\nCorrect Answer: {question.answer}\n"


def _user(image: str) -> str:
    return f"USER: {image}\n" if image else "USER:\n"


def _choice(question: Question) -> str:
    return "\n".join([question.text, *(f"{letter}: {option}" for letter, option in question.options)])


def _cloze(question: Question) -> str:
    """Each pair of underscores is a blank of its own here: a run of four makes two."""
    return f"{question.text.replace('__', BLANK)}\n{FILL}"
