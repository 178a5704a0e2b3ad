"""A reference that is computed once says what the reference model says at every step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_mllmu.models.families import Bundle
from pytest_mllmu.training import packing
from pytest_mllmu.training.answers import answer_hidden, answer_log_probs, answer_logits
from pytest_mllmu.training.batches import Batch, Encoder, Example
from pytest_mllmu.training.loop import Hyper, answer_loss, train
from pytest_mllmu.training.lora import Lora, adapted
from pytest_mllmu.training.reference import Reference
from tests.models import SILENT, person, random_bundle

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def moved(dropout: float = 0.3) -> tuple[Bundle, Any]:
    """An adapter that has learned something, in training mode."""
    bundle = random_bundle()
    model = adapted(bundle, Lora(dropout=dropout), 0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.05)
    return bundle, model.train()


def pairs(*numbers: int) -> list[Example]:
    encoder = Encoder(random_bundle())
    return [row for number in numbers for row in encoder.pairs(person(number))]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows went through the reference model, run by run."""
    seen: list[int] = []
    compute = Reference._compute
    monkeypatch.setattr(Reference, "_compute", lambda self, rows, how: seen.append(len(rows)) or compute(self, rows, how))  # type: ignore[func-returns-value]
    return seen


@pytest.mark.parametrize("known", [packing.KNOWN, set()])
@pytest.mark.parametrize("labels", ["answer", "upstream"])
def test_it_is_the_model_before_its_adapter(monkeypatch: pytest.MonkeyPatch, known: Any, labels: Any) -> None:
    monkeypatch.setattr(packing, "KNOWN", known)
    rows, vanilla = pairs(0, 1), random_bundle()
    bundle, model = moved()
    reference = Reference(bundle, rows, model=model, labels=labels)
    asked = rows[3:20:2]
    batch = Encoder(vanilla).collate(asked, labels)
    with torch.inference_mode():
        torch.testing.assert_close(reference.log_probs(asked), answer_log_probs(vanilla, vanilla.model, batch), rtol=0, atol=1e-5)
        torch.testing.assert_close(reference.hidden(asked), answer_hidden(vanilla.model, batch), rtol=0, atol=1e-5)
        torch.testing.assert_close(reference.logits(asked), answer_logits(vanilla, vanilla.model, batch), rtol=0, atol=1e-5)
        adapter = answer_log_probs(bundle, model, batch)
    assert (adapter - reference.log_probs(asked)).abs().max() > 1e-2


def test_it_can_be_another_model() -> None:
    rows, oracle = pairs(0), random_bundle(7)
    batch = Encoder(oracle).collate(rows)
    with torch.inference_mode():
        torch.testing.assert_close(Reference(oracle, rows).log_probs(rows), answer_log_probs(oracle, oracle.model, batch), rtol=0, atol=1e-5)


def test_training_goes_on_as_if_nothing_had_been_asked() -> None:
    bundle, model = moved()
    rows = pairs(0)[:6]
    batch, reference = Encoder(bundle).collate(rows), Reference(bundle, rows, model=model)

    def gradients(ask: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model.zero_grad()
        loss = answer_loss(bundle, model, batch)
        if ask:
            assert not reference.hidden(rows).requires_grad
            assert not reference.log_probs(rows).requires_grad
        loss = loss + answer_loss(bundle, model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.requires_grad])

    assert torch.equal(gradients(False), gradients(True))
    assert all(module.training for module in model.modules())


def test_each_row_is_computed_once(runs: list[int]) -> None:
    bundle, model = moved()
    rows = pairs(0, 1)
    reference = Reference(bundle, rows, model=model, batch=5)

    def loss(batch: Batch) -> torch.Tensor:
        return answer_loss(bundle, model, batch) - reference.log_probs(batch.rows).mean()

    train(model, Encoder(bundle), lambda rng: rows, loss, Hyper(lr=1e-3, epochs=3, batch=8), 0, SILENT, "x")
    assert sum(runs) == len(set(rows))
    assert max(runs) == 5


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_memory_is_bounded_and_no_value_depends_on_what_was_asked_before(runs: list[int], kept: int) -> None:
    bundle, model = moved()
    rows = pairs(0)
    groups = Reference(bundle, rows, batch=4)._groups
    room = sum(4 * len(row.answer) for group in groups[:kept] for row in group)
    fresh, used = (Reference(bundle, rows, model=model, batch=4, room=room) for _ in range(2))
    for row in rows:
        used.log_probs([row])
    runs.clear()
    asked = [groups[2][0], groups[0][1], groups[1][0], groups[0][1]]
    assert torch.equal(fresh.log_probs(asked), used.log_probs(asked))
    assert sum(value.nbytes for value in used._values["log_probs"].values()) == room
    assert runs == [4] * kept + [3 - kept] * 2


def test_a_row_it_was_not_made_for_is_answered_too() -> None:
    bundle, model = moved()
    rows, other = pairs(0), pairs(1)[:2]
    vanilla = random_bundle()
    with torch.inference_mode():
        expected = answer_log_probs(vanilla, vanilla.model, Encoder(vanilla).collate(other))
    torch.testing.assert_close(Reference(bundle, rows, model=model).log_probs(other), expected, rtol=0, atol=1e-5)
