"""What terminal and Markdown have in common: which columns there are, and the lines around the table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pytest_mllmu.analysis.gates import ABOUT_PEOPLE, FORGOTTEN
from pytest_mllmu.analysis.knowledge import shown
from pytest_mllmu.analysis.statistics import Interval
from pytest_mllmu.analysis.table import Row
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Modality, Split
from pytest_mllmu.report.run import Run
from pytest_mllmu.scoring.metrics import DECISIVE, SIGNAL_METRICS, TABLE_METRICS, UNPARSEABLE, Metric

Show = Literal["both", "multimodal", "unimodal"]

SPLIT_TITLES: dict[Split, str] = {"forget": "Forget", "test": "Test", "retain": "Retain", "celebrity": "Real Celebrity", "general": "General"}
MODALITY_TITLES: dict[Modality, str] = {"multimodal": "image + text", "unimodal": "text only"}
BROKEN = "†"
"""Beside the title of a model that has collapsed."""
SYNTHETIC = "synthetic people and drawn faces: numbers compare methods, not papers"


@dataclass(frozen=True)
class Form:
    """One kind of table: the columns of each set. ``marked``: the best method is. ``title`` follows the block's."""

    metrics: tuple[Metric, ...]
    marked: bool
    title: str = ""
    notes: tuple[str, ...] = ()

    def groups(self, block: Block) -> tuple[tuple[Split, tuple[Metric, ...]], ...]:
        """The columns of each set. Those of general ability are the ones that it was measured in, if it was."""
        about_people: list[tuple[Split, tuple[Metric, ...]]] = [(split, self.metrics) for split in ABOUT_PEOPLE]
        able = [metric for metric in self.metrics if metric in DECISIVE.values()]
        found = tuple(metric for metric in able if any(cell.split == "general" and cell.metric == metric.name for row in block.rows for cell in row.cells))
        return (*about_people, ("general", found)) if found else tuple(about_people)

    def columns(self, block: Block) -> tuple[tuple[Split, Metric], ...]:
        return tuple((split, metric) for split, metrics in self.groups(block) for metric in metrics)

    def ranked(self, block: Block) -> bool:
        return self.marked and block.ranked

    def rank(self, block: Block, row: Row, split: Split, modality: Modality, metric: Metric) -> str:
        return block.rank(row, split, modality, metric) if self.marked else ""

    def full_title(self, block: Block) -> str:
        return f"{block.title}: {self.title}" if self.title else block.title


@dataclass(frozen=True)
class Block:
    """The rows that were asked about the same people: one of the table's blocks, as in the paper one for each share of people to forget."""

    title: str
    rows: tuple[Row, ...]
    collapsed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of rows that fail a collapse guard; of a mean over seeds, with which of them."""

    @property
    def ranked(self) -> bool:
        return sum(map(self.counts, self.rows)) > 1

    def counts(self, row: Row) -> bool:
        """Whether a row can be the best: a method's, and not that of a model that has collapsed, which would win every column of the forget set."""
        return row.on_trial and row.name not in self.collapsed

    def named(self, row: Row) -> str:
        """The title, with a sign where the model has collapsed."""
        return f"{row.title} {BROKEN}" if row.name in self.collapsed else row.title

    def rank(self, row: Row, split: Split, modality: Modality, metric: Metric) -> str:
        """ "best" or "second" among the methods, as the paper marks them, else nothing: on forget and test the least is best, elsewhere the most.

        Equal values share a rank. Nothing is marked unless at least two methods were asked.
        """
        found = [other.cell(split, modality, metric.name) for other in self.rows if self.counts(other)]
        values = sorted({cell.value for cell in found if cell}, reverse=split not in FORGOTTEN)[:2]
        mine = row.cell(split, modality, metric.name)
        if not self.ranked or mine is None or not self.counts(row) or mine.value not in values:
            return ""
        return ("best", "second")[values.index(mine.value)]


TABLE = Form(TABLE_METRICS, marked=True)
SIGNALS = Form(
    SIGNAL_METRICS,
    marked=False,  # a method that makes an answer improbable is not better than one after which it is as probable as to a stranger
    title="probabilities",
    notes=(
        "Opt. prob.: of the right option among all (chance: 1/options); Ans. prob.: of the right answer's tokens, their geometric mean; "
        "Truth ratio: how far it is ahead of wrong ones (1), or not at all (0)",
        "Extr.: share of the answer's end that follows from its beginning; Memo.: share of its tokens that are the most probable ones; "
        "Ans. prob., Extr. and Memo. are over generation and cloze, Truth ratio over every question that has wrong answers",
    ),
)


def blocks(run: Run) -> list[Block]:
    found: dict[tuple[str, int], list[Row]] = {}
    for row in run.table.rows:
        found.setdefault((row.block, row.forget), []).append(row)
    broken = {(one.method, one.forget) for one in run.verdicts if one.collapsed}
    made = []
    for (name, share), rows in found.items():
        fallen = {row.name: [which for which, said in judged_as(run, row) if (said, share) in broken] for row in rows if row.on_trial}
        collapsed = {row.name: tuple(fallen[row.name] if row.seeds else ()) for row in rows if fallen.get(row.name)}
        made.append(Block(name or title(run, share), tuple(rows), collapsed))
    return made


def judged_as(run: Run, row: Row) -> list[tuple[str, str]]:
    """What verdicts on a row call its method, and which seed or run that is where several were put side by side (several.py)."""
    apart = [*(f"seed {seed}" for seed in row.seeds), *(label for label, _ in run.parts)]
    return [("", row.title), *((which, f"{row.title} ({which})") for which in apart)]


def title(run: Run, forget: int, seeds: Sequence[int] = ()) -> str:
    """``tiny-llava (10% Forget), synthetic, seed 0``, after the paper's block titles; settings that are not known are left out."""
    model = run.settings.get("model")
    what = f"{forget}% Forget" if forget else ""
    if run.settings.get("scenario") == "pretrained":
        what = f"known from {'fine-tuning' if forget else 'pre-training'}"
    block = [f"{Path(model).name} ({what})"] if model and what else []
    return ", ".join([*block, run.benchmark_name, seeded(seeds or (run.seed,))])


def modalities(show: Show) -> tuple[Modality, ...]:
    return MODALITIES if show == "both" else (show,)


def counts(block: Block, show: Show, form: Form = TABLE) -> list[str]:
    """``forget 50/20/20/20 about 10 people``, by split; said once when the modalities agree, and by the first model that was asked."""
    lines: dict[str, str] = {}
    for modality in modalities(show):
        parts = [part for split, metrics in form.groups(block) if (part := _count(block, split, modality, metrics))]
        lines[modality] = "; ".join(parts) or "nothing was asked"
    texts = set(lines.values())
    seeds = " of each seed" if any(row.seeds for row in block.rows) else ""
    both = " (each of image + text and text only)" if show == "both" else ""
    return (
        [f"n{seeds}{both}: {texts.pop()}"]
        if len(texts) == 1
        else [f"n{seeds}, {MODALITY_TITLES[modality]}: {lines[modality]}" for modality in modalities(show)]
    )


def _count(block: Block, split: Split, modality: Modality, metrics: Sequence[Metric]) -> str:
    for row in block.rows:
        found = [row.cell(split, modality, metric.name) for metric in metrics]
        if any(found):
            people = [str(cell.people) for cell in found if cell]
            about = people[0] if len(set(people)) == 1 else "/".join(str(cell.people) if cell else "-" for cell in found)
            questions = "/".join(str(cell.questions) if cell else "-" for cell in found)
            if split == "general":
                return f"general {questions} questions ({about} items)"
            return f"{split} {questions} questions about {about} {'person' if about == '1' else 'people'}"
    return ""


def unparseable(block: Block) -> list[str]:
    """``unparseable answers (counted as wrong): GA 12 of 50 multiple choice on forget``, for each row and set that has any; modalities together."""
    found = [(row, split, row.cell(split, "both", UNPARSEABLE.name)) for row in block.rows for split in SPLITS]
    parts = [
        f"{row.title} {round(cell.value * cell.questions)} of {cell.questions} multiple choice on {split}"
        for row, split, cell in found
        if cell and cell.value > 0
    ]
    return [f"unparseable answers (counted as wrong): {', '.join(parts)}"] if parts else []


def legend(run: Run, forms: tuple[Form, ...] = (TABLE,), short: bool = False, marks: tuple[str, str] = ("*", "+")) -> list[str]:
    """What the numbers mean; ends with the notes of the run. ``short``: of the whole numbers of a terminal, under titles that are as short.

    ``marks``: how the best and the second best are shown.
    """
    return [*meaning(run, forms, short, marks), *run.notes]


def meaning(run: Run, forms: tuple[Form, ...] = (TABLE,), short: bool = False, marks: tuple[str, str] = ("*", "+"), interval: str = "") -> list[str]:
    """The legend without the notes of the run. ``interval``: what a number of one run has beside it, if not half the width of its interval."""
    found = blocks(run)
    seeds = list(dict.fromkeys(row.seeds for row in run.table.rows))
    lines = []
    if any(form.marked for form in forms) and any(block.ranked for block in found):
        lines.append(f"{marks[0]}: best, {marks[1]}: second best of the methods (least on forget and test, most elsewhere; equal values share a mark)")
    if any(block.collapsed for block in found):
        lines.append(f"{collapse(found)}; neither best nor second best")
    if short:
        lines.append(f"Acc. (multiple choice) and Cloze: % right; R-L: ROUGE-L; Fact (1 to 10): {run.judge}")
    lines += [spread(several) for several in seeds if several]
    if () in seeds or not seeds:
        where = "of a row of one run " if len(seeds) > 1 else ""
        half, example = ("half the 95% interval", "100 ±17") if short else ("half the width of the 95% interval", "100.0% ±16.9")
        lines.append(interval or f"±: {where}{half} over people, which ends where the scale ends ({example} is 66 to 100)")
    lines[-1] += "" if short else f"; Fact. (1 to 10): {run.judge}"
    lines += [note for form in forms for note in form.notes]
    if run.synthetic:
        lines.append(SYNTHETIC)
    return lines


def collapse(found: Sequence[Block]) -> str:
    """What the sign of a collapsed model says; of means over seeds, in which seeds it was; and that controls, which are not judged, never have it."""
    seeds = [f"{row.title} with {' and '.join(which)}" for block in found for row in block.rows if (which := block.collapsed.get(row.name))]
    where = f" ({'; '.join(seeds)})" if seeds else ""
    beside = " (controls are not judged)" if any(row.control for block in found for row in block.rows) else ""
    return f"{BROKEN}: collapsed{where}, which is not forgetting{beside}"


def spread(seeds: Sequence[int]) -> str:
    """What ± is in a row that is the mean over some seeds."""
    return f"±: standard deviation over {seeded(seeds)}, around their mean"


def seeded(seeds: Sequence[int]) -> str:
    """``seed 0``, ``3 seeds (0, 1, 2)``"""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds ({', '.join(map(str, seeds))})"


def bound(run: Run, split: Split) -> float | None:
    """What the policy asks of a set as a whole."""
    gate = run.policy.get("gates", {}).get(f"{split}.all.both", {})
    asked = gate.get("at_most" if split in FORGOTTEN else "at_least")
    return float(asked) if isinstance(asked, int | float) else None


def several_shares(run: Run) -> bool:
    """Whether candidates were to forget several shares of the people."""
    return len({verdict.forget for verdict in run.verdicts}) > 1


def named(run: Run, method: str, forget: int) -> str:
    """A candidate's name: ``GA``, or ``GA (10%)`` where several shares were to be forgotten."""
    return f"{method} ({forget}%)" if several_shares(run) else method


def candidates(run: Run) -> list[tuple[str, int, list[Verdict]]]:
    """Method, share of people to forget and verdicts of each candidate, in their order."""
    found: dict[tuple[str, int], list[Verdict]] = {}
    for verdict in run.verdicts:
        found.setdefault((verdict.method, verdict.forget), []).append(verdict)
    return [(method, forget, verdicts) for (method, forget), verdicts in found.items()]


def headlines(run: Run) -> dict[tuple[str, int], str]:
    """``GA: holds 36% [18, 53] of what vanilla knew of the people to forget (n = 180 about 10), keeps 54% [50, 57] of what vanilla knew of ...``.

    A sentence a candidate, by method and share of people to forget.
    """
    lines = {}
    for method, forget, verdicts in candidates(run):
        own = {verdict.gate: verdict for verdict in verdicts if verdict.person is None}
        sets = (("holds", "forget", "the people to forget"), ("keeps", "retain", "the people to retain"), ("keeps", "general", "general skills"))
        parts = [
            f"{verb} {found.value:.0%}{shown(Interval(found.low, found.high))} of what vanilla knew of {whom} (n = {found.questions} about {found.people})"
            for verb, split, whom in sets
            if (found := own.get(f"{split}.all.both")) is not None and not math.isnan(found.value)
        ]
        failed = [name.removeprefix("guard.") for name, verdict in own.items() if name.startswith("guard.") and verdict.status == "fail"]
        if failed:
            what = "collapsed, which is not forgetting: " if any(verdict.collapsed for verdict in verdicts) else ""
            parts.append(f"{what}fails the guard{'s' if len(failed) > 1 else ''} {', '.join(failed)}")
        if parts:
            lines[method, forget] = f"{named(run, method, forget)}: {', '.join(parts)}"
    return lines


def known(own: Sequence[Verdict]) -> str:
    """``1 of 10 people are still known``; ``own`` are the verdicts on people of one candidate."""
    return f"{sum(verdict.status == 'fail' for verdict in own)} of {len(own)} people are still known"


def remembered(run: Run) -> list[str]:
    """Who of the people to forget is still known, and what of: a line a candidate, and one a person under it."""
    lines = []
    for method, forget, verdicts in candidates(run):
        own = [verdict for verdict in verdicts if verdict.person is not None]
        failed = [verdict for verdict in own if verdict.status == "fail"]
        if failed:
            lines.append(f"{named(run, method, forget)}: {known(own)}:")
            lines += [f"  {verdict.person}: {by_side(verdict.leaks)}" for verdict in failed]
    return lines


def by_side(leaks: Sequence[str]) -> str:
    """``birthplace, hobby (image + text); residence (text)``"""
    sides: dict[str, list[str]] = {}
    for leak in leaks:
        attribute, _, side = leak.rstrip(")").rpartition(" (")
        sides.setdefault(side, []).append(attribute)
    return "; ".join(f"{', '.join(attributes)} ({side})" for side, attributes in sides.items()) or "a little of everything"


def tally(run: Run) -> str:
    """``gates: 20 pass, 3 fail, 1 inconclusive``; empty without verdicts."""
    by_status = Counter(verdict.status for verdict in run.verdicts)
    if by_status.keys() == {"off"}:
        return "gates: off, nothing is judged"
    name, red = run.policy.get("name", ""), sum(verdict.red for verdict in run.verdicts)
    counts = ", ".join(f"{by_status[status]} {status}" for status in ("pass", "fail", "inconclusive"))
    more = f" ({red} red, as the policy counts {red - by_status['fail']} inconclusive among them)" if red != by_status["fail"] else ""
    return f"gates ({name}): {counts}{more}" if run.verdicts else ""
