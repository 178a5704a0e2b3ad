"""Several runs side by side, as one run that every writer can print.

Rows stand in one block when their numbers can be compared: the same model, data, dialect, judge, general ability and scenario, whatever the seed and the
methods. A row that differs in nothing but the seed is one row, the mean with its standard deviation. What else differs stands in the titles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_mllmu.analysis.table import Row, Table
from pytest_mllmu.report.merging import blocks, merged
from pytest_mllmu.report.run import Run, jsonable

Parts = Sequence[tuple[str, Run]]
"""Runs with their labels."""


def join(runs: Parts) -> Run:
    """The runs side by side; one run stays as it is. Pure, and the same for the same runs in the same order.

    Raises ValueError without a run.
    """
    if not runs:
        raise ValueError("no run")
    parts, twice = _each_once(runs)
    if len(parts) == 1:
        ((_, run),) = parts
        return replace(run, notes=(*run.notes, *twice), parts=tuple(parts))
    rows: list[Row] = []
    said: list[str] = []
    renamed: dict[tuple[str, int, str], tuple[str, str, int]] = {}
    for block in blocks(parts):
        found = merged(block)
        rows += found.rows
        said += found.notes
        sources = [(title, entry) for title, entries in found.sources for entry in entries]
        renamed |= {(entry.label, entry.row.forget, entry.row.title): (block.title, title, entry.run.seed) for title, entry in sources}
    names = _Names(parts, renamed)
    return Run(
        settings=_settings(parts),
        policy=parts[0][1].policy
        if _same([run.policy for _, run in parts])
        else {"name": ", ".join(_distinct(run.policy.get("name", "?") for _, run in parts))},
        versions=_versions(parts),
        seed=parts[0][1].seed,
        fingerprints=_common([(label, run.fingerprints) for label, run in parts]),
        table=Table(tuple(rows)),
        verdicts=names.verdicts(),
        benchmark_name=" and ".join(_distinct(run.benchmark_name for _, run in parts)),
        synthetic=any(run.synthetic for _, run in parts),
        notes=(*dict.fromkeys(said), *_notes(parts), *twice),
        timings={key: sum(run.timings.get(key, 0.0) for _, run in parts) for key in dict.fromkeys(key for _, run in parts for key in run.timings)},
        changes=names.changes(),
        findings=names.findings(),
        parts=tuple(parts),
    )


def _each_once(runs: Parts) -> tuple[list[tuple[str, Run]], list[str]]:
    """Without runs that are the same but for how long they took, and what is to be said about those."""
    known: dict[str, str] = {}
    parts, notes = [], []
    for label, run in runs:
        whole = json.dumps({**run.to_json(), "timings": None}, sort_keys=True)
        if whole in known:
            notes.append(f"{label} is the same run as {known[whole]}: counted once")
        else:
            known[whole] = label
            parts.append((label, run))
    return parts, notes


class _Names:
    """What the runs say of their methods, each by a name that no other run's method has: of ``GA`` twice, ``GA (seed 1)`` or ``GA (second)``."""

    def __init__(self, parts: Parts, rows: Mapping[tuple[str, int, str], tuple[str, str, int]]) -> None:
        """``rows``: where a run's row (label, share, title) went: block, title, and its seed."""
        self.parts, self.rows = parts, rows

    def _told_apart(self, said: Mapping[tuple[str, str, int], Any]) -> dict[tuple[str, str, int], tuple[str, str] | None]:
        """For what a run (by label) says of a method and share: its name and what was added to it, None when another run says just the same."""
        titles = {key: self.rows[key[0], key[2], key[1]][1] if (key[0], key[2], key[1]) in self.rows else key[1] for key in said}
        seeds = {label: run.seed for label, run in self.parts}
        found: dict[tuple[str, str, int], tuple[str, str] | None] = {}
        for key, title in titles.items():
            rivals = [other for other in titles if titles[other] == title and other[2] == key[2]]
            first = [other for at, other in enumerate(rivals) if not any(self._same(said, other, earlier) for earlier in rivals[:at])]
            if key not in first:
                found[key] = None
            elif len(first) == 1:
                found[key] = title, ""
            else:
                by_seed = len({seeds[other[0]] for other in first}) == len(first)
                more = f"seed {seeds[key[0]]}" if by_seed else key[0]
                found[key] = (title if title.endswith(f"({more})") else f"{title} ({more})"), more
        return found

    def _same(self, said: Mapping[tuple[str, str, int], Any], one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
        """Whether two runs say the same of the same model: the same row, of the same seed."""
        rows = [self.rows.get((label, forget, method)) for label, method, forget in (one, other)]
        return said[one] == said[other] and rows[0] is not None and rows[0] == rows[1]

    def _renamed(self, told: Callable[[Run], Iterable[tuple[str, int, Any]]]) -> Iterator[tuple[str, str, Any]]:
        """What the runs tell of methods and shares: its name, what was added to that, and what is told. Once, where two runs tell just the same."""
        said: dict[tuple[str, str, int], list[Any]] = {}
        for label, run in self.parts:
            for method, forget, one in told(run):
                said.setdefault((label, method, forget), []).append(one)
        names = self._told_apart({key: [_plain(one.to_json()) for one in found] for key, found in said.items()})
        for key, found in said.items():
            if (name := names[key]) is not None:
                yield from ((*name, one) for one in found)

    def verdicts(self) -> list[Any]:
        found = self._renamed(lambda run: ((one.method, one.forget, one) for one in run.verdicts))
        return [replace(one, method=name, message=f"{more}: {one.message}" if more else one.message) for name, more, one in found]

    def changes(self) -> list[Any]:
        return [replace(one, candidate=name) for name, _, one in self._renamed(lambda run: ((one.candidate, one.forget, one) for one in run.changes))]

    def findings(self) -> list[Any]:
        return [replace(one, method=name) for name, _, one in self._renamed(_found)]


def _found(run: Run) -> Iterator[tuple[str, int, Any]]:
    """Findings, with the share of people to forget that each is about: of several ratios one each, in their order."""
    for at, found in enumerate(run.findings):
        before = sum(earlier.method == found.method for earlier in run.findings[:at])
        shares = [row.forget for row in run.table.rows if row.title == found.method]
        yield found.method, shares[before] if before < len(shares) else -at, found


def _plain(row: Any) -> str:
    return json.dumps(jsonable(row), sort_keys=True)


def _notes(parts: Parts) -> Iterator[str]:
    """What all runs say once, what some say with their labels."""
    for note in dict.fromkeys(note for _, run in parts for note in run.notes):
        own = [label for label, run in parts if note in run.notes]
        yield note if len(own) == len(parts) else f"{', '.join(own)}: {note}"
    policies = {label: str(run.policy.get("name", "?")) for label, run in parts}
    if not _same([run.policy for _, run in parts]):
        yield f"the runs were judged by other gates ({', '.join(f'{label}: {name}' for label, name in policies.items())}): a verdict is by those of its run"


def _settings(parts: Parts) -> dict[str, Any]:
    found = _common([(label, run.settings) for label, run in parts])
    judges = _distinct(run.settings.get("judge", "local") for _, run in parts)
    return found | ({"judge": " and ".join(judges)} if len(judges) > 1 else {})


def _common(parts: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """What all have in common, and under ``runs`` what each has of its own."""
    keys = dict.fromkeys(key for _, one in parts for key in one)
    shared = [key for key in keys if all(key in one for _, one in parts) and _same([one[key] for _, one in parts])]
    own = {label: {key: value for key, value in one.items() if key not in shared} for label, one in parts}
    return {key: parts[0][1][key] for key in shared} | ({"runs": own} if any(own.values()) else {})


def _versions(parts: Parts) -> dict[str, str]:
    """``2.13.0``, or ``2.12.0 (first), 2.13.0 (second)``"""
    found = {}
    for key in dict.fromkeys(key for _, run in parts for key in run.versions):
        by_version: dict[str, list[str]] = {}
        for label, run in parts:
            by_version.setdefault(str(run.versions.get(key, "none")), []).append(label)
        found[key] = next(iter(by_version)) if len(by_version) == 1 else ", ".join(f"{version} ({', '.join(own)})" for version, own in by_version.items())
    return found


def _same(values: Sequence[Any]) -> bool:
    return len({_plain(value) for value in values}) == 1


def _distinct(values: Any) -> list[str]:
    return list(dict.fromkeys(map(str, values)))
