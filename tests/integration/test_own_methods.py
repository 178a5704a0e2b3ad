"""A user's own method, without a fork: a fixture in conftest.py, or a hook in a plugin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.runs import SLOW, Built

PAGE = Path(__file__).parents[2] / "docs" / "researcher.md"


def example() -> str:
    """The documentation's own example: what is documented is what is tested."""
    text = PAGE.read_text(encoding="utf-8").split("<!-- own method -->")[1]
    return text.split("```python\n")[1].split("```")[0]


HOOK = """
from pytest_mllmu.methods.ga import GradientAscent
from pytest_mllmu.training.loop import Hyper

class Gentle(GradientAscent):
    name = "gentle"
    title = "Gentle GA"
    tiny = Hyper(lr=1e-5, epochs=1, batch=16)

def pytest_mllmu_methods():
    return [Gentle]
"""


@pytest.mark.timeout(SLOW)
@pytest.mark.parametrize("workers", [[], pytest.param(["-n2"], marks=pytest.mark.slow)], ids=["alone", "workers"])
def test_the_example_of_the_readme(built: Built, tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "conftest.py").write_text(example())
    ran = built.warm(tmp_path, "--mllmu-gates=off", "--mllmu-report=run.json", *workers, method="mine,ga", timeout=SLOW)
    assert ran.code == 0, ran.text
    rows = json.loads(ran.json())["table"]["rows"]
    assert [row["name"] for row in rows] == ["vanilla", "mine", "ga"]
    assert rows[1]["cells"] != rows[2]["cells"]
    assert "test_kept[mine-classification-multimodal]" in built.warm(tmp_path, "--co", "-q", method="mine").text


@pytest.mark.timeout(SLOW)
def test_a_hook_adds_a_method(built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(HOOK)
    ran = built.warm(tmp_path, "--mllmu-gates=off", "-k", "forgotten and not person and not transformed", method="gentle", timeout=SLOW)
    assert ran.code == 0, ran.text
    assert "Gentle GA" in ran.table


@pytest.mark.parametrize(
    ("conftest", "method", "said"),
    [
        (
            HOOK,
            "gentel",
            "npo, prompting, ga_klr, gentle, all, none; did you mean 'gentle'?",
        ),
        ("", "npo:bta=1", "no option 'bta' of npo"),
        ("def pytest_mllmu_methods():\n    return [int]\n", "ga", "pytest_mllmu_methods gave <class 'int'>"),
    ],
    ids=["typo", "option", "hook"],
)
def test_a_mistake_is_one_line(built: Built, tmp_path: Path, conftest: str, method: str, said: str) -> None:
    (tmp_path / "conftest.py").write_text(conftest)
    ran = built.warm(tmp_path, method=method)
    assert ran.code == 4
    assert said in ran.text
    assert "Traceback" not in ran.text


def test_a_fixture_that_returns_nonsense(built: Built, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import pytest\n\n@pytest.fixture(scope='session')\ndef mllmu_method_mine():\n    return 42\n")
    ran = built.warm(tmp_path, method="mine")
    assert ran.code == 4
    assert "the fixture mllmu_method_mine returned 42: a method, the folder of a checkpoint, or a model is expected, not int" in ran.text
