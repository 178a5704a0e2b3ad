"""Generic prevention (paper C.1.4): a system prompt at evaluation. Nothing is trained, and nothing is unlearned."""

from __future__ import annotations

from pytest_mllmu.benchmark import prompts
from pytest_mllmu.methods.base import PromptMethod


class Prompting(PromptMethod):
    name = "prompting"
    title = "Prompting"
    source = "MLLMU-Bench C.1.4"
    system = " ".join(prompts.PREVENTION)
