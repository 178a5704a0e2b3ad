"""The builds that the tests of this folder share: one small cold run, and what is derived from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.runs import GA, SLOW, Built, Ran, once, run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Cold, without xdist, and as a user for whom every warning is an error."""

    def build(folder: Path) -> Ran:
        reports = [f"--mllmu-report=run{suffix}" for suffix in (".json", ".jsonl", ".md", ".csv", ".tex")]
        ran = run(folder, *GA, f"--mllmu-cache={folder.parent / 'cache'}", *reports, "-W", "error", "-p", "no:xdist", timeout=SLOW)
        assert ran.code in (0, 1), ran.text
        assert ran.table, ran.text
        return ran

    ran = once(tmp_path_factory, "built", build)
    return Built(ran.folder.parent / "cache", ran)


@pytest.fixture(scope="session")
def limited(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One person of each set only, and quietly: answers are asked for, and nothing is said about it."""
    return built.warm(tmp_path_factory.mktemp("limited"), "--mllmu-limit=1", "--mllmu-report=run.json", "--mllmu-report=run.md", "-q", timeout=SLOW)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic benchmark as a folder in the released layout."""
    from pytest_mllmu.benchmark.export import write_benchmark
    from pytest_mllmu.embedded.benchmark import synthetic_benchmark

    folder = tmp_path_factory.mktemp("exported") / "data"
    write_benchmark(synthetic_benchmark(6, 2, 34, 0), folder, 34)
    return folder
