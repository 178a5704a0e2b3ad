"""Models to and from disk. Checkpoints are untrusted: safetensors only, never remote code, never the network."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from pytest_mllmu.errors import ModelError, did_you_mean
from pytest_mllmu.folders import is_adapter
from pytest_mllmu.models.adapters import with_adapter as with_adapter
from pytest_mllmu.models.families import Bundle
from pytest_mllmu.models.finite import not_finite
from pytest_mllmu.models.processors import load_processor
from pytest_mllmu.models.registry import families, family_of
from pytest_mllmu.models.said import said
from pytest_mllmu.models.selfcheck import misfit

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)


def load(
    path: Path | str,
    device: str,
    *,
    base: Bundle | None = None,
    dtype: Dtype = "auto",
    device_map: str | dict[str, Any] | None = None,
    four_bit: bool = False,
    attention: str = "auto",
) -> Bundle:
    """A checkpoint in memory: a folder, or a hub id whose files are on this disk already.

    A LoRA adapter's folder is put on ``base``, which changes in place; it has no dtype or device of its own. ``dtype`` "auto"
    is the checkpoint's. ``device_map`` spreads the model as accelerate does, and ``device`` is not used then. ``four_bit`` holds
    the linear layers in NF4 (QLoRA, Dettmers et al. 2023). ``attention``
    "auto" is the model's own choice. Raises ModelError in one line when it cannot be loaded.
    """
    folder = on_disk(path)
    if is_adapter(folder):
        if base is None:
            raise ModelError(f"{folder}: a LoRA adapter, not a whole model; it needs the model that it was trained on")
        return with_adapter(base, folder)
    kind = model_type(folder)
    name = families()[kind].name if kind in families() else kind
    settings = _settings(folder, device, dtype, device_map, four_bit) | ({} if attention == "auto" else {"attn_implementation": attention})
    _check(folder, kind)
    try:
        from transformers import AutoModelForImageTextToText

        processor = load_processor(folder, kind)
        family = family_of(kind, processor)
        processor = family.prepared(processor)
        model, loaded = AutoModelForImageTextToText.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, output_loading_info=True, **settings
        )
    except ModelError as error:
        raise ModelError(f"{folder}: {str(error).removeprefix(f'{folder}: ')}") from None
    except Exception as error:  # a malformed file makes the libraries raise anything: SafetensorError, KeyError, ...
        raise ModelError(f"{folder}: cannot be loaded as {name}: {said(error)}") from error
    for what, keys in (("missing", loaded["missing_keys"]), ("unexpected", loaded["unexpected_keys"])):
        if keys:
            raise ModelError(f"{folder}: cannot be loaded as {name}: {len(keys)} weights are {what}, such as {min(keys)}")
    model = model.eval() if "device_map" in settings else model.to(device).eval()
    if broken := not_finite(model.state_dict().items()):
        raise ModelError(f"{folder}: {broken} holds numbers that are not finite (NaN or infinity): a broken file, or a training that diverged")
    if wrong := misfit(family, model, processor):
        raise ModelError(f"{folder}: {wrong}")
    _only_ends(model)
    return Bundle(model, processor, family)


def _only_ends(model: Any) -> None:
    """Of a checkpoint's own generation settings only the tokens that end an answer stay: ``generate`` takes the others wherever ours say nothing, and banned
    words or a penalty would pass for forgetting."""
    from transformers import GenerationConfig

    kept = {name: getattr(model.generation_config, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(**kept)


def on_disk(path: Path | str) -> Path:
    """The folder of a path or of a hub id. Nothing is downloaded: a test run must not depend on the network."""
    folder = Path(path).expanduser()
    if folder.exists() or not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", str(path)):
        return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(path), local_files_only=True))
    except Exception:  # the hub's client has several errors for a file that is not there
        raise ModelError(f"{path}: no such folder, and no such model on this disk; fetch it first with `hf download {path}`, or give a folder") from None


def model_type(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: no readable config.json with a model_type ({error}); a checkpoint folder is expected") from None


def save(bundle: Bundle, folder: Path) -> None:
    bundle.model.save_pretrained(folder)
    bundle.processor.save_pretrained(folder)


def _check(folder: Path, kind: str) -> None:
    """Raises ModelError for an architecture that transformers does not have, and for weights that are code."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN

    if kind not in KNOWN:
        raise ModelError(f"{folder}: transformers has no image-text-to-text model of type {kind!r}{did_you_mean(kind, KNOWN)}")
    pickled = sorted(file.name for suffix in ("bin", "pt", "pth", "ckpt") for file in folder.glob(f"*.{suffix}"))
    if pickled and not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder}: only pickled weights ({pickled[0]}), which can run code when they are loaded; convert them to safetensors")


def _settings(folder: Path, device: str, dtype: Dtype, device_map: str | dict[str, Any] | None, four_bit: bool) -> dict[str, Any]:
    """Keyword arguments of ``from_pretrained``."""
    if dtype not in DTYPES:
        raise ModelError(f"{folder}: no dtype {dtype!r}; known: {', '.join(DTYPES)}{did_you_mean(dtype, DTYPES)}")
    settings: dict[str, Any] = {"dtype": dtype}
    if device_map is not None:
        settings["device_map"] = device_map
    if four_bit:
        if find_spec("bitsandbytes") is None:
            raise ModelError(f"{folder}: 4-bit weights need bitsandbytes, which is not installed: pip install 'pytest-mllmu[quant]'")
        from transformers import BitsAndBytesConfig

        compute = "bfloat16" if dtype == "auto" else dtype
        settings["dtype"] = compute
        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
        )
        settings.setdefault("device_map", {"": device})
    return settings
