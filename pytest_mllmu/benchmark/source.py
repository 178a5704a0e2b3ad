"""What ``--mllmu-data`` names: a folder in the released layout, or a list of people. The one place that tells them apart."""

from __future__ import annotations

from pathlib import Path

from pytest_mllmu.benchmark.profiles import Benchmark
from pytest_mllmu.benchmark.splits import SplitIds
from pytest_mllmu.errors import DataError


def read_benchmark(data: str, percent: int, seed: int) -> Benchmark:
    """The benchmark at the path ``data``. Raises DataError."""
    path = Path(data).expanduser()
    if _is_list(path):
        from pytest_mllmu.benchmark.own import own_benchmark

        return own_benchmark(path, percent, seed)
    from pytest_mllmu.benchmark import parquet

    return parquet.read_benchmark(path, percent, seed)


def read_ids(data: str, percent: int, seed: int) -> SplitIds:
    """Who is to be forgotten and who retained, reading no more than that takes. Raises DataError."""
    path = Path(data).expanduser()
    if _is_list(path):
        from pytest_mllmu.benchmark.own import own_ids

        return own_ids(path, percent, seed)
    from pytest_mllmu.benchmark import parquet

    return parquet.read_ids(path, percent, seed)


def _is_list(path: Path) -> bool:
    """Whether ``path`` is a list of people. A folder with parquet files one level down is none, unless it has a table of people."""
    from pytest_mllmu.benchmark.lists import TABLES, table_of, texts_of

    if not path.is_dir():
        return True
    if table_of(path) is not None:
        return True
    if any(path.glob("*/*.parquet")):
        return False
    if texts_of(path):
        return True
    if any(entry.is_dir() for entry in path.iterdir()):
        return False  # the released layout with something missing: its reader says what
    raise DataError(f"neither {' nor '.join(TABLES)} in this folder, nor a text file beside each person's picture, nor parquet files", file=path)
