"""The last line of a run: what the user typed, with one useful change, in a form that works when it is copied."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.analysis.table import Table
from pytest_mllmu.analysis.verdicts import Status, Verdict
from pytest_mllmu.options import OPTIONS
from pytest_mllmu.report.next import Step, changed, next_step
from pytest_mllmu.report.run import PARTIAL, Run
from pytest_mllmu.report.terminal import BOOK
from pytest_mllmu.settings import Settings, check_flags, resolve
from tests.unit.test_report import make_run

FLAGS = {option.flag: option for option in OPTIONS}


def chosen(arguments: list[str]) -> Settings:
    """What the command line means, as the plugin reads it; raises where it does not accept it."""
    check_flags(arguments)
    given: dict[str, list[str] | str] = {}
    left = [word for word in arguments if word != "-v"]
    while left:
        flag, equals, value = left.pop(0).partition("=")
        option = FLAGS[flag]
        value = value if equals else left.pop(0)
        given[option.name] = [*given.get(option.name, []), value] if option.many else value
    return resolve(given, lambda key: None, {})


def verdict(gate: str, status: Status, method: str = "GA", people: int = 10, person: str | None = None, forget: int = 0) -> Verdict:
    return Verdict(gate, method, status, f"{gate} {status}", 0.5, 0.4, 0.6, 0.9, None, 50, people, status == "fail", person, forget=forget)


def a_run(*verdicts: Verdict, **made: dict[str, float]) -> Run:
    """GA, and what else was ``made``; mostly well."""
    run = make_run()
    trained = {"ga": {"lr": 0.0042}, **made}
    run.settings["methods"] = {name: {"hyper": hyper} if hyper else {} for name, hyper in trained.items()}
    vanilla, ga = run.table.rows
    run.table = Table((vanilla, *(replace(ga, name=name, title=name.upper()) for name in trained)))
    run.verdicts = [*(verdict("forget.all.both", "pass") for _ in range(20)), *verdicts]
    return run


def last(run: Run, *arguments: str, verbosity: int = 0) -> str:
    """The command without ``next: pytest``, after it was read back; nothing when there is none."""
    lines = next_step(run, chosen(list(arguments)), arguments, verbosity)
    if not lines:
        return ""
    first = next(at for at, line in enumerate(lines) if line.startswith("next: pytest"))
    words = shlex.split("\n".join(lines[first:]).removeprefix("next: ").replace("\\\n", ""))  # as a shell does first
    assert words[0] == "pytest"
    chosen(words[1:])
    return " ".join(words[1:])


COLLAPSED = verdict("guard.collapse-retain", "fail")
KNOWN = verdict("persons", "fail", person="002")
UNSURE = [verdict("forget.cloze.unimodal", "inconclusive")] * 6


@pytest.mark.parametrize(
    ("verdicts", "arguments", "wanted"),
    [
        ([COLLAPSED, KNOWN, *UNSURE], ["--mllmu-method=ga", "--mllmu-lr=0.01"], "--mllmu-method=ga --mllmu-lr=0.0021"),
        ([verdict("retain.all.both", "fail")], ["--mllmu-method", "ga"], "--mllmu-method ga --mllmu-lr=0.0021"),
        ([verdict("guard.memorised", "inconclusive"), COLLAPSED], ["--mllmu-method=ga"], "--mllmu-method=ga --mllmu-signals=yes"),
        ([COLLAPSED], ["--mllmu-method=ga", "--mllmu-limit=3"], "--mllmu-method=ga"),
        ([KNOWN, *UNSURE], ["--mllmu-method=ga"], "--mllmu-method=ga -v"),
        (UNSURE, ["--mllmu-method=ga", "--mllmu-forget=5,10"], "--mllmu-method=ga --mllmu-forget=15"),
        (UNSURE, ["--mllmu-method=ga", "--mllmu-forget=15"], "--mllmu-method=ga --mllmu-forget=15 --mllmu-profiles=200"),
        (UNSURE, ["--mllmu-forget=34", "--mllmu-profiles=500"], "--mllmu-forget=34 --mllmu-profiles=500 --mllmu-oracle=build"),
        (UNSURE, ["--mllmu-method=ga", "--mllmu-scenario=pretrained", "--mllmu-report=run.csv"], ""),
        (UNSURE[:1], ["--mllmu-method=ga", "--mllmu-report=a.json", "--mllmu-report=b.md"], "--mllmu-method=ga --mllmu-compare=a.json"),
        ([], ["--mllmu-method=ga", "--mllmu-report=a.json", "--mllmu-history=runs"], ""),
        ([], ["--mllmu-method=ga", "--mllmu-report=b.md"], ""),
        # Other people are not those of a baseline.
        (UNSURE, ["--mllmu-method=ga", "--mllmu-compare=a.json"], "--mllmu-method=ga --mllmu-compare=a.json --mllmu-oracle=build"),
        (UNSURE, ["--mllmu-forget=15", "--mllmu-history=runs"], "--mllmu-forget=15 --mllmu-history=runs --mllmu-oracle=build"),
        # What measures something else must not be written over this run.
        ([COLLAPSED], ["--mllmu-method=ga", "--mllmu-report=a.json", "--mllmu-report", "b.html"], "--mllmu-method=ga --mllmu-lr=0.0021"),
        ([COLLAPSED], ["--mllmu-method=ga", "--mllmu-limit=3", "--mllmu-report=a.json"], "--mllmu-method=ga"),
        (UNSURE, ["--mllmu-method=ga", "--mllmu-certificate=c.json"], "--mllmu-method=ga --mllmu-forget=15"),
        ([verdict("guard.memorised", "fail")], ["--mllmu-method=ga", "--mllmu-report=a.json"], "--mllmu-method=ga --mllmu-signals=yes"),
        ([], ["--mllmu-method=ga", "--mllmu-certificate=c.json", "--mllmu-report=a.json"], "--mllmu-method=ga --mllmu-compare=a.json"),
        ([KNOWN], ["--mllmu-certificate=c.json", "--mllmu-report=a.md"], "--mllmu-certificate=c.json --mllmu-report=a.md -v"),
        ([], ["--mllmu-method=ga", "--mllmu-certificate=c.json"], f"--mllmu-method=ga --mllmu-certificate=c.json --mllmu-report=run{BOOK}"),
    ],
)  # fmt: skip
def test_what_is_advised(verdicts: list[Verdict], arguments: list[str], wanted: str) -> None:
    assert last(a_run(*verdicts), *arguments) == wanted


def test_a_run_that_is_well_should_be_written() -> None:
    assert last(a_run(), "--mllmu-method=ga") in ("--mllmu-method=ga --mllmu-report=run.html", "--mllmu-method=ga --mllmu-report=run.md")


def why(run: Run, *arguments: str) -> str:
    """The sentence before the command, on one line."""
    lines = next_step(run, chosen(list(arguments)), arguments)
    return " ".join(" ".join(lines).partition(" next: pytest")[0].split())


def test_more_people_may_need_another_learning_rate() -> None:
    rates = "the methods' learning rates are made for the default size, so --mllmu-lr may have to be chosen anew"
    unsure = "6 of 26 verdicts are inconclusive, about 10 people to forget:"
    assert why(a_run(*UNSURE), "--mllmu-method=ga") == f"{unsure} more of them help; {rates}"
    assert why(a_run(*UNSURE), "--mllmu-method=ga", "--mllmu-forget=15") == f"{unsure} a larger benchmark helps; {rates}"
    untrained = a_run(*UNSURE)
    untrained.settings["methods"] = {"ga": {}}
    assert why(untrained, "--mllmu-method=ga") == f"{unsure} more of them help"


def test_each_person_is_counted_once() -> None:
    rest = "how much of each is left, and what of"
    known = [verdict("persons", "fail", method, person=person) for method in ("GA", "NPO") for person in ("002", "003")]
    assert why(a_run(*known[:1]), "--mllmu-method=ga") == f"1 person is still known: {rest}"
    assert why(a_run(*known[:2]), "--mllmu-method=ga") == f"2 people are still known: {rest}"
    assert why(a_run(*known, npo={"lr": 0.1}), "--mllmu-method=ga,npo") == f"2 people are still known by at least one candidate: {rest}"
    shares = [replace(one, forget=share) for share, some in ((10, known), (5, known[:1])) for one in some]
    said = f"1 person of the 5% to forget, 2 people of the 10% to forget are still known by at least one candidate: {rest}"
    assert why(a_run(*shares, npo={"lr": 0.1}), "--mllmu-method=ga,npo", "--mllmu-forget=5,10") == said


def test_with_all_said_of_the_people_who_are_known_the_method_can_be_stronger() -> None:
    assert last(a_run(KNOWN), "--mllmu-method=ga", "-v", verbosity=1) == "--mllmu-method=ga -v --mllmu-lr=0.0063"
    assert last(a_run(verdict("forget.all.both", "fail")), "--mllmu-method=ga") == "--mllmu-method=ga --mllmu-lr=0.0063"


def test_of_several_methods_the_one_that_collapsed_is_run_again() -> None:
    run = a_run(verdict("guard.collapse-output", "fail", "NPO:REFERENCE=VANILLA"), **{"npo:reference=vanilla": {"lr": 1.0}})
    assert last(run, "--mllmu-method=ga,npo:reference=vanilla") == "--mllmu-method=npo:reference=vanilla --mllmu-lr=0.5"
    run = a_run(verdict("guard.collapse-output", "fail", "KL_MINIMIZATION.UNIMODAL"), **{"kl_minimization.unimodal": {"lr": 0.002}})
    assert last(run, "--mllmu-method=all", "--mllmu-modality=both") == "--mllmu-modality=both --mllmu-method=kl_minimization --mllmu-lr=0.001"


def test_no_learning_rate_where_nothing_was_trained() -> None:
    run = a_run(verdict("guard.collapse-retain", "fail", "PROMPTING"), prompting={})
    assert "--mllmu-lr" not in last(run, "--mllmu-method=prompting")


def test_who_was_to_be_forgotten_is_not_changed_of_a_model_that_is_handed_in(tmp_path: Path) -> None:
    found = last(a_run(*UNSURE), f"--mllmu-candidate={tmp_path}")
    assert "forget" not in found
    assert "profiles" not in found
    assert "--mllmu-oracle=build" in found


def test_a_part_of_the_gates_makes_no_baseline() -> None:
    run = a_run()
    run.notes = (f"{PARTIAL}: not all on retain",)
    assert last(run, "--mllmu-method=ga", "--mllmu-report=a.json") == ""


def test_a_long_command_goes_on_behind_a_backslash(tmp_path: Path) -> None:
    folder = tmp_path / ("a long name " * 9)
    folder.mkdir()
    arguments = (
        "--mllmu-method=ga",
        f"--mllmu-cache={folder}",
        "--mllmu-epochs=3",
        "--mllmu-seed=1",
        "--mllmu-batch=64",
        "--mllmu-forget=20",
        "--mllmu-celebrities=20",
    )
    lines = next_step(a_run(), chosen(list(arguments)), arguments)
    assert len(lines) > 3
    assert [line.endswith(" \\") for line in lines[1:]] == [True] * (len(lines) - 2) + [False]
    assert [line for line in lines if len(line) > 100 and str(folder) not in line] == []
    assert last(a_run(), *arguments).startswith(" ".join(arguments))


def test_a_command_that_a_terminal_cannot_show_is_not_advised() -> None:
    assert next_step(a_run(), chosen(["--mllmu-method=ga"]), ["--mllmu-method=ga", "-k", "a\x1b[2Jb"]) == []


WORDS = st.sampled_from(["-k", "a b", "--mllmu-lr=1", "--mllmu-lr", "0.5", "tests", "--mllmu-report=a", "-x", "'", "--co", "--mllmu-seed=2"])


@given(words=st.lists(WORDS), behind=st.lists(WORDS))
def test_only_the_change_is_changed(words: list[str], behind: list[str]) -> None:
    found = changed([*words, "--", *behind], Step("", {"seed": "3", "epochs": None}, ("-v",)))
    if words and words[-1] == "--mllmu-lr":  # whose value is then the two dashes
        return
    at = found.index("--")
    assert found[at + 1 :] == behind
    assert found[:at] == [*(word for word in words if word != "--mllmu-seed=2"), "--mllmu-seed=3", "-v"] or "--mllmu-lr" in words
