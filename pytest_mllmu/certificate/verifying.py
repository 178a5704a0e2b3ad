"""Whether a certificate is as it was written, and whether its verdicts follow from its answers. No model, no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_mllmu import __version__
from pytest_mllmu.analysis.verdicts import count as counted
from pytest_mllmu.certificate import canonical
from pytest_mllmu.certificate.evidence import HERE, score_rows
from pytest_mllmu.certificate.findings import Findings, built_in
from pytest_mllmu.certificate.markdown import render
from pytest_mllmu.certificate.pseudonyms import renamed
from pytest_mllmu.certificate.recomputing import Scores, differences, findings, from_answers, from_scores, unlike_scores
from pytest_mllmu.errors import StoreError
from pytest_mllmu.folders import DECIDING, contents
from pytest_mllmu.report.grid import printable

MOST = 10
"""Differences that are spelled out."""
WIDEST = 400
"""Characters of a line: what a forged file says may be long."""
NO_SIGNATURE = (
    "a digest is no signature: who can write the file can compute it anew; whether it is the issuer's own is shown by a signature "
    "(gpg --detach-sign FILE, or ssh-keygen -Y sign -n mllmu -f KEY FILE)"
)


@dataclass
class Checked:
    """``differences``: what is not as it should be; none is verified. ``what`` was checked, and what beside is to be said."""

    differences: list[str] = field(default_factory=list)
    what: str = ""
    remarks: list[str] = field(default_factory=list)
    found: Findings | None = None
    """What follows from its answers, as far as they could be judged."""

    def lines(self) -> Iterator[str]:
        """For a terminal, which obeys escapes: only what can be printed."""
        for line in self.differences[:MOST]:
            yield _printable(line)
        if len(self.differences) > MOST:
            yield f"... and {len(self.differences) - MOST} more"
        count = len(self.differences)
        result = f"NOT VERIFIED, {counted(count, 'difference')}" if count else "all as written"
        yield f"{_printable(self.what)}: {result}"
        if self.found:
            yield _printable(f"the outcome that follows from its answers: {self.found.outcome.upper()}. {self.found.statement}")
        yield from map(_printable, self.remarks)


def verify(path: Path, model: Path | None = None) -> Checked:
    """``model``: a folder that shall hold the model on trial. Raises StoreError when the file is no certificate at all."""
    content, document = canonical.read(path)
    if model is not None and not model.is_dir():
        raise StoreError(f"{model}: no folder of a model")
    checked = Checked(canonical.faults(content, document), "nothing could be recomputed")
    try:
        scores, before, after = _scores(path, document, checked)
        found = findings(document, scores)
        checked.differences += differences(document, found)
        checked.found = found
        answers = sum(map(len, scores.values()))
        checked.what = f"{counted(len(found.verdicts), 'verdict')} recomputed from {before}{answers:,} answers of {counted(len(scores), 'model')}{after}"
        wrote = document["versions"]["pytest-mllmu"]
        if document["policy"]["built_in"] and not built_in(document["policy"]):
            checked.differences.append(f"the bounds are not those of the policy {document['policy']['name']} of this version, {__version__}")
        if wrote != __version__:  # whoever forges a certificate chooses the version, too: it excuses nothing
            between = "a difference may be one between the two, and is for that version to decide"
            checked.remarks.append(f"written by pytest-mllmu {wrote}, verified by {__version__}: {between}")
        _page(path, document, wrote == __version__, checked)
        if model is not None:
            checked.differences += _other_model(document["models"]["candidate"]["files"], model)
            checked.what += f", and the files of {model} compared"
    except Exception as error:  # a forged file can break anything, and must not look like a mistake of ours
        checked.differences.append(f"it cannot be recomputed: {error if isinstance(error, StoreError) else repr(error)}")
    checked.remarks.append(NO_SIGNATURE.replace("FILE", path.name))
    return checked


def _scores(path: Path, document: Mapping[str, Any], checked: Checked) -> tuple[Scores, str, str]:
    """Of the answers, wherever they are; else those that the certificate holds. And what is said before and after their number."""
    evidence = document["evidence"]
    if evidence["kept"] == HERE:
        return from_answers(document, evidence["rows"]), "", ""
    scores = from_scores(document)
    file = path.parent / Path(evidence["file"]).name
    if not file.is_file():
        checked.remarks.append(f"the verdicts were recomputed from scores: the answers are kept elsewhere, in {file.name} (sha256 {evidence['sha256']})")
        return scores, "the scores of ", ""
    try:
        content = canonical.content_of(file)
    except (OSError, ValueError) as error:
        raise StoreError(f"{file.name}: {getattr(error, 'strerror', None) or error}") from None
    if hashlib.sha256(content).hexdigest() != evidence["sha256"]:
        checked.differences.append(f"{file.name} is not the file that the certificate was written with: its sha256 is another")
        return scores, "the scores of ", ""
    checked.differences += _apart(document, content)
    return scores, "", f" in {file.name}"


def _apart(document: Mapping[str, Any], content: bytes) -> Iterator[str]:
    """What the answers that are kept apart say otherwise than the certificate."""
    head, *rows = [json.loads(line) for line in content.decode("utf-8").split("\n") if line]  # splitlines would split answers, too
    scores = from_answers(document, rows)
    names = renamed(scores.values(), head["people"], head["salt"])
    if sorted(names.people[person] for person in head["people"]) != document["subjects"]["people"]:
        yield "subjects: the people of the answers are others than those of the certificate"
    yield from unlike_scores(document["scores"], score_rows({name: names.scores(part) for name, part in scores.items()}))


def _page(path: Path, document: Mapping[str, Any], same_version: bool, checked: Checked) -> None:
    """What people read is the page beside it. Another version of this package may word it in another way, and what a certificate that does not hold
    should look like is nothing to compare with: a forged one could make it endless."""
    page = path.with_suffix(".md")
    if not page.is_file():
        return
    if checked.differences or not same_version:
        why = "another version wrote it" if not checked.differences else f"{path.name} is not as it should be"
        checked.remarks.append(f"{page.name} was not compared, as {why}: go by {path.name} alone")
        return
    expected = canonical.encoded(render(document, path.name))
    if page.stat().st_size != len(expected) or page.read_bytes() != expected:
        checked.differences.append(f"{page.name} does not say what {path.name} says")


def _other_model(files: Mapping[str, str], folder: Path) -> Iterator[str]:
    """What a folder has otherwise than the model on trial. Raises StoreError when it cannot be read."""
    try:
        there = contents(folder)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from None
    if not files:
        yield "the certificate has no fingerprints of the model on trial, whose weights were not seen"
    for name in sorted({name for name in files if Path(name).suffix in DECIDING} | set(there)):
        if files.get(name) != there.get(name):
            how = "another than that of" if name in files and name in there else "missing, and part of" if name in files else "no part of"
            yield f"{folder / name}: {how} the certified model"


def _printable(line: str) -> str:
    return printable(line) if len(line) <= WIDEST else f"{printable(line[:WIDEST])}..."
