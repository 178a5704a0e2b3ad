"""Responses as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.errors import StoreError
from pytest_mllmu.evaluation.responses import Response, read_responses, write_responses

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OPTIONS = st.none() | st.dictionaries(st.sampled_from("ABCD"), st.floats(-50, 0), min_size=1)


@given(st.dictionaries(TEXT, st.tuples(TEXT, OPTIONS), max_size=5))
def test_written_and_read_back_sorted_by_question(tmp_path_factory: pytest.TempPathFactory, rows: dict[str, tuple[str, dict[str, float] | None]]) -> None:
    responses = [Response(key, answer, options) for key, (answer, options) in rows.items()]
    file = tmp_path_factory.mktemp("responses") / "responses.jsonl"
    write_responses(file, reversed(responses))
    assert list(read_responses(file)) == sorted(responses, key=lambda response: response.question)


def test_one_line_a_response_with_sorted_keys_and_readable_letters(tmp_path: Path) -> None:
    file = tmp_path / "responses.jsonl"
    write_responses(file, [Response("q2", "Zoë\nlives\u2028here"), Response("q1", "B", {"B": -0.5, "A": -1.25})])
    assert file.read_bytes().decode("utf-8").split("\n") == [
        '{"answer": "B", "options": {"A": -1.25, "B": -0.5}, "question": "q1"}',
        '{"answer": "Zoë\\nlives\u2028here", "question": "q2"}',
        "",
    ]


@pytest.mark.parametrize("line", ["", "{", "[]", "3", "null", json.dumps({"question": "q"}), json.dumps({"answer": "a"})])
def test_a_line_that_is_no_response_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "responses.jsonl"
    file.write_text(f"{Response('q', 'a').to_line()}\n{line}\n", encoding="utf-8")
    rows = read_responses(file)
    assert next(rows) == Response("q", "a")
    with pytest.raises(StoreError) as caught:
        next(rows)
    assert str(caught.value).startswith(f"{file}, line 2: not a response (")
    assert "\n" not in str(caught.value)
