"""Gradient ascent is the negative of the answers' likelihood, computed here once more by hand."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from pytest_mllmu.errors import SettingsError, TrainingError
from pytest_mllmu.methods import method, methods
from pytest_mllmu.methods.base import UnlearnStep
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.training.batches import IGNORED, Batch, Encoder, Example
from pytest_mllmu.training.loop import Hyper, _optimizer, answer_loss, train
from pytest_mllmu.training.lora import Lora, adapted
from tests.models import SILENT, person, random_bundle

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def in_double() -> tuple[Bundle, Batch]:
    bundle = random_bundle()
    bundle.model.double()
    encoder = Encoder(bundle)
    return bundle, encoder.collate(encoder.pairs(person())[:5] + encoder.pairs(person(1))[-3:])


def plain_loss(bundle: Bundle, batch: Batch) -> torch.Tensor:
    """-1/T * sum of log p(y_t | image, x, y_<t), over full logits, token by token."""
    likelihood = bundle.model(**batch.inputs).logits.log_softmax(-1)
    ids, width = batch.inputs["input_ids"], batch.inputs["input_ids"].shape[1]
    tokens = []
    for row, labels in enumerate(batch.labels.tolist()):
        answer = [label for label in labels if label != IGNORED]
        for place, token in zip(range(width - len(answer), width), answer, strict=True):
            assert ids[row, place] == token
            tokens.append(likelihood[row, place - 1, token])
    return -torch.stack(tokens).sum() / len(tokens)


def test_answer_loss_is_the_mean_over_answer_tokens() -> None:
    bundle, batch = in_double()
    assert answer_loss(bundle, bundle.model, batch).item() == pytest.approx(plain_loss(bundle, batch).item(), abs=1e-6)


def test_answer_loss_of_an_adapted_model_sees_the_adapter() -> None:
    bundle, batch = in_double()
    before = answer_loss(bundle, bundle.model, batch).item()
    model = adapted(bundle, Lora(dropout=0.0), 0)
    assert answer_loss(bundle, model, batch).item() == pytest.approx(before, abs=1e-6)  # a fresh adapter changes nothing
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.05)
    after = answer_loss(bundle, model, batch).item()
    assert abs(after - before) > 1e-3
    assert after == pytest.approx(plain_loss(Bundle(model, bundle.processor, bundle.family), batch).item(), abs=1e-6)


def test_ga_is_minus_the_likelihood_loss() -> None:
    bundle, batch = in_double()
    value = method("ga").loss(UnlearnStep(bundle, bundle.model, batch))
    assert value.item() == pytest.approx(-plain_loss(bundle, batch).item(), abs=1e-6)
    assert value.item() < 0


def gradients(bundle: Bundle, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    bundle.model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in bundle.model.named_parameters() if parameter.grad is not None}


def test_ga_climbs_where_learning_descends() -> None:
    bundle, batch = in_double()
    down = gradients(bundle, answer_loss(bundle, bundle.model, batch))
    up = gradients(bundle, method("ga").loss(UnlearnStep(bundle, bundle.model, batch)))
    by_hand = gradients(bundle, plain_loss(bundle, batch))
    assert any(gradient.abs().max() > 1e-3 for gradient in up.values())
    assert up.keys() == down.keys()
    for name, gradient in up.items():
        torch.testing.assert_close(gradient, -down[name], rtol=0, atol=0)
        torch.testing.assert_close(gradient, -by_hand[name], rtol=1e-4, atol=1e-6)


def test_hyper_parameters_are_the_released_ones() -> None:
    ga = method("ga")
    assert (ga.hyper.lr, ga.hyper.epochs, ga.hyper.batch, ga.hyper.schedule) == (2e-5, 1, 4, "linear")
    assert (ga.lora.r, ga.lora.alpha, ga.lora.dropout) == (16, 16, 0.05)
    assert (ga.name, ga.title, ga.needs_retain) == ("ga", "GA", False)


def test_an_unknown_method_gets_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match=r"^no unlearning method 'gaa'; known: ga; did you mean 'ga'\?$"):
        method("gaa")


def test_registered_methods_are_named_as_registered_and_complete() -> None:
    for name, create in methods().items():
        made = create()
        assert made.name == name
        assert made.title
        assert made.source
        settings = made.settings()
        assert settings["name"] == name
        assert settings["lora"] == made.lora.to_json()


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
