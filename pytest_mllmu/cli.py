"""``mllmu``: what is done outside a test session."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_mllmu import settings as choices
from pytest_mllmu.errors import MllmuError

USAGE = 4  # as pytest's exit code for a user's mistake


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mllmu", description="pytest-mllmu outside a test session")
    export = parser.add_subparsers(dest="command", required=True).add_parser(
        "export-data", help="write the embedded benchmark to a folder in the released parquet layout"
    )
    export.add_argument("folder", metavar="DIR", type=Path, help="a new or empty folder")
    defaults = {option.name: option for option in choices.OPTIONS if option.name in ("profiles", "celebrities", "seed")}
    for option in defaults.values():
        export.add_argument(f"--{option.name}", metavar=option.metavar, help=f"{option.help} (default: {option.default})")
    export.add_argument("--forget", default="5,10,15", metavar="PERCENT[,PERCENT]", help="splits to write (default: 5,10,15)")
    given = parser.parse_args(arguments)
    try:
        settings = choices.resolve(
            {"data": "synthetic", "forget": given.forget, **{name: getattr(given, name) for name in defaults}}, lambda key: None, {}, flags="--"
        )
        export_data(given.folder, settings)
    except MllmuError as error:
        print(f"mllmu: {error}", file=sys.stderr)  # noqa: T201
        return USAGE
    print(f"written to {given.folder}: pytest --mllmu-method=ga --mllmu-data={given.folder}")  # noqa: T201
    return 0


def export_data(folder: Path, settings: choices.Settings) -> None:
    """The embedded benchmark with a split for each share of people to forget. Raises DataError when the folder is not empty."""
    from pytest_mllmu.benchmark.export import write_benchmark
    from pytest_mllmu.benchmark.splits import draw, synthetic_ids
    from pytest_mllmu.embedded.benchmark import synthetic_benchmark

    first, *others = settings.forget
    ids = synthetic_ids(settings.profiles)
    benchmark = synthetic_benchmark(settings.profiles, settings.celebrities, first, settings.seed)
    write_benchmark(benchmark, folder, first, {share: draw(ids, share, settings.seed) for share in others})
