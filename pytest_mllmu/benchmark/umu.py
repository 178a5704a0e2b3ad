"""The cells of UMU-Bench (NeurIPS 2025 D&B, ``linbojunzi/UMU-bench``): texts that hold an object, as JSON or as Python writes a dict.

What its authors' code reads (QDRhhhh/UMU-bench: ``eval.py``, ``finetune/ft_dataset.py``):
    Classify, Cloze, Generation    {"unimodal": {name: question}, "muitimodal" (so spelled): {the same names: question}}
                                   with question = {"question", "answer"} and, for Classify, "options": {A, B, C, D} and an answer "B" or "B. text"
    MM_QA, UM_QA                   {"question": {name: text}, "answer": {the same names: text}}: what is trained on, with the image and without
Its rows were not at hand, so the forms next to these are read as well: "multimodal" or MLLMU-Bench's names for a modality, lists for objects,
questions that name their modality (``Type`` or ``modality``), MLLMU-Bench's field names, options as a list, the right option in words.
Questions of one name are the two modalities of one question and get the same number. Everything else is a DataError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pytest_mllmu.benchmark.cells import Body, Options, Place, checked, listed, named, options_of, shorter, text_of
from pytest_mllmu.benchmark.loose import fields_of, name_of, one_of, parsed, plain, said
from pytest_mllmu.benchmark.profiles import MODALITIES, Modality, Task, TrainingPair

TASKS: dict[Task, str] = {"classification": "Classify", "generation": "Generation", "cloze": "Cloze"}
PAIRS: dict[Modality, str] = {"multimodal": "MM_QA", "unimodal": "UM_QA"}
BIOGRAPHY = "Biography"
NAMES: dict[str, Modality] = {
    **dict.fromkeys(("muitimodal", "multimodal", "mm", "image", "image_text", "image_textual", "image_textual_questions"), "multimodal"),
    **dict.fromkeys(("unimodal", "um", "text", "pure_text", "pure_text_questions"), "unimodal"),
}
QUESTION, KIND, OPTIONS = ("question",), ("type", "modality"), ("options",)
ANSWER = ("answer", "ground_truth", "correct_answer")
CHOSEN = ("correct_answer", "answer")
DEPTH = 4
"""Of lists and objects around a question: the modality, its name, and two to spare."""


def bodies_of(values: dict[str, Any], place: Place) -> Iterator[Body]:
    """The questions of a row, those of one name at the same position in both modalities. Raises DataError."""
    for task, column in TASKS.items():
        spot = place.inside(column)
        for modality, record, inner in _records(parsed(values[column], spot), spot, None, DEPTH):
            yield _body(task, modality, record, inner)


def pairs_of(values: dict[str, Any], place: Place) -> tuple[TrainingPair, ...] | None:
    """The training pairs of a row; None when it has neither column, or nulls in both. Raises DataError."""
    given = {modality: values[column] for modality, column in PAIRS.items() if values.get(column) is not None}
    return tuple(pair for modality, value in given.items() for pair in _pairs(value, modality, place.inside(PAIRS[modality]))) if given else None


def person_of(value: Any, place: Place) -> str:
    """An id; numbers are taken, since nobody says that ids are texts here."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value, place)


def _pairs(value: Any, modality: Modality, place: Place) -> Iterator[TrainingPair]:
    value = parsed(value, place)
    fields = fields_of(value, place) if isinstance(value, dict) else {}
    questions = fields.get("question", ("", None))[1]
    if not isinstance(questions, dict | list):
        for _, record, spot in _records(value, place, modality, DEPTH):
            yield TrainingPair(said(record, QUESTION, spot), said(record, ANSWER, spot), modality)
        return
    name, answers = one_of(fields, ANSWER, place)
    asked, told = _items(questions), _items(answers)
    if type(answers) is not type(questions) or asked.keys() != told.keys():
        only = sorted(map(str, asked.keys() ^ told.keys()))
        raise place.inside(name).error(f"questions and answers do not go together{f': {shorter(only[0])!r} is in one of them only' if only else ''}")
    asks, tells = place.inside(fields["question"][0]), place.inside(name)
    for key in asked:
        yield TrainingPair(text_of(asked[key], asks.inside(key)), text_of(told[key], tells.inside(key)), modality)


def _items(value: Any) -> dict[Any, Any]:
    if isinstance(value, list):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else {}


def _records(value: Any, place: Place, modality: Modality | None, depth: int) -> Iterator[tuple[Modality, dict[str, Any], Place]]:
    """The questions in lists, in objects by name or in objects by modality, each with its modality and place."""
    if value is None:
        return
    if not isinstance(value, dict | list) or not depth:
        raise place.error(f"{named(value)}; it should be a list or an object of questions")
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _records(_object(item, place.inside(number)), place.inside(number), modality, depth - 1)
        return
    value = {name_of(key, place): item for key, item in value.items()}
    fields = fields_of(value, place) if any(plain(key) in QUESTION for key in value) else {}
    if fields:
        yield _own_modality(fields, modality, place), value, place
    elif value and all(plain(key) in NAMES for key in value):
        yield from _both(value, place, modality, depth)
    else:
        for name, item in value.items():
            yield from _records(_object(item, place.inside(name)), place.inside(name), modality, depth - 1)


def _both(value: dict[str, Any], place: Place, modality: Modality | None, depth: int) -> Iterator[tuple[Modality, dict[str, Any], Place]]:
    sides = {NAMES[plain(key)]: key for key in value}
    if len(sides) < len(MODALITIES) or len(value) > len(sides) or modality:
        raise place.error(f"it has {listed(value)}; it should have unimodal and muitimodal (or multimodal), once")
    groups = [value[sides[side]] for side in MODALITIES]
    shared = [name for name in groups[0] if name in groups[1]] if all(isinstance(group, dict) for group in groups) else []
    for side, group in zip(MODALITIES, groups, strict=True):
        ordered = {name: group[name] for name in [*shared, *(name for name in group if name not in shared)]} if shared else group
        yield from _records(ordered, place.inside(sides[side]), side, depth - 1)


def _own_modality(fields: dict[str, tuple[str, Any]], around: Modality | None, place: Place) -> Modality:
    named_by = [name for name in KIND if name in fields]
    if not named_by:
        if around is None:
            raise place.error("no modality: neither around the question (unimodal, muitimodal) nor in it (Type or modality)")
        return around
    key, value = fields[named_by[0]]
    own = NAMES.get(plain(value)) if isinstance(value, str) else None
    if own is None or around not in (None, own):
        raise place.inside(key).error(f"{named(value)}; it should be {around or 'unimodal or multimodal'}")
    return own


def _body(task: Task, modality: Modality, record: dict[str, Any], place: Place) -> Body:
    text = said(record, QUESTION, place)
    if task != "classification":
        return Body(modality, task, text, said(record, ANSWER, place))
    key, value = one_of(fields_of(record, place), OPTIONS, place)
    in_list = isinstance(value, list)
    options = options_of({chr(ord("A") + number): option for number, option in enumerate(value)} if in_list else value, place.inside(key))
    key, value = one_of(fields_of(record, place), CHOSEN, place)
    spot = place.inside(key)
    return Body(modality, task, text, _letter(text_of(value, spot).strip(), options, in_list, spot), options)


def _letter(answer: str, options: Options, in_list: bool, place: Place) -> str:
    """The letter of an answer such as "B", "b", "B." or "B. text", or the right option in words."""
    found = re.match(r"([A-Za-z])(?:$|[.:)])", answer)
    by_letter = found[1].upper() if found and found[1].upper() in dict(options) else None
    in_words = [letter for letter, option in options if option.strip() == answer]
    if in_list and by_letter and in_words and in_words != [by_letter]:  # a list of, say, blood groups
        raise place.error(f"{shorter(answer)!r} is the letter of one option and the text of another; give the options with their letters")
    if by_letter:
        return by_letter
    if len(in_words) > 1:
        raise place.error(f"{shorter(answer)!r} is more than one of the options: {', '.join(in_words)}")
    return checked(in_words[0] if in_words else answer, options, place)


def _object(item: Any, place: Place) -> Any:
    if not isinstance(item, dict | list):
        raise place.error(f"{named(item)}; it should be an object with named fields")
    return item
