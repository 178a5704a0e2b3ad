"""Every command that the documentation shows: lines of fenced blocks and inline code that begin with pytest, mllmu or python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_SHELL = ("", "sh", "bash", "console")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
_NEEDS = re.compile(r"<!-- needs: (?P<what>[^,>]*?)(?:, (?P<why>[^>]*?))? -->\s*\Z")
_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?:pytest|mllmu|python) \S.*")
WHAT = ("gpu", "server", "key", "file", "hours")


@dataclass(frozen=True)
class Needs:
    """What a command needs that no test has."""

    what: str
    why: str


@dataclass
class Command:
    text: str
    places: list[str]
    needs: Needs | None = None


def commands() -> list[Command]:
    """Each once, with the pages that show it; one that is marked on one page only is run."""
    found: dict[str, Command] = {}
    for page in PAGES:
        for text, needs in _of(page.read_text(encoding="utf-8")):
            one = found.setdefault(text, Command(text, [], needs))
            one.places.append(page.name)
            one.needs = one.needs if needs else None
    return list(found.values())


def _of(page: str) -> Iterator[tuple[str, Needs | None]]:
    for fence in _FENCE.finditer(page):
        if fence[1] in _SHELL:
            for line in fence[2].splitlines():
                text = line.removeprefix("$ ").split("  #")[0].split(" # ")[0].strip()
                if _COMMAND.fullmatch(text):
                    yield text, _needs(page[: fence.start()])
    for paragraph in re.split(r"\n{2,}", _FENCE.sub("", page)):
        marked = re.match(r"<!-- needs: .*? -->\n", paragraph)
        for span in re.findall(r"`([^`]+)`", paragraph):
            text = " ".join(span.split())
            if _COMMAND.fullmatch(text):
                yield text, _needs(marked[0]) if marked else None


def _needs(before: str) -> Needs | None:
    found = _NEEDS.search(before)
    return Needs(found["what"].strip(), (found["why"] or "").strip()) if found else None
