"""What a run says nothing about: what was not asked, and what no run of this version tests."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mllmu.analysis.gates import ABOUT_PEOPLE
from pytest_mllmu.benchmark.profiles import Split
from pytest_mllmu.parsing import OURS
from pytest_mllmu.report.run import Run

SETS: dict[Split, str] = {
    "forget": "the people who were to be forgotten, as they were learned",
    "test": "the same people in transformed pictures and paraphrased questions",
    "retain": "the people who were to be kept",
    "celebrity": "what the model knew before it learned the people",
    "general": "general ability: questions about nobody",
}
GENERAL = "general ability beyond the questions about people (vision and language benchmarks, reasoning, safety)"
"""What is not tested without a general set."""
REQUESTS = "several requests to forget, one after the other"
NEVER = (
    "attacks that may bring knowledge back: quantisation, relearning on a few examples, few-shot prompts, jailbreaks, questions in a conversation",
    "access to the weights themselves: only what the model answers, and how probable the answers are, was looked at",
    REQUESTS,
    GENERAL,
    "other languages and wordings than those of the questions, and other facts than they ask for",
    "other pictures of the people than those shown",
    "how the model was made: that it learned nothing else, and that nobody else keeps one that remembers",
)
"""What no run of this version tests; GENERAL and REQUESTS where it was asked for neither."""


def untested(run: Run) -> Iterator[str]:
    """The most particular comes first."""
    sets = {cell.split for row in run.table.rows for cell in row.cells}
    for split in ABOUT_PEOPLE:
        if split not in sets:
            yield f"{split}: {SETS[split]}: nothing was asked"
    if run.settings.get("limit") is not None:
        yield f"all people but the first {run.settings['limit']} of each set"
    if not any(row.name == "oracle" for row in run.table.rows):
        yield "against an oracle (a model that never saw the people): there was none, and chance stands for it"
    if unsure := sum(verdict.status == "inconclusive" for verdict in run.verdicts):
        yield f"to the end: {unsure} of {len(run.verdicts)} verdicts are inconclusive"
    if run.synthetic:
        yield "real people: those of the embedded benchmark are made up, and their faces are drawn"
    if str(run.settings.get("dialect", "strict")) not in OURS:
        yield f"the strict dialect, which the gates are made for: questions were asked as {run.settings['dialect']} does"
    if str(run.settings.get("judge", "local")) == "local":
        yield "answers in free text by a reader: the local judge counts stated facts, and knows no synonyms"
    if len(seeds := {one.seed for _, one in run.parts} or {run.seed}) == 1:
        yield f"other seeds than {seeds.pop()}: data, training and the draw of people vary with it"
    asked = {GENERAL: "general" in sets, REQUESTS: run.settings.get("scenario") == "sequential"}
    yield from (line for line in NEVER if not asked.get(line))
