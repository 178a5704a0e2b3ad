"""Parquet files of data, edited in place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ONLY = "train-00000-of-00001.parquet"
Rows = list[dict[str, Any]]


def change(path: Path, edit: Callable[[Rows], Any], schema: Callable[[pa.Schema], pa.Schema] = lambda schema: schema) -> Path:
    """Rewrite a file with ``edit`` done to its rows."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    edit(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema(table.schema)), path)
    return path
