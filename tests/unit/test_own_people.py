"""A list of people becomes a sound benchmark; every way in which a list can be wrong is one line with its place."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from pytest_mllmu.benchmark import lists, people
from pytest_mllmu.benchmark.derived import near, same
from pytest_mllmu.benchmark.profiles import FORMATS, Benchmark, Picture, Profile
from pytest_mllmu.benchmark.records import spoken
from pytest_mllmu.benchmark.source import read_benchmark, read_ids
from pytest_mllmu.benchmark.splits import draw, synthetic_ids
from pytest_mllmu.embedded.benchmark import synthetic_benchmark
from pytest_mllmu.errors import DataError
from pytest_mllmu.evaluation.responses import Response
from pytest_mllmu.scoring.scores import score
from tests.people import NAMES, as_csv, picture, rows, write_list

Rows = list[dict[str, str]]


def read(path: Path, percent: int = 20, seed: int = 0) -> Benchmark:
    return read_benchmark(str(path), percent, seed)


def refused(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError) as collected:  # who is to be forgotten is read in the same way
        read_ids(str(path), 20, 0)
    assert str(collected.value) == str(caught.value)
    return caught.value


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return write_list(tmp_path / "staff", rows())


# The forms of a list


def test_a_table(listed: Path) -> None:
    benchmark = read(listed)
    assert (benchmark.name, benchmark.synthetic, benchmark.celebrities) == ("people", False, ())
    assert [profile.id for profile in benchmark.profiles] == list(synthetic_ids(12))
    assert (benchmark.forget_ids, benchmark.retain_ids) == draw(synthetic_ids(12), 20, 0) == read_ids(str(listed), 20, 0)
    assert {len(profile.questions) for profile in benchmark.profiles + benchmark.transformed} == {18}
    assert read(listed.parent).name == "staff"
    assert read(listed.parent).profiles == benchmark.profiles


def test_all_forms_of_a_list_say_the_same(listed: Path, tmp_path: Path) -> None:
    lines = write_list(tmp_path / "lines", rows())
    lines.unlink()
    numbered = [{**row, "birth year": int(row["birth year"]), "nothing": None} for row in rows()]
    (lines.parent / "people.jsonl").write_text("\n\n".join(map(json.dumps, numbered)), encoding="utf-8-sig")
    folder = tmp_path / "folder"
    for number, row in enumerate(rows()):
        picture(folder / f"{number:02d}.png", number)
        facts = [f"{name} = {value}" for name, value in row.items() if name != "image"]
        (folder / f"{number:02d}.txt").write_text("# what is known\n\n" + "\r\n".join(facts))
    (folder / "notes.md").write_text("not a person")
    expected = read(listed)
    for path in (lines.parent, lines.parent / "people.jsonl", folder):
        assert read(path).profiles == expected.profiles
        assert read(path).transformed == expected.transformed


def test_a_person_of_a_folder_is_called_as_the_files(tmp_path: Path) -> None:
    for number, name in enumerate(("Ann Lee", "Bo Kim")):
        picture(tmp_path / f"{name}.JPG", number)
        (tmp_path / f"{name}.txt").write_text(f"job = {number}\ntown = Ulm = Neu-Ulm\nname =\n")
    assert read(tmp_path, 50).profiles[0].biography == "Ann Lee works as 0. The town of Ann Lee is Ulm = Neu-Ulm."


def test_what_lists_may_look_like(tmp_path: Path) -> None:
    write_list(tmp_path, rows(3))
    text = '\ufeff\n NAME ,Image,Height (cm),IBAN,,\nAnn,0.png,1.70,"x\ny",,\n,,,,,\nBo,1.png,1.80, CH1  2 ,,,\nCy,2.png,1.70,,,\n'
    with pytest.raises(DataError, match="row 6: only 'height \\(cm\\)' is known about 'Cy'"):
        read(_written(tmp_path, text))
    profile = read(_written(tmp_path, text.replace("1.70,,,", "1.70,e\u0301,,"))).profiles
    assert [one.id for one in profile] == ["001", "002", "003"]
    assert profile[0].biography == "The height (cm) of Ann is 1.70. The IBAN of Ann is x y."
    assert profile[2].biography.endswith("is é.")
    assert {q.answer_text for q in profile[1].questions if q.about == "IBAN" and q.task != "generation"} == {"CH1 2"}


def _written(folder: Path, text: str) -> Path:
    path = folder / "people.csv"
    path.write_bytes(text.encode())
    return path


def test_other_data_is_read_as_before(tmp_path: Path) -> None:
    from pytest_mllmu.benchmark.export import write_benchmark

    benchmark = synthetic_benchmark(6, 2, 34, 0)
    write_benchmark(benchmark, tmp_path / "data", 34)
    (tmp_path / "data" / "README.txt").write_text("about the data")
    assert read_benchmark(str(tmp_path / "data"), 34, 9) == benchmark
    assert read_ids(str(tmp_path / "data"), 34, 9) == (benchmark.forget_ids, benchmark.retain_ids)
    (tmp_path / "empty" / "Full_Sett").mkdir(parents=True)
    with pytest.raises(DataError, match="no folder 'Full_Set'; did you mean 'Full_Sett'"):
        read(tmp_path / "empty")
    with pytest.raises(DataError, match="nor parquet files"):
        read(tmp_path / "empty" / "Full_Sett")


def test_nothing_heavy_is_imported_to_know_whom_to_forget(listed: Path) -> None:
    code = f"""
import sys
from pytest_mllmu.benchmark.source import read_benchmark, read_ids
read_ids({str(listed)!r}, 20, 0), read_benchmark({str(listed)!r}, 20, 0)
print(sorted({{"torch", "transformers", "pyarrow", "numpy", "PIL", "faker"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# Who is to be forgotten


def test_a_column_says_who_is_to_be_forgotten(tmp_path: Path) -> None:
    groups = ["Retain", "forget ", "celebrity", "retain", "forget", "retain"]
    path = write_list(tmp_path, [{**row, "id": f"p{9 - number}", "set": group} for number, (row, group) in enumerate(zip(rows(6), groups, strict=True))])
    for percent, seed in ((5, 0), (90, 3)):
        benchmark = read(path, percent, seed)
        assert (benchmark.forget_ids, benchmark.retain_ids) == (("p5", "p8"), ("p4", "p6", "p9")) == read_ids(str(path), percent, seed)
        (celebrity,) = benchmark.celebrities
        assert (celebrity.id, celebrity.questions[0].id) == ("p7", "celebrity-p7-classification-multimodal-0")
        assert celebrity.pairs
        assert [profile.id for profile in benchmark.profiles] == ["p4", "p5", "p6", "p8", "p9"]


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["retain"] * 3, "nobody is to be forgotten"),
        (["celebrity"] * 3, "nobody is to be forgotten"),
        (["forget"] * 3, "everybody is to be forgotten: without people to keep"),
        (["forget", "", "retain"], "row 3, column 'set': empty; it should be forget, retain or celebrity"),
        (["forget", "retian", "retain"], "row 3, column 'set': 'retian'; did you mean 'retain'?"),
    ],
)
def test_sets_that_conclude_nothing(tmp_path: Path, groups: list[str], said: str) -> None:
    path = write_list(tmp_path, [{**row, "set": group} for row, group in zip(rows(3), groups, strict=True)])
    assert said in str(refused(path))


def test_people_to_keep_may_be_celebrities(tmp_path: Path) -> None:
    path = write_list(tmp_path, [{**row, "set": group} for row, group in zip(rows(2), ["forget", "celebrity"], strict=True)])
    assert (read(path).retain_ids, len(read(path).celebrities)) == ((), 1)
    assert "everybody is to be forgotten" in str(refused(write_list(tmp_path / "one", rows(1))))


# What is asked


def test_questions_are_about_the_person_and_worded_from_the_attributes(listed: Path) -> None:
    benchmark = read(listed)
    ann, transformed = benchmark.profiles[0], benchmark.transformed[0]
    asked = {question.text: question.answer_text for question in ann.questions}
    assert asked["What is the occupation of this person?"] == "baker"
    assert asked["In which year was Ann Lee born?"] == "1950"
    assert asked["What is the shoe size of Ann Lee?"] == "36"
    assert asked["What does Ann Lee do and where does Ann Lee live?"] == "Ann Lee works as baker and lives in Ulm."
    paraphrased = {question.text: question.answer_text for question in transformed.questions}
    assert paraphrased["Can you tell me the favourite meal of this person?"] == "soup"
    assert paraphrased["What does Ann Lee do for a living?"] == "baker"
    told = [question for question in ann.ask("generation", "unimodal") if question.about == "shoe size and birth year"]
    assert not told or told[0].answer == "The shoe size of Ann Lee is 36 and Ann Lee was born in 1950."


def test_a_score_knows_the_attribute_that_was_asked_for(listed: Path) -> None:
    questions = read(listed).profiles[0].questions
    (size,) = [question for question in questions if question.about == "shoe size" and question.options and question.modality == "unimodal"]
    assert score(size, Response(size.id, "", {letter: 0.0 for letter, _ in size.options}), "forget").attribute == "shoe size"
    assert "about" not in size.to_json()


def test_modalities_and_sets_line_up(listed: Path) -> None:
    benchmark = read(listed)
    for profile, transformed in zip(benchmark.profiles, benchmark.transformed, strict=True):
        half = len(profile.questions) // 2
        for shown, written, anew in zip(profile.questions[:half], profile.questions[half:], transformed.questions[:half], strict=True):
            assert shown.id.replace("multimodal", "unimodal") == written.id
            assert shown.id.replace("full", "test") == anew.id
            assert (shown.about, shown.options, shown.answer == written.answer) == (written.about, written.options, shown.task != "generation")
            assert (shown.about, shown.text != anew.text) == (anew.about, True)
            assert "this person" in shown.text.lower()
            assert any(name in written.text for name in NAMES)


def test_options_are_what_is_known_about_others(listed: Path) -> None:
    benchmark = read(listed)
    known = {row["Shoe size"] for row in rows()}
    letters = set()
    for profile in benchmark.profiles:
        for question in profile.ask("classification", "unimodal"):
            letters.add(question.answer)
            if question.about == "shoe size":
                assert len(question.options) == 4
                assert {text for _, text in question.options} <= known
            if question.about == "favourite meal":
                assert len(question.options) == 3
    assert letters == set("ABCD")


def test_what_everybody_has_in_common_is_no_choice(tmp_path: Path) -> None:
    same_for_all = [{"name": name, "image": f"{number}.png", "nation": "swiss" if number else "Swiss.", "year": "2001"} for number, name in enumerate("ABC")]
    profile = read(write_list(tmp_path, same_for_all), 34).profiles[0]
    (question,) = profile.ask("classification", "unimodal")
    assert (question.about, question.answer_text, len(question.options)) == ("year", "2001", 4)
    assert len(profile.ask("cloze", "unimodal")) == len(profile.ask("generation", "unimodal")) == 2


BESIDE = [("1990", "1989"), ("5", "0"), ("-5", "-15"), ("007", "008"), ("9.75", "9.85"), ("0.5", "1.5"), ("1000000", "999999")]


@pytest.mark.parametrize(("value", "some"), BESIDE)
def test_numbers_beside_a_number(value: str, some: str) -> None:
    found = near(value)
    assert some in found
    assert value not in found
    assert len(set(found)) == len(found) >= 3
    assert not value.startswith("0") or all(len(one) >= len(value) for one in found)


def test_what_is_no_number_has_none_beside_it() -> None:
    assert near("38 EU") == near("1990/91") == near("1" * 13) == near("٣") == []
    assert same("Ｒome.") == same(" rome ") != same("A+")
    assert same("A+") != same("A-")


@pytest.mark.parametrize(("column", "label"), [("Shoe_size", "shoe size"), ("IBAN", "IBAN"), ("PhD Topic", "PhD topic"), ("X", "x")])
def test_a_column_is_spoken_of_in_lower_case(column: str, label: str) -> None:
    assert spoken(column) == label


def test_training_tells_every_fact_and_never_in_the_words_of_the_test(listed: Path) -> None:
    benchmark = read(listed)
    for profile, transformed in zip(benchmark.profiles, benchmark.transformed, strict=True):
        taught = {(pair.question, pair.modality) for pair in profile.pairs}
        assert not taught & {(question.text, question.modality) for question in transformed.questions}
        row = rows()[int(profile.id) - 1]
        for modality in ("multimodal", "unimodal"):
            answers = " ".join(pair.answer for pair in profile.pairs if pair.modality == modality)
            assert all(value in answers for key, value in row.items() if key not in ("name", "image"))
        assert transformed.pairs == ()


def test_more_attributes_than_questions(tmp_path: Path) -> None:
    many = [{**row, **{f"trait {n}": f"t{n} of {row['name'][:2]}" for n in range(12)}} for row in rows(3)]
    for profile in read(write_list(tmp_path, many), 34).profiles:
        assert [len(profile.ask(task, "unimodal")) for task in ("classification", "generation", "cloze")] == [5, 2, 2]
        assert len(profile.pairs) == 2 * (17 + 2 + 2)


# Determinism


def test_a_seed_decides_and_not_the_order_of_rows_and_columns(tmp_path: Path) -> None:
    named = [{**row, "id": f"x{number}"} for number, row in enumerate(rows())]
    turned = [dict(reversed(row.items())) for row in reversed(named)]
    first, second, other = read(write_list(tmp_path / "a", named)), read(_moved(tmp_path, turned)), read(tmp_path / "a", seed=1)
    assert [profile.questions for profile in first.profiles] == [profile.questions for profile in second.profiles]
    assert [profile.pairs for profile in first.profiles] == [profile.pairs for profile in second.profiles]
    assert first.forget_ids == second.forget_ids != other.forget_ids
    assert first.fingerprints == read(tmp_path / "a").fingerprints
    assert first.fingerprints["profiles"] != other.fingerprints["profiles"]


def _moved(folder: Path, rows: Rows) -> Path:
    path = folder / "a" / "turned.csv"
    path.write_text(as_csv(rows))
    return path


# Pictures


def test_the_test_set_has_the_other_pictures_or_one_that_is_transformed(tmp_path: Path) -> None:
    several = rows(3)
    several[1]["image"] = "1.png; more/1b.png;more/1c.png"
    benchmark = read(write_list(tmp_path, several), 34)
    assert [len(profile.pictures) for profile in benchmark.profiles] == [1, 1, 1]
    assert [len(profile.pictures) for profile in benchmark.transformed] == [1, 2, 1]
    assert benchmark.transformed[1].pictures[1].data == (tmp_path / "more" / "1c.png").read_bytes()
    picture, transformed = benchmark.profiles[0].pictures[0], benchmark.transformed[0].pictures[0]
    assert (transformed.decode().size, picture.decode().size) == ((44, 36), (48, 40))
    mirrored = picture.decode().transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((2, 2, 46, 38))
    apart = ImageChops.difference(mirrored.convert("L"), transformed.decode().convert("L")).getextrema()
    assert 0 < apart[1] <= 26
    assert transformed == read(tmp_path, 34).transformed[0].pictures[0] != benchmark.transformed[2].pictures[0]
    assert transformed != picture
    assert pickle.loads(pickle.dumps(transformed)).data == transformed.data


def test_a_transformed_picture_is_known_without_being_made(listed: Path) -> None:
    (listed.parent / "0.png").write_bytes(b"no picture at all")
    benchmark = read(listed)
    assert benchmark.fingerprints["transformed"]
    for profile in (benchmark.profiles[0], benchmark.transformed[0]):
        with pytest.raises(DataError, match=r"people\.csv, row 2, column 'image': corrupt image") as caught:
            profile.pictures[0].decode()
        assert caught.value.row == 2
    benchmark = read(listed)
    (listed.parent / "1.png").unlink()
    with pytest.raises(DataError, match=r"row 3, column 'image': the picture '1\.png' cannot be read"):
        _ = benchmark.profiles[1].pictures[0].data


@pytest.mark.parametrize("content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", b"P6 1 1 255\nabc"], ids=["EPS", "PPM"])
def test_a_picture_is_what_its_name_says(listed: Path, content: bytes) -> None:
    """Pillow would start ghostscript for the first."""
    Image.open(io.BytesIO(content))  # it knows the kind
    (listed.parent / "0.png").write_bytes(content)
    benchmark = read(listed)
    for profile in (benchmark.profiles[0], benchmark.transformed[0]):
        with pytest.raises(DataError, match=r"people\.csv, row 2, column 'image': corrupt image, or of a kind that is not read; PNG, JPEG, .*TIFF are$"):
            profile.pictures[0].decode()


@pytest.mark.parametrize("kind", [*FORMATS, "MPO"])
def test_kinds_of_pictures(kind: str) -> None:
    file = io.BytesIO()
    image = Image.new("RGB", (8, 8), "red")
    image.save(file, kind, **({"save_all": True, "append_images": [image]} if kind == "MPO" else {}))
    assert Picture(file.getvalue).decode().size == (8, 8)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("", "no image; every person needs one"),
        (" ; ", "no picture"),
        ("0.jpg", "no picture file '0.jpg' in the folder"),
        ("0.pgn", "did you mean '0.png'?"),
        (".", "no picture file"),
        ("0.png;gone/1.png", "no picture file 'gone/1.png'"),
        ("../secret.png", "not given by a path inside the folder"),
        ("a/../../secret.png", "not given by a path inside the folder"),
        ("a\\..\\..\\secret.png", "not given by a path inside the folder"),
        ("/etc/passwd", "not given by a path inside the folder"),
        ("C:\\pictures\\a.png", "not given by a path inside the folder"),
        ("out.png", "is a link that leads out of the folder"),
        ("out/secret.png", "is a link that leads out of the folder"),
        ("circle.png", "picture"),
        ("x" * 290 + ".png", "File name too long"),
    ],
)
def test_pictures_lie_in_the_folder(tmp_path: Path, image: str, said: str) -> None:
    path = write_list(tmp_path / "list", rows(3))
    picture(tmp_path / "secret.png")
    (tmp_path / "list" / "out.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "list" / "out").symlink_to(tmp_path)
    (tmp_path / "list" / "circle.png").symlink_to(tmp_path / "list" / "circle.png")
    path.write_text(as_csv([{**rows(1)[0], "image": image}, *rows(3)[1:]]))
    error = refused(path)
    assert said in str(error)
    assert (error.file, error.row, error.column) == (path, 2, "image")


def test_a_link_within_the_folder_is_followed(listed: Path) -> None:
    (listed.parent / "0.png").rename(listed.parent / "real.png")
    (listed.parent / "0.png").symlink_to("real.png")
    assert read(listed).profiles[0].pictures[0].decode()


def test_names_of_files_are_found_as_they_are_spelled(tmp_path: Path) -> None:
    path = write_list(tmp_path / "list", rows(3))
    (path.parent / "0.png").rename(path.parent / "Zoe\u0308  1.png")  # as macOS writes an accent
    path.write_text(path.read_text().replace("0.png", "Zo\u00eb  1.png"))
    assert read(path).profiles[0].pictures[0].decode()
    folder = tmp_path / "folder"
    for number, stem in enumerate(("Zoe\u0308  1", "Bo")):
        picture(folder / f"{stem}.png", number)
        (folder / f"{stem}.txt").write_text("a = 1\nb = 2\n" + ("image = ./Bo.png" if stem == "Bo" else ""))
    assert read(folder).profiles[1].biography == "The a of Zo\u00eb 1 is 1. The b of Zo\u00eb 1 is 2."


def test_a_huge_picture_file(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MAX_PICTURE", 10)
    assert "has more than 10 bytes" in str(refused(listed))


# What can be wrong with a list

HEAD = "name,image,town,job\n"
ANN, BO = "Ann,0.png,Ulm,cook\n", "Bo,1.png,Rome,nurse\n"

WRONG_TABLES: list[tuple[str | bytes, int | None, str | None, str]] = [
    ("", 1, None, "no column 'name'"),
    (HEAD, None, None, "nobody in this list"),
    ("name;image;town\nAnn;0.png;Ulm\n", 1, None, "separated by ';'; they should be separated by commas"),
    ("nmae,image,a,b\n", 1, None, "no column 'name'; did you mean 'nmae'?; the file has: nmae, image, a, b"),
    ("name,picture,a\n", 1, None, "no column 'image'"),
    ("name,image,town,Town\n" + ANN, 1, "Town", "here a second time"),
    ("name,image,shoe size,Shoe_Size\n" + ANN, 1, "Shoe_Size", "here a second time"),
    ("name,image,a," + "b" * 61 + "\n" + ANN, 1, "b" * 61, "61 characters"),
    ("name,image,a,?\n" + ANN, 1, "?", "neither letter nor digit"),
    ("name,image,a,<image>\n" + ANN, 1, "<image>", "a special token of some models"),
    ("name,image," + ",".join(f"c{n}" for n in range(60)) + "\n", 1, None, "62 columns; at most 60"),
    ("name,image,job,profession\n" + ANN, 2, "profession", "asks for the same as 'job'"),
    (HEAD + ANN + "Bo,1.png,Rome\n", 3, None, "3 cells, and the header has 4 columns"),
    (HEAD + ANN + "Bo,1.png,Rome,nurse,x\n", 3, None, "5 cells, and the header has 4 columns"),
    ("name,image,town,\n" + ANN, 2, None, "'cook' stands in a column without a name"),
    (HEAD + 'Ann,0.png,"Ulm"x,cook\n', 2, None, "malformed CSV"),
    (HEAD + ANN + 'Bo,1.png,"Rome,nurse\n', 3, None, "malformed CSV: unexpected end of data"),
    (HEAD + ANN + "Bo,1.png," + "x" * 140_000 + ",y\n", 3, None, "malformed CSV: field larger"),
    (HEAD + ANN + "Bo,1.png,a\0b,nurse\n", 3, None, "a NUL byte"),
    (HEAD.encode() + "Ann,0.png,Köln,cook\n".encode("latin-1"), 2, None, "byte 0xf6 is no UTF-8"),
    ((HEAD + ANN).encode("utf-16"), 1, None, "byte 0xff is no UTF-8"),
    (HEAD + ",0.png,Ulm,cook\n", 2, "name", "no name; every person needs one"),
    (HEAD + "Ann,0.png,Ulm,\n" + BO, 2, None, "only 'town' is known about 'Ann'; at least 2 attributes"),
    (HEAD + "Ann,0.png,,\n" + BO, 2, None, "nothing is known about 'Ann'"),
    (HEAD + ANN + "ANN,1.png,Rome,nurse\n", 3, "name", "is here a second time (first in row 2)"),
    (HEAD + f"Ann,0.png,{'x' * 301},cook\n" + BO, 2, "town", "301 characters ('xxxxxxxxxxxxxxxxxxxx...'); at most 300"),
    (HEAD + "Ann,0.png,\x1b[31mUlm,cook\n" + BO, 2, "town", "a character that nobody sees ('\\x1b')"),
    (HEAD + "Ann\u202e,0.png,Ulm,cook\n" + BO, 2, "name", "a character that nobody sees"),
    (HEAD + "Ann,0.png,-,cook\n" + BO, 2, "town", "leave the cell empty when the value is not known"),
    (HEAD + "A__n,0.png,Ulm,cook\n" + BO, 2, "name", "is the blank of a question"),
    (HEAD + "Ann,0.png,</s>,cook\n" + BO, 2, "town", "a special token"),
    ("id," + HEAD + f"{'7' * 41},{ANN}8,{BO}", 2, "id", "is no id; at most 40 printable characters"),
    ("id," + HEAD + f"a\u200bb,{ANN}8,{BO}", 2, "id", "is no id"),
    ("id," + HEAD + f"7,{ANN}7,{BO}", 3, "id", "'7' is here a second time (first in row 2); every person needs an id of their own"),
    ("id," + HEAD + f"002,{ANN},{BO}", 3, "id", "'002' is here a second time"),
]


@pytest.mark.parametrize(("text", "row", "column", "said"), WRONG_TABLES, ids=range(len(WRONG_TABLES)))
def test_what_is_wrong_with_a_table_is_told_with_its_place(tmp_path: Path, text: str | bytes, row: int | None, column: str | None, said: str) -> None:
    path = write_list(tmp_path, rows(2))
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = refused(path)
    assert said in str(error)
    assert (error.file, error.row, error.column) == (path, row, column)


GOOD = '{"name": "Bo", "image": "1.png", "town": "Rome", "age": 30}'
WRONG_LINES: list[tuple[str, str | None, str]] = [
    ("{", None, "malformed JSON"),
    ("[" * 100_000, None, "malformed JSON"),
    ("5", None, "each line should be an object"),
    ("[]", None, "each line should be an object"),
    ('{"image": "0.png", "a": 1, "b": 2}', "name", "no name"),
    ('{"name": "A", "name": "B"}', "name", "here a second time"),
    ('{"name": "A", "image": "0.png", "a": true, "b": 2}', "a", "True (bool); it should be a text or a number"),
    ('{"name": "A", "image": "0.png", "a": [1], "b": 2}', "a", "['1'] (list); it should be a text or a number"),
    ('{"name": "A", "image": "0.png", "a": {"b": 1}, "b": 2}', "a", "an object; it should be a text or a number"),
    ('{"name": "A", "image": "0.png", "a": NaN, "b": 2}', None, "NaN is no number"),
    ('{"name": "A", "image": "0.png", "a": "\\ud800", "b": 2}', "a", "half a character"),
    ('{"name": "A", "image": "0.png", "\\ud800": "a", "b": 2}', "\ud800", "half a character"),
    ('{"name": "A", "image": ["0.png", "9.png"], "a": 1, "b": 2}', "image", "no picture file '9.png'"),
    ("{" + ", ".join(f'"c{n}": 1' for n in range(61)) + "}", None, "61 columns; at most 60"),
]


@pytest.mark.parametrize(("line", "column", "said"), WRONG_LINES, ids=range(len(WRONG_LINES)))
def test_what_is_wrong_with_a_line_is_told_with_its_place(tmp_path: Path, line: str, column: str | None, said: str) -> None:
    path = write_list(tmp_path, rows(2)).rename(tmp_path / "staff.jsonl")
    path.write_text(f"{GOOD}\n{line}\n")
    error = refused(path)
    assert said in str(error)
    assert (error.file, error.row, error.column) == (path, 2, column)


def _gone(folder: Path) -> None:
    (folder / "Ann.png").unlink()


def _twice(folder: Path) -> None:
    picture(folder / "Ann.jpg")


def _untold(folder: Path) -> None:
    (folder / "Bo.txt").unlink()


def _linked(folder: Path) -> None:
    (folder / "Cy.txt").rename(folder.parent / "Cy.txt")
    (folder / "Cy.txt").symlink_to(folder.parent / "Cy.txt")


def _linked_table(folder: Path) -> None:
    (folder / "people.csv").symlink_to(folder / ".." / "people.csv")
    (folder / ".." / "people.csv").write_text("secret")


WRONG_FOLDERS: list[tuple[Callable[[Path], object], str, int | None, str]] = [
    (_gone, "Ann.txt", None, "no picture of this name, such as 'Ann.png', in the folder"),
    (_twice, "Ann.txt", None, "'Ann.jpg' and 'Ann.png' are both its picture; name one in a line: image = Ann.jpg"),
    (_linked, "Cy.txt", None, "a link that leads out of the folder; copy the file there"),
    (_linked_table, "people.csv", None, "a link that leads out of the folder; copy the file there"),
    (_untold, "Bo.png", None, "no text file 'Bo.txt' beside this picture"),
    (lambda folder: (folder / "Ann.txt").write_text("a = 1\nb\n"), "Ann.txt", 2, "'b' is no line of the form attribute = value"),
    (lambda folder: (folder / "Ann.txt").write_text("a = 1\n= 2\n"), "Ann.txt", 2, "is no line of the form attribute = value"),
    (lambda folder: (folder / "Ann.txt").write_text("a = 1\nA = 2\n"), "Ann.txt", None, "is here a second time"),
    (lambda folder: (folder / "Ann.txt").write_text("a = 1\n"), "Ann.txt", None, "only 'a' is known about 'Ann'"),
    (lambda folder: (folder / "Ann.txt").write_text("a = 1\nb = <s>\n"), "Ann.txt", 2, "special token"),
    (lambda folder: (folder / "Bo.txt").write_text("a = 1\nb = 2\nname = ann\n"), "Bo.txt", 3, "is here a second time (first in Ann.txt)"),
]


@pytest.mark.parametrize(("spoil", "file", "row", "said"), WRONG_FOLDERS, ids=range(len(WRONG_FOLDERS)))
def test_what_is_wrong_with_a_folder_is_told_with_its_place(tmp_path: Path, spoil: Callable[[Path], object], file: str, row: int | None, said: str) -> None:
    tmp_path = tmp_path / "list"
    for number, name in enumerate(("Ann", "Bo", "Cy")):
        picture(tmp_path / f"{name}.png", number)
        (tmp_path / f"{name}.txt").write_text(f"town = Ulm\nage = {number}\n")
    assert len(read(tmp_path).profiles) == 3
    spoil(tmp_path)
    error = refused(tmp_path)
    assert said in str(error)
    assert row in (None, error.row)
    assert error.file == tmp_path / file


def test_more_than_a_list_should_have(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_PEOPLE", 11)
    assert "row 13: more than 11 people" in str(refused(listed))
    monkeypatch.setattr(lists, "MAX_FILE", 100)
    assert "more than 100 bytes" in str(refused(listed))
    (listed.parent / "people.jsonl").write_text("")
    assert "'people.csv' and 'people.jsonl' are two lists of people; keep one" in str(refused(listed.parent))


def test_texts_hold_together_whatever_a_name_is(tmp_path: Path) -> None:
    odd = [{**row, "name": name} for row, name in zip(rows(3), ("{who}", "O'Neil {0}", "李 小龙"), strict=True)]
    odd = [{**row, "{label} {who}": "{value}", "100%": "{Who} x"} for row in odd]
    benchmark = read(write_list(tmp_path, odd), 34)
    texts = [question.text for profile in benchmark.profiles for question in profile.ask("classification", "unimodal")]
    assert any("the {label} {who} of {who}?" in text for text in texts) or "{label} {who}" in _taught(benchmark.profiles[0])
    assert "{value}" in _taught(benchmark.profiles[0])


def _taught(profile: Profile) -> str:
    return " ".join(f"{pair.question} {pair.answer}" for pair in profile.pairs)
