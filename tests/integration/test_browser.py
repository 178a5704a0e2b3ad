"""The HTML report in a real browser, opened from disk: nothing is asked of the network, nothing is complained about, and columns sort."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.report import write
from tests.browser import chromium
from tests.pages import EVIL, rich

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}


@dataclass
class Opened:
    """A page, and what the browser said and asked for meanwhile."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run.html"
    write(rich(EVIL), path)
    return path


def opened(browser: Any, report: Path, size: str, scheme: str = "light") -> Opened:
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()
    found = Opened(page)

    def dismiss(dialog: Any) -> None:
        found.said.append(dialog.message)
        dialog.dismiss()

    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    page.on("dialog", dismiss)
    page.on("request", lambda request: found.asked.append(request.url))
    page.goto(report.as_uri())
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_opens_from_disk(browser: Any, report: Path, size: str, scheme: str) -> None:
    found = opened(browser, report, size, scheme)
    page = found.page
    assert found.said == []
    assert [url for url in found.asked if not url.startswith("data:image/png;base64,")] == [report.as_uri()]
    assert page.evaluate("typeof evil") == "undefined"
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]  # wide tables scroll in themselves
    assert page.locator(".verdict").bounding_box()["y"] < SIZES[size][1] / 2  # first of all
    assert page.locator("figure svg").count() >= 4
    assert page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)") == [4]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")


def test_columns_sort_both_ways(browser: Any, report: Path) -> None:
    page = opened(browser, report, "desktop").page
    table = page.locator("table.sortable").first

    def column(place: int) -> list[str]:
        return list(table.locator("tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{place}].dataset.order)"))

    heads = table.locator("th button")
    heads.nth(1).click()
    assert [float(value) for value in column(1)] == sorted(map(float, column(1)), reverse=True)
    heads.nth(1).click()
    assert [float(value) for value in column(1)] == sorted(map(float, column(1)))
    assert len(set(column(1))) == 12
    assert table.locator("th:has(button)").nth(1).get_attribute("aria-sort") == "ascending"
    heads.nth(0).click()
    assert column(0) == sorted(column(0), reverse=True)
    assert table.locator("th[aria-sort]").count() == 1


def test_it_prints_with_everything_open(browser: Any, report: Path) -> None:
    found = opened(browser, report, "desktop")
    closed = found.page.locator("details.paper:not([open])")
    assert closed.count() > 0
    found.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert closed.count() == 0
    assert found.page.pdf(format="A4").startswith(b"%PDF")
    assert found.said == []
