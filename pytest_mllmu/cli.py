"""``mllmu``: what is done outside a test session. Nothing here imports torch."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TextIO

from pytest_mllmu import __version__
from pytest_mllmu import settings as choices
from pytest_mllmu.errors import MllmuError, SettingsError, did_you_mean
from pytest_mllmu.options import OPTIONS
from pytest_mllmu.reporting import add_parser, last, lines

WORSE, USAGE = 1, 4
"""Exit codes, as pytest's: something got worse or was altered, a user's mistake."""

KNOWN = {option.name: option for option in OPTIONS}


class Parser(argparse.ArgumentParser):
    """A mistake is one line and exit code 4, as everywhere; argparse would print the usage as well, and end with 2."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Also of a command, which would leave an unknown option to ``mllmu`` itself to complain about."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
            near = did_you_mean(unknown[0].partition("=")[0], options) if unknown[0].startswith("--") else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{near}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        _show([f"{self.prog}: {message} ({self.prog} --help)"], sys.stderr)
        sys.exit(USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a letter shows a question mark
    try:
        code: int = given.run(given)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MllmuError as error:
        _show([f"mllmu: {error}"], sys.stderr)
        return USAGE
    return code


def _show(lines: Iterable[str], where: TextIO | None = None) -> None:
    """Lines that files of others, or their names, are part of."""
    from pytest_mllmu.report.grid import printable

    for line in lines:
        print(printable(line), file=where)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(prog="mllmu", description="pytest-mllmu outside a test session")
    parser.add_argument("--version", action="version", version=f"pytest-mllmu {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    export = commands.add_parser("export-data", help="write the embedded benchmark to a folder in the released parquet layout")
    export.add_argument("folder", metavar="DIR", type=Path, help="a new or empty folder")
    for name in ("profiles", "celebrities", "seed"):
        option = KNOWN[name]
        export.add_argument(option.flag.replace("--mllmu-", "--"), metavar=option.metavar, help=f"{option.help} (default: {option.default})")
    export.add_argument("--forget", default="5,10,15", metavar="PERCENT[,PERCENT]", help="splits to write (default: 5,10,15)")
    export.set_defaults(run=_export)

    compare = commands.add_parser("compare", help="what changed from one run to another; exit code 1 when something got worse")
    compare.add_argument("baseline", metavar="BASELINE", type=Path, help="a .json report, or a folder of runs with a baseline")
    compare.add_argument("report", metavar="RUN", type=Path, help="a .json report, or a folder of runs: its last one")
    for name in ("fail_on", "across"):
        option = KNOWN[name]
        compare.add_argument(f"--{name.replace('_', '-')}", metavar=option.metavar, help=option.help.replace("%", "%%"))
    compare.add_argument("--inconclusive", choices=("yellow", "red"), default="yellow", help="whether an inconclusive change is a failure (default: yellow)")
    compare.set_defaults(run=_compare)

    add_parser(commands).set_defaults(run=_report)

    history = commands.add_parser("history", help="the runs of a folder that --mllmu-history writes")
    history.add_argument("folder", metavar="DIR", type=Path)
    history.set_defaults(run=_history)

    promote = commands.add_parser("promote", help="make a run the baseline that --mllmu-compare=DIR compares with")
    promote.add_argument("folder", metavar="DIR", type=Path)
    promote.add_argument("number", metavar="NUMBER", type=int, nargs="?", help="which run (default: the last)")
    promote.set_defaults(run=_promote)

    verify = commands.add_parser("verify", help="recompute every verdict of a certificate from its answers; exit code 1 when something was altered")
    verify.add_argument("certificate", metavar="FILE", type=Path, help="the .json that --mllmu-certificate wrote")
    verify.add_argument("--model", metavar="DIR", type=Path, help="the folder of a model that shall be the one the certificate is about")
    verify.add_argument("--require", choices=("accepted", "refused", "not-decided"), help="exit code 1 as well when that is not what it says")
    verify.set_defaults(run=_verify)
    return parser


def _export(given: argparse.Namespace) -> int:
    """The embedded benchmark with a split for each share of people to forget."""
    from pytest_mllmu.benchmark.export import write_benchmark
    from pytest_mllmu.benchmark.splits import draw, synthetic_ids
    from pytest_mllmu.embedded.benchmark import synthetic_benchmark

    named = {name: getattr(given, name) for name in ("profiles", "celebrities", "seed", "forget")}
    settings = choices.resolve({"data": "synthetic", **named}, lambda key: None, {}, flags="--")
    first, *others = settings.forget
    ids = synthetic_ids(settings.profiles)
    benchmark = synthetic_benchmark(settings.profiles, settings.celebrities, first, settings.seed)
    write_benchmark(benchmark, given.folder, first, {share: draw(ids, share, settings.seed) for share in others})
    print(f"written to {given.folder}: pytest --mllmu-method=ga --mllmu-data={given.folder}")
    return 0


def _compare(given: argparse.Namespace) -> int:
    from pytest_mllmu.analysis.comparison import idle, lacking, limits, refused, remarks
    from pytest_mllmu.report import changes, history
    from pytest_mllmu.report.json import read_json

    named = {name: getattr(given, name) for name in ("fail_on", "across")}
    settings = choices.resolve(named, lambda key: None, {}, flags="--")
    path = last(given.report)
    before = read_json(given.baseline / history.BASELINE if given.baseline.is_dir() else given.baseline)
    after = read_json(path)
    try:
        asked = limits(settings.fail_on)
        if why := refused(before.about, after.about, settings.across):
            raise SettingsError(f"{given.baseline}: {why}")
        found = changes.between(before, after, asked, given.inconclusive)
    except SettingsError as error:
        raise SettingsError(str(error).replace("--mllmu-", "--")) from None
    _show([*changes.lines(found), changes.summary(found), *remarks(before.table, after.table)])
    if missing := lacking(before.table, after.table):
        print(f"not compared, as the second run did not ask it: {len(missing)} of the baseline's numbers, such as {missing[0]}")
    broken = dict.fromkeys(one.method for one in after.verdicts if one.collapsed)
    unused = idle(asked, found) if given.fail_on else []
    for limit in unused:
        print(f"--fail-on={limit}: the two runs have nothing in common that it is about")
    if broken:
        _show([f"mind: {', '.join(broken)} of the second run collapsed, which is not forgetting"])
    return WORSE if unused or any(change.red for change in found) else 0


def _report(given: argparse.Namespace) -> int:
    from pytest_mllmu.report.grid import columns, fitting

    with fitting(columns()):
        _show(lines(given))
    return 0


def _history(given: argparse.Namespace) -> int:
    from pytest_mllmu.report import history

    _show(list(history.lines(given.folder)) or [f"no runs in {given.folder}: --mllmu-history={given.folder} keeps them there"])
    return 0


def _promote(given: argparse.Namespace) -> int:
    from pytest_mllmu.report import history

    path, cautions = history.promote(given.folder, given.number)
    _show([f"{path} is now {given.folder / history.BASELINE}", *(f"mind: {caution}" for caution in cautions)])
    return 0


def _verify(given: argparse.Namespace) -> int:
    from pytest_mllmu.certificate.verifying import verify

    checked = verify(given.certificate, given.model)
    for line in checked.lines():
        print(line)
    wanted = given.require.replace("-", " ") if given.require else None
    if wanted and (checked.found is None or checked.found.outcome != wanted):
        print(f"--require={given.require}: that is not what it says")
        return WORSE
    return WORSE if checked.differences else 0
