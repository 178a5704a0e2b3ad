"""``mllmu report``: stored runs printed again, alone or side by side."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pytest_mllmu.errors import SettingsError
from pytest_mllmu.parsing import Show, report

if TYPE_CHECKING:
    from pytest_mllmu.report.run import Run

ABOUT = """Prints stored runs again, as the table of a session or into files, without a model.

Several runs stand side by side. Runs that differ in nothing but methods and
seed share a table; a method of several seeds is one row, the mean with its
standard deviation. Runs of other models, data, dialects or judges have tables
of their own: their numbers cannot be compared.

  mllmu report run.json                    the table
  mllmu report run.json --to run.md        a document
  mllmu report run.json --to run.png       pictures: run-tradeoff.png, ...
  mllmu report seed0.json seed1.json       mean and standard deviation
  mllmu report ga.json npo.json history/   side by side; of a folder its last run
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The command's options, among those of the other commands."""
    parser = commands.add_parser(
        "report",
        help="print stored runs again, as tables, documents or pictures; several side by side",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="a .json report, or a folder of runs: its last one")
    parser.add_argument("--to", metavar="FILE", action="append", default=[], help="write this file, its format by suffix, as --mllmu-report does; repeatable")
    parser.add_argument("--show", choices=get_args(Show), default="both", help="questions in the printed table (default: both)")
    parser.add_argument("--signals", action="store_true", help="the table of probabilities as well")
    parser.add_argument("-v", "--verbose", action="store_true", help="every person, and all gates that are inconclusive")
    return parser


def lines(given: argparse.Namespace) -> Iterator[str]:
    """What is printed: which files were written, or the tables as a session prints them. Raises SettingsError and StoreError, each one line."""
    targets = [_target(text, len(given.runs)) for text in given.to]
    if twice := next((path for at, path in enumerate(targets) if path in targets[:at]), None):
        raise SettingsError(f"--to: {twice} is given twice")
    run = read(given.runs)
    if not targets:
        from pytest_mllmu.report import changes
        from pytest_mllmu.report.grid import wrap
        from pytest_mllmu.report.terminal import section

        yield from (line for line, _ in section(run, given.show, given.signals, int(given.verbose), False))
        if said := changes.against(run):
            yield from (part for line in changes.lines(run.changes) for part in wrap(line, first="  ", rest="     "))
            yield said
    for path in targets:
        from pytest_mllmu.report import write

        yield from (f"report written to {file}" for file in write(run, path, signals=given.signals))


def read(paths: Sequence[Path]) -> Run:
    """Stored runs as one; of a folder of runs the last. Raises StoreError for what is none."""
    from pytest_mllmu.report.apart import labels
    from pytest_mllmu.report.json import read_json
    from pytest_mllmu.report.several import join

    files = [last(path) for path in paths]
    return join([(label, read_json(path)) for label, path in zip(labels(files), files, strict=True)])


def last(path: Path) -> Path:
    """A file as it is; of a folder that ``--mllmu-history`` writes, the last run. Raises SettingsError when it has none."""
    from pytest_mllmu.report import history

    found = history.runs(path)[-1:] if path.is_dir() else [path]
    if not found:
        raise SettingsError(f"{path}: no run in this folder")
    return found[0]


def _target(text: str, runs: int) -> Path:
    """A file to write. Raises SettingsError for one that stored runs cannot make."""
    try:
        path = report(text)
    except ValueError as error:
        raise SettingsError(f"--to: {error}") from None
    if path.suffix.lower() == ".jsonl":
        raise SettingsError(f"--to: {text}: a stored run has no answers; pytest --mllmu-report={path.name} writes them")
    if path.suffix.lower() == ".json" and runs > 1:
        raise SettingsError(f"--to: {text}: .json holds one run, and {runs} are given")
    return path
