"""PULSE's two scenarios as a user starts them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runs import PEOPLE, PROBE, SLOW, Built, Ran, artefacts, heavy, once, one_error, run

SEQUENTIAL = ("--mllmu-scenario=sequential", "--mllmu-steps=2", "--mllmu-general=no", "--mllmu-epochs=1")
PRETRAINED = ("--mllmu-scenario=pretrained", "--mllmu-known=2,1", "--mllmu-general=no", "--mllmu-epochs=1")
REPORT = "--mllmu-report=run.json"


def findings(ran: Ran) -> dict[str, Any]:
    (found,) = json.loads(ran.json())["findings"]
    assert isinstance(found, dict)
    return found


def gates(ran: Ran) -> set[str]:
    return {verdict["gate"] for verdict in json.loads(ran.json())["verdicts"]}


def of_the_base(built: Built, folder: Path, *arguments: str, method: str = "ga") -> Ran:
    """How many are to be forgotten the scenario says."""
    people = [argument for argument in PEOPLE if "forget" not in argument]
    return run(folder, f"--mllmu-method={method}", *people, built.option, *PRETRAINED, REPORT, *arguments)


@pytest.fixture(scope="module")
def walked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    ran = once(tmp_path_factory, "walked", lambda folder: built.warm(folder, *SEQUENTIAL, REPORT, "--mllmu-report=run.md"))
    assert ran.code in (0, 1), ran.text
    return ran


def test_one_request_after_the_other(walked: Ran) -> None:
    found = findings(walked)
    assert [state["title"] for state in found["states"]] == ["after 1 of 2", "after 2 of 2", "GA at once", "GA merged"]
    assert [state["requested"] for state in found["states"]] == [1, 2, 2, 2]
    assert [len(part) for part in found["matrix"]] == [2, 1]
    for part in found["matrix"]:
        for cell in part:
            assert (cell["people"], cell["questions"]) == (1, 18)
    for state in found["states"]:
        assert {split: measure["people"] for split, measure in state["sets"].items()} == {
            "forget": state["requested"],
            "test": state["requested"],
            "retain": 4,
            "celebrity": 2,
        }
    assert {gate for gate in gates(walked) if gate.startswith("sequence.")} == {
        "sequence.forgotten",
        "sequence.sustained",
        "sequence.kept",
        "sequence.one-shot",
    }
    assert "pretrained.fine-tuned" not in gates(walked)
    rows = [row["title"] for row in json.loads(walked.json())["table"]["rows"]]
    assert rows == ["Vanilla", "GA (2 requests)", "GA at once", "GA merged"]
    assert "sequential scenario (PULSE): GA (2 requests), 2 people in 2 requests of 1" in walked.said
    page = (walked.folder / "run.md").read_text(encoding="utf-8")
    assert "left of each part after each request" in page


def test_the_second_run_reads_what_is_stored(walked: Ran, built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(PROBE)
    ran = built.warm(tmp_path, *SEQUENTIAL, REPORT)
    assert heavy(ran) & {"torch", "transformers", "peft"} == set()
    assert ran.json() == walked.json()


@pytest.mark.parametrize("how", [("-n0",), ("-n2", "--dist=worksteal")], ids=" ".join)
def test_workers_change_nothing(walked: Ran, built: Built, tmp_path: Path, how: tuple[str, ...]) -> None:
    ran = built.warm(tmp_path, *SEQUENTIAL, REPORT, *how)
    assert ran.table == walked.table
    assert ran.json() == walked.json()


@pytest.mark.slow
def test_one_more_request_trains_one_more_step(walked: Ran, built: Built, tmp_path: Path) -> None:
    alone = replace(built, cache=tmp_path / "cache")  # tests beside this one store theirs in the other
    shutil.copytree(built.cache, alone.cache, ignore=shutil.ignore_patterns("tmp", "locks"))
    before = artefacts(alone.cache)
    ran = alone.warm(tmp_path, "--mllmu-scenario=sequential", "--mllmu-steps=2+1", "--mllmu-general=no", REPORT, "-k", "scenario")
    assert [state["requested"] for state in findings(ran)["states"]] == [1, 2, 3, 3, 3]
    assert findings(ran)["matrix"][0][:2] == findings(walked)["matrix"][0]
    after = artefacts(alone.cache)
    assert {name: after[name] for name in before} == before
    made = [json.loads((alone.cache / name / "manifest.json").read_text())["inputs"] for name in after.keys() - before.keys() if name.startswith("model/")]
    # The step itself, and of the controls its people on their own, everybody at once, and the merged adapters.
    assert sorted((inputs["kind"], len(inputs.get("forget", ()))) for inputs in made) == [("adapter", 1), ("adapter", 1), ("adapter", 3), ("merged", 0)]


def test_what_the_base_knows(built: Built, tmp_path: Path) -> None:
    ran = of_the_base(built, tmp_path)
    assert ran.code in (0, 1), ran.text
    found = findings(ran)
    assert [state["title"] for state in found["states"]] == ["known from pre-training", "known from fine-tuning"]
    assert all(state["sets"]["forget"]["people"] == state["sets"]["retain"]["people"] == 1 for state in found["states"])
    assert "pretrained.fine-tuned" in gates(ran)
    assert "test.all.both" not in gates(ran)
    run = json.loads(ran.json())
    assert [(row["title"], row["forget"]) for row in run["table"]["rows"]] == [("Base", 0), ("GA", 0), ("Vanilla", 17), ("GA", 17)]
    (person,) = [verdict["person"] for verdict in run["verdicts"] if verdict["gate"] == "persons"]
    assert run["fingerprints"]["forget"] == {"0": [person]}
    assert "1 to forget and 1 to keep of the 2 celebrities that the base knows best" in ran.said
    same = of_the_base(built, tmp_path / "again", "-n2")
    assert same.json() == ran.json()


def test_an_untouched_base_has_forgotten_nobody(built: Built, tmp_path: Path) -> None:
    ran = of_the_base(built, tmp_path, method="none")
    forget = next(state["sets"]["forget"] for state in findings(ran)["states"])
    assert forget["value"] == 1.0
    assert ran.code == 1


def test_the_projector_is_restored(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-trainable=projector", "--mllmu-epochs=1", REPORT, "-k", "projector or all-both")
    (verdict,) = [verdict for verdict in json.loads(ran.json())["verdicts"] if verdict["gate"] == "guard.projector"]
    assert "with the projector as it was" in verdict["message"] or "not memorised" in verdict["message"]
    assert verdict["questions"] == 36 or verdict["status"] == "inconclusive"


def test_a_users_own_method(built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\nfrom pytest_mllmu.methods.ga import GradientAscent\n\n"
        "@pytest.fixture(scope='session')\ndef mllmu_method_mine():\n    return GradientAscent()\n"
    )
    ran = built.warm(tmp_path, *SEQUENTIAL, REPORT, "-k", "scenario", "-n2", method="mine")
    assert [state["requested"] for state in findings(ran)["states"]] == [1, 2, 2, 2]


def test_a_folder_is_no_method(built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(f"import pytest\n\n@pytest.fixture(scope='session')\ndef mllmu_method_mine():\n    return {str(built.base)!r}\n")
    ran = built.warm(tmp_path, *SEQUENTIAL, "-k", "scenario", method="mine")
    assert ran.code == 4, ran.text
    assert "the sequential scenario applies it several times: a method is expected, not str" in ran.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mllmu-scenario=sequential", "--mllmu-steps=3"), "--mllmu-steps=3: 2 people are to be forgotten, too few for 3 parts"),
        (("--mllmu-scenario=pretrained",), "--mllmu-forget: in the pretrained scenario"),
        (("--mllmu-scenario=pretrianed",), "did you mean 'pretrained'?"),
    ],
)
def test_a_mistake_is_one_line(built: Built, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in one_error(built.warm(tmp_path, *arguments))


@pytest.mark.parametrize(
    ("known", "said"),
    [((), "the data has 2 celebrities, too few"), (("--mllmu-known=9,4",), "--mllmu-known=9,4: the data has 2 celebrities")],
)
def test_too_few_celebrities(tmp_path: Path, known: tuple[str, ...], said: str) -> None:
    assert said in one_error(run(tmp_path, "--mllmu-method=ga", "--mllmu-scenario=pretrained", "--mllmu-celebrities=2", *known))


@pytest.mark.slow
def test_general_ability_from_nothing(tmp_path: Path) -> None:
    """In the scenarios the embedded models are taught skills: a base, and a vanilla, of their own. Everything is built by one run here."""
    people = [argument for argument in PEOPLE if "forget" not in argument]
    ran = run(
        tmp_path, "--mllmu-method=ga", *people, "--mllmu-scenario=pretrained", "--mllmu-known=2,1", f"--mllmu-cache={tmp_path / 'cache'}", REPORT, timeout=SLOW
    )
    assert ran.code in (0, 1), ran.text
    for state in findings(ran)["states"]:
        assert state["sets"]["general"]["questions"] == 80
    assert {"general.all.both", "pretrained.fine-tuned"} <= gates(ran)
    assert "General" in ran.table
    base, *_ = json.loads(ran.json())["table"]["rows"]
    (known,) = [cell["value"] for cell in base["cells"] if (cell["split"], cell["modality"], cell["metric"]) == ("general", "unimodal", "accuracy")]
    assert known > 0.6  # of four options; with so few people it is taught less than by default
