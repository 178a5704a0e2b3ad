"""A folder of runs, ``0001.json`` and on, one of which may be the baseline: a copy of it called ``baseline.json``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pytest_mllmu.errors import StoreError
from pytest_mllmu.files import write_text
from pytest_mllmu.report.json import read_json, text
from pytest_mllmu.report.layout import tally
from pytest_mllmu.report.run import PARTIAL, Run

BASELINE = "baseline.json"
_RUN = re.compile(r"(\d{4,})\.json")


def runs(folder: Path) -> list[Path]:
    """In their order. Raises StoreError when there is no such folder."""
    try:
        found = [path for path in folder.iterdir() if _RUN.fullmatch(path.name)]
    except OSError as error:
        raise StoreError(f"{folder}: no history of runs: {error.strerror or error}") from None
    return sorted(found, key=lambda path: int(path.stem))


def add(run: Run, folder: Path) -> Path:
    """The run under the next number. Raises StoreError when it cannot be written."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    known = runs(folder)
    number = int(known[-1].stem) + 1 if known else 1
    while not _taken(folder / f"{number:04}.json"):  # by another run of this moment
        number += 1
    path = folder / f"{number:04}.json"
    try:
        write_text(path, [text(replace(run, samples=[]))])  # a baseline is committed: nobody's picture and no answer belongs there
    except BaseException:
        path.unlink(missing_ok=True)  # an empty file would be a run that nobody can read
        raise
    return path


def _taken(path: Path) -> bool:
    """Takes a name that nobody has yet."""
    with _writing(path.parent), suppress(FileExistsError):
        path.touch(exist_ok=False)
        return True
    return False


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: runs cannot be kept here: {error.strerror or error}") from None


def promote(folder: Path, number: int | None = None) -> tuple[Path, list[str]]:
    """Makes a run, the last one by default, the baseline; what one should mind about it. Raises StoreError when there is none of that number."""
    found = [path for path in runs(folder) if number is None or int(path.stem) == number]
    if not found:
        there = ", ".join(path.stem for path in runs(folder)) or "none"
        raise StoreError(f"{folder}: no run {'at all' if number is None else f'{number:04}'}; there is {there}")
    run = read_json(found[-1])
    write_text(folder / BASELINE, [text(run)])
    cautions = [note for note in run.notes if note.startswith(PARTIAL)]
    red = sum(verdict.red for verdict in run.verdicts)
    return found[-1], [*cautions, *([f"{red} of its gates are red"] if red else [])]


def lines(folder: Path) -> Iterator[str]:
    """One line a run; the baseline is marked."""
    baseline = (folder / BASELINE).read_text(encoding="utf-8") if (folder / BASELINE).is_file() else ""
    for path in runs(folder):
        run = read_json(path)
        names = ", ".join(row.title for row in run.table.rows if row.on_trial)
        mark = "  <- baseline" if text(run) == baseline else ""
        yield f"{path.stem}  {names or 'nothing'} on {run.settings.get('model', '?')}, seed {run.seed}: {tally(run) or 'no gates'}{mark}"
