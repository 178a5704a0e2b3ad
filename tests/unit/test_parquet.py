"""The released layout, read and written; every way in which a file can be wrong is told with its place."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pytest_mllmu.benchmark import cells, pictures, released
from pytest_mllmu.benchmark.export import write_benchmark
from pytest_mllmu.benchmark.parquet import read_benchmark, read_ids
from pytest_mllmu.benchmark.profiles import Benchmark, TrainingPair
from pytest_mllmu.benchmark.splits import draw
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.errors import DataError, SettingsError
from tests.files import ONLY, Rows, change

PERCENT = 30


@pytest.fixture(scope="module")
def small() -> Benchmark:
    return synthetic_benchmark(10, 3, PERCENT, seed=5)


@pytest.fixture(scope="module")
def exported(small: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    write_benchmark(small, folder, PERCENT)
    return folder


@pytest.fixture
def data(exported: Path, tmp_path: Path) -> Path:
    """A copy of the exported data, to be spoiled."""
    return Path(shutil.copytree(exported, tmp_path / "data"))


def retyped(column: str, kind: Any) -> Callable[[pa.Schema], pa.Schema]:
    return lambda schema: schema.set(schema.get_field_index(column), pa.field(column, kind))


def refused(data: Path, read: Callable[[Path, int, int], Any] = read_benchmark) -> DataError:
    with pytest.raises(DataError) as caught:
        read(data, PERCENT, 0)
    return caught.value


def assert_place(error: DataError, file: Path, row: int | None, column: str | None) -> None:
    assert (Path(str(error.file)), error.row, error.column) == (file, row, column)


# Round trip and layout


def test_export_and_read_give_the_same_benchmark(small: Benchmark, exported: Path) -> None:
    read = read_benchmark(exported, PERCENT, seed=99)
    assert read == small
    assert read.fingerprints == small.fingerprints
    assert read_ids(exported, PERCENT, seed=99) == (small.forget_ids, small.retain_ids)


def test_layout_and_schema_are_the_released_ones(exported: Path) -> None:
    assert sorted(entry.name for entry in exported.iterdir()) == ["Full_Set", "Retain_Set", "Test_Set", "forget_30", "ft_Data", "retain_70"]
    described = ["biography", "question", "answer", "Classification_Task", "Generation_Task", "Mask_Task"]
    columns = {entry.name: pq.read_schema(entry / ONLY).names for entry in exported.iterdir()}
    assert columns["Full_Set"] == columns["forget_30"] == columns["retain_70"] == ["ID", "image", *described]
    assert columns["Test_Set"] == ["ID", "images", *described]
    assert columns["ft_Data"] == columns["Retain_Set"] == ["ID", "image", *described, "metadata"]
    schema = pq.read_schema(exported / "Full_Set" / ONLY)
    assert [field.name for field in schema.field("Classification_Task").type] == ["Image_Textual_Questions", "Pure_Text_Questions"]
    choice = schema.field("Classification_Task").type[0].type.value_type
    assert [field.name for field in choice] == ["Question", "Options", "Correct_Answer"]
    assert [field.name for field in choice.field("Options").type] == ["A", "B", "C", "D"]
    assert [field.name for field in schema.field("Mask_Task").type.value_type] == ["Question", "Ground_Truth", "Type"]


def test_large_test_sets_are_written_and_read_in_shards(tmp_path: Path) -> None:
    benchmark = synthetic_benchmark(51, 0, 10, seed=1)
    write_benchmark(benchmark, tmp_path, 10)
    shards = sorted((tmp_path / "Test_Set").iterdir())
    assert [shard.name for shard in shards] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert [pq.read_metadata(shard).num_rows for shard in shards] == [25, 26]
    read = read_benchmark(tmp_path, 10, seed=1)
    assert read == benchmark
    assert read.transformed[25].pictures[2].place == (str(shards[1]), 0, "images")


def test_order_of_shards_and_rows_does_not_matter(small: Benchmark, data: Path) -> None:
    path = data / "Full_Set" / ONLY
    table = pq.read_table(path)
    pq.write_table(table.take([9, 7, 8]), path)
    pq.write_table(table.take([6, 0, 1, 5, 4, 2, 3]), data / "Full_Set" / "more.parquet")
    (data / "Full_Set" / "._hidden.parquet").write_text("not parquet")
    assert read_benchmark(data, PERCENT, 0) == small


def test_name_and_label_survive_and_foreign_data_is_not_synthetic(data: Path) -> None:
    assert (read_benchmark(data, PERCENT, 0).name, read_benchmark(data, PERCENT, 0).synthetic) == ("synthetic", True)
    change(data / "Full_Set" / ONLY, lambda rows: None, lambda schema: schema.remove_metadata())
    assert (read_benchmark(data, PERCENT, 0).name, read_benchmark(data, PERCENT, 0).synthetic) == ("data", False)


def test_a_broken_label_is_told(data: Path) -> None:
    path = change(data / "Full_Set" / ONLY, lambda rows: None, lambda schema: schema.with_metadata({released.LABEL: b'{"name": 3}'}))
    error = refused(data)
    assert_place(error, path, None, None)
    assert "export the data anew" in str(error)


def test_export_does_not_mix_with_what_is_there(small: Benchmark, data: Path) -> None:
    with pytest.raises(DataError, match=r"is not empty.*choose a new or an empty folder"):
        write_benchmark(small, data, PERCENT)
    with pytest.raises(SettingsError, match="0 percent"):
        write_benchmark(small, data / "new", 0)


def test_text_is_kept_to_the_letter(data: Path) -> None:
    def edit(rows: Rows) -> None:
        rows[0]["biography"] = "Zoë Šimůnková 李\n\ttrailing "
        rows[0]["Mask_Task"][0]["Ground_Truth"] = "Zürich\N{COMBINING DIAERESIS}"

    change(data / "Full_Set" / ONLY, edit)
    profile = read_benchmark(data, PERCENT, 0).profiles[0]
    assert profile.biography == "Zoë Šimůnková 李\n\ttrailing "
    assert profile.ask("cloze", "multimodal")[0].answer == "Zürich\N{COMBINING DIAERESIS}"


def test_null_and_blank_options_are_dropped(small: Benchmark, data: Path) -> None:
    question = small.profiles[0].questions[0]
    spare = [letter for letter in "ABCD" if letter != question.answer]

    def edit(rows: Rows) -> None:
        options = rows[0]["Classification_Task"]["Image_Textual_Questions"][0]["Options"]
        options[spare[0]], options[spare[1]] = None, " "

    change(data / "Full_Set" / ONLY, edit)
    read = read_benchmark(data, PERCENT, 0).profiles[0].questions[0]
    assert [letter for letter, _ in read.options] == sorted([question.answer, spare[2]])
    assert read.answer_text == question.answer_text


def test_tasks_may_be_json_strings(small: Benchmark, data: Path) -> None:
    columns = ("Classification_Task", "Generation_Task", "Mask_Task")
    path = data / "Test_Set" / ONLY
    for column in columns:
        change(path, lambda rows, column=column: [row.update({column: json.dumps(row[column])}) for row in rows], retyped(column, pa.string()))  # type: ignore[misc]
    assert pq.read_schema(path).field("Mask_Task").type == pa.string()
    assert read_benchmark(data, PERCENT, 0) == small


def test_interleaved_types_keep_their_numbers(small: Benchmark, data: Path) -> None:
    def edit(rows: Rows) -> None:
        tasks = rows[2]["Generation_Task"]
        rows[2]["Generation_Task"] = [tasks[2], tasks[0], tasks[3], tasks[1]]

    change(data / "Full_Set" / ONLY, edit)
    assert read_benchmark(data, PERCENT, 0).profiles[2] == small.profiles[2]


def test_nulls_mean_nothing_said_and_nothing_asked(data: Path) -> None:
    change(data / "Retain_Set" / ONLY, lambda rows: rows[1].update(biography=None, Classification_Task=None, Mask_Task=None))
    celebrity = read_benchmark(data, PERCENT, 0).celebrities[1]
    assert celebrity.biography == ""
    assert {question.task for question in celebrity.questions} == {"generation"}


# Splits


def test_split_is_drawn_when_the_data_brings_none(small: Benchmark, data: Path) -> None:
    expected = draw(tuple(profile.id for profile in small.profiles), 40, seed=3)
    assert read_ids(data, 40, seed=3) == expected
    read = read_benchmark(data, 40, seed=3)
    assert (read.forget_ids, read.retain_ids) == expected
    assert len(read.forget_ids) == 4


@pytest.mark.parametrize(("gone", "left"), [("forget_30", "retain_70"), ("retain_70", "forget_30")])
def test_half_a_split_is_told(data: Path, gone: str, left: str) -> None:
    shutil.rmtree(data / gone)
    error = refused(data, read_ids)
    assert_place(error, data, None, None)
    assert f"there is a folder {left!r} but no {gone!r}" in str(error)


def test_overlap_of_the_split_is_told(small: Benchmark, data: Path) -> None:
    path = change(data / "forget_30" / ONLY, lambda rows: rows[1].update(ID=small.retain_ids[4]))
    error = refused(data, read_ids)
    assert_place(error, path, 1, "ID")
    assert f"{small.retain_ids[4]!r} is to be forgotten and, in {data / 'retain_70' / ONLY}, row 4, to be retained" in str(error)
    assert str(refused(data)) == str(error)


@pytest.mark.parametrize("config", ["forget_30", "retain_70"])
def test_strangers_in_a_split_are_told(data: Path, config: str) -> None:
    path = change(data / config / ONLY, lambda rows: rows[2].update(ID="999"))
    error = refused(data, read_ids)
    assert_place(error, path, 2, "ID")
    assert "'999' is not in Full_Set" in str(error)


def test_people_to_forget_need_transformed_pictures(small: Benchmark, data: Path) -> None:
    change(data / "Test_Set" / ONLY, lambda rows: rows.pop(int(small.forget_ids[1]) - 1))
    error = refused(data)
    assert_place(error, data / "Test_Set", None, "ID")
    assert f"no row for {small.forget_ids[1]!r}" in str(error)


def test_an_empty_full_set_is_told(data: Path) -> None:
    path = change(data / "Full_Set" / ONLY, lambda rows: rows.clear())
    error = refused(data, read_ids)
    assert_place(error, path.parent, None, None)
    assert "no rows" in str(error)


def test_percent_is_checked(data: Path) -> None:
    with pytest.raises(SettingsError, match="100 percent"):
        read_ids(data, 100, 0)


# Training pairs


def test_training_pairs_without_a_type_have_no_modality(data: Path) -> None:
    change(data / "ft_Data" / ONLY, lambda rows: rows[0].update(metadata='[{"Question": "Wer?", "Answer": "Zoë"}]'))
    assert read_benchmark(data, PERCENT, 0).profiles[0].pairs == (TrainingPair("Wer?", "Zoë", None),)


def test_metadata_of_the_full_set_serves_without_ft_data(small: Benchmark, data: Path) -> None:
    metadata = '[{"Question": "Who?", "Answer": "Me", "Type": "Pure_Text"}]'
    added = pa.field("metadata", pa.string())
    change(data / "Full_Set" / ONLY, lambda rows: [row.update(metadata=metadata) for row in rows], lambda schema: schema.append(added))
    assert read_benchmark(data, PERCENT, 0).profiles[0].pairs == small.profiles[0].pairs
    shutil.rmtree(data / "ft_Data")
    assert read_benchmark(data, PERCENT, 0).profiles[0].pairs == (TrainingPair("Who?", "Me", "unimodal"),)


def test_pairs_come_from_the_questions_when_there_is_no_metadata(data: Path) -> None:
    shutil.rmtree(data / "ft_Data")
    change(data / "Retain_Set" / ONLY, lambda rows: [row.pop("metadata") for row in rows], lambda schema: schema.remove(schema.get_field_index("metadata")))
    read = read_benchmark(data, PERCENT, 0)
    for profile in (read.profiles[3], read.celebrities[2]):
        assert profile.pairs[0] == TrainingPair(profile.question, profile.biography, "multimodal")
        generation = [question for question in profile.questions if question.task == "generation"]
        classification = [question for question in profile.questions if question.task == "classification"]
        assert profile.pairs[1:5] == tuple(TrainingPair(question.text, question.answer, question.modality) for question in generation)
        right = [dict(question.options)[question.answer] for question in classification]
        assert [pair.answer for pair in profile.pairs[5:]] == right
        assert [(pair.question, pair.modality) for pair in profile.pairs[5:]] == [(question.text, question.modality) for question in classification]
        assert len(profile.pairs) == 15
    assert read.transformed[0].pairs == ()


def test_somebody_without_training_pairs_is_told(data: Path) -> None:
    change(data / "ft_Data" / ONLY, lambda rows: rows.pop(6))
    error = refused(data)
    assert_place(error, data / "ft_Data", None, "ID")
    assert "no row for '007' of Full_Set" in str(error)


@pytest.mark.parametrize(
    ("metadata", "column", "problem"),
    [
        ("[{", "metadata", "malformed JSON"),
        ("[" * 100_000, "metadata", "malformed JSON"),
        (None, "metadata", "nothing here (null)"),
        ('{"Question": "a"}', "metadata", "it should be a list"),
        ("[3]", "metadata[0]", "3 (int); it should be an object"),
        ('[{"Question": "a", "Answer": "b"}, {"question": "a", "Answer": "b"}]', "metadata[1]", "no field 'Question'; did you mean"),
        ('[{"Question": "a", "Answer": " "}]', "metadata[0].Answer", "empty"),
        ('[{"Question": "a", "Answer": 7}]', "metadata[0].Answer", "7 (int); it should be a text"),
        ('[{"Question": "a", "Answer": "\\ud800"}]', "metadata[0].Answer", "lone surrogate"),
        ('[{"Question": "a", "Answer": "b", "Type": "Text"}]', "metadata[0].Type", "it should be Image_Textual or Pure_Text"),
    ],
)
def test_bad_metadata_is_told(data: Path, metadata: str | None, column: str, problem: str) -> None:
    path = change(data / "ft_Data" / ONLY, lambda rows: rows[4].update(metadata=metadata))
    error = refused(data)
    assert_place(error, path, 4, column)
    assert problem in str(error)


def test_huge_metadata_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MAX_JSON", 50)
    error = refused(data)
    assert error.row == 0
    assert "characters; at most 50 are accepted" in str(error)
    assert error.column == "metadata"


# Files and columns


def test_no_folder(tmp_path: Path) -> None:
    error = refused(tmp_path / "nowhere", read_ids)
    assert_place(error, tmp_path / "nowhere", None, None)
    assert "no such folder; it should hold Full_Set, Test_Set, Retain_Set" in str(error)


@pytest.mark.parametrize("config", ["Full_Set", "Test_Set", "Retain_Set"])
def test_missing_set_is_told_with_what_is_there(data: Path, config: str) -> None:
    (data / config).rename(data / f"{config}s")
    error = refused(data)
    assert_place(error, data, None, None)
    assert f"no folder {config!r}; did you mean '{config}s'".casefold() in str(error).casefold()
    assert f"here are: {', '.join(sorted(entry.name for entry in data.iterdir()))}; needed: Full_Set, Test_Set, Retain_Set" in str(error)


def test_set_without_parquet(data: Path) -> None:
    (data / "Test_Set" / ONLY).rename(data / "Test_Set" / "rows.csv")
    error = refused(data)
    assert_place(error, data / "Test_Set", None, None)
    assert "no parquet file in this folder" in str(error)


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing PAR1", b"\x00" * 500])
def test_unreadable_parquet(data: Path, content: bytes) -> None:
    path = data / "Retain_Set" / ONLY
    path.write_bytes(content)
    error = refused(data)
    assert_place(error, path, None, None)
    assert "unreadable parquet: " in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("column", ["ID", "biography", "question", "answer", "Classification_Task", "Generation_Task", "Mask_Task", "image"])
def test_missing_column_is_told(data: Path, column: str) -> None:
    path = data / "Full_Set" / ONLY
    table = pq.read_table(path)
    pq.write_table(table.rename_columns([f"{name}x" if name == column else name for name in table.column_names]), path)
    error = refused(data)
    assert_place(error, path, None, column)
    assert "no such column" in str(error)
    assert f"{column}x" in str(error)


def test_column_twice_is_told(data: Path) -> None:
    path = data / "Full_Set" / ONLY
    table = pq.read_table(path)
    pq.write_table(table.append_column("answer", table["answer"]), path)
    error = refused(data)
    assert_place(error, path, None, "answer")
    assert "two columns" in str(error)


def test_duplicate_id_is_told_across_shards(data: Path) -> None:
    path = data / "Full_Set" / ONLY
    table = pq.read_table(path)
    pq.write_table(table.take([5, 8]), data / "Full_Set" / "train-00001.parquet")
    pq.write_table(table.slice(0, 8), path)
    error = refused(data, read_ids)
    assert_place(error, data / "Full_Set" / "train-00001.parquet", 0, "ID")
    assert f"'006' is here a second time (first in {path}, row 5)" in str(error)


@pytest.mark.parametrize(("value", "problem"), [("", "empty"), ("  ", "empty"), (None, "nothing here (null)")])
def test_empty_id_is_told(data: Path, value: str | None, problem: str) -> None:
    path = change(data / "Retain_Set" / ONLY, lambda rows: rows[1].update(ID=value))
    error = refused(data)
    assert_place(error, path, 1, "ID")
    assert problem in str(error)


def test_ids_are_texts(data: Path) -> None:
    path = change(data / "Full_Set" / ONLY, lambda rows: [row.update(ID=int(row["ID"])) for row in rows], retyped("ID", pa.int64()))
    error = refused(data, read_ids)
    assert_place(error, path, 0, "ID")
    assert "1 (int); it should be a text" in str(error)


def test_text_that_is_no_utf8_is_told(data: Path) -> None:
    path = data / "Full_Set" / ONLY
    table = pq.read_table(path)
    place = table.schema.get_field_index("biography")
    spoiled = pa.array([text.encode() if row != 3 else b"\xff\xfe" for row, text in enumerate(table["biography"].to_pylist())], pa.binary()).view(pa.string())
    pq.write_table(table.set_column(place, "biography", spoiled), path)
    error = refused(data)
    assert_place(error, path, 3, "biography")
    assert "text must be UTF-8" in str(error)


# Questions


def set_choice(**fields: Any) -> Callable[[Rows], None]:
    return lambda rows: rows[1]["Classification_Task"]["Pure_Text_Questions"][2].update(fields)


CHOICE = "Classification_Task.Pure_Text_Questions[2]"


@pytest.mark.parametrize(
    ("edit", "column", "problem"),
    [
        (set_choice(Correct_Answer="E"), f"{CHOICE}.Correct_Answer", "'E' is none of the options' letters A, B, C, D"),
        (set_choice(Correct_Answer="B", Options={"A": "x", "B": None, "C": "z"}), f"{CHOICE}.Correct_Answer", "'B' is none of the options' letters A, C"),
        (set_choice(Correct_Answer=None), f"{CHOICE}.Correct_Answer", "nothing here (null)"),
        (set_choice(Options={"A": "x"}), f"{CHOICE}.Options", "1 option(s); a multiple-choice question needs at least two"),
        (set_choice(Options=None), f"{CHOICE}.Options", "it should hold an option per letter"),
        (set_choice(Question="\n"), f"{CHOICE}.Question", "empty"),
        (lambda rows: rows[1]["Classification_Task"]["Pure_Text_Questions"].insert(2, None), CHOICE, "it should be an object"),
        (lambda rows: rows[1]["Generation_Task"][3].update(Type="Pure_text"), "Generation_Task[3].Type", "it should be Image_Textual or Pure_Text"),
        (lambda rows: rows[1]["Mask_Task"][0].update(Type=None), "Mask_Task[0].Type", "nothing here (null); it should be Image_Textual or Pure_Text"),
        (lambda rows: rows[1]["Mask_Task"][1].update(Ground_Truth=""), "Mask_Task[1].Ground_Truth", "empty"),
    ],
)
@pytest.mark.parametrize("config", ["Full_Set", "Test_Set", "Retain_Set"])
def test_bad_question_is_told(data: Path, config: str, edit: Callable[[Rows], Any], column: str, problem: str) -> None:
    path = change(data / config / ONLY, edit)
    error = refused(data)
    assert_place(error, path, 1, column)
    assert problem in str(error)


@pytest.mark.parametrize(
    ("column", "text", "place", "problem"),
    [
        ("Classification_Task", "[]", "Classification_Task", "it should hold Image_Textual_Questions and Pure_Text_Questions"),
        ("Classification_Task", '{"Pure_Text_Questions": []}', "Classification_Task", "no field 'Image_Textual_Questions'"),
        ("Classification_Task", '{"Image_Textual_Questions": 1}', "Classification_Task.Image_Textual_Questions", "it should be a list"),
        ("Generation_Task", '[{"Question": "a", "Type": "Pure_Text"}]', "Generation_Task[0]", "no field 'Ground_Truth'"),
        ("Mask_Task", "{", "Mask_Task", "malformed JSON"),
    ],
)
def test_bad_json_task_is_told(data: Path, column: str, text: str, place: str, problem: str) -> None:
    def edit(rows: Rows) -> None:
        for row in rows:
            row[column] = None
        rows[7][column] = text

    path = change(data / "Full_Set" / ONLY, edit, retyped(column, pa.string()))
    error = refused(data)
    assert_place(error, path, 7, place)
    assert problem in str(error)


def test_odd_option_letters_are_told(data: Path) -> None:
    text = json.dumps({"Image_Textual_Questions": [{"Question": "q", "Options": {"A": "x", "1": "y"}, "Correct_Answer": "A"}], "Pure_Text_Questions": []})
    path = change(data / "Full_Set" / ONLY, lambda rows: [row.update(Classification_Task=text) for row in rows], retyped("Classification_Task", pa.string()))
    error = refused(data)
    assert_place(error, path, 0, "Classification_Task.Image_Textual_Questions[0].Options")
    assert "'1' is no option letter" in str(error)


# Pictures


def test_either_picture_column_is_read_in_every_set(small: Benchmark, data: Path) -> None:
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    image, images = pa.field("image", picture), pa.field("images", pa.list_(picture))
    full, test = data / "Full_Set" / ONLY, data / "Test_Set" / ONLY
    change(full, lambda rows: [row.update(images=[row["image"]] * 2) for row in rows], lambda schema: schema.remove(1).insert(1, images))
    change(test, lambda rows: [row.update(image=row["images"][1]) for row in rows], lambda schema: schema.remove(1).insert(1, image))
    read = read_benchmark(data, PERCENT, 0)
    assert read.profiles[3].pictures == small.profiles[3].pictures * 2
    assert read.transformed[3].pictures == small.transformed[3].pictures[1:2]
    assert read.profiles[3].pictures[1].place == (str(full), 3, "images")
    assert read.transformed[3].pictures[0].place == (str(test), 3, "image")


@pytest.mark.parametrize(("config", "column"), [("Full_Set", "image"), ("Test_Set", "images")])
def test_corrupt_picture_is_told_when_somebody_looks(small: Benchmark, data: Path, config: str, column: str) -> None:
    def edit(rows: Rows) -> None:
        (rows[2][column] if column == "image" else rows[2][column][1])["bytes"] = b"\x89PNG\r\n\x1a\n and no more"

    path = change(data / config / ONLY, edit)
    read = read_benchmark(data, PERCENT, 0)
    people = read.profiles if config == "Full_Set" else read.transformed
    assert people[1].pictures[-1].decode().mode == "RGB"
    with pytest.raises(DataError, match="corrupt image") as caught:
        people[2].pictures[0 if column == "image" else 1].decode()
    assert_place(caught.value, path, 2, column)


@pytest.mark.parametrize(("config", "leaf"), [("Full_Set", "image.bytes"), ("Test_Set", "images.list.element.bytes")])
def test_picture_bytes_are_not_read_before_somebody_looks(data: Path, config: str, leaf: str) -> None:
    path = data / config / ONLY
    group = pq.read_metadata(path).row_group(0)
    chunk = next(group.column(number) for number in range(group.num_columns) if group.column(number).path_in_schema == leaf)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)
    read = read_benchmark(data, PERCENT, 0)
    people = read.profiles if config == "Full_Set" else read.transformed
    assert len(people[6].pictures) == (1 if config == "Full_Set" else 3)
    with pytest.raises(DataError, match="unreadable parquet") as caught:
        people[6].pictures[0].decode()
    assert_place(caught.value, path, 6, leaf.partition(".")[0])


def test_picture_column_is_read_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_benchmark(data, PERCENT, 0)
    opened: list[str] = []
    original = pq.ParquetFile
    monkeypatch.setattr(pq, "ParquetFile", lambda path: opened.append(path) or original(path))  # type: ignore[func-returns-value]
    for profile in read.transformed:
        for picture in profile.pictures:
            assert picture.data
    assert opened == [str(data / "Test_Set" / ONLY)]


def test_pictures_can_be_sent_to_another_process(small: Benchmark, data: Path) -> None:
    picture = read_benchmark(data, PERCENT, 0).transformed[4].pictures[1]
    assert pickle.loads(pickle.dumps(picture)).data == small.transformed[4].pictures[1].data


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def test_picture_beside_the_data(data: Path) -> None:
    (data / "pictures").mkdir()
    (data / "pictures" / "é.png").write_bytes(png())
    change(data / "Full_Set" / ONLY, lambda rows: rows[0].update(image={"bytes": None, "path": "pictures/é.png"}))
    assert read_benchmark(data, PERCENT, 0).profiles[0].pictures[0].decode().size == (3, 2)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../secret.png", "lies outside the data folder"),
        ("{data}/../secret.png", "lies outside the data folder"),
        ("link.png", "lies outside the data folder"),
        ("gone.png", "no picture file 'gone.png'"),
        ("Full_Set", "no picture file 'Full_Set'"),
        ("nul\0.png", "cannot be read"),
        ("", "neither bytes nor a path"),
        (None, "neither bytes nor a path"),
    ],
)
def test_picture_paths_stay_inside(data: Path, path: str | None, problem: str) -> None:
    (data.parent / "secret.png").write_bytes(png())
    (data / "link.png").symlink_to(data.parent / "secret.png")
    written = path.format(data=data) if path else path
    file = change(data / "Full_Set" / ONLY, lambda rows: rows[5].update(image={"bytes": None, "path": written}))
    picture = read_benchmark(data, PERCENT, 0).profiles[5].pictures[0]
    with pytest.raises(DataError) as caught:
        picture.decode()
    assert_place(caught.value, file, 5, "image")
    assert problem in str(caught.value)


def test_huge_picture_file_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PICTURE", 10)
    (data / "a.png").write_bytes(png())
    change(data / "Full_Set" / ONLY, lambda rows: rows[5].update(image={"bytes": None, "path": "a.png"}))
    with pytest.raises(DataError, match=r"'a.png' has more than 10 bytes"):
        _ = read_benchmark(data, PERCENT, 0).profiles[5].pictures[0].data


@pytest.mark.parametrize("value", [[], None])
def test_nobody_is_without_a_picture(data: Path, value: list[Any] | None) -> None:
    path = change(data / "Test_Set" / ONLY, lambda rows: rows[4].update(images=value))
    error = refused(data)
    assert_place(error, path, 4, "images")
    assert "no picture" in str(error)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.binary(), b"x"),
        (pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())])), []),
        (pa.struct([("bytes", pa.binary())]), {"bytes": b"x"}),
        (pa.struct([("bytes", pa.string()), ("path", pa.string())]), {"bytes": "x", "path": "y"}),
    ],
)
def test_pictures_of_another_type_are_told(data: Path, kind: Any, value: Any) -> None:
    path = change(data / "Full_Set" / ONLY, lambda rows: [row.update(image=value) for row in rows], retyped("image", kind))
    error = refused(data)
    assert_place(error, path, None, "image")
    assert "it should be a struct{bytes, path}" in str(error)
