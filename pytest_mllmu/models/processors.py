"""Processors from disk: images and text only, and the same pixels whatever else is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_mllmu.errors import ModelError

FILES = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


def load_processor(folder: Path, model_type: str) -> Any:
    """The checkpoint's processor, with Pillow's arithmetic for images and without the part for videos.

    torchvision's arithmetic differs in the last digits, and so would answers with an optional package that happens to be there.
    Raises ModelError when the checkpoint has none, and whatever transformers raises for damaged files.
    """
    from transformers import AutoImageProcessor

    processor = _still(_kind(folder, model_type)).from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True, trust_remote_code=False)
    return processor


def _kind(folder: Path, model_type: str) -> Any:
    """The class that the checkpoint names, if it is one of transformers' processors; else the one for its model type."""
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    named = [_read(folder / name).get("processor_class") for name in FILES]
    for name in [*named, PROCESSOR_MAPPING_NAMES.get(model_type)]:
        kind = getattr(transformers, name, None) if isinstance(name, str) and name.endswith("Processor") else None
        if isinstance(kind, type) and issubclass(kind, transformers.ProcessorMixin):
            return kind
    raise ModelError(f"{folder}: no processor for images and text in transformers for the model type {model_type!r}")


def _read(file: Path) -> dict[str, Any]:
    value = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return value if isinstance(value, dict) else {}


def _still(kind: Any) -> Any:
    """The class without its part for videos, which would need torchvision and is never asked anything here."""
    if not any("video" in name for name in kind.get_attributes()):
        return kind

    class Still(kind):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if "video" not in name]

        @classmethod
        def from_args_and_dict(cls, args: Any, processor_dict: dict[str, Any], **kwargs: Any) -> Any:
            return super().from_args_and_dict(args, {**processor_dict, "video_processor": None}, **kwargs)

    Still.__name__ = kind.__name__  # it is saved under the name of the real class
    return Still
