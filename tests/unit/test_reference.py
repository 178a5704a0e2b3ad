"""The reference pages are what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from pytest_mllmu.options import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES: dict[str, str] = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    page = ROOT / "docs" / "reference" / name
    assert page.is_file() and page.read_text(encoding="utf-8") == PAGES[name], f"docs/reference/{name} is stale: run python docs/generate.py"  # noqa: PT018


def test_no_other_page_lies_there() -> None:
    assert {path.name for path in (ROOT / "docs" / "reference").iterdir()} == set(PAGES)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_in_the_reference(option: object) -> None:
    written = [getattr(option, name) for name in ("flag", "environment", "key")]
    assert [name for name in written if name not in PAGES["options.md"]] == []
