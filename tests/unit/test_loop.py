"""The loop: what it refuses, what it returns, its schedules."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from pytest_mllmu.errors import TrainingError
from pytest_mllmu.training.batches import Batch, Encoder, Example
from pytest_mllmu.training.loop import Hyper, _optimizer, answer_loss, train
from tests.models import SILENT, person, random_bundle

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def run_training(values: list[float], hyper: Hyper, title: str = "unlearning") -> tuple[list[float], list[Batch]]:
    """Trains on eight rows with a loss of the given values."""
    bundle = random_bundle()
    encoder = Encoder(bundle)
    rows = encoder.pairs(person())[:8]
    seen: list[Batch] = []

    def loss(batch: Batch) -> torch.Tensor:
        seen.append(batch)
        return bundle.model.lm_head.weight.sum() * 0 + values[len(seen) - 1]

    return train(bundle.model, encoder, lambda rng: rows, loss, hyper, 0, SILENT, title), seen


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_ends_training_with_its_place(bad: float) -> None:
    with pytest.raises(TrainingError) as caught:
        run_training([1.0, 1.0, 1.0, bad], Hyper(lr=0.5, epochs=3, batch=3), "unlearning 2 people with GA")
    assert str(caught.value) == f"unlearning 2 people with GA: the loss is {bad} at step 1 of epoch 2; a smaller learning rate than 0.5 may help"


def test_the_mean_loss_of_each_epoch() -> None:
    means, seen = run_training([3.0, 2.0, 1.0, 6.0, 5.0, 4.0], Hyper(lr=1e-4, epochs=2, batch=3))
    assert means == [2.0, 5.0]
    assert [sorted(len(batch.labels) for batch in part) for part in (seen[:3], seen[3:])] == [[2, 3, 3]] * 2


def test_each_epoch_is_drawn_anew() -> None:
    bundle = random_bundle()
    encoder = Encoder(bundle)
    rows, drawn = encoder.pairs(person()), []

    def epoch(rng: random.Random) -> list[Example]:
        drawn.append(rng.sample(rows, 3))
        return drawn[-1]

    train(bundle.model, encoder, epoch, lambda batch: answer_loss(bundle, bundle.model, batch), Hyper(lr=1e-4, epochs=3, batch=2), 0, SILENT, "x")
    assert len(drawn) == 3
    assert drawn[0] != drawn[1] != drawn[2]
    assert not bundle.model.training


@pytest.mark.parametrize("epochs", [1, 2])
def test_nothing_to_train_on_is_said(epochs: int) -> None:
    bundle = random_bundle()
    with pytest.raises(TrainingError, match=r"^unlearning: there is nothing to train on"):
        train(bundle.model, Encoder(bundle), lambda rng: [], lambda batch: torch.zeros(()), Hyper(1e-4, epochs, 4), 0, SILENT, "unlearning")


def learning_rates(hyper: Hyper, steps: int) -> list[float]:
    parameter: Any = torch.nn.Parameter(torch.zeros(1))
    optimizer, scheduler = _optimizer([parameter], hyper, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        parameter.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
    return rates


def test_linear_falls_from_the_learning_rate_to_zero() -> None:
    assert learning_rates(Hyper(lr=2e-5, epochs=1, batch=4), 4) == pytest.approx([2e-5, 1.5e-5, 1e-5, 0.5e-5])


def test_one_cycle_warms_up() -> None:
    rates = learning_rates(Hyper(lr=1e-3, epochs=1, batch=4, schedule="one_cycle"), 40)
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(1e-3, rel=0.02)
    assert rates[0] < 1e-4 < rates[peak]
    assert 0 < peak < 10
    assert rates[-1] < 1e-5
