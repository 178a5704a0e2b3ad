"""A run as data: all that a report says, and nothing of it needs a model to be printed again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_mllmu.analysis.comparison import Change
from pytest_mllmu.analysis.leaks import Leaks
from pytest_mllmu.analysis.scenarios import Findings
from pytest_mllmu.analysis.table import Table
from pytest_mllmu.analysis.verdicts import Verdict
from pytest_mllmu.errors import StoreError
from pytest_mllmu.report.samples import Sample
from pytest_mllmu.scoring.factuality import LABEL

SCHEMA_VERSION = 2
PARTIAL = "only part of the gates was judged"
"""How the note begins in a run of selected tests."""


@dataclass
class Run:
    """What was measured, with what, and what it means.

    ``fingerprints`` are sha256 of data and models, ``timings`` seconds by name: the only part that may differ between two identical
    runs. ``settings["judge"]`` names the factuality judge ("local" when it is missing).
    """

    settings: dict[str, Any]
    policy: dict[str, Any]
    versions: dict[str, str]
    seed: int
    fingerprints: dict[str, Any]
    table: Table
    verdicts: list[Verdict]
    benchmark_name: str
    synthetic: bool
    notes: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    """Against a baseline, where one was given."""
    findings: list[Findings] = field(default_factory=list)
    """Of a scenario, a method each."""
    leaks: list[Leaks] = field(default_factory=list)
    """Who still tells what, of each row but the vanilla."""
    samples: list[Sample] = field(default_factory=list)
    parts: tuple[tuple[str, Run], ...] = field(default=(), compare=False, repr=False)
    """The runs that this one puts side by side, with their labels (several.py); not stored."""
    schema_version: int = SCHEMA_VERSION

    @property
    def judge(self) -> str:
        """``local judge``, or the name of the model that judged."""
        name = str(self.settings.get("judge", "local"))
        return LABEL if name == "local" else name

    @property
    def about(self) -> dict[str, Any]:
        """Raises StoreError when a stored run does not say it."""
        try:
            return about(self.settings, self.seed, self.fingerprints)
        except (KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"not a run that can be compared ({_missing(error)})") from None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values in a fixed order, nan and infinity as None; free-form parts are sorted by key."""
        row = {
            "schema_version": self.schema_version,
            "benchmark": {"name": self.benchmark_name, "synthetic": self.synthetic},
            "seed": self.seed,
            "settings": _sorted(self.settings),
            "policy": self.policy,
            "versions": _sorted(self.versions),
            "fingerprints": _sorted(self.fingerprints),
            "table": self.table.to_json(),
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "changes": [change.to_json() for change in self.changes],
            **{name: [one.to_json() for one in getattr(self, name)] for name in ("findings", "leaks", "samples") if getattr(self, name)},
            "notes": list(self.notes),
            "timings": _sorted(self.timings),
        }
        clean: dict[str, Any] = jsonable(row)
        return clean

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Run:
        """A stored run. Raises StoreError for another schema version or for what is no run."""
        try:
            if row["schema_version"] != SCHEMA_VERSION:
                raise StoreError(f"a run of schema version {row['schema_version']}; this version of pytest-mllmu reads {SCHEMA_VERSION}")
            named = {key: row[key] for key in ("settings", "policy", "versions", "seed", "fingerprints", "timings")}
            benchmark, verdicts = row["benchmark"], [Verdict.from_json(verdict) for verdict in row["verdicts"]]
            return cls(
                **named,
                table=Table.from_json(row["table"]),
                verdicts=verdicts,
                benchmark_name=benchmark["name"],
                synthetic=benchmark["synthetic"],
                notes=tuple(row["notes"]),
                changes=[Change.from_json(change) for change in row["changes"]],
                findings=[Findings.from_json(found) for found in row.get("findings", [])],
                leaks=[Leaks.from_json(found) for found in row.get("leaks", [])],
                samples=[Sample.from_json(found) for found in row.get("samples", [])],
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise StoreError(f"not a run ({_missing(error)})") from None


def about(settings: Mapping[str, Any], seed: int, fingerprints: Mapping[str, Any]) -> dict[str, Any]:
    """What two runs must have in common for their numbers to be comparable; the keys are those that ``--mllmu-across`` takes."""
    return {
        "seed": seed,
        "dialect": {name: settings[name] for name in ("dialect", "demonstrations")},
        "judge": settings.get("judge", "local"),
        "data": {name: fingerprints[name] for name in ("profiles", "transformed", "celebrities", "general") if name != "general" or name in fingerprints},
        "people": {"forget": jsonable(fingerprints["forget"]), "limit": settings["limit"], **_scenario(settings)},
    }


def _missing(error: Exception) -> str:
    """What a stored run lacks, in words about the file and not about our code."""
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        return f"without {error.args[0]!r:.60}"
    return "a part of it is of another kind than in a report that --mllmu-report wrote"


def _scenario(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing of the standard one, which is all that there was at first."""
    scenario = settings.get("scenario", "standard")
    if scenario == "standard":
        return {}
    return {"scenario": scenario, **({"steps": jsonable(settings["steps"])} if scenario == "sequential" else {})}  # as a stored run has them


def _sorted(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in sorted(row)}


def jsonable(value: Any) -> Any:
    """``value`` as JSON knows it: nan and infinity are None, sets are sorted, anything unknown is its text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): jsonable(part) for key, part in value.items()}
    if isinstance(value, set | frozenset):
        return [jsonable(part) for part in sorted(value, key=str)]
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [jsonable(part) for part in value]
    return str(value)
