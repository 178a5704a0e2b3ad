"""An interrupted training goes on from where it was last saved, and ends with the very same weights.

One safetensors file with everything that a step changes: trainable weights, the optimizer's moments, the state of random generators, and, as JSON
in its header, the schedule and the position. No pickle: loading one runs code. The file is written beside its place, synced and renamed, so
there is an old one or a new one whenever the process is killed.
"""

from __future__ import annotations

import array
import hashlib
import json
import os
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mllmu.store import sync
from pytest_mllmu.training.batches import Example
from pytest_mllmu.training.plan import Step

if TYPE_CHECKING:
    import torch


@dataclass
class Position:
    """Optimizer steps done, the sum of the losses of those in the current epoch, and the mean loss of each finished epoch."""

    done: int = 0
    total: float = 0.0
    means: list[float] = field(default_factory=list)


class Checkpoint:
    """The state of one run at ``path``, a file that belongs to this run alone. One of another run (other rows, choices or weights) is not used."""

    def __init__(self, path: Path, model: Any, optimizer: Any, scheduler: Any, run: dict[str, Any], plan: Sequence[Sequence[Step]]) -> None:
        import torch

        self.path, self._part = path, path.with_name(f"{path.name}.part")
        self._parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._optimizer, self._scheduler = optimizer, scheduler
        shapes = {name: [list(parameter.shape), str(parameter.dtype)] for name, parameter in self._parameters.items()}
        self._run = hashlib.sha256(json.dumps([run, shapes, torch.__version__, _digest(plan)], sort_keys=True).encode()).hexdigest()

    def save(self, position: Position) -> str:
        """Says why when nothing could be saved (a full disk must not end a training), else nothing."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        optimizer = self._optimizer.state_dict()
        tensors = {f"weight/{name}": parameter.detach().contiguous() for name, parameter in self._parameters.items()}
        tensors |= {f"optimizer/{number}/{name}": value.contiguous() for number, state in optimizer["state"].items() for name, value in state.items()}
        tensors |= {f"random/{name}": value for name, value in _torch_random().items()}
        state = {"position": asdict(position), "groups": optimizer["param_groups"], "scheduler": self._scheduler.state_dict(), "random": _python_random()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, self._part, metadata={"run": self._run, "state": json.dumps(state)})
            sync(self._part)
            os.replace(self._part, self.path)
            sync(self.path.parent)
        except (OSError, SafetensorError) as error:
            return str(error)
        return ""

    def restore(self) -> Position | None:
        """Puts everything back as it was saved; None, with nothing changed, when there is no checkpoint of this run."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
                if header.get("run") != self._run:
                    return None
                tensors, state = {name: file.get_tensor(name) for name in file.keys()}, json.loads(header["state"])  # noqa: SIM118
        except (OSError, SafetensorError):
            return None
        self._put(tensors, state)
        return Position(**state["position"])

    def _put(self, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        import torch

        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(tensors[f"weight/{name}"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer/"):
                _, number, kind = name.split("/")
                moments.setdefault(int(number), {})[kind] = value
        groups = [group | {"betas": tuple(group["betas"])} for group in state["groups"]]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._scheduler.load_state_dict(state["scheduler"])
        _set_random({name.removeprefix("random/"): value for name, value in tensors.items() if name.startswith("random/")}, state["random"])

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)


def _torch_random() -> dict[str, torch.Tensor]:
    import torch

    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state()} | {f"cuda{number}": state for number, state in enumerate(cuda)}


def _python_random() -> dict[str, Any]:
    import numpy as np

    kind, keys, *rest = np.random.get_state(legacy=True)
    return {"python": random.getstate(), "numpy": [kind, [int(key) for key in keys], *rest]}


def _set_random(tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
    import numpy as np
    import torch

    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(tensors.pop("cpu"))
    if tensors:
        torch.cuda.set_rng_state_all([tensors[f"cuda{number}"] for number in range(len(tensors))])


def _digest(plan: Sequence[Sequence[Step]]) -> str:
    """Of all rows in all steps; each row's tokens are read once."""
    digest, known = hashlib.sha256(), dict[Example, int]()

    def number(row: Example) -> int:
        if row not in known:
            digest.update(array.array("q", [len(row.prompt), *row.prompt, *row.answer]).tobytes())
            digest.update(row.picture.digest.encode() if row.picture else b"-")
        return known.setdefault(row, len(known))

    for steps in plan:
        for step in steps:
            for part in step:
                digest.update(json.dumps([[number(row) for row in rows] for rows in (part.rows, part.beside)]).encode())
            digest.update(b"\n")
    return digest.hexdigest()
