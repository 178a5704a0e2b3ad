"""The reference pages are what the code says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from pytest_mllmu.options import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES: dict[str, str] = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    page = ROOT / "docs" / "reference" / name
    committed = page.read_text(encoding="utf-8") if page.is_file() else ""
    assert committed == PAGES[name], f"docs/reference/{name} is stale: run python docs/generate.py"


def test_no_other_page_lies_there() -> None:
    assert {path.name for path in (ROOT / "docs" / "reference").iterdir()} == set(PAGES)


def test_every_option_is_in_the_reference() -> None:
    written = [name for option in OPTIONS for name in (option.flag, option.environment, option.key)]
    assert [name for name in written if not re.search(rf"{re.escape(name)}(?![\w-])", PAGES["options.md"])] == []
