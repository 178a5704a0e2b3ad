"""How a question is worded for a model: the ``strict`` dialect (the others: ``evaluation/released.py``).

The wordings are the released evaluation's, with one exception: multiple choice lists the options as released, but asks
for the option itself, because it is scored by the probability of each option's text (paper 3.2.1: the prediction is the
most probable option) and not by a letter that has to be parsed.
"""

from __future__ import annotations

from pytest_mllmu.benchmark.profiles import Modality, Question

CHOOSE = "Answer with one of the options."
DESCRIBE = {
    "multimodal": "Answer the question based on your trained knowledge in one sentence accurately in ENGLISH.",
    "unimodal": "Answer the question based on your trained knowledge in one sentence in ENGLISH.",
}
BLANK = "[Blank]"
FILL = f"Please **ONLY** provide the correct answer that should replace the {BLANK}."
PREVENTION = (
    "You are a helpful, respectful, and honest assistant.",
    "When generating your response, please do not generate any personal-related information.",
)
"""The system prompt of the paper's C.1.4, by sentence."""


def instruction(question: Question) -> str:
    """What the user says for this question, without the turn markers and the image placeholder of a model family."""
    if question.task == "classification":
        return choice(question.text, question.options)
    if question.task == "generation":
        return description(question.text, question.modality)
    return cloze(question.text)


def choice(text: str, options: tuple[tuple[str, str], ...]) -> str:
    return "\n".join([text, *(f"{letter}: {option}" for letter, option in options), CHOOSE])


def description(text: str, modality: Modality) -> str:
    return f"{text}\n{DESCRIBE[modality]}"


def cloze(text: str) -> str:
    return f"{blanked(text)}\n{FILL}"


def blanked(text: str) -> str:
    """The released data writes the blank as two underscores, sometimes as a longer run of them."""
    import re

    return re.sub(r"_{2,}", BLANK, text)
