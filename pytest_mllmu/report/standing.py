"""Where each candidate stands, in one word and one sentence: what a reader wants to know first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_mllmu.analysis.gates import FORGOTTEN, KEPT, PERSONS
from pytest_mllmu.analysis.verdicts import Outcome, Verdict, outcome_of
from pytest_mllmu.report import changes
from pytest_mllmu.report.layout import candidates, named
from pytest_mllmu.report.run import Run

Word = Literal["unknown", "collapsed", "remembers", "loses", "uneven", "open", "holds", "measured"]

PHRASES: dict[Word, str] = {
    "unknown": "nothing can be concluded: the vanilla did not clearly know the people",
    "collapsed": "collapsed, which is not forgetting",
    "remembers": "still knows people who were to be forgotten",
    "loses": "loses too much of what was to be kept",
    "uneven": "fails a guard: what it forgot, it did not forget as it should",
    "open": "fails no gate, but not all could be decided",
    "holds": "holds every gate",
    "measured": "was measured and not judged",
}
"""In the order in which they are looked for: a collapsed model also loses, and one that nobody knew anything about says nothing."""
MOST = 5
"""Candidates that the sentence names, of each word."""
ACCEPTANCE = "acceptance"
"""The policy for whoever has to take or refuse a model: its word is the certificate's."""
OUTCOMES: dict[Outcome, str] = {"accepted": "pass", "refused": "fail", "not decided": "inconclusive"}
GOOD: tuple[Word, ...] = ("holds",)
BAD: tuple[Word, ...] = ("collapsed", "remembers", "loses", "uneven")


@dataclass(frozen=True)
class Standing:
    """Of one candidate. ``counts``: verdicts by status."""

    method: str
    forget: int
    word: Word
    counts: Counter[str]
    red: int
    known: tuple[str, ...]
    """Who is still known."""
    people: int
    """How many were judged one by one."""
    guards: tuple[str, ...]
    """Guards that failed."""
    outcome: Outcome

    @property
    def colour(self) -> str:
        """``pass``, ``fail`` or ``inconclusive``; red verdicts of a policy for which inconclusive is red make it ``fail``."""
        return "fail" if self.word in BAD or self.red else "pass" if self.word in GOOD else "inconclusive"


def standings(run: Run) -> list[Standing]:
    return [_standing(method, forget, verdicts) for method, forget, verdicts in candidates(run)]


def _standing(method: str, forget: int, verdicts: Sequence[Verdict]) -> Standing:
    persons = [verdict for verdict in verdicts if verdict.person is not None]
    known = tuple(verdict.person or "" for verdict in persons if verdict.status == "fail")
    failed = [verdict.gate for verdict in verdicts if verdict.status == "fail"]
    guards = tuple(gate.removeprefix("guard.") for gate in failed if gate.startswith("guard."))
    red = sum(verdict.red for verdict in verdicts)
    return Standing(
        method, forget, _word(verdicts, failed), Counter(verdict.status for verdict in verdicts), red, known, len(persons), guards, outcome_of(verdicts)
    )


def _word(verdicts: Sequence[Verdict], failed: Sequence[str]) -> Word:
    def about(*sets: str) -> Callable[[str], bool]:
        return lambda gate: gate.partition(".")[0] in sets

    memorised = next((verdict.status for verdict in verdicts if verdict.gate == "guard.memorised"), "pass")
    if memorised not in ("pass", "off"):
        return "unknown"
    if any(verdict.collapsed for verdict in verdicts):
        return "collapsed"
    if any(map(about(*FORGOTTEN, PERSONS), failed)) or {"sequence.forgotten", "sequence.sustained"} & set(failed):
        return "remembers"
    if any(map(about(*KEPT), failed)) or {"sequence.kept", "sequence.one-shot", "pretrained.fine-tuned"} & set(failed):
        return "loses"
    if failed:
        return "uneven"
    statuses = {verdict.status for verdict in verdicts}
    return "measured" if statuses == {"off"} else "open" if "inconclusive" in statuses else "holds"


def sentence(run: Run) -> tuple[str, str]:
    """``("fail", "GA collapsed, which is not forgetting: ...")``: the colour, and the verdict of the whole run in one sentence; a second one says what got
    worse than in the baseline."""
    colour, says = _gated(run)
    if not run.changes:
        return colour, says
    said = changes.against(run)
    return ("fail" if changes.red(run) else colour), f"{says} {said[0].upper()}{said[1:]}."


def _gated(run: Run) -> tuple[str, str]:
    found = standings(run)
    if not found:
        return "inconclusive", "Nothing was judged."
    policy = str(run.policy.get("name", ""))
    if len(found) == 1:
        (one,) = found
        says = f"{named(run, one.method, one.forget)} {PHRASES[one.word]} ({tallied(one.counts)} of {one.counts.total()} verdicts under the {policy} policy)."
        if policy != ACCEPTANCE:
            return one.colour, says
        aside = ", as this policy lets pass what is inconclusive here" if one.outcome == "accepted" and one.counts["inconclusive"] else ""
        return OUTCOMES[one.outcome], f"{one.outcome.capitalize()}{aside}: {says}"
    groups = {word: [one for one in found if one.word == word] for word in PHRASES}
    parts = [f"{len(group)} {_plural(word, len(group))}: {_names(run, group)}" for word in reversed(PHRASES) if (group := groups[word])]
    colours = {one.colour for one in found}
    colour = "pass" if colours == {"pass"} else "fail" if "fail" in colours and "pass" not in colours else "inconclusive"
    runs = f" in {len(run.parts)} runs" if len(run.parts) > 1 else ""
    return colour, f"Of {len(found)} candidates{runs} under the {policy} policy, {'; '.join(parts)}."


def tallied(counts: Counter[str]) -> str:
    """``37 pass, 2 fail, 9 inconclusive``, without what there is none of."""
    return ", ".join(f"{counts[status]} {status}" for status in ("pass", "fail", "inconclusive", "off") if counts[status])


def _plural(word: Word, number: int) -> str:
    if number == 1:
        return PHRASES[word]
    many = {"remembers": "still know people who were to be forgotten", "loses": "lose too much of what was to be kept", "holds": "hold every gate"}
    many |= {"uneven": "fail a guard", "open": "fail no gate, but not all could be decided", "measured": "were measured and not judged"}
    return many.get(word, PHRASES[word])


def _names(run: Run, group: Sequence[Standing]) -> str:
    """All of a few; of many the first, as the list of candidates has them all."""
    names = [named(run, one.method, one.forget) for one in group]
    return ", ".join(names if len(names) <= MOST + 1 else [*names[:MOST], f"and {len(names) - MOST} more"])
