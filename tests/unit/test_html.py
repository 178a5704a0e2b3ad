"""The HTML report: whatever data or a model wrote changes nothing of the page but text, and the page needs nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_mllmu.errors import StoreError
from pytest_mllmu.report import write
from pytest_mllmu.report.html import bounded, render
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.samples import LONGEST, short
from pytest_mllmu.report.several import join
from tests.pages import EVIL, image, rich, sample
from tests.unit.test_report import make_run


class Reader(HTMLParser):
    """Elements in their order, attributes that can do something, and what scripts and styles hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.active: list[tuple[str, str, str]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.active += [
            (tag, name, value or "") for name, value in attrs if name in ("src", "href", "srcset", "style", "content", "action") or name.startswith("on")
        ]

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.tags and self.tags[-1] in self.raw and not self.raw[self.tags[-1]]:
            self.raw[self.tags[-1]].append(data)


def test_evil_text_changes_no_element() -> None:
    harmless, evil = Reader(render(rich("harmless"))), Reader(render(rich(EVIL)))
    assert evil.tags == harmless.tags
    assert Counter(evil.tags)["script"] == Counter(evil.tags)["style"] == 1
    assert [row[:2] for row in evil.active] == [row[:2] for row in harmless.active]
    assert {name for _, name, _ in evil.active} == {"content", "href", "src"}
    assert all(value.startswith("#") for _, name, value in evil.active if name == "href")
    assert all(value.startswith("data:image/png;base64,") for _, name, value in evil.active if name == "src")
    assert "".join(evil.text).count("evil = 1") > 50  # it is shown, as text
    assert "\x1b" not in "".join(evil.text)
    assert "\u202e" not in "".join(evil.text)
    assert "{{ 7 * 7 }}" in "".join(evil.text)


def test_one_script_and_one_style_by_their_hashes_and_no_connection() -> None:
    page = Reader(render(rich()))
    (policy,) = (value for tag, name, value in page.active if (tag, name) == ("meta", "content") and value.startswith("default-src"))
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256("".join(page.raw[kind]).encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "http" not in re.sub(r"xmlns|http-equiv", "", render(rich()))


def test_the_same_run_gives_the_same_bytes_also_when_stored(tmp_path: Path) -> None:
    run = rich("x")
    write(run, tmp_path / "run.json")
    again = Run.from_json(json.loads((tmp_path / "run.json").read_text(encoding="utf-8")))
    write(again, tmp_path / "run.html")
    assert (tmp_path / "run.html").read_text(encoding="utf-8") == render(run)


def test_everything_is_on_the_page() -> None:
    text = " ".join("".join(Reader(render(rich("xyz"))).text).split())
    for said in (
        "What forgetting costs",
        "Table 2",
        "With the image and in text",
        "Who leaks",
        "Answers, before and after",
        "Scenario",
        "Guards",
        "Every verdict",
    ):
        assert (said in text) == (said != "Guards")  # none of this run's gates is a guard
    assert "GA xyz still knows people who were to be forgotten" in text
    assert "n (each of image + text and text only)" not in text  # 100 questions with the image, 60 in text
    assert "100/100/100/100 questions about 20 people" in text
    assert "3 of 12" in text
    assert "left of each part after each request" in text


def test_a_run_without_anything_is_a_page() -> None:
    run = make_run()
    empty = replace(run, table=replace(run.table, rows=()), verdicts=[], notes=())
    assert "Nothing was judged." in render(empty)
    assert "What forgetting costs" not in render(empty)
    alone = replace(run, table=replace(run.table, rows=run.table.rows[1:]))
    assert "What forgetting costs" not in render(alone)  # without a vanilla nothing is a share of anything


def test_endless_answers_and_many_people_stay_small() -> None:
    run = rich("x" * 5_000)
    run.samples = [sample("y" * 1_000_000, image())] * 12
    (leaks,) = run.leaks
    run.leaks = [replace(leaks, people={f"{n:05}": facts for n, facts in zip(range(5_000), list(leaks.people.values()) * 500, strict=False)})]
    page = render(run)
    assert len(page) < 2_000_000
    assert "(1,000,007 characters)" in page
    assert "and 3500 people of whom less is left" in page
    assert len(short("z" * 10_000)) <= LONGEST
    assert bounded("a\x00b\nc", 3) == "a b … (5 characters)"


@pytest.mark.parametrize("picture", ["<svg onload=alert(1)>", base64.b64encode(b"<svg onload=alert(1)>").decode(), "A" * 70_000, 7, 'iVBORw0KGgo="'])
def test_a_stored_picture_that_is_none_is_refused(picture: object) -> None:
    row = json.loads(json.dumps(rich().to_json()))
    row["samples"][0]["picture"] = picture
    with pytest.raises(StoreError, match="not a run"):
        Run.from_json(row)


def test_a_page_needs_no_model(tmp_path: Path) -> None:
    write(rich(), tmp_path / "run.json")
    code = (
        "import sys; from pathlib import Path; from pytest_mllmu.report import write; from pytest_mllmu.report.json import read_json; "
        f"write(read_json(Path({str(tmp_path / 'run.json')!r})), Path({str(tmp_path / 'run.html')!r})); "
        "assert not {'torch', 'transformers', 'peft', 'openai', 'pyarrow', 'matplotlib', 'PIL'} & set(sys.modules), sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_runs_side_by_side_have_their_own_people_and_answers() -> None:
    one, other = (replace(rich(), seed=seed) for seed in (0, 1))
    run = join([("first", one), ("second", other)])
    text = " ".join("".join(Reader(render(run)).text).split())
    assert "Run by run" in text
    assert Counter(Reader(render(run)).tags)["article"] == 4  # two samples each
    for seed in (0, 1):
        assert f"seed {seed}: still knows people who were to be forgotten" in text
    assert "other seeds than" not in text
    assert "standard deviation" in text
    assert "Run by run" not in render(join([("first", one)]))
    page = render(run)
    assert '<a href="#runs">run by run</a>' in page
    assert "2 seeds (0, 1). Made by" in page
    assert "<code>mllmu report first.json second.json --to run.html</code>" in page
    assert "(of a mean over seeds:" in page
    beside = render(join([("first", one), ("other", replace(rich(), settings={**one.settings, "dialect": "upstream"}))]))
    assert "of a mean over seeds" not in beside  # no row is one
    assert "Has it forgotten them, and at what cost? model , embedded" in beside
