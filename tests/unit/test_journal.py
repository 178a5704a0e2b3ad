"""Responses are written as they come, and read back whatever happened to the last line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mllmu.evaluation.journal import Journal
from pytest_mllmu.evaluation.responses import Response, Truth

FIRST = Response("q1", "Zoë\nlives\u2028here", truth=Truth((-0.5, -1.25), (True, False), (-3.0,)))
SECOND = Response("q2", "B", {"A": -2.0, "B": -1.0})


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "answers" / "key.jsonl")
    assert journal.read() == {}
    journal.add([FIRST])
    journal.add([SECOND])
    assert journal.read() == {"q1": FIRST, "q2": SECOND}
    journal.remove()
    journal.remove()
    assert journal.read() == {}


@pytest.mark.parametrize("left", [b'{"question": "q3", "ans', b'{"question": "q3"}\n', b"\xff\n", b"3\n", b"\n", b'{"question": "q3", "answer": "x"}'])
def test_a_line_that_was_cut_is_as_if_it_had_not_been_written(tmp_path: Path, left: bytes) -> None:
    journal = Journal(tmp_path / "key.jsonl")
    journal.add([FIRST])
    with journal.path.open("ab") as file:
        file.write(left)
    assert journal.read() == {"q1": FIRST}
    journal.add([SECOND])
    assert journal.read() == {"q1": FIRST, "q2": SECOND}
