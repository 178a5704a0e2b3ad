"""One training loop, on accelerate, for fine-tuning and for every unlearning method: they differ by a loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_mllmu.errors import TrainingError
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.progress import Progress
from pytest_mllmu.training.answers import answer_logits, answer_tokens
from pytest_mllmu.training.batches import Batch, Encoder, Labels
from pytest_mllmu.training.checkpoint import Checkpoint, Position
from pytest_mllmu.training.features import frozen
from pytest_mllmu.training.packing import packable
from pytest_mllmu.training.plan import Rows, Step, planned
from pytest_mllmu.training.steps import batches, checkpointed, remembered

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters of one training run. ``linear`` falls from ``lr`` to zero, as the reference does; ``one_cycle`` also warms up.

    A step learns ``batch`` x ``accumulate`` rows, ``batch`` of them at a time: only memory tells 8 x 1 from 1 x 8. ``checkpointing`` computes
    activations again in the backward pass instead of keeping them. ``packed`` keeps rows about one picture in one batch, where they share its tokens
    (``packing.py``): other rows meet in a step, so it is another training, several times as fast where a picture has many tokens.
    """

    lr: float
    epochs: int
    batch: int
    schedule: Literal["linear", "one_cycle"] = "linear"
    weight_decay: float = 0.0
    beta2: float = 0.999
    clip: float = 1.0
    accumulate: int = 1
    labels: Labels = "answer"
    checkpointing: bool = False
    packed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Choices that came later are left out at their default, so that what was stored before them keeps its key."""
        later = ("accumulate", "labels", "checkpointing", "packed")
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in later or getattr(self, field.name) != field.default}


def answer_loss(bundle: Bundle, model: Any, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood of the answers, the mean over all answer tokens of the batch (paper B.2, and the released loss without the prompt).

    -1/T * sum over (image, x, y) and t of log p(y_t | image, x, y_<t), with T the number of answer tokens.
    """
    import torch

    return torch.nn.functional.cross_entropy(answer_logits(bundle, model, batch), answer_tokens(batch))


def train(
    model: Any,
    encoder: Encoder,
    epoch: Rows,
    loss: Callable[[Batch], torch.Tensor],
    hyper: Hyper,
    seed: int,
    progress: Progress,
    title: str,
    *,
    beside: Rows | None = None,
    checkpoint: Path | None = None,
    every: int | None = None,
) -> list[float]:
    """Trains the parameters of ``model`` that require a gradient, in place, and returns the mean loss of each epoch.

    ``epoch`` gives the rows of one epoch; ``beside`` those of a second stream, which ``loss`` finds in ``batch.beside``. ``loss`` is a mean over the
    answer tokens of its batch. When gradients are accumulated each batch's loss is weighed by ``batch.share``, its part of the answer tokens of
    the step, so that the sum is the mean over the whole step. (A term over ``batch.beside`` is exact when the loss multiplies it by
    ``batch.beside.share / batch.share``, a mean over rows when it multiplies it by ``batch.row_share / batch.share``: both 1 without accumulation.)

    ``checkpoint`` is a file, of this run alone, that is written after ``every`` steps, or after each epoch; the same call goes on from it with the
    same result, and removes it in the end. Raises TrainingError, naming the step, when a loss is not finite.
    """
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    set_seed(seed)
    # The model is where it should be, in the precision it should have: neither is accelerate's to choose from the environment.
    accelerator = Accelerator(cpu=encoder.bundle.device.type == "cpu", device_placement=False, mixed_precision="no")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    plan = planned(epoch, beside, hyper.epochs, hyper.batch, hyper.accumulate, seed, hyper.packed)
    if not any(plan):
        raise TrainingError(f"{title}: there is nothing to train on, no question with its answer")
    optimizer, scheduler = _optimizer(parameters, hyper, sum(map(len, plan)))
    prepared, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    prepared.train()
    packing = hyper.packed and packable(encoder.bundle)
    if hyper.packed and not packing:
        progress.say(f"{title}: rows are not packed, which is not known to be exact for this model ({encoder.bundle.family.name}); same rows, same result")

    def learn(parts: Step, place: str) -> float:
        total = 0.0
        for batch in batches(encoder, parts, hyper.labels, packing):
            value = loss(batch) * batch.share
            if not math.isfinite(value.item()):
                raise TrainingError(f"{title}: the loss is {value.item()} at {place}; a smaller learning rate than {hyper.lr:g} may help")
            accelerator.backward(value)
            total += value.item()
        accelerator.clip_grad_norm_(parameters, hyper.clip)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        return total

    saved = Checkpoint(checkpoint, model, optimizer, scheduler, hyper.to_json() | {"seed": seed}, plan) if checkpoint else None
    with checkpointed(model, hyper.checkpointing), remembered(encoder, frozen(encoder.bundle)):
        means = _run(plan, learn, saved, every, progress, title)
    accelerator.free_memory()
    model.eval()
    return means


def _run(
    plan: list[list[Step]], learn: Callable[[Step, str], float], saved: Checkpoint | None, every: int | None, progress: Progress, title: str
) -> list[float]:
    """All steps of the plan, or those that are left of it; the mean loss of each epoch."""
    steps = [(number, place, parts) for number, epoch in enumerate(plan, 1) for place, parts in enumerate(epoch, 1)]
    position = (saved.restore() if saved else None) or Position()
    if position.done:
        progress.say(f"{title}: going on after step {position.done} of {len(steps)}")
    with progress.step(title, total=len(steps)) as step:
        step.advance(position.done)
        for number, place, parts in steps[position.done :]:
            try:
                value = learn(parts, f"step {place} of epoch {number}")
            except TrainingError:
                if saved:
                    saved.remove()  # it would only lead to the same end
                raise
            position.total, position.done = position.total + value, position.done + 1
            ended = place == len(plan[number - 1])
            if ended:
                position.means.append(position.total / place)
                position.total = 0.0
            step.advance(note=f"epoch {number}/{len(plan)}, loss {value:.3f}")
            due = position.done < len(steps) and (position.done % every == 0 if every else ended)
            if saved and due and (problem := saved.save(position)):
                progress.say(f"{title}: no checkpoint after step {position.done}: {problem}")
    if saved:
        saved.remove()
    return position.means


def _optimizer(parameters: list[Any], hyper: Hyper, steps: int) -> tuple[Any, Any]:
    import torch

    fused = parameters[0].device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(parameters, lr=hyper.lr, weight_decay=hyper.weight_decay, betas=(0.9, hyper.beta2), fused=fused)
    if hyper.schedule == "one_cycle":
        return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, hyper.lr, total_steps=steps + 1, pct_start=0.15)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: max(0.0, 1 - done / steps))
