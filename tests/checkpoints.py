"""Checkpoints written by hand: a few zeros with a header that says anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WIDTH = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I8": 1, "I64": 8, "F8_E4M3": 1, "F4": 1}
SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "vocab_size": 16}
TENSORS = {"model.language_model.embed_tokens.weight": (16, 8), "model.language_model.layers.0.mlp.up_proj.weight": (12, 8), "lm_head.weight": (16, 8)}

LAYER = "base_model.model.model.language_model.layers.0.mlp.up_proj"
"""The only layer of ``whole``, as an adapter calls it."""


def header(tensors: Mapping[str, tuple[int, ...]], dtype: str = "F32") -> dict[str, Any]:
    """As safetensors would write it."""
    rows: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, shape in tensors.items():
        end = start + WIDTH[dtype]
        for size in shape:
            end = start + (end - start) * size
        rows[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
        start = end
    return rows


def weights(rows: Mapping[str, Any] | bytes, size: int | None = None, length: int | None = None) -> bytes:
    """A safetensors file. ``size``: bytes of data, those that the header wants unless said; ``length``: what the first eight bytes claim."""
    text = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    wanted = max([row["data_offsets"][1] for name, row in rows.items() if name != "__metadata__"], default=0) if isinstance(rows, Mapping) else 0
    return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(wanted if size is None else size)


def whole(folder: Path, tensors: Mapping[str, tuple[int, ...]] = TENSORS, kind: str = "llava", **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "text_config": SIZES, **config}))
    (folder / "model.safetensors").write_bytes(weights(header(tensors)))
    return folder


def adapter(folder: Path, size: int = 8, rank: int = 4, **config: Any) -> Path:
    """A LoRA adapter for the only layer of ``whole``."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, **config}))
    (folder / "adapter_model.safetensors").write_bytes(weights(header({f"{LAYER}.lora_A.weight": (rank, size), f"{LAYER}.lora_B.weight": (12, rank)})))
    return folder
