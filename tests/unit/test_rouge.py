"""ROUGE-L: the library's own numbers on ASCII, and words of every script."""

from __future__ import annotations

import pytest
from rouge_score import rouge_scorer

from pytest_mllmu.scoring.rouge import rouge_l
from pytest_mllmu.scoring.words import MAX_CHARACTERS, UnicodeTokenizer, stem

LIBRARY = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
PAIRS = [
    ("Cynthia Hill was born in 2001 in French Guiana.", "She was born 2001, in French-Guiana!"),
    ("This person works as public librarian and lives in Mnichovice.", "The person is working as_a librarians' assistant"),
    ("Running runs ran easily", "ran easy RUNNER running"),
    ("one", ""),
    ("", "one"),
    ("?!", "?!"),
]


@pytest.mark.parametrize(("truth", "answer"), PAIRS)
def test_ascii_equals_the_library_exactly(truth: str, answer: str) -> None:
    theirs = LIBRARY.score(truth, answer)["rougeL"]
    ours = rouge_l(truth, answer)
    assert (ours.f, ours.recall) == (theirs.fmeasure, theirs.recall)


def test_a_hand_computed_value() -> None:
    # Longest common subsequence "born in paris" of 4 and 5 words.
    found = rouge_l("born in sunny paris", "she born in grey paris")
    assert found.recall == pytest.approx(3 / 4)
    assert found.f == pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))


@pytest.mark.parametrize("name", ["Łódź", "Þórshöfn", "Москва", "東京", "Αθήνα"])
def test_names_that_the_library_drops_count(name: str) -> None:
    assert UnicodeTokenizer().tokenize(name) == [stem(name.lower())]
    assert rouge_l(f"lives in {name}", "lives in").recall == pytest.approx(2 / 3)
    assert rouge_l(f"lives in {name}", f"lives in {name}").f == 1


def test_the_library_takes_two_foreign_names_for_one() -> None:
    assert LIBRARY.score("lives in Москва", "lives in Киев")["rougeL"].fmeasure == 1
    assert rouge_l("lives in Москва", "lives in Киев").f == pytest.approx(2 / 3)


def test_composed_and_decomposed_letters_are_one_word() -> None:
    assert UnicodeTokenizer().tokenize("São") == UnicodeTokenizer().tokenize("Sa\u0303o") == ["são"]


def test_only_the_start_of_a_long_answer_is_scored() -> None:
    assert rouge_l("end", "x" * MAX_CHARACTERS + " end").f == 0
