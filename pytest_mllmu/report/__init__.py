"""Reports of a run. The format is chosen by the suffix of the file; nothing heavy is imported before something is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mllmu.errors import SettingsError, did_you_mean
from pytest_mllmu.parsing import FIGURES

if TYPE_CHECKING:
    from pytest_mllmu.report.run import Run


@dataclass(frozen=True)
class Beside:
    """What a report may hold beside the run: one dict a question, and whether the tables of probabilities are shown."""

    lines: Iterable[Mapping[str, Any]] = ()
    signals: bool = False


def write(run: Run, path: Path, lines: Iterable[Mapping[str, Any]] = (), signals: bool = False) -> list[Path]:
    """Write ``run`` to ``path`` in the format of its suffix; ``lines`` (one dict a question) are what ``.jsonl`` holds. The files that were written: of
    pictures one each, ``run-tradeoff.png`` beside where ``run.png`` would be.

    ``signals``: ``.md`` and ``.tex`` show the probabilities; ``.json`` and ``.csv`` always have them.

    Raises SettingsError for another suffix, StoreError when the file cannot be written; an older file is then still whole.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise SettingsError(f"{path}: a report ends in one of {', '.join(SUFFIXES)}{did_you_mean(suffix, SUFFIXES)}")
    return WRITERS[suffix](run, path, Beside(lines, signals)) or [path]


def _json(run: Run, path: Path, beside: Beside) -> None:
    from pytest_mllmu.report.json import write_json

    write_json(run, path)


def _jsonl(run: Run, path: Path, beside: Beside) -> None:
    from pytest_mllmu.report.json import write_jsonl

    write_jsonl(path, beside.lines)


def _markdown(run: Run, path: Path, beside: Beside) -> None:
    from pytest_mllmu.report.markdown import write_markdown

    write_markdown(run, path, beside.signals)


def _html(run: Run, path: Path, beside: Beside) -> None:
    from pytest_mllmu.report.html import write_html

    write_html(run, path)


def _csv(run: Run, path: Path, beside: Beside) -> None:
    from pytest_mllmu.report.csv import write_csv

    write_csv(run, path)


def _latex(run: Run, path: Path, beside: Beside) -> None:
    from pytest_mllmu.report.latex import write_latex

    write_latex(run, path, beside.signals)


def _figures(run: Run, path: Path, beside: Beside) -> list[Path]:
    from pytest_mllmu.report.figures import write_figures

    return write_figures(run, path)


WRITERS: dict[str, Callable[[Run, Path, Beside], list[Path] | None]] = {
    ".json": _json,
    ".jsonl": _jsonl,
    ".md": _markdown,
    ".html": _html,
    ".csv": _csv,
    ".tex": _latex,
    **dict.fromkeys(FIGURES, _figures),
}
"""What writes a format; the files it wrote, where they are others than that of the name."""
SUFFIXES = tuple(WRITERS)
