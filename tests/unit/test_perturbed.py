"""Perturbed answers from a person's multiple-choice questions."""

from __future__ import annotations

import unicodedata

import pytest

from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Picture, Profile, Question, Task
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.evaluation.perturbed import MOST, perturbed

PLACES = ("Rome", "Ulm", "Bonn", "Oslo")


def choice(*texts: str, right: int = 1, modality: Modality = "unimodal", letters: str = "ABCDEF") -> Question:
    options = tuple(zip(letters, texts, strict=False))
    return Question(f"c-{texts}", "1", "classification", modality, "Which?", letters[right], options)


def ask(answer: str, *choices: Question, task: Task = "generation", modality: Modality = "unimodal") -> tuple[str, ...]:
    question = Question("q", "1", task, modality, "What?", answer)
    person = Profile("1", (Picture(lambda: b""),), "", "", "", (*choices, question))
    return perturbed(person, question)


def test_the_right_option_is_replaced_by_each_wrong_one() -> None:
    assert ask("X was born in ULM, in 2001.", choice(*PLACES)) == (
        "X was born in Rome, in 2001.",
        "X was born in Bonn, in 2001.",
        "X was born in Oslo, in 2001.",
    )
    assert ask("Ulm", choice(*PLACES), task="cloze") == ("Rome", "Bonn", "Oslo")


def test_every_place_where_it_stands() -> None:
    assert ask("Ulm is Ulm.", choice("Rome", "Ulm")) == ("Rome is Rome.",)


def test_the_longest_option_is_the_one() -> None:
    town, year = choice("Bad Aibling", "Bad Homburg"), choice("1999", "2001")
    assert ask("X was born in 2001 in Bad Homburg.", year, town, choice("Good", "Bad")) == ("X was born in 2001 in Bad Aibling.",)
    assert ask("X was born in 2001.", year, town) == ("X was born in 1999.",)


def test_the_same_modality_comes_first() -> None:
    by_name, by_face = choice("Rome", "Ulm"), choice("Ulm", "Oslo", right=0, modality="multimodal")
    assert ask("Ulm.", by_name, by_face, modality="multimodal") == ("Oslo.",)
    assert ask("Ulm.", by_name, by_face, modality="unimodal") == ("Rome.",)
    assert ask("Ulm.", by_name, modality="multimodal") == ("Rome.",)


@pytest.mark.parametrize("answer", ["X was born in Ulmen.", "X was born in Neu1Ulm.", "X was born there.", "Ulm\u0301.", ""])
def test_no_option_no_perturbed_answer(answer: str) -> None:
    assert ask(answer, choice(*PLACES)) == ()
    assert ask(answer) == ()


def test_a_multiple_choice_question_has_none() -> None:
    question = choice(*PLACES)
    assert perturbed(Profile("1", (), "", "", "", (question,)), question) == ()


def test_options_without_gaps_in_the_letters_are_not_needed() -> None:
    """The release has null options, which are dropped when it is read."""
    assert ask("In Ulm.", choice("Ulm", "Bonn", right=0, letters="BD")) == ("In Bonn.",)


def test_at_most_three_different_wrong_ones() -> None:
    assert ask("In Ulm.", choice("a1", "Ulm", "a2", "a3", "a4")) == ("In a1.", "In a2.", "In a3.")
    assert ask("In Ulm.", choice("ULM", "Ulm", " Bonn ", "Bonn")) == ("In Bonn.",)
    assert ask("In Ulm.", choice("ulm", "Ulm")) == ()


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_other_scripts_and_accents(form: str) -> None:
    assert ask(unicodedata.normalize(form, "Zoë lives in ŁÓDŹ."), choice("Kraków", unicodedata.normalize("NFD", "Łódź"))) == ("Zoë lives in Kraków.",)
    assert ask("Она живёт в городе Тверь.", choice("Москва", "тверь")) == ("Она живёт в городе Москва.",)
    assert ask("वह हिन्दी बोलता है", choice("तमिल", "हिन्द")) == ()  # the vowel sign is a part of the word


def test_marks_in_an_option_are_plain_text() -> None:
    assert ask("Writes C++ (at home).", choice("C#", "C++")) == ("Writes C# (at home).",)
    assert ask("Paid $5 (US).", choice(r"\1", "$5 (US)")) == (r"Paid \1.",)
    assert ask("St. Gallen", choice("Ulm", "St.Gallen!"), task="cloze") == ("Ulm",)


def test_a_letter_is_no_fact_but_a_digit_is() -> None:
    assert ask("She has a dog.", choice("B", "A")) == ()
    assert ask("She has 3 dogs.", choice("2", "3")) == ("She has 2 dogs.",)


def test_the_size_of_the_first_letter_fits_the_sentence() -> None:
    jobs = choice("Doctor", "Engineer", "IT manager")
    assert ask("Works as engineer.", jobs) == ("Works as doctor.", "Works as IT manager.")
    assert ask("Engineer since 2001.", choice("doctor", "engineer")) == ("Doctor since 2001.",)
    assert ask("Has anaemia.", choice("Crohn's disease", "anaemia")) == ("Has Crohn's disease.",)


def test_the_embedded_benchmark_has_them_where_its_options_tell() -> None:
    benchmark = synthetic_benchmark(8, 3, 25, 0)
    for person in (*benchmark.profiles, *benchmark.transformed, *benchmark.celebrities):
        for modality in MODALITIES:
            assert [len(perturbed(person, question)) for question in person.ask("generation", modality)] == [MOST, MOST]
            assert [len(perturbed(person, question)) for question in person.ask("cloze", modality)] == [0, MOST]  # nobody is offered a residence
        for question in person.questions:
            assert question.answer not in perturbed(person, question)
