"""What kind of model a folder holds, by the names of its files; nothing is read."""

from __future__ import annotations

from pathlib import Path

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def is_whole(folder: Path) -> bool:
    """Whether the weights of a whole model lie there."""
    return any((folder / name).is_file() for name in (WEIGHTS, INDEX))


def is_adapter(folder: Path) -> bool:
    """Whether it is a LoRA adapter. Some trainers write the base's config.json beside it, so that only the weights tell."""
    return (folder / ADAPTER_CONFIG).is_file() and not is_whole(folder)
