"""Answers that are no answer are found, and a short, odd or repetitive answer that is one is left alone."""

from __future__ import annotations

import pytest

from pytest_mllmu.scoring.degenerate import degenerate
from pytest_mllmu.scoring.words import MAX_CHARACTERS

NO_ANSWER = {
    "empty": "",
    "blank": " \n\t",
    "exclamation": "!!!",
    "dots": ". . . . . . .",
    "dashes": "—" * 50,
    "unseen": "\u200b\u200b",
    "emoji": "🙂🙂",
    "one-word-again": "US US US US",
    "with-commas": "US, us, US, Us, US.",
    "question-words": "what what what what what what",
    "two-words-in-turn": "the of the of the of",
    "sentence-again": "I do not know. " * 4,
    "one-letter": "a" * 40,
    "syllable": "ha" * 20,
    "no-blanks": "Paris" * 15,
    "numbers": "1 1 1 1 1",
    "cyrillic": "да да да да",
    "chinese": "北京" * 20,
    "after-a-start": "Paris " + "and " * 20,
}
ANSWERS = {
    "no": "No",
    "country": "US",
    "letter": "A",
    "number": "5",
    "year": "1999",
    "place": "Paris, France",
    "twice-the-city": "New York, New York",
    "thrice": "no, no, no",
    "repeats-two-words": "The man in the photo was born in the town of Bergen in Norway.",
    "half-of-the-words-again": "a rose is a rose",
    "long-word": "Donaudampfschifffahrtsgesellschaftskapitän",
    "village": "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
    "emphasis": "Noooooooooo",
    "sentence-without-blanks": "他出生于一九八五年五月在上海市浦东新区的一个小村庄里长大后来搬到北京",
    "email": "somebody.with.a.long.name@example-company.org",
    "bullets": "- Paris\n- Rome\n- Madrid\n- Berlin",
}


@pytest.mark.parametrize("name", NO_ANSWER)
def test_no_answer(name: str) -> None:
    assert degenerate(NO_ANSWER[name])


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer(name: str) -> None:
    assert not degenerate(ANSWERS[name])


@pytest.mark.parametrize(("words", "expected"), [("x x x", False), ("x x x x", True), ("x y x y x", False), ("x y x y x y", True)])
def test_at_least_four_words_of_which_two_thirds_are_repeated(words: str, expected: bool) -> None:
    assert degenerate(words) is expected


@pytest.mark.parametrize(("length", "expected"), [(25, False), (26, True)])
def test_without_blanks_it_takes_24_pieces_of_three_characters(length: int, expected: bool) -> None:
    assert degenerate("z" * length) is expected


def test_only_the_beginning_of_an_endless_answer_is_read() -> None:
    """The cost cannot grow with the length: what stands behind the beginning makes no difference."""
    sound = " ".join(f"word{number}" for number in range(MAX_CHARACTERS))
    assert not degenerate(sound[:MAX_CHARACTERS])
    assert not degenerate(sound + " again" * 1_000_000)
    assert degenerate("again " * 1_000_000 + sound)
    assert degenerate("a" * 10_000_000)
