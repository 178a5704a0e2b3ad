"""Several methods, several shares of people to forget, both modalities of unlearning, the oracle, and models that are handed in."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from tests import umu
from tests.integration.runs import SLOW, Built, Ran, once, run


@pytest.fixture(scope="module")
def several(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Two methods on both modalities and one that trains nothing, for two shares, with an oracle."""
    arguments = ("--mllmu-forget=20,50", "--mllmu-modality=both", "--mllmu-limit=1", "--mllmu-gates=off", "--mllmu-epochs=1", "--mllmu-report=run.json")
    return once(tmp_path_factory, "several", lambda folder: built.warm(folder, *arguments, method="npo,prompting", timeout=SLOW))


@pytest.mark.timeout(2 * SLOW)
def test_a_block_for_each_share_and_a_row_for_each_trial(several: Ran) -> None:
    assert several.code == 0, several.text
    rows = json.loads(several.json())["table"]["rows"]
    names = {share: [row["name"] for row in rows if row["forget"] == share] for share in (20, 50)}
    assert names == {share: ["vanilla", "oracle", f"npo.{share}", f"npo.unimodal.{share}", f"prompting.{share}"] for share in (20, 50)}
    titles = [line for line in several.table.splitlines() if " Forget)" in line]
    assert titles == [f"tiny-llava ({share}% Forget), synthetic, seed 0" for share in (20, 50)]


@pytest.mark.timeout(2 * SLOW)
def test_base_and_vanilla_are_shared_and_each_share_has_its_oracle(several: Ran) -> None:
    taught = Counter(line.partition(":")[2].partition(":")[0].strip() for line in several.progress if "fine-tuning" in line and "done in" in line)
    assert taught == {f"fine-tuning tiny-llava on the people to retain (oracle, {share}% to forget)": 1 for share in (20, 50)}


@pytest.mark.timeout(2 * SLOW)
def test_the_best_methods_are_marked(several: Ran) -> None:
    assert "*: best, +: second best of the methods" in several.said
    assert "*" in several.table


@pytest.mark.timeout(SLOW)
def test_models_that_are_handed_in(built: Built, tmp_path: Path) -> None:
    """The stored vanilla and adapter, given as folders, answer as they did; a LoRA adapter is put on the vanilla."""
    keys = json.loads(built.ran.json())["fingerprints"]["models"]
    given = [f"--mllmu-vanilla={built.cache / 'model' / keys['Vanilla']}", f"--mllmu-candidate={built.cache / 'model' / keys['GA']}", "--mllmu-report=run.json"]
    ran = built.warm(tmp_path, *given, method="none", timeout=SLOW)
    rows = json.loads(ran.json())["table"]["rows"]
    before = json.loads(built.ran.json())["table"]["rows"]
    assert [row["title"] for row in rows] == ["Vanilla", "Candidate"]
    assert [row["cells"] for row in rows] == [row["cells"] for row in before]


@pytest.mark.parametrize("role", ["base", "vanilla", "oracle"])
def test_references_as_candidates_are_collected(built: Built, tmp_path: Path, role: str) -> None:
    ran = built.warm(tmp_path, f"--mllmu-candidate={role}", "--co", "-q", method="none")
    assert ran.code == 0, ran.text
    assert "test_kept[none-classification-multimodal]" in ran.text


def test_a_folder_that_is_no_model(built: Built, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = built.warm(tmp_path, "--mllmu-candidate=empty", method="none")
    assert ran.code == 4
    assert "neither config.json nor adapter_config.json: no checkpoint and no LoRA adapter" in ran.text
    assert "Traceback" not in ran.text


@pytest.mark.timeout(SLOW)
def test_a_checkpoint_by_path(built: Built, tmp_path: Path) -> None:
    """As a user with a model of their own: fine-tuned with LoRA, unlearned and asked; a second run takes all from the cache."""
    given = [f"--mllmu-model={built.base}", "--mllmu-limit=1", "--mllmu-gates=off", "--mllmu-report=run.json", "--mllmu-accumulate=2", "--mllmu-packed=yes"]
    given += ["--mllmu-checkpointing=yes", "--mllmu-dtype=float32", "--mllmu-device=cpu"]
    first = built.warm(tmp_path, *given, timeout=SLOW)
    assert first.code == 0, first.text
    run = json.loads(first.json())
    assert [row["title"] for row in run["table"]["rows"]] == ["Vanilla", "GA"]
    made = run["settings"]["methods"]["ga"]["hyper"]
    assert (made["lr"], made["batch"], made["accumulate"], made["packed"]) == (2e-5, 4, 2, True)
    second = built.warm(tmp_path, *given)
    assert second.progress == []
    assert json.loads(second.json())["table"] == run["table"]
    keys = run["fingerprints"]["models"].values()  # other tests train in this cache at the same time
    assert not any((built.cache / "checkpoints" / f"{key}.safetensors").exists() for key in keys)


@pytest.mark.timeout(SLOW)
@pytest.mark.slow
def test_data_without_transformed_people(built: Built, tmp_path: Path) -> None:
    """UMU-Bench has no test set: its gates are skipped with the reason, and nothing stands in its column."""
    data = synthetic_benchmark(4, 1, 50, 0)
    umu.write(tmp_path / "umu", replace(data, transformed=()), 50)
    arguments = [f"--mllmu-data={tmp_path / 'umu'}", built.option, "--mllmu-forget=50", "--mllmu-gates=off", "-rs", "--mllmu-report=run.json"]
    ran = run(tmp_path, "--mllmu-method=none", *arguments, timeout=SLOW)
    assert ran.code == 0, ran.text
    assert "umu has no test set: nothing is known about it" in ran.text
    assert re.search(r"= (?=.*\b7 skipped)(?=.*\b31 measured).* in ", ran.text)
    cells = json.loads(ran.json())["table"]["rows"][0]["cells"]
    assert {cell["split"] for cell in cells} == {"forget", "retain", "celebrity"}
