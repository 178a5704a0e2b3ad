"""UMU-Bench's layout: read from files of its schema, in each of the forms, and refused with the place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pytest_mllmu.benchmark import cells, loose, umu
from pytest_mllmu.benchmark.cells import Body, Place
from pytest_mllmu.benchmark.parquet import read_benchmark, read_ids
from pytest_mllmu.benchmark.profiles import Benchmark, Profile, TrainingPair
from pytest_mllmu.benchmark.splits import draw
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.errors import DataError
from tests.files import ONLY, change
from tests.umu import plain_json, write

PERCENT = 30
HERE = Place(Path("some.parquet"), 4, "cell")


def as_umu(profile: Profile) -> Profile:
    """What UMU-Bench can say of a person."""
    ordered = sorted(profile.pairs, key=lambda pair: pair.modality != "multimodal")
    return replace(profile, question="", answer="", pictures=profile.pictures[:1], pairs=tuple(ordered))


@pytest.fixture(scope="module")
def small() -> Benchmark:
    made = synthetic_benchmark(10, 3, PERCENT, seed=5)
    people = {part: tuple(as_umu(profile) for profile in getattr(made, part)) for part in ("profiles", "celebrities")}
    return replace(made, name="data", synthetic=False, transformed=(), **people)


@pytest.fixture(scope="module")
def written(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    write(folder, small, PERCENT)
    return folder


@pytest.fixture
def data(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "data"))


def refused(data: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_benchmark(data, PERCENT, 0)
    assert "\n" not in str(caught.value)
    return caught.value


def assert_place(error: DataError, file: Path, row: int | None, column: str | None) -> None:
    assert (Path(str(error.file)), error.row, error.column) == (file, row, column)


# The whole benchmark


@pytest.mark.parametrize("names", [("full_data", "real_person"), ("Full_Set", "Real_Person_Set"), ("Full_Set", "Retain_Set")])
@pytest.mark.parametrize("text", [repr, plain_json, json.dumps], ids=["python", "json", "ascii"])
def test_what_is_written_is_read(small: Benchmark, tmp_path: Path, text: Callable[[Any], str], names: tuple[str, str]) -> None:
    write(tmp_path / "data", small, PERCENT, text, names)
    read = read_benchmark(tmp_path / "data", PERCENT, seed=99)
    assert read == small
    assert read.fingerprints == small.fingerprints
    assert read_ids(tmp_path / "data", PERCENT, seed=99) == (small.forget_ids, small.retain_ids)


def test_nothing_is_asked_of_the_test_split_without_transformed_pictures(data: Path) -> None:
    read = read_benchmark(data, PERCENT, 0)
    assert list(read.questions("test")) == []
    assert len(list(read.questions("forget"))) == 3 * 18


def test_a_test_set_is_read_where_there_is_one(small: Benchmark, tmp_path: Path) -> None:
    made = synthetic_benchmark(10, 3, PERCENT, seed=5)
    whole = replace(small, transformed=tuple(as_umu(profile) for profile in made.transformed))
    write(tmp_path / "data", whole, PERCENT)
    assert read_benchmark(tmp_path / "data", PERCENT, 0).transformed == whole.transformed
    change(tmp_path / "data" / "Test_Set" / ONLY, lambda rows: rows.pop(int(small.forget_ids[1]) - 1))
    error = refused(tmp_path / "data")
    assert_place(error, tmp_path / "data" / "Test_Set", None, "ID")
    assert f"no row for {small.forget_ids[1]!r}" in str(error)


def test_split_is_drawn_when_the_data_brings_none(small: Benchmark, data: Path) -> None:
    assert read_ids(data, 40, seed=3) == draw(tuple(profile.id for profile in small.profiles), 40, seed=3)


def test_ids_may_be_numbers(data: Path) -> None:
    for config in ("full_data", "forget_30", "retain_70", "real_person"):
        change(data / config / ONLY, lambda rows: [row.update(ID=number) for number, row in enumerate(rows, 7)], lambda schema: schema.set(0, INTEGER))
    shutil.rmtree(data / "forget_30")
    shutil.rmtree(data / "retain_70")
    read = read_benchmark(data, PERCENT, 0)
    assert [profile.id for profile in read.profiles] == ["7", "8", "9", "10", "11", "12", "13", "14", "15", "16"]
    assert read.profiles[9].questions[0].id == "full-16-classification-multimodal-0"


INTEGER = pa.field("ID", pa.int64())


def test_pairs_of_ft_data_come_first(small: Benchmark, data: Path) -> None:
    shutil.copytree(data / "full_data", data / "ft_Data")
    own = repr({"question": {"a": "Wer?"}, "answer": {"a": "Zoë's"}})
    path = change(data / "ft_Data" / ONLY, lambda rows: rows[2].update(UM_QA=own, MM_QA=None))
    profiles = read_benchmark(data, PERCENT, 0).profiles
    assert profiles[2].pairs == (TrainingPair("Wer?", "Zoë's", "unimodal"),)
    assert profiles[3] == small.profiles[3]
    change(path, lambda rows: rows[2].update(UM_QA=None))
    assert_place(refused(data), path, 2, "MM_QA")


def test_celebrities_without_training_columns_are_trained_on_their_questions(data: Path) -> None:
    path = data / "real_person" / ONLY
    pq.write_table(pq.read_table(path).drop_columns(["MM_QA", "UM_QA"]), path)
    celebrity = read_benchmark(data, PERCENT, 0).celebrities[1]
    asked = [question for task in ("generation", "classification") for question in celebrity.questions if question.task == task]
    assert celebrity.pairs == tuple(TrainingPair(question.text, question.answer_text, question.modality) for question in asked)
    assert len(celebrity.pairs) == 14


def test_nulls_mean_nothing_said_and_nothing_asked(data: Path) -> None:
    change(data / "full_data" / ONLY, lambda rows: rows[1].update(Biography=None, Classify=None, Cloze=repr({"unimodal": None, "muitimodal": {}})))
    profile = read_benchmark(data, PERCENT, 0).profiles[1]
    assert profile.biography == ""
    assert {question.task for question in profile.questions} == {"generation"}


# What is wrong with files, columns and people


@pytest.mark.parametrize("column", ["Biography", "MM_QA", "UM_QA", "Classify", "Cloze", "Generation", "image", "ID"])
def test_missing_column_is_told(data: Path, column: str) -> None:
    path = data / "full_data" / ONLY
    table = pq.read_table(path)
    pq.write_table(table.rename_columns([f"{name}x" if name == column else name for name in table.column_names]), path)
    error = refused(data)
    assert_place(error, path, None, column)
    assert f"{column}x" in str(error)


def test_two_names_of_one_set_are_told(data: Path) -> None:
    shutil.copytree(data / "full_data", data / "Full_Set")
    error = refused(data)
    assert_place(error, data, None, None)
    assert "'Full_Set' and 'full_data' are two names of one set" in str(error)


def test_missing_set_is_told_with_both_names(data: Path) -> None:
    shutil.rmtree(data / "real_person")
    error = refused(data)
    assert_place(error, data, None, None)
    assert "no folder 'Retain_Set'" in str(error)
    assert "real_person for Retain_Set" in str(error)


def test_duplicate_id_is_told(data: Path) -> None:
    path = change(data / "full_data" / ONLY, lambda rows: rows[6].update(ID="002"))
    error = refused(data)
    assert_place(error, path, 6, "ID")
    assert f"'002' is here a second time (first in {path}, row 1)" in str(error)


def test_overlap_of_the_split_is_told(small: Benchmark, data: Path) -> None:
    path = change(data / "forget_30" / ONLY, lambda rows: rows[1].update(ID=small.retain_ids[4]))
    error = refused(data)
    assert_place(error, path, 1, "ID")
    assert f"{small.retain_ids[4]!r} is to be forgotten and" in str(error)


def test_strangers_in_a_split_are_told(data: Path) -> None:
    path = change(data / "retain_70" / ONLY, lambda rows: rows[2].update(ID="999"))
    error = refused(data)
    assert_place(error, path, 2, "ID")
    assert "'999' is not in Full_Set" in str(error)


def test_an_id_that_is_no_id_is_told(data: Path) -> None:
    path = change(data / "real_person" / ONLY, lambda rows: rows[1].update(ID=None))
    assert_place(refused(data), path, 1, "ID")


def test_corrupt_picture_is_told_when_somebody_looks(data: Path) -> None:
    path = change(data / "full_data" / ONLY, lambda rows: rows[2]["image"].update(bytes=b"\x89PNG\r\n\x1a\n and no more"))
    read = read_benchmark(data, PERCENT, 0)
    with pytest.raises(DataError, match="corrupt image") as caught:
        read.profiles[2].pictures[0].decode()
    assert_place(caught.value, path, 2, "image")


# The forms of a question


CHOICE = {"question": "q", "options": {"A": "x", "B": "y"}, "answer": "B"}
OPEN = {"question": "q __", "answer": "a"}


def bodies(task: str, value: Any) -> list[Body]:
    row = dict.fromkeys(umu.TASKS.values()) | {task: value if isinstance(value, str) else repr(value)}
    return list(umu.bodies_of(row, HERE))


@pytest.mark.parametrize(
    "value",
    [
        {"unimodal": {"k": OPEN}, "muitimodal": {"k": OPEN}},
        {"unimodal": {"k": OPEN}, "multimodal": {"k": OPEN}},
        {"Pure_Text_Questions": [OPEN], "Image_Textual_Questions": [OPEN]},
        {"text": OPEN, "image": OPEN},
        {"k": {"unimodal": OPEN, "muitimodal": OPEN}},
        [OPEN | {"modality": "unimodal"}, OPEN | {"modality": "multimodal"}],
        [{"Question": "q __", "Ground_Truth": "a", "Type": "Pure_Text"}, {"Question": "q __", "Ground_Truth": "a", "Type": "Image_Textual"}],
        {"1": OPEN | {"Type": "Pure Text"}, "2": OPEN | {"Type": "Image-Textual"}},
    ],
)
@pytest.mark.parametrize(("column", "task"), [("Cloze", "cloze"), ("Generation", "generation")])
def test_forms_of_open_questions(value: Any, column: str, task: Any) -> None:
    assert sorted(bodies(column, value), key=lambda body: body.modality) == [Body("multimodal", task, "q __", "a"), Body("unimodal", task, "q __", "a")]


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"A": "x", "B": "y"}, "B"),
        ({"A": "x", "B": "y"}, "B. y"),
        ({"A": "x", "B": "y"}, " b) "),
        ({"A": "x", "B": "y", "C": None, "D": " "}, "B."),
        ({"A": "x", "B": "y"}, "y"),
        (["x", "y"], "y"),
        (["x", "y"], "B"),
    ],
)
@pytest.mark.parametrize("field", ["answer", "Correct_Answer", "Correct answer"])
def test_forms_of_options_and_answers(options: Any, answer: str, field: str) -> None:
    record = {"Question": "q", "Options": options, field: answer}
    assert bodies("Classify", {"unimodal": [record], "multimodal": []}) == [Body("unimodal", "classification", "q", "B", (("A", "x"), ("B", "y")))]


def test_options_that_look_like_letters() -> None:
    blood = {"A": "B", "B": "A", "C": "AB", "D": "0"}
    read = bodies("Classify", {"unimodal": [CHOICE | {"options": blood, "answer": "A"}], "muitimodal": []})
    assert read[0].answer == "A"
    with pytest.raises(DataError, match="letter of one option and the text of another"):
        bodies("Classify", {"unimodal": [CHOICE | {"options": list(blood.values()), "answer": "A"}], "muitimodal": []})


def test_questions_of_one_name_get_the_same_number() -> None:
    value = {
        "muitimodal": {"b": OPEN | {"answer": "b"}, "x": OPEN, "a": OPEN | {"answer": "a"}},
        "unimodal": {"a": OPEN | {"answer": "a"}, "b": OPEN | {"answer": "b"}},
    }
    read = bodies("Cloze", value)
    answers = {side: [body.answer for body in read if body.modality == side] for side in ("multimodal", "unimodal")}
    assert answers["multimodal"][:2] == answers["unimodal"] == ["b", "a"]
    assert len(answers["multimodal"]) == 3


@pytest.mark.parametrize(
    "value",
    [
        {"question": {"a": "p", "b": "q"}, "answer": {"b": "2", "a": "1"}},
        {"question": ["p", "q"], "answer": ["1", "2"]},
        [{"question": "p", "answer": "1"}, {"Question": "q", "Answer": "2"}],
        {"0": {"question": "p", "answer": "1"}, "1": {"question": "q", "Ground_Truth": "2"}},
    ],
)
def test_forms_of_training_pairs(value: Any) -> None:
    pairs = (TrainingPair("p", "1", "multimodal"), TrainingPair("q", "2", "multimodal"))
    assert umu.pairs_of({"MM_QA": repr(value), "UM_QA": None}, HERE) == pairs
    assert umu.pairs_of({"MM_QA": value}, HERE) == pairs


def test_no_training_columns_are_no_pairs_and_empty_ones_are_none() -> None:
    assert umu.pairs_of({"MM_QA": None}, HERE) is None
    assert umu.pairs_of({"MM_QA": "{}", "UM_QA": "[]"}, HERE) == ()


def test_python_and_json_write_the_same() -> None:
    value = {"unimodal": {"k": OPEN | {"answer": 'D\'Arcy "Zoë" 李 \\ 😀'}}, "muitimodal": {}}
    assert bodies("Cloze", repr(value)) == bodies("Cloze", json.dumps(value)) == bodies("Cloze", plain_json(value))


# What is wrong with cells


def both(**fields: Any) -> dict[str, Any]:
    """A choice question with these fields changed, at unimodal.k."""
    return {"unimodal": {"k": {key: value for key, value in (CHOICE | fields).items() if value is not ...}}, "muitimodal": {"k": CHOICE}}


@pytest.mark.parametrize(
    ("column", "value", "place", "problem"),
    [
        ("Classify", "{", "", "neither JSON nor a Python dict: '{' was never closed"),
        ("Classify", "", "", "neither JSON nor a Python dict"),
        ("Classify", "open('/etc/passwd')", "", "neither JSON nor a Python dict: malformed node or string on line 1"),
        ("Classify", "{[]: 1}", "", "unhashable type"),
        ("Classify", "[" * 100_000, "", "neither JSON nor a Python dict"),
        ("Classify", "-" * 100_000 + "1", "", "nested too deeply"),
        ("Classify", "1+" * 100_000 + "1", "", "maximum recursion depth exceeded"),
        ("Classify", "\0", "", "null bytes"),
        ("Classify", "3", "", "3 (int); it should be a list or an object of questions"),
        ("Classify", "({},)", "", "(tuple); it should be a list or an object of questions"),
        ("Classify", [3], "[0]", "3 (int); it should be an object"),
        ("Classify", [None], "[0]", "nothing here (null); it should be an object"),
        ("Classify", [[[[[OPEN]]]]], "[0][0][0][0]", "it should be a list or an object of questions"),
        ("Classify", {3: CHOICE}, "", "a field named 3 (int)"),
        ("Classify", {"\ud800": CHOICE}, "", "lone surrogate"),
        ("Classify", {"unimodal": {"k": CHOICE}}, "", "it has unimodal; it should have unimodal and muitimodal"),
        ("Classify", {"multimodal": {}, "muitimodal": {}, "unimodal": {}}, "", "it should have unimodal and muitimodal (or multimodal), once"),
        ("Classify", {"unimodal": {"image": {}, "text": {}}, "muitimodal": {}}, ".unimodal", "it should have unimodal and muitimodal"),
        ("Classify", {"unimodl": {"k": CHOICE}, "muitimodal": {"k": CHOICE}}, ".unimodl.k", "no modality"),
        ("Classify", both(question="\n"), ".unimodal.k.question", "empty"),
        ("Classify", both(question=["q"]), ".unimodal.k.question", "(list); it should be a text"),
        ("Classify", both(Question="p"), ".unimodal.k", "'question' and 'Question' are two spellings of one field"),
        ("Classify", both(answer=...), ".unimodal.k", "no field 'correct_answer' or 'answer'; it has: question, options"),
        ("Classify", both(answer="C. z"), ".unimodal.k.answer", "'C. z' is none of the options' letters A, B"),
        ("Classify", both(answer="z"), ".unimodal.k.answer", "'z' is none of the options' letters A, B"),
        ("Classify", both(answer=None), ".unimodal.k.answer", "nothing here (null)"),
        ("Classify", both(options={"A": "x", "B": "x"}, answer="x"), ".unimodal.k.answer", "'x' is more than one of the options: A, B"),
        ("Classify", both(options={"A": "x", "B": None}), ".unimodal.k.options", "1 option(s); a multiple-choice question needs at least two"),
        ("Classify", both(options={"A": "x", "1": "y"}), ".unimodal.k.options", "'1' is no option letter"),
        ("Classify", both(options="A: x"), ".unimodal.k.options", "it should hold an option per letter"),
        ("Classify", both(options=...), ".unimodal.k", "no field 'options'"),
        ("Classify", both(type="unimodel"), ".unimodal.k.type", "'unimodel' (str); it should be unimodal"),
        ("Classify", both(type="image"), ".unimodal.k.type", "'image' (str); it should be unimodal"),
        ("Cloze", {"k": OPEN}, ".k", "no modality"),
        ("Cloze", [OPEN | {"Type": None}], "[0].Type", "nothing here (null); it should be unimodal or multimodal"),
        ("Cloze", {"unimodal": [{"question": "q"}], "muitimodal": []}, ".unimodal[0]", "no field 'answer' or 'ground_truth' or 'correct_answer'"),
        ("Generation", {"unimodal": [OPEN | {"answer": 7}], "muitimodal": []}, ".unimodal[0].answer", "7 (int); it should be a text"),
        ("MM_QA", {"question": {"a": "p", "b": "q"}, "answer": {"a": "1"}}, ".answer", "'b' is in one of them only"),
        ("MM_QA", {"question": ["p", "q"], "answer": ["1"]}, ".answer", "questions and answers do not go together"),
        ("UM_QA", {"question": ["p"], "answer": {"0": "1"}}, ".answer", "questions and answers do not go together"),
        ("UM_QA", {"question": {"a": "p"}}, "", "no field 'answer'"),
        ("UM_QA", {"question": {"a": "p"}, "answer": {"a": " "}}, ".answer.a", "empty"),
        ("UM_QA", {"question": {"a": None}, "answer": {"a": "1"}}, ".question.a", "nothing here (null)"),
        ("UM_QA", {"question": "p", "answer": ["1"]}, ".answer", "(list); it should be a text"),
        ("UM_QA", [OPEN | {"type": "multimodal"}], "[0].type", "it should be unimodal"),
    ],
)
def test_bad_cells_are_told(data: Path, column: str, value: Any, place: str, problem: str) -> None:
    text = value if isinstance(value, str) else repr(value)
    path = change(data / "full_data" / ONLY, lambda rows: rows[7].update({column: text}))
    error = refused(data)
    assert_place(error, path, 7, column + place)
    assert problem in str(error)


@pytest.mark.parametrize(
    ("limit", "text", "problem"), [("MAX_LITERAL", "{'a': 1}", "too long to be a Python dict"), ("MAX_JSON", '{"a": 1}', "JSON of 8 characters")]
)
def test_huge_cells_are_refused(monkeypatch: pytest.MonkeyPatch, limit: str, text: str, problem: str) -> None:
    monkeypatch.setattr(cells if limit == "MAX_JSON" else loose, limit, 5)
    with pytest.raises(DataError, match=problem) as caught:
        bodies("Classify", text)
    assert_place(caught.value, HERE.file, 4, "cell.Classify")
