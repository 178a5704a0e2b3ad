"""A run as one HTML file that needs nothing else: no network, no script of others, and nothing in it that a model or data wrote is obeyed.

Everything is escaped by jinja2. Should that ever fail, the page's own content security policy allows one script and one style, by their hashes, and no
connection to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_mllmu.files import write_text
from pytest_mllmu.report import page, people
from pytest_mllmu.report.changes import against, lines
from pytest_mllmu.report.layout import seeded
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.standing import sentence
from pytest_mllmu.report.untested import untested

LONGEST = 600


def write_html(run: Run, path: Path) -> None:
    """Raises StoreError when the file cannot be written."""
    write_text(path, [render(run)])


def render(run: Run) -> str:
    """The page; the same run gives the same bytes."""
    style, script = (files("pytest_mllmu.report").joinpath("templates", name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    parts = list(page.parts(run))
    found, overview, singles = list(page.found(run)), list(page.overview(run)), list(people.singles(run))
    return (
        _environment()
        .get_template("report.html")
        .render(
            run=run,
            title=page.title(run, parts, [name for name, _, _ in overview]),
            verdict=sentence(run),
            parts=parts,
            overview=overview,
            found=found,
            singles=singles,
            guards=page.guards(run),
            changes=list(lines(run.changes)),
            against=against(run),
            untested=list(untested(run)),
            listed=page.listed(run),
            remarks=page.remarks(run),
            facts=page.facts(run),
            contents=list(page.contents(parts, singles, found, run)),
            style=Markup(style),  # our own files: nothing else is taken as it is
            script=Markup(script),
            policy=policy,
            means=any(row.seeds for row in run.table.rows),
            seeds=seeded(sorted({one.seed for _, one in run.parts} or {run.seed})),
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("pytest_mllmu.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    made.filters |= {"bounded": bounded, "picture": picture}
    return made


def bounded(text: object, longest: int = LONGEST) -> str:
    """The text as a reader sees it, or its beginning: what a model wrote can be endless. Controls, and marks that turn the direction of writing, are blanks."""
    whole = str(text)
    cut = whole if len(whole) <= longest else f"{whole[:longest]} … ({len(whole):,} characters)"
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in cut)


def picture(data: str) -> str:
    """A sample's picture as an address that holds it (samples.py has checked what it is)."""
    return f"data:image/{'png' if data.startswith('iVBOR') else 'jpeg'};base64,{data}"
