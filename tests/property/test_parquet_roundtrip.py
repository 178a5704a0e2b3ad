"""What is exported is read back equal, whatever the benchmark."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mllmu.benchmark.export import write_benchmark
from pytest_mllmu.benchmark.parquet import read_benchmark, read_ids
from pytest_mllmu.benchmark.profiles import Benchmark
from pytest_mllmu.benchmark.splits import draw, order
from tests.property.strategies import IDS, benchmarks

quick = settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@quick
@given(benchmark=benchmarks(), percent=st.integers(1, 99), seed=st.integers())
def test_exported_data_is_read_back_equal(benchmark: Benchmark, percent: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        write_benchmark(benchmark, folder, percent)
        read = read_benchmark(folder, percent, seed)
        assert read == benchmark
        assert read.fingerprints == benchmark.fingerprints
        assert read_ids(folder, percent, seed) == (benchmark.forget_ids, benchmark.retain_ids)


@quick
@given(ids=st.lists(IDS, min_size=1, max_size=30, unique=True), percent=st.integers(1, 99), seed=st.integers(), data=st.data())
def test_a_drawn_split_parts_the_people_whatever_their_order(ids: list[str], percent: int, seed: int, data: st.DataObject) -> None:
    forget, retain = draw(ids, percent, seed)
    assert len(forget) == max(1, round(len(ids) * percent / 100))
    assert sorted(forget + retain) == sorted(ids)
    assert list(forget) == sorted(forget, key=order)
    assert draw(data.draw(st.permutations(ids)), percent, seed) == (forget, retain)
