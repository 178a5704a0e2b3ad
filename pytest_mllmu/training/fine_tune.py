"""Fine-tuning of a real checkpoint on the profiles: how the paper makes its vanilla model, and its oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_mllmu.benchmark.profiles import Profile
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import Encoder
from pytest_mllmu.training.loop import Hyper, answer_loss, train
from pytest_mllmu.training.lora import Lora, adapted

VANILLA = Hyper(lr=2e-5, epochs=3, batch=4)  # paper section 4 (3 epochs), table 3 (batch 4, LoRA) and the released code (lr 2e-5)


def fine_tune(bundle: Bundle, profiles: tuple[Profile, ...], hyper: Hyper, seed: int, progress: Progress, title: str, checkpoint: Path) -> Any:
    """The bundle's model with an adapter that learned every training pair of the profiles (a PeftModel); ``checkpoint`` as in
    ``train``. Raises TrainingError."""
    encoder = Encoder(bundle)
    rows = [row for profile in profiles for row in encoder.pairs(profile)]
    model = adapted(bundle, Lora(), seed)
    train(model, encoder, lambda rng: rows, lambda batch: answer_loss(bundle, model, batch), hyper, seed, progress, title, checkpoint=checkpoint)
    return model
