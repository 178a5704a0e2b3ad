"""Reports of a run. The format is chosen by the suffix of the file; nothing heavy is imported before something is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mllmu.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    from pytest_mllmu.report.run import Run

FIGURES = (".png", ".svg", ".pdf")
SUFFIXES = (".json", ".jsonl", ".md", *FIGURES)


def write(run: Run, path: Path, lines: Iterable[Mapping[str, Any]] = (), signals: bool = False) -> list[Path]:
    """Write ``run`` to ``path`` in the format of its suffix; ``lines`` (one dict a question) are what ``.jsonl`` holds. The files that were written: of
    pictures one each, ``run-tradeoff.png`` beside where ``run.png`` would be.

    ``signals``: ``.md`` shows the probabilities; ``.json`` always has them.

    Raises SettingsError for another suffix, StoreError when the file cannot be written; an older file is then still whole.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        from pytest_mllmu.report.json import write_json

        write_json(run, path)
    elif suffix == ".jsonl":
        from pytest_mllmu.report.json import write_jsonl

        write_jsonl(path, lines)
    elif suffix == ".md":
        from pytest_mllmu.report.markdown import write_markdown

        write_markdown(run, path, signals)
    elif suffix in FIGURES:
        from pytest_mllmu.report.figures import write_figures

        return write_figures(run, path)
    else:
        raise SettingsError(f"{path}: a report ends in one of {', '.join(SUFFIXES)}{did_you_mean(suffix, SUFFIXES)}")
    return [path]
