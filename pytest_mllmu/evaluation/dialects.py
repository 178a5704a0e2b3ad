"""Ways to ask: which words, which demonstrations, how multiple choice is answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pytest_mllmu.benchmark import prompts
from pytest_mllmu.evaluation.asking import Asked
from pytest_mllmu.models.families import Bundle


class Dialect(ABC):
    name: ClassVar[str]
    likelihood: ClassVar[bool]
    """Multiple choice is answered by the probability of each option's text (paper 3.2.1), not by a letter that the model writes."""
    new_tokens: ClassVar[int] = 50

    @abstractmethod
    def text(self, bundle: Bundle, row: Asked, system: str) -> str:
        """The whole prompt up to where the answer begins, with the processor's placeholder for each picture."""


class Strict(Dialect):
    """Zero-shot, the wordings of the released evaluation."""

    name = "strict"
    likelihood = True

    def text(self, bundle: Bundle, row: Asked, system: str) -> str:
        words = bundle.family.plain(bundle.processor, prompts.instruction(row.question))
        return bundle.family.prompt(bundle.processor, words, row.question.modality, system)


DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (Strict(),)}
