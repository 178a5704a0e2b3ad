"""Exact match forgives spelling marks and nothing else."""

from __future__ import annotations

import pytest

from pytest_mllmu.scoring.cloze import exact_match


@pytest.mark.parametrize(
    ("truth", "answer"),
    [
        ("Mnichovice", "mnichovice."),
        ("stamp collecting", "  Stamp-collecting\n"),
        ("the violin", "a violin"),
        ("St. John's", "St Johns"),
        ("Straße", "STRASSE"),
        ("ﬁshing", "fishing"),
        ("2001", "２００１"),
        ("A", "a"),
    ],
)
def test_the_same_but_for_its_marks(truth: str, answer: str) -> None:
    assert exact_match(truth, answer) == 1


@pytest.mark.parametrize(
    ("truth", "answer"),
    [("Mnichovice", "She lives in Mnichovice"), ("C++", "C"), ("2001", "2002"), ("", ""), ("...", "!"), ("York", "New York"), ("violin", "")],
)
def test_not_the_same(truth: str, answer: str) -> None:
    assert exact_match(truth, answer) == 0
