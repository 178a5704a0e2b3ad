"""What a certificate says nothing about, computed from what was done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_mllmu.analysis.gates import ABOUT_PEOPLE, FORGOTTEN, NAMES
from pytest_mllmu.analysis.verdicts import count
from pytest_mllmu.benchmark.profiles import MODALITIES, TASKS
from pytest_mllmu.certificate.evidence import asked_about, graded, rows_in
from pytest_mllmu.certificate.findings import ROLES
from pytest_mllmu.parsing import OURS
from pytest_mllmu.report.untested import GENERAL, NEVER, SETS
from pytest_mllmu.scoring.grading import title_of
from pytest_mllmu.settings import LOCAL


def not_tested(document: Mapping[str, Any]) -> Iterator[str]:
    """``document``: a certificate but for this list, as it is written or as it is read: the order of keys changes nothing. The most particular comes first."""
    tested, policy, subjects, models, rows = *(document[key] for key in ("tested", "policy", "subjects", "models")), rows_in(document)
    sets = {(row["split"], row["task"], row["modality"]) for row in tested["sets"]}
    for split in ABOUT_PEOPLE:
        if split not in {place[0] for place in sets}:
            yield f"{split}: {SETS[split]}: the data has no such set"
        elif lacking := [f"{task} {modality}" for task in TASKS for modality in MODALITIES if (split, task, modality) not in sets]:
            yield f"{split}: no question was asked of the kind {', '.join(lacking)}"
    if tested["limit"] is not None:
        yield f"all people but the first {tested['limit']} of each set"
    if unasked := set(subjects["people"]) - set(subjects["not_asked"]) - asked_about(rows, FORGOTTEN):
        yield f"{count(len(unasked), 'person who was', 'people who were')} to be forgotten: the data has no question about them"
    if (twin := models["candidate"]["answers"]) != "candidate":
        yield f"a model of its own: the model on trial is the {twin} itself, so that what is compared with the {twin} comes out alike by construction"
    if "oracle" not in models:
        yield "against an oracle (a model that never saw the people): there was none, and chance stands for it"
    if document["outcome"] != "refused" and (open_ := sum(row["status"] == "inconclusive" for row in document["verdicts"])):
        yield f"to the end: {open_} of {len(document['verdicts'])} verdicts are inconclusive"
    if off := [name for name in NAMES if (gate := policy["gates"].get(name)) and gate["at_most"] is None and gate["at_least"] is None]:
        yield f"what the policy {policy['name']} sets no bound for: {', '.join(off)}"
    for role in ROLES:
        if role in models and not models[role].get("files"):
            yield f"the weights of the {role}: they were not seen, so that nothing shows which model answered"
    if document["data"]["synthetic"]:
        yield "real people: those of the embedded benchmark are made up, and their faces are drawn"
    if document["dialect"]["name"] not in OURS:
        yield f"the strict dialect, which the gates are made for: questions were asked as {document['dialect']['name']} does"
    if document["judge"] == LOCAL:
        yield "answers in free text by a reader: the local judge counts stated facts, and knows no synonyms"
    else:
        given, all_ = graded(rows)
        silent = f"; {all_ - given:,} of {count(all_, 'answer')} have no grade" if given < all_ else ""
        yield f"answers in free text by a reader: the {title_of(document['judge'])} is a model, whose grades may be wrong and cannot be computed again{silent}"
    yield "the model held in another way (precision, quantisation, device) than it was: " + ", ".join(
        f"{key} {tested[key]}" for key in ("dtype", "quantize", "device")
    )
    yield from (line for line in NEVER if line != GENERAL or "general" not in {row["split"] for row in tested["sets"]})
