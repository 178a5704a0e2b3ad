"""Gates: a method that does nothing is red, one that destroys the model is red, and the message is read without the source."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.runs import GATES, GUARDS, SLOW, Built, Ran


@pytest.fixture(scope="module")
def nothing(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return built.warm(tmp_path_factory.mktemp("nothing"), "--junitxml=junit.xml", method="none")


def failures(ran: Ran) -> list[str]:
    """What is said between the underlined headings of pytest's section of failures."""
    return re.findall(r"^_+ [^\n]* _+\n(.*?)(?=^_+ |^=+ |^-+ )", ran.text, re.S | re.M)


def test_doing_nothing_is_red(nothing: Ran) -> None:
    assert nothing.code == 1
    assert nothing.progress == []
    assert re.findall(r"^(\w+) +\| +\d", nothing.table, re.M) == ["Vanilla", "Untouched"] * 2  # a row of its own, with the same numbers
    still = [text for text in failures(nothing) if "still holds 100%" in text and "people)" in text]
    assert still
    for text in still:
        assert re.match(r"(forget|test), (classification|generation|cloze), (multimodal|unimodal): Untouched still holds 100% ", text)
        assert re.search(r"n = \d+ questions about 2 people\); the gate allows at most 90%$", text.strip())


def test_failures_show_no_source(nothing: Ran) -> None:
    for text in failures(nothing):
        assert ".py" not in text
        assert "Error" not in text
        assert ">  " not in text
        assert len(text.strip().splitlines()) <= 3, text  # a person: what is judged, the answers, what is still known
    assert "Traceback" not in nothing.text


def test_junit_holds_the_verdicts(nothing: Ran) -> None:
    cases = ElementTree.parse(nothing.folder / "junit.xml").getroot().findall(".//testcase")
    assert len(cases) == GATES + GUARDS + 2
    for case in cases:
        values = [found.get("value") or "" for found in case.findall(".//property")]
        assert any("verdict" in value and json.loads(value)["verdict"]["status"] in ("pass", "fail", "inconclusive") for value in values)
    messages = [found.get("message") or "" for found in ElementTree.parse(nothing.folder / "junit.xml").getroot().findall(".//failure")]
    assert any("the gate allows at most 90%" in message for message in messages)


def test_gates_off(built: Built, tmp_path: Path) -> None:
    ran = built.warm(tmp_path, "--mllmu-gates=off", "--mllmu-report=run.json", method="none")
    assert ran.code == 0, ran.text
    assert " failed" not in ran.text
    assert ran.table.splitlines()[-1] == "gates: off, nothing is judged"
    assert '"status": "pass"' not in ran.json()
    assert '"at_most": 0.9' not in ran.json()


@pytest.mark.timeout(SLOW)
def test_person_and_gate_agree_with_the_report(limited: Ran) -> None:
    """With one person a set no interval exists: the estimate decides, and nothing crashes over it."""
    assert '"low": null' in limited.json()
    assert len(re.findall(r"^FAILED ", limited.text, re.M)) == int((re.search(r"(\d+) failed", limited.text) or ["", "0"])[1])
