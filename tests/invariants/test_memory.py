"""Candidates are adapters on one vanilla in memory: each comes and goes without a trace."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mllmu.memory import Memory, Model
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.models.loading import save
from pytest_mllmu.store import Store
from pytest_mllmu.training.lora import Lora, adapted, save_adapter
from tests.models import SILENT, random_bundle, same, weights

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

HELD: dict[str, Any] = {"dtype": "auto", "device_map": None, "four_bit": False, "attention": "auto"}


def adapter(folder: Path, bundle: Bundle, seed: int) -> Path:
    model = adapted(bundle, Lora(), seed)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_()
    save_adapter(model, folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A vanilla and three adapters on it."""
    root = tmp_path_factory.mktemp("models")
    names = [root / name for name in ("vanilla", "first", "second", "third")]
    for name in names:
        name.mkdir()
    save(random_bundle(), names[0])
    return [names[0], *(adapter(name, random_bundle(), seed) for seed, name in enumerate(names[1:]))]


def models(folders: list[Path]) -> list[Model]:
    vanilla = Model("vanilla", "Vanilla", {"is": "vanilla"}, 10, folder=folders[0])
    return [vanilla, *(Model("candidate", folder.name, {"is": folder.name}, 10, folder=folder, parent=vanilla) for folder in folders[1:])]


def said(bundle: Bundle) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = bundle.model(input_ids=torch.arange(8, 24)[None]).logits
    return logits


def live() -> int:
    """Bytes of all parameters that exist."""
    gc.collect()
    found: dict[int, Any] = {id(thing): thing for thing in gc.get_objects() if isinstance(thing, torch.nn.Parameter)}
    return sum(parameter.nbytes for parameter in found.values())


def test_a_candidate_leaves_the_vanilla_as_it_was(folders: list[Path], tmp_path: Path) -> None:
    memory, (vanilla, first, second, _) = Memory("cpu", Store(tmp_path), SILENT, HELD), models(folders)
    bundle = memory.load(vanilla)
    before, plain = weights(bundle.model), said(bundle)
    changed = said(memory.load(first))
    assert not torch.equal(changed, plain)
    assert not torch.equal(said(memory.load(second)), changed)
    assert torch.equal(said(memory.load(first)), changed)
    assert memory.load(vanilla) is bundle
    assert same(weights(bundle.model), before)
    assert torch.equal(said(bundle), plain)


def test_a_session_of_many_candidates_holds_one_vanilla_and_one_adapter(folders: list[Path], tmp_path: Path) -> None:
    nothing = live()
    memory, (vanilla, *candidates) = Memory("cpu", Store(tmp_path), SILENT, HELD), models(folders)
    memory.load(vanilla)
    one = live() - nothing
    held = []
    for candidate in candidates:
        memory.load(candidate)
        held.append(live() - nothing - one)
    assert len(set(held)) == 1
    assert 0 < held[0] < one / 5
