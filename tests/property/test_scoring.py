"""What holds for any text: scores stay in bounds, and nothing an answer says can break a scorer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from pytest_mllmu.report.markdown import escape
from pytest_mllmu.scoring.cloze import exact_match, normalise
from pytest_mllmu.scoring.factuality import facts, judge
from pytest_mllmu.scoring.letters import first_letter, letter
from pytest_mllmu.scoring.rouge import released_rouge_l, rouge_l

TEXT = st.text(max_size=120)
VOCABULARY = ["not", "never", "was", "born", "in", "2001", "2004", "French", "Guiana", ",", ".", "but", "is", "or", "librarian", "Łódź", "she", "n't"]
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=14).map(" ".join)
ANY = TEXT | WORDS
LIBRARY = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)


@given(ANY, ANY)
def test_rouge_is_a_share(truth: str, answer: str) -> None:
    found = rouge_l(truth, answer)
    assert 0 <= found.f <= 1
    assert 0 <= found.recall <= 1
    assert rouge_l(answer, truth).f == pytest.approx(found.f)


@given(st.text(st.characters(max_codepoint=127), max_size=80), st.text(st.characters(max_codepoint=127), max_size=80))
def test_rouge_on_ascii_is_the_library(truth: str, answer: str) -> None:
    assert rouge_l(truth, answer).f == LIBRARY.score(truth, answer)["rougeL"].fmeasure


@given(ANY, ANY)
def test_exact_match_is_symmetric_and_normalisation_final(one: str, other: str) -> None:
    assert exact_match(one, other) == exact_match(other, one)
    assert exact_match(one, one) == float(bool(normalise(one)))


@given(ANY, ANY, ANY)
def test_the_judge_stays_on_its_scale(question: str, truth: str, answer: str) -> None:
    assert 1 <= judge(question, truth, answer) <= 10


@given(ANY, ANY)
def test_the_truth_is_right(question: str, truth: str) -> None:
    assert judge(question, truth, truth) == (10 if facts(question, truth) else 1)


@given(ANY, ANY)
def test_the_released_rouge_is_the_library(truth: str, answer: str) -> None:
    assert released_rouge_l(truth, answer).f == LIBRARY.score(truth, answer)["rougeL"].fmeasure


@given(ANY)
def test_a_letter_is_in_the_answer(answer: str) -> None:
    named = letter(answer)
    assert named is None or (named in answer.upper() and named.isalpha())
    assert (first_letter(answer) is None) == (answer == "")


@given(
    st.sampled_from("ABCD"),
    st.sampled_from(["{}", "({})", "{}.", "**{}**", "{}: Ulm", "Answer: {}", "The answer is {}.", "Option {}"]),
    st.text(" \n", max_size=3),
)
def test_a_letter_is_found_whatever_is_around_it(named: str, form: str, blanks: str) -> None:
    assert letter(f"{blanks}{form.format(named)}{blanks}") == named


@given(TEXT)
def test_markdown_has_no_bare_marks(text: str) -> None:
    line = escape(text)
    assert "\n" not in line
    assert "<" not in line
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`\[\]]", line.replace("\\\\", ""))
