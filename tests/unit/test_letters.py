"""Which option a written answer names, and which texts name none."""

from __future__ import annotations

import pytest

from pytest_mllmu.scoring.letters import first_letter, letter

NAMED = [
    *(
        "C",
        "c",
        "(C)",
        "[C]",
        '"C"',
        "C.",
        " C ",
        "C!",
        "*C*",
        "_C_",
        "**C**",
        "C: text",
        "C) text",
        "(C) Ulm",
        "**C**: text",
        "**C: Ulm**",
        "C - Ulm",
        "C, because",
    ),
    *("Answer: C", "answer: c", "**Answer:** C", "**Answer: C**", "Answer:\nC", "Answer: (C) Ulm", "Answer: C. Ulm", "Answer: C: Ulm", "Correct Answer: C"),
    *(
        "The answer is C",
        "The answer is C.",
        "The answer is (C).",
        "The correct answer is C because he",
        "The correct answer is: **C**",
        "the answer is option C",
    ),
    *("Option C", "option (C)", "The correct option is C, which", "I think the answer is C", "So the answer would be C", "The letter is C", "My choice: C!"),
    *("C\n\nBecause A man said so.", "The answer is:\n\nC. Ulm", "This person lives in Ulm. The answer is C."),
]
UNNAMED = [
    *(
        "",
        " ",
        "7",
        "?",
        "Bonn",
        "US US US",
        "As an AI",
        "A man",
        "A person",
        "I cannot",
        "I cannot answer that.",
        "Don't know",
        "Cannot say",
        "D'Arcy",
        "B.A. degree",
    ),
    *("Answer: unknown", "Answer: A man", "The answer is A man", "The answer is a dog.", "The answer is not C", "The answer is I do not know", "A.M. hours"),
    *("A or B", "C and D", "both A and B", "Answer: C or D", "Answer: C, D", "The answer is either C or D", "the answer is A and B", "Option C or option D"),
    *("A: Rome\nB: Ulm\nC: Bonn", "A\nB", "Ç", "Ｃ"),
]


@pytest.mark.parametrize("answer", NAMED)
def test_an_answer_that_names_an_option(answer: str) -> None:
    assert letter(answer) == "C"


@pytest.mark.parametrize("answer", UNNAMED)
def test_an_answer_that_names_none_or_several(answer: str) -> None:
    assert letter(answer) is None


def test_a_is_an_option_where_it_is_no_article() -> None:
    for answer in ("A", "a", "(A)", "A.", "A: Rome", "Answer: A", "The answer is A.", "The answer is A because"):
        assert letter(answer) == "A"


def test_the_released_reading_takes_the_first_character() -> None:
    assert [first_letter(answer) for answer in ("c", "C: text", "As an AI", "Don't know", "(C)", "")] == ["C", "C", "A", "D", "(", None]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", ["answer ", "answer is", "answer: C", "C", "option", "(", "* ", " ", "\n"])
def test_no_answer_takes_long_to_read(part: str) -> None:
    """An answer may be any text; a pattern that tries every way to divide blanks takes longer than anybody waits."""
    for filler in (" ", "*", "_ ", ": ", ", "):
        assert letter(f"{part}{filler * 1990}x") in (None, "C", "X")
        letter(part * 400 + filler * 100)
