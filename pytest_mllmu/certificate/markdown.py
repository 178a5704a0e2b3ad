"""A certificate as a page for somebody who signs or files it. Everything that came from data or a model is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from pytest_mllmu.analysis.gates import Gate
from pytest_mllmu.report.layout import MODALITY_TITLES, SPLIT_TITLES
from pytest_mllmu.report.markdown import escape
from pytest_mllmu.report.untested import SETS
from pytest_mllmu.scoring.metrics import METRICS, TABLE_METRICS

TITLES = {"candidate": "The model on trial", "vanilla": "The model before forgetting (vanilla)", "oracle": "A model that never saw the people (oracle)"}


def render(document: Mapping[str, Any], name: str) -> str:
    """``name`` is that of the certificate's file, which the page is about."""
    sections = (
        _head(document),
        _subjects(document["subjects"]),
        _verdicts(document),
        _people(document),
        _tested(document),
        _table(document),
        ["## What was not tested", "", *(f"- {escape(line)}" for line in document["not_tested"]), ""],
        _models(document["models"]),
        _conditions(document),
        _how(document, name),
    )
    return "\n".join(line for section in sections for line in section)


def _head(document: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"# Certificate: {document['outcome']}", "", f"**{escape(document['statement'])}**", "")
    yield f"Issued {escape(document['issued'])}. The result holds for the questions, models and data below and for nothing else."
    yield ""
    yield from (f"- {escape(note)}" for note in document["notes"])
    yield ""


def _subjects(subjects: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Who was to be forgotten", "", f"{subjects['n']} of {subjects['of']} people: {escape(subjects['origin'])}.", "")
    if subjects["named"] == "hashed":
        yield "They are named by a salted hash; the salt and the answers are kept apart."
        yield ""
    yield ", ".join(f"`{_code(person)}`" for person in subjects["people"])
    yield ""
    if subjects["not_asked"]:
        yield f"Not asked about: {len(subjects['not_asked'])} of them."
        yield ""


def _verdicts(document: Mapping[str, Any]) -> Iterator[str]:
    found = [verdict for verdict in document["verdicts"] if verdict["person"] is None]
    own = "" if document["policy"]["built_in"] else ", bounds of the issuer's own"
    yield from (f"## Verdicts (policy {escape(document['policy']['name'])}{own})", "")
    yield "The value is a share of what the vanilla model knew, with its 95% interval; n is questions / people."
    yield ""
    yield from _rows([verdict for verdict in found if not verdict["gate"].startswith("guard.")])
    yield from ("### Guards", "", "Whether the verdicts can mean anything: each measures what its message says.", "")
    yield from _rows([verdict for verdict in found if verdict["gate"].startswith("guard.")])
    yield from ("### In words", "", *(f"- {_status(verdict)} {_message(verdict)}" for verdict in found), "")


def _people(document: Mapping[str, Any]) -> Iterator[str]:
    people = [verdict for verdict in document["verdicts"] if verdict["person"] is not None]
    if people:
        yield from ("### Each person", "", *(f"- {_status(verdict)} {_message(verdict)}" for verdict in people), "")


def _rows(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [[escape(row["gate"]), _status(row), _value(row), _bound(row), f"{row['questions']} / {row['people']}"] for row in verdicts]
    yield tabulate(rows, ["", "verdict", "value", "bound", "n"], tablefmt="pipe", disable_numparse=True)
    yield ""


def _status(verdict: Mapping[str, Any]) -> str:
    return f"**{verdict['status']}**" if verdict["status"] == "fail" or verdict["red"] else str(verdict["status"])


def _message(verdict: Mapping[str, Any]) -> str:
    return escape(verdict["message"].replace("\n  ", "; "))


def _value(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return "-"
    interval = "" if row["low"] is None or row["high"] is None else f" \\[{row['low']:.0%}, {row['high']:.0%}\\]"
    return f"{row['value']:.0%}{interval}"


def _bound(row: Mapping[str, Any]) -> str:
    said = Gate(row["gate"], row["at_most"], row["at_least"]).bound
    return said.removeprefix("the gate ").removeprefix("allows ").removeprefix("asks for ")


def _tested(document: Mapping[str, Any]) -> Iterator[str]:
    tested = document["tested"]
    yield from ("## What was tested", "")
    sets = {row["split"] for row in tested["sets"]}
    yield from (f"- {SPLIT_TITLES[split]}: {said}" for split, said in SETS.items() if split in sets)
    yield ""
    rows = [[SPLIT_TITLES[row["split"]], row["task"], MODALITY_TITLES[row["modality"]], row["questions"], row["people"]] for row in tested["sets"]]
    yield tabulate(rows, ["set", "task", "asked with", "questions", "people"], tablefmt="pipe")
    yield ""
    held = f"on {escape(tested['device'])}, precision {escape(tested['dtype'])}, quantisation {escape(tested['quantize'])} (auto: as its files say)"
    served = document["models"]["candidate"]["how"] == "served"
    yield f"Held {held}." if not served else f"Models of this machine were held {held}; how the served model is held nobody here knows."
    yield ""


def _table(document: Mapping[str, Any]) -> Iterator[str]:
    """The columns of the paper's Table 2, turned: one line a set, modality and metric, one column a model."""
    yield from ("## Scores", "")
    cells = {(cell["split"], cell["modality"], cell["metric"], cell["model"]): cell for cell in document["table"]}
    roles = [role for role in TITLES if role in document["models"]]
    rows = []
    for split, modality, metric in dict.fromkeys(place[:3] for place in cells):
        if METRICS[metric] in TABLE_METRICS and modality in MODALITY_TITLES:
            found = [cells.get((split, modality, metric, role)) for role in roles]
            rows.append([SPLIT_TITLES[split], MODALITY_TITLES[modality], metric.replace("_", " "), *(_cell(metric, cell) for cell in found)])
    yield tabulate(rows, ["set", "asked with", "metric", *roles], tablefmt="pipe", disable_numparse=True)
    yield ""


def _cell(metric: str, cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["value"] is None:
        return "-"
    interval = "" if cell["low"] is None else METRICS[metric].show_interval(cell["low"], cell["high"]).replace("[", "\\[").replace("]", "\\]")
    return METRICS[metric].show(cell["value"]) + interval


def _models(models: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Models", "")
    for role, title in TITLES.items():
        if role in models:
            yield f"### {title}: {escape(models[role]['title'])}"
            yield ""
            yield from _model(models[role])
            if models[role]["answers"] != role:
                yield f"- the same model as the {escape(models[role]['answers'])}: its answers are stored once"
            yield ""


def _model(model: Mapping[str, Any]) -> Iterator[str]:
    yield f"- {escape(model['how'])}"
    for key in sorted(set(model) - {"title", "how", "files", "on", "answers"}):
        yield f"- {escape(key)}: `{_code(model[key] if isinstance(model[key], str) else json.dumps(model[key], sort_keys=True))}`"
    for name, digest in model["files"].items():
        yield f"- `{_code(name)}` sha256 `{_code(digest)}`"
    if "on" in model:
        yield "- an adapter on this model:"
        yield from (f"  {line}" for line in _model(model["on"]))


def _conditions(document: Mapping[str, Any]) -> Iterator[str]:
    data = document["data"]
    yield from ("## Data and versions", "", f"- data: {escape(data['name'])}{' (synthetic)' if data['synthetic'] else ''}")
    yield from (f"- {escape(name)} sha256 `{_code(digest)}`" for name, digest in data["fingerprints"].items())
    seed = "seed kept apart" if document["seed"] is None else f"seed {document['seed']}"
    yield f"- {seed}; {escape(document['dialect']['says'])}; factuality by the judge `{_code(document['judge'])}`"
    yield f"- {', '.join(f'{escape(name)} {escape(version)}' for name, version in sorted(document['versions'].items()))}"
    yield ""


def _how(document: Mapping[str, Any], name: str) -> Iterator[str]:
    yield from ("## How to verify", "", "```", "pip install pytest-mllmu", f"mllmu verify {_plain(name)}", "```", "")
    if document["evidence"]["kept"] == "here":
        yield "This scores every answer in the certificate anew and judges the scores by the policy in it; any changed byte is found."
    else:
        yield f"The answers are kept apart, in a file with sha256 `{_code(document['evidence']['sha256'])}`."
        yield "Beside the certificate it is checked as well; without it the verdicts are recomputed from scores."
    yield "A digest is no signature: a signature of the issuer on the `.json` file shows who issued it."
    yield ""
    yield f"Digest of the certificate: `{_code(document['digest'])}`"
    yield ""


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())


def _code(text: str) -> str:
    """What may stand between backticks, in a list or a table."""
    return _plain(text).replace("`", "'").replace("|", "/")
