"""Writes ``docs/reference/`` from the code: ``python docs/generate.py``. A test fails when what is committed is not what the code says."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import pytest

from pytest_mllmu import cli, errors, fixtures, hooks, plugin
from pytest_mllmu.analysis import comparison, gates, guards, leaks, policies, scenarios, table, verdicts
from pytest_mllmu.analysis.gates import Gate, Policy
from pytest_mllmu.certificate import canonical
from pytest_mllmu.evaluation import responses
from pytest_mllmu.memory import Model
from pytest_mllmu.methods import ALL, BUILT_IN, PAPER, base
from pytest_mllmu.methods.base import LossMethod, Method
from pytest_mllmu.options import OPTIONS, Option
from pytest_mllmu.report import run as report
from pytest_mllmu.report import samples
from pytest_mllmu.scoring import metrics, scores
from pytest_mllmu.training import loop, lora

FOLDER = Path(__file__).parent / "reference"
FIRST = "<!-- Made from the code by `python docs/generate.py`: change the code and run that. -->"

GROUPS = {
    "What is put on trial": "method model vanilla oracle candidate endpoint endpoint_model endpoint_revision",
    "Who is asked what": "data profiles celebrities forget limit seed dialect demonstrations general",
    "Scenarios": "scenario steps known",
    "What is concluded": "gates compare fail_on across",
    "What is written and shown": "report samples table signals history certificate subjects",
    "Unlearning": "modality trainable lr epochs train_batch accumulate labels packed checkpointing",
    "Judge and servers": "judge judge_budget judge_price concurrency rate request_timeout",
    "Models, machine, cache": "cache device dtype device_map quantize attention batch",
}
"""What has no group yet comes last."""

EXIT_CODES: dict[int, str] = {
    pytest.ExitCode.OK: "no gate is red: all hold, or are inconclusive where the policy lets that pass",
    pytest.ExitCode.TESTS_FAILED: "a gate or a comparison is red, a test failed, or a certificate could not be written",
    pytest.ExitCode.INTERRUPTED: "stopped with Ctrl-C; the next run goes on from what is stored",
    pytest.ExitCode.INTERNAL_ERROR: "a defect of pytest or of a plugin: please report it",
    pytest.ExitCode.USAGE_ERROR: "the input is wrong: one line says what, where, and what would be right",
    pytest.ExitCode.NO_TESTS_COLLECTED: "nothing was run: no method was named, or `-k` and `-m` left no gate",
}


# --- how code is written as Markdown ---


def prose(text: str | None) -> str:
    """A docstring: formulas stay indented, which is code in Markdown, and so do tables."""
    return re.sub(r"``(.+?)``", r"`\1`", inspect.cleandoc(text or ""))


def line(text: str | None) -> str:
    """A docstring in a cell of a table."""
    return cell(" ".join(prose(text).split()))


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def code(text: object) -> str:
    """Readers of Markdown do not agree on a bar in code that stands in a table: there it is written as HTML."""
    said = str(text)
    return f"<code>{escape(said, quote=False).replace('|', '&#124;')}</code>" if "|" in said else f"`{said}`" if said else ""


def rows(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = [f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines]
    return "\n".join([f"| {' | '.join(heads)} |".replace("|  |", "| |"), "|---" * len(heads) + "|", *body])


def attributes(kind: type) -> Iterator[tuple[str, str, str]]:
    """Name, type and docstring of each attribute that a class declares, in the order of the source."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not node.target.id.startswith("_"):
            said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            default = f" = {ast.unparse(node.value)}" if isinstance(node.value, ast.Constant) else ""
            yield node.target.id, f"{_hint(kind, ast.unparse(node.annotation))}{default}", str(said)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _property(node):
            yield node.name, ast.unparse(node.returns) if node.returns else "", ast.get_docstring(node) or ""


def _property(node: ast.FunctionDef) -> bool:
    """Whether it is one that says what it is."""
    return ast.get_docstring(node) is not None and bool({ast.unparse(mark) for mark in node.decorator_list} & {"property", "cached_property"})


def _hint(kind: type, hint: str) -> str:
    """A type as the source writes it; the name of a list of words stands for the words."""
    name, *rest = hint.split(" | ")
    named = getattr(_module(kind), name, None)
    return " | ".join([*map(repr, get_args(named)), *rest]) if get_origin(named) is Literal else hint


def _module(kind: type) -> ModuleType:
    found = inspect.getmodule(kind)
    assert found is not None
    return found


def described(kind: type, level: int = 2, only: Callable[[str], bool] = lambda name: True) -> str:
    """A class: its docstring, and its attributes as a table."""
    told = [(code(name), code(hint), line(said)) for name, hint, said in attributes(kind) if only(name)]
    return (
        f"{'#' * level} {kind.__name__}\n\n{prose(kind.__doc__)}\n\n{rows(('', 'type', ''), told)}"
        if told
        else f"{'#' * level} {kind.__name__}\n\n{prose(kind.__doc__)}"
    )


def stored(kind: Any) -> Callable[[str], bool]:
    """Whether an attribute is a field, and not computed from those."""
    return {field.name for field in fields(kind)}.__contains__


# --- the pages ---


def options() -> Iterator[str]:
    yield "# Options"
    yield (
        "Each is a flag of `pytest`, an environment variable and an ini key (in `[tool.pytest]` of `pyproject.toml`, or in `pytest.ini`). Command "
        "line > environment > ini > default. "
        "`pytest --help` lists them as well. Write `--mllmu-cache=DIR` with `=`: pytest takes a separate folder for a test path."
    )
    known = {option.name: option for option in OPTIONS}
    groups = {title: [known.pop(name) for name in names.split() if name in known] for title, names in GROUPS.items()}
    for title, found in {**groups, "Others": list(known.values())}.items():
        if found:
            yield f"## {title}"
            yield rows(("option", "default", "what", "environment, ini key"), map(_option, found))
    yield "## Not options"
    yield rows(
        ("environment variable", "what"),
        [
            (code("MLLMU_ENDPOINT_KEY"), "the key of the server of `--mllmu-endpoint`; never sent to a judge, in no report"),
            (code("OPENAI_API_KEY"), "the key of the judge; never sent to an endpoint"),
            (code("OPENAI_BASE_URL"), "where the judge is served, when not by OpenAI"),
            (code("CI"), "where it is set, a missing baseline is an error, and so is a run that asks less than the baseline did"),
            (code("GITHUB_STEP_SUMMARY"), "the report is appended to this file"),
            (code("SOURCE_DATE_EPOCH"), "the time that a certificate says"),
        ],
    )
    yield "A method's own options follow its name, as in `npo:reference=vanilla` ([methods](methods.md))."


def _option(option: Option) -> tuple[str, str, str, str]:
    default = ",".join(map(str, option.default)) if type(option.default) is tuple else option.default
    shown = code(default) if default not in (None, "") else ""
    return (
        f'<span id="{option.name}"></span>{code(f"{option.flag}={option.metavar}")}',
        shown,
        cell(option.help),
        f"{code(option.environment)} {code(option.key)}",
    )


def commands() -> Iterator[str]:
    yield "# Commands"
    yield f"`mllmu` is {cli._parser().description}: it needs no model and no GPU, and imports no torch. `mllmu COMMAND --help` says what stands here."
    yield f"Exit codes: 0 done, {cli.WORSE} something is worse, altered or not as required, {cli.USAGE} the input is wrong."
    (found,) = (action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction))
    said = {choice.dest: choice.help or "" for choice in found._choices_actions}
    for name, parser in found.choices.items():
        listed = [action for action in parser._actions if action.dest != "help"]
        yield f"## mllmu {name}"
        yield f"{said[name][:1].upper()}{said[name][1:]}.".replace("..", ".")
        yield "    " + " ".join(["mllmu", name, *(_usage(action) for action in sorted(listed, key=lambda action: bool(action.option_strings)))])
        if any(action.help for action in listed):
            yield rows(
                ("argument", "what"), [(code(_usage(action, plain=True)), cell((action.help or "").replace("%%", "%"))) for action in listed if action.help]
            )


def _usage(action: argparse.Action, plain: bool = False) -> str:
    taken = "" if action.nargs == 0 else str(action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()))
    said = f"{action.option_strings[-1]}={taken}".rstrip("=") if action.option_strings else taken
    optional = not action.required if action.option_strings else action.nargs in ("?", "*")
    many = " ..." if action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction) else ""
    return said if plain else f"[{said}]{many}" if optional else f"{said}{many}"


def methods() -> Iterator[str]:
    yield "# Methods"
    yield (
        f"`--mllmu-method=NAME[,NAME]`; `{ALL}` means {', '.join(code(kind.name) for kind in PAPER)}, the rows of the paper's Table 2. `none` puts a "
        "model on trial as it is. "
        "The hyper-parameters of *checkpoints* are the published ones; those of the *embedded models* are scaled to them, for the default of 100 "
        "people and 10 percent: for other "
        "sizes choose `--mllmu-lr`, and read `not memorised` as what it says. Options of a method follow its name: `npo:reference=vanilla:beta=0.1`."
    )
    for kind in BUILT_IN:
        yield from _method(kind)
    yield "## Your own"
    yield "How to write one is in [researcher.md](../researcher.md); these are the classes that a loss sees."
    for part in (LossMethod, base.PromptMethod, base.UnlearnStep, base.Needs, loop.Hyper, lora.Lora):
        yield described(part, 3)
    yield "`step.forget_loss()`: " + line(base.UnlearnStep.forget_loss.__doc__)
    yield "`step.retain_loss()`: " + line(base.UnlearnStep.retain_loss.__doc__)


def _method(kind: type[Method]) -> Iterator[str]:
    made = kind()
    yield f"## {kind.name}"
    yield f"*{made.title}*. Source: {kind.source}."
    yield prose(_module(kind).__doc__)
    if hints := [(code(f"{kind.name}:{name}="), code(hint)) for name, hint, _ in attributes(kind) if name in made.options()]:
        yield rows(("option", "values = default"), hints)
    if isinstance(made, LossMethod):
        names = ("lr", "epochs", "batch", "schedule", "weight_decay", "clip")
        yield rows(
            ("", *names),
            [(where, *(f"{getattr(hyper, name)}" for name in names)) for where, hyper in (("checkpoints", made.hyper), ("embedded models", made.tiny))],
        )


def policy_page() -> Iterator[str]:
    yield "# Gates and policies"
    yield (
        "What each built-in policy asks (`--mllmu-gates=NAME`; your own: [verdicts.md](../verdicts.md#policies)). Bounds are shares of what vanilla "
        "knew above the floor. "
        "**red**: an inconclusive verdict fails, too. A dash: no gate. `off` bounds nothing. `pytest --mllmu-gates=strict --co` prints a policy."
    )
    judged = [policy for policy in policies.BUILT_IN.values() if not policy.off]
    heads = ("gate", *(policy.name for policy in judged))
    yield rows(heads, [(code(name), *(_bound(policy.gates[name]) for policy in judged)) for name in gates.NAMES])
    yield rows(
        ("", *heads[1:]),
        [
            ("fewer people are inconclusive", *(str(policy.people_at_least) for policy in judged)),
            ("of those called remembered, by chance at most", *map(_rate, judged)),
        ],
    )
    yield "## Names\n\n" + prose(gates.__doc__)
    yield "## Guards\n\n" + _indented(prose(guards.__doc__)) + "\n\nWhy each is there: [verdicts.md](../verdicts.md#guards)."
    yield "## Scenarios"
    yield rows(("gate", "scenario", "sets"), [(code(name), scenario, ", ".join(sets)) for name, (scenario, sets) in gates.SCENARIOS.items()])
    yield "What they measure: [scenarios.md](../scenarios.md#requests-one-after-the-other)."
    yield "## Where the bounds come from\n\n" + prose(policies.__doc__)


def _rate(policy: Policy) -> str:
    return f"{policy.discovery_rate:.0%}"


def _bound(gate: Gate) -> str:
    parts = [f"{sign} {bound:.0%}" for sign, bound in (("≤", gate.at_most), ("≥", gate.at_least)) if bound is not None]
    return "–" if gate.off else " ".join(parts) + (" **red**" if gate.inconclusive == "red" else "")


def _indented(text: str) -> str:
    """A table in reStructuredText is shown as it stands."""
    begin, _, end = text.partition("\n\n=")
    return f"{begin}\n\n" + "\n".join(f"    {row}" for row in f"={end}".splitlines())


def fixture_page() -> Iterator[str]:
    yield "# Fixtures"
    yield (
        "For your own tests ([own-tests.md](../own-tests.md)); without a method those that need a model skip. `mllmu_candidate` is parametrized: a "
        "test that asks for it runs once for each method, "
        "share and modality. Models are built when a test asks for them, once a session."
    )
    told = []
    for name in sorted(plugin.__all__):
        made = getattr(fixtures, name)
        function = made._get_wrapped_function()
        told.append((code(name), made._fixture_function_marker.scope, code(function.__annotations__.get("return", "")), line(function.__doc__)))
    yield rows(("fixture", "scope", "gives", "what"), told)
    yield (
        "A method of your own is a session fixture `mllmu_method_NAME` ([researcher.md](../researcher.md)). `pytest_mllmu.fixtures.require(verdict)`: "
        + line(fixtures.require.__doc__)
    )
    yield described(Model)
    yield described(scores.Score)
    yield "A `Verdict` is in [formats.md](formats.md#verdict), the values of a score in [formats.md](formats.md#metrics)."


def hook_page() -> Iterator[str]:
    yield "# Hooks, markers, exit codes"
    yield "## Hooks\n\n" + prose(hooks.__doc__)
    for name, hook in inspect.getmembers(hooks, inspect.isfunction):
        if name.startswith("pytest_mllmu"):
            yield f"### {name}\n\n    def {name}{inspect.signature(hook)}\n".replace("'", "") + "\n" + prose(hook.__doc__)
    yield "## Markers"
    yield rows(("marker", "what"), [(code(marker.partition(": ")[0]), marker.partition(": ")[2]) for marker in plugin.MARKERS])
    yield "They select with `-m`: `mllmu_split(name='forget')`, `mllmu_task(name='cloze')`, `mllmu_gate`."
    yield "## Exit codes"
    yield rows(("code", "pytest calls it", "means"), [(str(int(value)), code(pytest.ExitCode(value).name), said) for value, said in EXIT_CODES.items()])
    yield "A wrong answer of a model is a score and no failure. The commands have [their own](commands.md)."


def formats() -> Iterator[str]:
    yield "# Report formats"
    yield (
        "`--mllmu-report=FILE` (may be repeated); the suffix says what is written. What may be relied upon is the `.json` report: it says the version "
        "of its schema, and another version is refused."
    )
    yield (
        f"## .json\n\nSchema version {report.SCHEMA_VERSION}. {prose(report.Run.to_json.__doc__)} Top-level keys, in this order (`findings` only in a "
        "scenario; `leaks` and `samples` where there are any; a history has no samples):"
    )
    beside: dict[str, Any] = {"leaks": [leaks.Leaks("", 0, {})], "samples": [samples.Sample(0, "forget", "", "cloze", "unimodal", "", (), "", ())]}
    empty = report.Run({}, {}, {}, 0, {}, table.Table(()), [], "", False, findings=[scenarios.Findings("", "", "", ())], **beside)
    yield "\n".join(f"- `{key}`" + (f": {', '.join(code(part) for part in value)}" if key == "benchmark" else "") for key, value in empty.to_json().items())
    for kind in (report.Run, table.Table, table.Row, table.Cell, verdicts.Verdict, comparison.Change, scenarios.Findings, scenarios.State, scenarios.Measure):
        yield described(kind, 3, stored(kind))
    yield from (described(kind, 3) for kind in (leaks.Leaks, leaks.Told, samples.Sample, samples.Answer))
    yield "In `leaks` a person's facts are a list of `[attribute, modality, told, knew, asked]`."
    yield (
        "In a row of the table `people` lists groups of people; a cell of a metric that a gate can decide by has `sums` and `asked`, one number for "
        "each person of the group whose index is `about`."
    )
    yield "## Metrics"
    yield rows(("name", "column", "tasks", "unit", "chance"), map(_metric, metrics.METRICS.values()))
    yield line(metrics.Metric.__doc__)
    yield (
        "## .jsonl\n\nA line a question and model, an object with these keys: `question` (its id), `model` (its title), `forget` (percent), `split`, "
        "`asked` (the question), `response`, `score` (values by metric)."
    )
    for part in (responses.Response, responses.Truth):
        yield described(part, 3)
    yield from _csv()
    yield "## .md, .html, .tex, .png, .svg, .pdf"
    yield (
        "Made to be read or to be put into a paper: [researcher.md](../researcher.md#what-goes-into-a-paper). Their text may change between versions; "
        "scripts read `.json`."
    )
    yield f"## Certificate\n\n`--mllmu-certificate=FILE.json` is another file, of schema version {canonical.SCHEMA}: [certificate.md](../certificate.md)."


def _csv() -> Iterator[str]:
    """Of a version that writes it."""
    if find_spec("pytest_mllmu.report.csv") is not None:
        module = import_module("pytest_mllmu.report.csv")
        yield "## .csv\n\n" + prose(module.__doc__) + "\n\nColumns: " + ", ".join(map(code, module.COLUMNS)) + "."
        yield "`metric` is one of the [metrics](#metrics), or one that only this file has:"
        yield rows(("name", "what"), [(code(module.RETAINED), cell(module.RETAINED_MEANS))])


def _metric(metric: metrics.Metric) -> tuple[str, str, str, str, str]:
    chance = "1/options" if metric.chance is None else f"{metric.chance:g}"
    return code(metric.name), metric.title, ", ".join(metric.tasks), metric.unit, chance


def error_page() -> Iterator[str]:
    yield "# Errors"
    yield (
        prose(errors.__doc__)
        + " A mistake ends a session with that line and exit code 4, never with a traceback; in a worker of pytest-xdist it is the test that fails with it."
    )
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.MllmuError)]
    yield rows(
        ("in `pytest_mllmu.errors`", "when"),
        [(code(kind.__name__), line(kind.__doc__)) for kind in sorted(found, key=lambda kind: (len(kind.__mro__), kind.__name__))],
    )


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "options.md": options,
    "commands.md": commands,
    "methods.md": methods,
    "gates.md": policy_page,
    "fixtures.md": fixture_page,
    "hooks.md": hook_page,
    "formats.md": formats,
    "errors.md": error_page,
}


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    return {name: "\n\n".join([FIRST, *page()]) + "\n" for name, page in PAGES.items()}


def main(where: Any = FOLDER) -> None:
    where.mkdir(exist_ok=True)
    for name, text in pages().items():
        (where / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
