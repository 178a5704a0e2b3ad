"""What tells things of the same name apart: the shortest difference between their settings, or the names of their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from pytest_mllmu.report.run import jsonable

MOST = 3
"""So many differences fit into a title."""
LONGEST = 40
"""Of one value in a title, in characters."""


def labels(paths: Sequence[Path]) -> list[str]:
    """A short name for each file: its stem, with as many folders before it as tell it from the others, and a number where nothing does."""
    known = [path.expanduser().absolute().with_suffix("") for path in paths]
    found = []
    for path in known:
        others = {other for other in known if other != path}
        depth = next(depth for depth in range(1, len(path.parts) + 1) if path.parts[-depth:] not in {other.parts[-depth:] for other in others})
        found.append("/".join(path.parts[-depth:]))
    return [f"{label} #{found[:at].count(label) + 1}" if found.count(label) > 1 else label for at, label in enumerate(found)]


def differences(several: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells each of them from all others, such as ``lr 0.001``; empty texts where only fingerprints do, or nothing does."""
    leaves = [dict(_leaves(one)) for one in several]
    keys = [key for key in dict.fromkeys(key for one in leaves for key in one) if len({repr(one.get(key)) for one in leaves}) > 1]
    for size in range(1, min(MOST, len(keys)) + 1):
        for chosen in combinations(keys, size):
            if len({tuple(repr(one.get(key)) for key in chosen) for one in leaves}) == len(leaves):
                return [", ".join(_said(key, one.get(key)) for key in chosen) for one in leaves]
    return [""] * len(several)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        return [
            leaf for key, part in value.items() if key != "code" for leaf in _leaves(part, (*path, str(key)))
        ]  # the code's fingerprint tells a reader nothing
    return [(path, jsonable(value))]


def _said(path: tuple[str, ...], value: Any) -> str:
    """``lr 0.001``, ``lora r 16``, ``no reference``"""
    name = " ".join(path[-2:] if len(path[-1]) < 2 else path[-1:]).replace("_", " ")
    name = "general ability" if name == "general" else name
    if value in (None, "", []):
        return f"no {name}"
    text = f"{value:g}" if isinstance(value, float) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{name} {text if len(text) <= LONGEST else '…' + text[1 - LONGEST :]}"
