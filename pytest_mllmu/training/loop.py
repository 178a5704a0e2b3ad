"""One training loop, on accelerate, for fine-tuning and for every unlearning method: they differ by a loss."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_mllmu.errors import TrainingError
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.batches import IGNORED, Batch, Encoder, Example, shuffled

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters of one training run. ``linear`` falls from ``lr`` to zero, as the reference does; ``one_cycle`` also warms up."""

    lr: float
    epochs: int
    batch: int
    schedule: Literal["linear", "one_cycle"] = "linear"
    weight_decay: float = 0.0
    beta2: float = 0.999
    clip: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def answer_loss(bundle: Bundle, model: Any, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood of the answers, the mean over all answer tokens of the batch (paper B.2, and the released loss without the prompt).

    -1/T * sum over (image, x, y) and t of log p(y_t | image, x, y_<t), with T the number of answer tokens.
    """
    import torch

    asked = batch.labels != IGNORED
    return torch.nn.functional.cross_entropy(bundle.family.answer_logits(model, batch.inputs, asked).float(), batch.labels[asked])


def train(
    model: Any,
    encoder: Encoder,
    epoch: Callable[[random.Random], Iterable[Example]],
    loss: Callable[[Batch], torch.Tensor],
    hyper: Hyper,
    seed: int,
    progress: Progress,
    title: str,
) -> list[float]:
    """Trains the parameters of ``model`` that require a gradient, in place, and returns the mean loss of each epoch.

    ``epoch`` gives the rows of one epoch. Raises TrainingError, naming the step, when a loss is not finite.
    """
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    set_seed(seed)
    rng = random.Random(f"{seed}/train")
    # The model is where it should be, in the precision it should have: neither is accelerate's to choose from the environment.
    accelerator = Accelerator(cpu=encoder.bundle.device.type == "cpu", device_placement=False, mixed_precision="no")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    plan = [shuffled(epoch(rng), hyper.batch, rng) for _ in range(hyper.epochs)]
    if not any(plan):
        raise TrainingError(f"{title}: there is nothing to train on, no question with its answer")
    optimizer, scheduler = _optimizer(parameters, hyper, sum(map(len, plan)))
    prepared, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    prepared.train()

    def learn(rows: list[Example], place: str) -> float:
        value = loss(encoder.collate(rows))
        if not math.isfinite(value.item()):
            raise TrainingError(f"{title}: the loss is {value.item()} at {place}; a smaller learning rate than {hyper.lr:g} may help")
        accelerator.backward(value)
        accelerator.clip_grad_norm_(parameters, hyper.clip)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        return value.item()

    means = []
    with progress.step(title, total=sum(map(len, plan))) as step:
        for number, batches in enumerate(plan, 1):
            total = 0.0
            for place, rows in enumerate(batches, 1):
                value = learn(rows, f"step {place} of epoch {number}")
                total += value
                step.advance(note=f"epoch {number}/{hyper.epochs}, loss {value:.3f}")
            means.append(total / max(1, len(batches)))
    accelerator.free_memory()
    model.eval()
    return means


def _optimizer(parameters: list[Any], hyper: Hyper, steps: int) -> tuple[Any, Any]:
    import torch

    fused = parameters[0].device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(parameters, lr=hyper.lr, weight_decay=hyper.weight_decay, betas=(0.9, hyper.beta2), fused=fused)
    if hyper.schedule == "one_cycle":
        return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, hyper.lr, total_steps=steps + 1, pct_start=0.15)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: max(0.0, 1 - done / steps))
