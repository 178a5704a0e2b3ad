"""The agreement of a judge with the answers that were scored by hand, and what docs/judge.md says about it."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.errors import DataError
from pytest_mllmu.scoring import factuality
from pytest_mllmu.scoring.agreement import ALL, KINDS, Reference, agreement, agreements, references
from tests.scripts import script

ROOT = Path(__file__).parents[2]
LINE = {"id": "a", "kind": "exact", "question": "Job?", "truth": "A baker.", "answer": "A baker.", "score": 10, "why": "the same"}


@pytest.fixture(scope="module")
def given() -> list[Reference]:
    return references()


@pytest.fixture(scope="module")
def judge() -> Any:
    return script("validity", "judge")


def table(mark: str) -> list[list[str]]:
    found = re.search(rf"<!-- {mark} -->\n(.*?)\n<!-- end -->", (ROOT / "docs/judge.md").read_text(encoding="utf-8"), re.S)
    assert found, mark
    return cells(found[1])


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_the_shipped_set_is_well_formed(given: list[Reference]) -> None:
    counts = Counter(one.kind for one in given)
    assert tuple(counts) == KINDS
    assert all(counts[kind] >= 10 for kind in KINDS)
    assert len({(one.question, one.truth, one.answer) for one in given}) == len({one.id for one in given}) == len(given) >= 60
    assert all(one.id.startswith(f"{one.kind}-") and one.question and one.truth and one.why for one in given)
    assert {one.score for one in given} == set(range(1, 11))
    assert all(one.score == 10 for one in given if one.kind in {"exact", "paraphrase"})
    assert all(one.score == 1 for one in given if one.kind == "wrong" or not one.answer.strip())


def test_nobody_is_asked_about_twice(given: list[Reference]) -> None:
    """So that no answer is right or wrong because of another one's ground truth."""
    texts = [one.question for one in given if not one.question.startswith(("Tell me about the", "Who is the"))]
    assert len(set(texts)) == len(texts)


def test_the_wheel_has_it() -> None:
    """All files below the package are packed (unless git ignores them), and it is read from where the package is."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["pytest_mllmu"]
    assert not {"exclude", "include", "only-include"} & wheel.keys()
    assert (ROOT / "pytest_mllmu/scoring/reference.jsonl").exists()


def test_a_perfect_judge(given: list[Reference]) -> None:
    scores = {(one.question, one.answer): float(one.score) for one in given}
    found = agreements(lambda question, truth, answer: scores[question, answer], given)
    assert list(found) == [*KINDS, ALL]
    assert all((one.mae, one.bias, one.mae_interval) == (0, 0, (0, 0)) for one in found.values())
    assert found[ALL].spearman == pytest.approx(1)
    assert found[ALL].spearman_interval == pytest.approx((1, 1))
    assert math.isnan(found["exact"].spearman)  # all of them are 10 by hand


def test_a_judge_that_always_says_the_same(given: list[Reference]) -> None:
    found = agreements(lambda *_: 10.0, given)[ALL]
    assert math.isnan(found.spearman)
    assert all(math.isnan(end) for end in found.spearman_interval)
    assert found.mae == pytest.approx(found.bias) == pytest.approx(sum(10 - one.score for one in given) / len(given))


def test_by_hand() -> None:
    """Ranks 1 2 3 4 against 2 1 3 4: 1 - 6 x 2 / (4 x 15) = 0.8. Errors +2, -1, 0, 0."""
    found = agreement([(1, 3), (3, 2), (5, 5), (9, 9)])
    assert (found.n, found.spearman, found.mae, found.bias) == pytest.approx((4, 0.8, 0.75, 0.25))
    # z = atanh(0.8) = 1.0986, its standard error sqrt(1.32) = 1.1489
    assert found.spearman_interval == pytest.approx((math.tanh(1.0986 - 2.2518), math.tanh(1.0986 + 2.2518)), abs=1e-3)
    # standard deviation 0.9574, t(3) = 3.1824: 0.75 +- 1.5235, which ends at 0
    assert found.mae_interval == pytest.approx((0, 2.2735), abs=1e-3)


def test_one_answer_has_no_interval() -> None:
    found = agreement([(10, 9)])
    assert (found.mae, found.bias) == (1, -1)
    assert all(math.isnan(value) for value in (found.spearman, *found.spearman_interval, *found.mae_interval))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", r"own\.jsonl, row 2: not a line of JSON"),
        ("", r"own\.jsonl, row 2: not a line of JSON"),
        ("[1]", "row 2: not an object of id, kind"),
        (json.dumps(LINE | {"id": "b", "note": "more"}), "row 2: not an object of id, kind"),
        (json.dumps(LINE | {"id": "b", "score": 9.5}), r"row 2, column 'score': not a whole number: 9\.5"),
        (json.dumps(LINE | {"id": "b", "score": True}), "row 2, column 'score': not a whole number: True"),
        (json.dumps(LINE | {"id": "b", "score": 11}), "row 2, column 'score': 11 is not between 1 and 10"),
        (json.dumps(LINE | {"id": "b", "answer": None}), "row 2, column 'answer': not a text: None"),
        (json.dumps(LINE | {"id": "b", "kind": "exakt"}), "row 2, column 'kind': no such kind as 'exakt'; there are exact, paraphrase"),
        (json.dumps(LINE), "row 2, column 'id': 'a' is the id of row 1, too"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=problem):
        references(path)


def test_separators_of_unicode_do_not_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(LINE | {"answer": "A\u2028baker."}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert references(path)[0].answer == "A\u2028baker."


def test_the_documented_tables_are_what_the_script_prints(judge: Any, given: list[Reference]) -> None:
    assert table("kinds") == cells(judge.by_kind(factuality.judge, given))
    assert table("judges") == cells(judge.compared(judge.JUDGES, given))


def test_the_documented_examples_are_in_the_set(given: list[Reference]) -> None:
    by_id = {one.id: one for one in given}
    rows = table("examples")[2:]
    assert len(rows) == 5
    for name, truth, answer, hand, local, _ in rows:
        one = by_id[name]
        assert (truth, answer, hand) == (one.truth, one.answer, str(one.score))
        assert f"{factuality.judge(one.question, one.truth, one.answer):.1f}" == local


def test_what_is_said_in_words(given: list[Reference]) -> None:
    text = (ROOT / "docs/judge.md").read_text(encoding="utf-8")
    low = [one for one in given if one.kind == "paraphrase" and factuality.judge(one.question, one.truth, one.answer) < 5]
    assert f"{len(low)} of {sum(one.kind == 'paraphrase' for one in given)} right answers in other words score below 5" in text
    assert f"{len(given)} answers of nine kinds" in text


def test_a_judge_is_asked_once_about_each_answer(judge: Any, given: list[Reference]) -> None:
    """It may cost money."""
    asked: Counter[tuple[str, str, str]] = Counter()

    def count(*texts: str) -> float:
        asked[texts] += 1  # type: ignore[index]
        return 5.0

    judge.compared({"counting": count}, given)
    assert asked.total() == len(given) == len(asked)


def test_the_script_prints_every_answer_the_worst_first(
    judge: Any, given: list[Reference], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["judge.py", "--all"])
    judge.main()
    printed = capsys.readouterr().out
    assert all(one.id in printed for one in given)
    assert printed.index("paraphrase-01") < printed.index("exact-01")
