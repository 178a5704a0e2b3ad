"""What terminal and Markdown have in common: which columns there are, and the lines around the table."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pytest_mllmu.analysis.table import Cell, Row
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, Modality, Split
from pytest_mllmu.report.run import Run
from pytest_mllmu.scoring.metrics import TABLE_METRICS, Metric

Show = Literal["both", "multimodal", "unimodal"]

SPLIT_TITLES: dict[Split, str] = {"forget": "Forget", "test": "Test", "retain": "Retain", "celebrity": "Real Celebrity"}
MODALITY_TITLES: dict[Modality, str] = {"multimodal": "image + text", "unimodal": "text only"}
COLUMNS: tuple[tuple[Split, Metric], ...] = tuple((split, metric) for split in SPLITS for metric in TABLE_METRICS)
SYNTHETIC = "synthetic people and drawn faces: numbers compare methods, not papers"


def title(run: Run) -> str:
    """``tiny-llava (10% Forget), synthetic, seed 0``, after the paper's block titles; settings that are not known are left out."""
    model, forget = run.settings.get("model"), run.settings.get("forget")
    block = [f"{model} ({forget}% Forget)"] if model and forget else []
    return ", ".join([*block, run.benchmark_name, f"seed {run.seed}"])


def modalities(show: Show) -> tuple[Modality, ...]:
    return MODALITIES if show == "both" else (show,)


def cells(row: Row, modality: Modality) -> list[tuple[Metric, Cell | None]]:
    """The cells of a row of Table 2, in the order of its columns."""
    return [(metric, row.cell(split, modality, metric.name)) for split, metric in COLUMNS]


def counts(run: Run, show: Show) -> list[str]:
    """``forget 50/20/20/20 about 10 people``, by split; said once when the modalities agree, and by the first model that was asked."""
    lines: dict[str, str] = {}
    for modality in modalities(show):
        parts = [part for split in SPLITS if (part := _count(run, split, modality))]
        lines[modality] = "; ".join(parts) or "nothing was asked"
    texts = set(lines.values())
    both = " (each of image + text and text only)" if show == "both" else ""
    return [f"n{both}: {texts.pop()}"] if len(texts) == 1 else [f"n, {MODALITY_TITLES[modality]}: {lines[modality]}" for modality in modalities(show)]


def _count(run: Run, split: Split, modality: Modality) -> str:
    for row in run.table.rows:
        found = [row.cell(split, modality, metric.name) for metric in TABLE_METRICS]
        if any(found):
            people = max(cell.people for cell in found if cell)
            return (
                f"{split} {'/'.join(str(cell.questions) if cell else '-' for cell in found)} questions about {people} {'person' if people == 1 else 'people'}"
            )
    return ""


def legend(run: Run) -> list[str]:
    """What the numbers mean; ends with the notes of the run."""
    lines = [f"±: half the width of the 95% interval over people; Fact. (1 to 10): {run.judge}"]
    if run.synthetic:
        lines.append(SYNTHETIC)
    return lines + list(run.notes)


def tally(run: Run) -> str:
    """``gates: 20 pass, 3 fail, 1 inconclusive``; empty without verdicts."""
    by_status = Counter(verdict.status for verdict in run.verdicts)
    return f"gates: {', '.join(f'{by_status[status]} {status}' for status in ('pass', 'fail', 'inconclusive'))}" if run.verdicts else ""
