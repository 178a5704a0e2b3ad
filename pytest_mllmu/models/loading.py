"""Models to and from disk. Checkpoints are untrusted: safetensors only, never remote code, never the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_mllmu.errors import ModelError
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.models.registry import family_of


def load(folder: Path, device: str) -> Bundle:
    """A full checkpoint from a folder. Raises ModelError in one line when it cannot be loaded."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    family = family_of(model_type(folder))
    try:
        model, loaded = AutoModelForImageTextToText.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a malformed file makes the libraries raise anything: SafetensorError, KeyError, ...
        raise ModelError(f"{folder}: cannot be loaded as {family.name}: {_said(error)}") from error
    if missing := sorted(loaded["missing_keys"]):
        raise ModelError(f"{folder}: cannot be loaded as {family.name}: {len(missing)} weights are missing, such as {missing[0]}")
    return Bundle(model.to(device).eval(), processor, family)


def model_type(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: no readable config.json with a model_type ({error}); a checkpoint folder is expected") from None


def save(bundle: Bundle, folder: Path) -> None:
    bundle.model.save_pretrained(folder)
    bundle.processor.save_pretrained(folder)


def with_adapter(bundle: Bundle, folder: Path) -> Bundle:
    """The adapter in ``folder`` merged into the bundle's model, which changes in place."""
    from peft import PeftModel

    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(f"{folder}: no adapter_model.safetensors; the folder of a LoRA adapter is expected")
    try:
        merged: Any = PeftModel.from_pretrained(bundle.model, folder, local_files_only=True).merge_and_unload()
    except Exception as error:
        raise ModelError(f"{folder}: cannot be loaded as an adapter: {_said(error)}") from error
    return Bundle(merged.eval(), bundle.processor, bundle.family)


def _said(error: Exception) -> str:
    """The first line of what a library says, with the kind of error where the words alone tell little (a KeyError)."""
    first = next(iter(str(error).splitlines()), "")
    return first if isinstance(error, OSError | ValueError | RuntimeError) and first else f"{type(error).__name__}: {first}"
