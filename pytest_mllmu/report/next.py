"""The next useful command after a run: what the user typed, with one change, to be copied into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.options import OPTIONS
from pytest_mllmu.parsing import LISTS
from pytest_mllmu.report.grid import room, width, wrap
from pytest_mllmu.report.run import PARTIAL, Run
from pytest_mllmu.report.terminal import BOOK
from pytest_mllmu.settings import Settings

FLAGS = {option.name: option.flag for option in OPTIONS}
PEOPLE_ENOUGH = 25
"""The paper's smallest forget set: with as many, most gates can be decided."""
SHARE, PROFILES = 15, 500
"""The largest share of people to forget in the paper, and its number of people."""
UNSURE = 0.1
"""Of all verdicts: from here on many are inconclusive."""
WRITTEN: Mapping[str, str | None] = {"report": None, "certificate": None}
"""Files of this run, left out of the command where the next one would overwrite them."""
RATES = "the methods' learning rates are made for the default size, so --mllmu-lr may have to be chosen anew"


@dataclass(frozen=True)
class Step:
    """Why, and the change: options by name (None leaves one out), what stands after them."""

    why: str
    options: Mapping[str, str | None]
    beside: tuple[str, ...] = ()
    same: bool = False
    """Whether the next run measures the same: what it writes is then this run again. Any other must not be written over it."""


@dataclass(frozen=True)
class Seen:
    run: Run
    settings: Settings
    arguments: Sequence[str]
    verbosity: int

    def verdicts(self, *status: str) -> list[Verdict]:
        return [verdict for verdict in self.run.verdicts if verdict.status in status]

    def typed(self, name: str) -> list[str]:
        """What the user gave an option on the command line."""
        return [value for flag, value, _ in _read(self.arguments) if flag == FLAGS[name]]

    def trained(self, verdict: Verdict) -> tuple[str, float] | None:
        """Of the candidate that a verdict is about: its method as the user would name it, and its learning rate. None where nothing was trained."""
        name = next((row.name for row in self.run.table.rows if row.on_trial and (row.title, row.forget) == (verdict.method, verdict.forget)), "")
        made: Any = self.run.settings.get("methods", {}).get(name, {})
        rate = made.get("hyper", {}).get("lr")
        spec = next((one for one in self.settings.method if name == one or name.startswith(f"{one}.")), name.partition(".")[0])
        return (spec, float(rate)) if rate else None


def next_step(run: Run, settings: Settings, arguments: Sequence[str], verbosity: int = 0) -> list[str]:
    """Lines that say why and, last, ``next: pytest ...``, in a shell's own quotes; nothing when there is nothing to advise.

    ``arguments`` are those of the command line. A long command goes on behind a backslash, as a shell reads it.
    """
    seen = Seen(run, settings, arguments, verbosity)
    step = next((step for case in CASES if (step := case(seen)) is not None), None)
    if step is None:
        return []
    step = step if step.same else replace(step, options={**WRITTEN, **step.options})
    parts = [shlex.quote(part) for part in changed(arguments, step)]
    if not all(part.isprintable() for part in parts):  # what a terminal shows of it would be another command
        return []
    lines = ["next: pytest"]
    for part in parts:
        if width(f"{lines[-1]} {part}") > room() - 2:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {part}"
    return [*wrap(step.why, rest="   "), *lines]


def changed(arguments: Sequence[str], step: Step) -> list[str]:
    """The command line with the change; whatever stands behind ``--`` stays there."""
    gone = {FLAGS[name] for name in step.options}
    kept = [part for flag, _, parts in _read(arguments) if flag not in gone for part in parts]
    end = kept.index("--") if "--" in kept else len(kept)
    added = [f"{FLAGS[name]}={value}" for name, value in step.options.items() if value is not None]
    return [*kept[:end], *added, *step.beside, *kept[end:]]


def _read(arguments: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Our options with their value, given as ``--flag=value`` or as two words, and everything else as it is: flag, value, words."""
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            yield "", "", [word, *left]
            return
        flag, equals, value = word.partition("=")
        if flag in FLAGS.values() and not equals and left:
            value = left.pop(0)
            yield flag, value, [word, value]
        else:
            yield (flag, value, [word]) if flag in FLAGS.values() else ("", "", [word])


# --- the cases, the most useful first ---


def _limited(seen: Seen) -> Step | None:
    if seen.settings.limit is None or not seen.typed("limit"):
        return None
    return Step(f"only {seen.settings.limit} of the people of each set were asked about", {"limit": None})


def _never_known(seen: Seen) -> Step | None:
    """Verdicts on what was never known mean nothing, whatever else is red."""
    few = seen.run.policy.get("people_at_least", 0)
    if seen.settings.signals == "yes" or not any(one.gate == "guard.memorised" and one.people >= few for one in seen.verdicts("fail", "inconclusive")):
        return None
    return Step("vanilla's answers do not show that it ever knew the people; the probabilities of the right ones may", {"signals": "yes"})


def _loses(seen: Seen) -> Step | None:
    collapsed = [one for one in seen.run.verdicts if one.collapsed]
    less = [one for one in seen.verdicts("fail") if one.gate.startswith(("retain.", "celebrity.", "general.", "sequence.kept"))]
    for verdict in [*collapsed, *less]:
        if found := seen.trained(verdict):
            what = "collapsed, which is not forgetting" if verdict in collapsed else "loses too much of what it should keep"
            return _rate(seen, verdict, found, 0.5, f"{verdict.method} {what}: a lower learning rate may cost less")
    return None


def _who(seen: Seen) -> Step | None:
    people = [one for one in seen.verdicts("fail") if one.person is not None]
    if not people or seen.verbosity > 0:
        return None
    several = len({row.name for row in seen.run.table.rows if row.on_trial}) > 1
    by = " by at least one candidate" if several else ""
    return Step(f"{_count(people)} still known{by}: how much of each is left, and what of", {}, ("-v",), same=True)


def _count(people: Sequence[Verdict]) -> str:
    """``3 people are``: each once, whichever candidates know them; with several shares of people to forget, of each share."""
    found: dict[int, set[str | None]] = {}
    for one in people:
        found.setdefault(one.forget, set()).add(one.person)
    counts = {share: f"{len(ids)} {'person' if len(ids) == 1 else 'people'}" for share, ids in sorted(found.items())}
    if len(counts) > 1:
        return f"{', '.join(f'{count} of the {share}% to forget' for share, count in counts.items())} are"
    ((share, count),) = counts.items()
    return f"{count} {'is' if len(found[share]) == 1 else 'are'}"


def _holds(seen: Seen) -> Step | None:
    for verdict in seen.verdicts("fail"):
        if (verdict.person is not None or verdict.gate.startswith(("forget.", "test."))) and (found := seen.trained(verdict)):
            return _rate(seen, verdict, found, 1.5, f"{verdict.method} still holds too much of what it should forget: a higher learning rate may take it")
    return None


def _rate(seen: Seen, verdict: Verdict, found: tuple[str, float], factor: float, why: str) -> Step:
    """Another learning rate, for this method alone."""
    spec, rate = found
    several = len({(one.method, one.forget) for one in seen.run.verdicts}) > 1
    return Step(why, {**({"method": spec} if several else {}), "lr": f"{min(1.0, rate * factor):.2g}"})


def _few(seen: Seen) -> Step | None:
    """More people, and where their number is fixed an oracle (docs/verdicts.md)."""
    chosen, unsure = seen.settings, seen.verdicts("inconclusive")
    asked = max((one.people for one in seen.run.verdicts if one.gate.startswith("forget.")), default=0)
    if len(unsure) <= UNSURE * len(seen.run.verdicts) or asked >= PEOPLE_ENOUGH or chosen.scenario == "pretrained":
        return None
    handed = chosen.endpoint is not None or chosen.candidate not in ("base", "vanilla", "oracle") or chosen.oracle not in ("auto", "build")
    why = f"{len(unsure)} of {len(seen.run.verdicts)} verdicts are inconclusive, about {asked} people to forget:"
    fixed = handed or chosen.compare is not None or chosen.history is not None  # other people cannot be compared with those of a baseline
    rates = f"; {RATES}" if any(map(seen.trained, seen.run.verdicts)) else ""
    if not fixed and max(chosen.forget) < SHARE and (chosen.data == "synthetic" or Path(chosen.data).suffix.lower() in LISTS):
        return Step(f"{why} more of them help{rates}", {"forget": str(SHARE)})
    if not fixed and chosen.vanilla is None and chosen.data == "synthetic" and chosen.profiles < PROFILES:
        return Step(f"{why} a larger benchmark helps{rates}", {"profiles": str(min(PROFILES, 2 * chosen.profiles))})
    if chosen.oracle == "auto" and not chosen.baseless and not any(row.name == "oracle" for row in seen.run.table.rows):
        return Step(f"{why} an oracle helps", {"oracle": "build"})
    return None


def _unwritten(seen: Seen) -> Step | None:
    return None if seen.settings.report else Step("decimals, every interval and what was asked, in one file:", {"report": f"run{BOOK}"}, same=True)


def _baseline(seen: Seen) -> Step | None:
    """The run that was just written, as the baseline of the next; what is written then must not be the baseline itself."""
    written = [text for text in seen.typed("report") if text.lower().endswith(".json")]
    partial = any(note.startswith(PARTIAL) for note in seen.run.notes)
    if not written or partial or seen.settings.compare is not None or seen.settings.history is not None:
        return None
    return Step("next time, what got worse since this run can be red:", {"compare": written[-1]})


CASES: Collection[Callable[[Seen], Step | None]] = (_limited, _never_known, _loses, _who, _holds, _few, _unwritten, _baseline)
