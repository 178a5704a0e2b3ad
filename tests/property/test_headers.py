"""Whatever bytes a stranger's file starts with, the answer is its tensors or one line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.errors import ModelError
from pytest_mllmu.models.headers import read_header
from tests.checkpoints import header, weights

NUMBERS = st.one_of(st.integers(-2, 20), st.integers(2**31 - 1, 2**64), st.booleans(), st.none(), st.floats(), st.text(max_size=3))
ROWS = st.one_of(
    st.fixed_dictionaries(
        {
            "dtype": st.one_of(st.sampled_from(["F32", "F16", "BOOL", "I64", "F4"]), NUMBERS),
            "shape": st.one_of(st.lists(NUMBERS, max_size=4), NUMBERS),
            "data_offsets": st.one_of(st.lists(NUMBERS, max_size=3), NUMBERS),
        }
    ),
    st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=8),
)


def outcome(data: bytes) -> str:
    """What is said of a file with these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        file.write_bytes(data)
        try:
            return f"{len(read_header(file))} tensors"
        except ModelError as error:
            return str(error)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    assert len(outcome(data).splitlines()) == 1


@given(st.binary(max_size=200), st.integers(0, 40))
def test_any_bytes_as_the_header(text: bytes, size: int) -> None:
    assert len(outcome(weights(text, size=size)).splitlines()) == 1


@given(st.dictionaries(st.text(max_size=10), ROWS, max_size=4), st.integers(0, 100))
def test_any_json_as_the_header(rows: dict[str, Any], size: int) -> None:
    assert len(outcome(weights(json.dumps(rows).encode(), size=size)).splitlines()) == 1


@given(st.data())
def test_a_sound_file_with_a_byte_changed_or_cut(data: st.DataObject) -> None:
    sound = weights(header({"a": (2, 3), "b": (4,)}))
    place = data.draw(st.integers(0, len(sound) - 1))
    changed = sound[:place] + bytes([data.draw(st.integers(0, 255))]) + sound[place + 1 :]
    assert len(outcome(changed).splitlines()) == 1
    assert "tensors" not in outcome(sound[:place]) or "model.safetensors" in outcome(sound[:place])
    assert outcome(sound) == "2 tensors"
