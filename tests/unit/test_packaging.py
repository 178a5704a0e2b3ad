"""What an installed wheel holds."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_question_set_is_in_the_wheel() -> None:
    """One that is missing there is never judged, and nobody is told."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    sets = {f"benchmarks/{path.name}": f"pytest_mllmu/suite/{path.name}" for path in (ROOT / "benchmarks").glob("test_*.py")}
    assert wheel["force-include"] == sets
