"""What holds for any text: scores stay in bounds, and nothing an answer says can break a scorer."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from pytest_mllmu.benchmark.profiles import Question
from pytest_mllmu.evaluation.responses import Response, Truth
from pytest_mllmu.report.markdown import escape
from pytest_mllmu.scoring.cloze import exact_match, normalise
from pytest_mllmu.scoring.factuality import facts, judge
from pytest_mllmu.scoring.letters import first_letter, letter
from pytest_mllmu.scoring.rouge import released_rouge_l, rouge_l
from pytest_mllmu.scoring.signals import exact_memorisation, extraction_strength, option_probability, signals, truth_ratio

TEXT = st.text(max_size=120)
VOCABULARY = ["not", "never", "was", "born", "in", "2001", "2004", "French", "Guiana", ",", ".", "but", "is", "or", "librarian", "Łódź", "she", "n't"]
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=14).map(" ".join)
ANY = TEXT | WORDS
LOG = st.floats(max_value=0) | st.sampled_from([0.0, -0.1, -1.0, math.nan])
LOGS = st.lists(LOG, max_size=5)
HITS = st.lists(st.booleans(), min_size=1, max_size=8)
SENTENCE = Question("q", "p", "generation", "unimodal", "?", "so")
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


@given(st.lists(st.tuples(LOG, st.booleans()), max_size=6), LOGS)
def test_signals_of_a_read_answer_are_shares(tokens: list[tuple[float, bool]], wrong: list[float]) -> None:
    truth = Truth(tuple(value for value, _ in tokens), tuple(hit for _, hit in tokens), tuple(wrong))
    found = signals(SENTENCE, Response("q", "", truth=truth))
    assert all(0 <= value <= 1 for value in found.values())
    assert set(found) == {
        *(["answer_probability"] if tokens else []),
        *(["truth_ratio"] if tokens and wrong else []),
        *(["extraction_strength", "exact_memorisation"] if len(tokens) > 1 else []),
    }


@given(st.dictionaries(st.sampled_from("ABCD"), LOG, min_size=2))
def test_signals_of_options_are_shares(options: dict[str, float]) -> None:
    found = [option_probability(options, letter) for letter in options]
    assert all(0 <= value <= 1 for value in found)
    assert sum(found) == pytest.approx(1)
    asked = Question("q", "p", "classification", "unimodal", "?", "A", tuple((letter, letter) for letter in options))
    values = signals(asked, Response("q", "A", options))
    assert set(values) == ({"option_probability", "truth_ratio"} if "A" in options else set())
    assert all(0 <= value <= 1 for value in values.values())


@given(st.floats(-30, 0), st.floats(-30, 0), st.integers(1, 4))
def test_the_truth_ratio_falls_with_what_is_wrong(right: float, wrong: float, number: int) -> None:
    ratio = truth_ratio(right, [wrong] * number)
    assert (ratio > 0) <= (wrong < right)
    assert truth_ratio(right, [*[wrong] * number, 0.0]) <= ratio
    assert truth_ratio(right, [right] * number) == 0


@given(HITS)
def test_what_can_be_extracted_is_memorised(hits: list[bool]) -> None:
    strength, memorised = extraction_strength(hits), exact_memorisation(hits)
    assert strength <= memorised
    assert (strength == 0) == (not hits[-1])
    assert (strength == 1) == (memorised == 1) == all(hits)
    assert extraction_strength([False, *hits]) == pytest.approx(strength * len(hits) / (len(hits) + 1))
