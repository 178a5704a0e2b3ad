"""What a safetensors file says of itself, read without the tensors and without trusting it.

The format is a length (8 bytes, little endian), that many bytes of JSON, and the data: every tensor's place in the data is two offsets. The
library checks the same when it loads; here it costs no import and no memory, and what is wrong is said before a test runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mllmu.errors import ModelError

FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Bytes of a value."""
PACKED = {
    "I8": 1, "U8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
}  # fmt: skip
"""Of quantised weights, which a ``quantization_config`` explains."""
COUNTERS = ("position_ids", "num_batches_tracked")
"""Whole numbers that models of old versions kept among their weights."""

LONGEST = 16 * 2**20  # bytes of JSON; a model of 7 B parameters has 0.1 MB, and parsing hostile JSON takes some twenty times its size of memory
DIMENSIONS = 16
SHOWN = 120  # characters of a name that a file gives


@dataclass(frozen=True)
class Stored:
    """One tensor of a file."""

    dtype: str
    shape: tuple[int, ...]


def plain(name: object) -> str:
    """A name from somebody's file as part of one line."""
    text = str(name)
    return (text if text.isprintable() else repr(text))[:SHOWN]


def read_header(file: Path, quantised: bool = False) -> dict[str, Stored]:
    """The tensors of a safetensors file, which must be a regular one. ``quantised``: whether it may hold other numbers than floats.

    Raises ModelError, starting with the file, for anything that is not as the format wants it.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            first = opened.read(8)
            length = int.from_bytes(first, "little")
            if len(first) < 8 or not 2 <= length <= size - 8:
                raise ModelError(f"{file}: no safetensors file, or cut short in its header: {size} bytes; fetch it again")
            if length > LONGEST:
                raise ModelError(f"{file}: its header claims {length} bytes, more than {LONGEST}: no model's weights")
            text = opened.read(length)
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror or error}") from None
    return _tensors(file, loads(file, text), size - 8 - length, quantised)


def loads(file: Path, text: bytes) -> dict[str, Any]:
    """A JSON object, each name once. Raises ModelError for anything else."""
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    except RecursionError:
        raise ModelError(f"{file}: no readable JSON: nested too deep") from None
    except ValueError as error:
        raise ModelError(f"{file}: no readable JSON: {plain(error)}") from None
    if not isinstance(found, dict):
        raise ModelError(f"{file}: a JSON object is expected, not {type(found).__name__}")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r:.60} is there twice")
        found[name] = value
    return found


def _tensors(file: Path, header: Mapping[str, Any], size: int, quantised: bool) -> dict[str, Stored]:
    """Those of a header before ``size`` bytes of data, which they fill without gap or overlap."""
    placed: list[tuple[int, int, str]] = []
    found: dict[str, Stored] = {}
    for name, row in header.items():
        if name == "__metadata__":
            continue
        found[name], start, end = _tensor(file, name, row, quantised)
        if end > size:
            raise ModelError(f"{file}: {plain(name)} ends at byte {plain(end)} of {size}: the file is cut short, such as by a broken download; fetch it again")
        placed.append((start, end, name))
    reached = 0
    for start, end, name in sorted(placed):
        if start != reached:
            raise ModelError(f"{file}: {plain(name)} starts at byte {start}, not {reached}: tensors overlap or leave gaps")
        reached = end
    if reached != size:
        raise ModelError(f"{file}: {size - reached} bytes at its end belong to no tensor")
    if not found:
        raise ModelError(f"{file}: holds no tensors")
    return found


def _tensor(file: Path, name: str, row: Any, quantised: bool) -> tuple[Stored, int, int]:
    """One tensor and where its data starts and ends."""
    fields: tuple[Any, Any, Any] = (row.get("dtype"), row.get("shape"), row.get("data_offsets")) if isinstance(row, dict) else (None, None, None)
    dtype, shape, place = fields
    if not (isinstance(dtype, str) and _sizes(shape, DIMENSIONS) and _sizes(place, 2) and len(place) == 2):
        raise ModelError(f"{file}: {plain(name)} has no dtype, shape and data_offsets as safetensors wants them")
    if dtype in PACKED and not quantised and not (dtype == "I64" and name.endswith(COUNTERS)):
        raise ModelError(f"{file}: {plain(name)} is of dtype {dtype}, and no quantization_config in config.json says why; {', '.join(FLOATS)} are expected")
    width = FLOATS.get(dtype) or PACKED.get(dtype)
    if width is None:
        raise ModelError(f"{file}: {plain(name)} is of the unknown dtype {plain(dtype)}; {', '.join(FLOATS)} are expected")
    start, end = place
    if end - start != width * math.prod(shape):
        raise ModelError(f"{file}: {plain(name)} has {plain(end - start)} bytes of data, not the {plain(width * math.prod(shape))} of its shape and dtype")
    return Stored(dtype, tuple(shape)), start, end


def _sizes(value: Any, most: int) -> bool:
    """Whether it is a list of whole numbers from 0 that a file could have."""
    return isinstance(value, list) and len(value) <= most and all(type(number) is int and 0 <= number < 2**63 for number in value)
