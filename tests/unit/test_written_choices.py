"""Which option a written answer names: hedges, echoes and denials are no choice, and what is meant is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.scoring.choices import option

OPTIONS = (("A", "Rome"), ("B", "New York"), ("C", "York"), ("D", "1974"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("B", "B"), ("b.", "B"), ("B: New York", "B"), ("(B) New York", "B"), ("New York", "B"), ("new york.", "B"), ("York", "C"),
        ("The answer is Rome.", "A"),
        ("The correct answer is B: New York", "B"), ("Answer: 1974", "D"), ("She was born in New York.", "B"), ("In 1974", "D"), ("C: Rome", None),
        ("I am not sure, but I think it is Rome.", "A"), ("I do not know this person personally. She was born in Rome.", "A"),
        ("Rome. I have never met her.", "A"),
        ("It isn't Rome, it is York", "C"), ("It is not Rome but York", "C"), ("A, B", None), ("(A) or (B)", None), ("A: Rome\nor B: New York", None),
        ("A. Rome or B. New York", None), ("A: Rome\nB: New York\nC: York\nD: 1974", None), ("Rome\nYork", None), ("B: New York\n\nA: Rome", None),
        ("A: New York", None), ("A and C", None), ("B: New York, not York", "B"), ("A man from New York", "B"), ("I", None),
        ("Rome or York", None), ("Not Rome", None), ("It is neither", None), ("Romeo", None), ("E", None), ("", None), ("As an AI", None), ("Bergen", None),
    ],
)  # fmt: skip
def test_the_option_that_a_written_answer_names(answer: str, expected: str | None) -> None:
    assert option(answer, OPTIONS) == expected


def test_an_option_twice_is_named_by_its_letter_only() -> None:
    twice = (("A", "Rome"), ("B", "rome"))
    assert option("Rome", twice) is None
    assert option("B", twice) == "B"


@given(st.text(max_size=200))
def test_any_answer_names_an_option_or_none(answer: str) -> None:
    assert option(answer, OPTIONS) in (None, "A", "B", "C", "D")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("She has no known condition.", "A"),
        ("no known condition", "A"),
        ("She does not have asthma", None),
        ("Lyon, France", "C"),
        ("It is in Lyon, France.", "C"),
        ("Lyon", None),
    ],
)
def test_options_of_several_words(answer: str, expected: str | None) -> None:
    assert option(answer, (("A", "no known condition"), ("B", "asthma"), ("C", "Lyon, France"), ("D", "the flu"))) == expected
