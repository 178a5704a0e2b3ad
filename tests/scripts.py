"""The scripts of benchmarks/ as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def performance(name: str) -> Any:
    return script("performance", name)


def script(folder: str, name: str) -> Any:
    path = Path(__file__).parents[1] / "benchmarks" / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{folder}_of_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
