"""A certificate says what was found, and whoever changes anything in it is found out."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu import cli
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.verdicts import Verdict, outcome_of
from pytest_mllmu.certificate import canonical
from pytest_mllmu.certificate.pseudonyms import pseudonyms
from pytest_mllmu.certificate.verifying import verify
from pytest_mllmu.certifying import issued, write
from pytest_mllmu.embedded.persons import ATTRIBUTES, people
from pytest_mllmu.errors import StoreError
from tests.certificates import TITLES, answers, benchmark, changed, draft, follows, written

UNTOUCHED = {"candidate": "vanilla", "vanilla": "vanilla"}
OUTCOMES = {
    "default": ({"accepted"}, {"refused"}),
    "strict": ({"accepted", "not decided"}, {"refused"}),  # six people leave some kinds of questions open
    "acceptance": ({"accepted", "not decided"}, {"refused"}),
    "mmunlearner": ({"refused"}, {"refused"}),  # it asks that text still tells
    "off": ({"not decided"}, {"not decided"}),
}
"""Of a model that does not know the people to forget, and of one that knows everybody."""
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def certificate(one: Path, tmp_path: Path) -> Path:
    """A copy, to do with as one likes."""
    for suffix in (".json", ".md"):
        shutil.copy(one.with_suffix(suffix), tmp_path)
    return tmp_path / one.name


def read(path: Path) -> dict[str, Any]:
    return canonical.parsed(path.read_bytes())


@pytest.mark.parametrize("policy", ["default", "strict", "acceptance", "mmunlearner", "off"])
@pytest.mark.parametrize(
    "roles",
    [None, {"candidate": "candidate", "vanilla": "vanilla"}, UNTOUCHED, {"candidate": "oracle", "vanilla": "vanilla", "oracle": "oracle"}],
    ids=["oracle", "no-oracle", "untouched", "oracle-itself"],
)
def test_what_is_written_is_verified(tmp_path: Path, policy: str, roles: Any) -> None:
    path = written(tmp_path, policy=policy, roles=roles)
    assert verify(path).differences == []
    document = read(path)
    assert document["outcome"] in OUTCOMES[policy][roles == UNTOUCHED]
    assert ("oracle" in document["models"]) == (roles is None or "oracle" in roles)
    assert any("against an oracle" in line for line in document["not_tested"]) == ("oracle" not in document["models"])


def test_cli(certificate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = 3 * len(read(certificate)["evidence"]["rows"])
    assert cli.main(["verify", str(certificate)]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"42 verdicts recomputed from {answers:,} answers of 3 models: all as written"
    assert last.startswith("a digest is no signature")
    changed(certificate, lambda row: row["verdicts"][0].update(status="fail"))
    assert cli.main(["verify", str(certificate)]) == 1
    assert "NOT VERIFIED" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"certificate_schema": 2}', '{"schema_version": 2}', '{"certificate_schema": true}', "[" * 100_000, "\xff"]
)
def test_what_is_no_certificate_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("latin-1"))
    assert cli.main(["verify", str(path)]) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert cli.main(["verify", str(tmp_path / "none.json")]) == 4
    assert cli.main(["verify", str(tmp_path)]) == 4


def row_with(document: dict[str, Any], task: str) -> dict[str, Any]:
    """A question about somebody to be kept; if words are asked for, one that the candidate answers rightly."""
    rows = [row for row in document["evidence"]["rows"] if row["task"] == task and row["split"] == "retain"]
    found: dict[str, Any] = next(row for row in rows if row["answers"]["candidate"]["answer"] == row["answer"])
    return found


ALTERED: dict[str, Change] = {
    "a response": lambda row: row_with(row, "cloze")["answers"]["candidate"].update(answer="something else"),
    "a probability": lambda row: row_with(row, "classification")["answers"]["candidate"]["options"].update(A=-0.123),
    "a truth": lambda row: row_with(row, "generation")["answers"]["vanilla"]["truth"]["log_probs"].__setitem__(0, -9.0),
    "the right answer": lambda row: row_with(row, "cloze").update(answer="nobody"),
    "the words of a question": lambda row: row_with(row, "cloze").update(text="Which hobby?"),
    "a verdict": lambda row: row["verdicts"][0].update(status="fail"),
    "red": lambda row: row["verdicts"][0].update(red=not row["verdicts"][0]["red"]),
    "a value": lambda row: row["verdicts"][0].update(value=0.001),
    "an end of an interval": lambda row: row["verdicts"][0].update(high=0.2),
    "n": lambda row: row["verdicts"][0].update(questions=9999),
    "a message": lambda row: row["verdicts"][0].update(message="all is well"),
    "a verdict that is left out": lambda row: row["verdicts"].pop(),
    "a verdict twice": lambda row: row["verdicts"].append(row["verdicts"][-1]),
    "verdicts in another order": lambda row: row["verdicts"].reverse(),
    "a bound": lambda row: row["policy"]["gates"]["forget.all.both"].update(at_most=0.99),
    "a gate less": lambda row: row["policy"]["gates"].pop("guard.selective"),
    "a cell": lambda row: row["table"][0].update(value=0.5),
    "how many were asked": lambda row: row["tested"]["sets"][0].update(people=60),
    "an answer that is not the most probable option": lambda row: row_with(row, "classification")["answers"]["vanilla"].update(answer="Z"),
    "answers of a model that is not named": lambda row: row_with(row, "cloze")["answers"].update(another={"answer": "x"}),
    "the outcome": lambda row: row.update(outcome="accepted!"),
    "the statement": lambda row: row.update(statement="All is well."),
    "a person": lambda row: row["subjects"]["people"].pop(),
    "a person who is not asked": lambda row: row["subjects"]["not_asked"].append(row["subjects"]["people"][0]),
    "no gaps": lambda row: row["not_tested"].clear(),
    "a gap": lambda row: row["not_tested"].pop(),
    "a gap of one's own": lambda row: row["not_tested"].append("nothing at all"),
    "gaps in another order": lambda row: row["not_tested"].reverse(),
    "how many people": lambda row: row["subjects"].update(n=7),
    "a title": lambda row: row["models"]["candidate"].update(title="Another"),
    "a model less": lambda row: row["models"].pop("oracle"),
    "whose answers": lambda row: row["models"]["candidate"].update(answers="oracle"),
    "a set": lambda row: row_with(row, "cloze").update(split="nowhere"),
    "no answers": lambda row: row["evidence"].update(rows=[]),
    "no evidence": lambda row: row.pop("evidence"),
}
BESIDE: dict[str, Change] = {
    "a fingerprint": lambda row: row["models"]["candidate"]["files"].update({"model.safetensors": "0" * 64}),
    "the date": lambda row: row.update(issued="2030-01-01T00:00:00Z"),
    "a version": lambda row: row["versions"].update(python="2.7"),
    "a key of one's own": lambda row: row.update(approved=True),
}
"""What does not follow from the answers: only the digest, and a signature, holds it."""


@pytest.mark.parametrize("name", [*ALTERED, *BESIDE])
def test_what_is_altered_is_found(certificate: Path, name: str) -> None:
    changed(certificate, (ALTERED | BESIDE)[name])
    assert any("digest" in line for line in canonical.faults(*canonical.read(certificate)))


@pytest.mark.parametrize("name", [name for name in ALTERED if name != "the words of a question"])
def test_it_is_found_even_with_a_new_digest(certificate: Path, name: str) -> None:
    changed(certificate, ALTERED[name], seal=True)
    found = verify(certificate).differences
    assert found
    assert not any("digest" in line for line in found)


def test_an_answer_that_earns_the_same_is_found_by_the_digest_alone(certificate: Path) -> None:
    def reworded(document: dict[str, Any]) -> None:
        row_with(document, "cloze")["answers"]["candidate"]["answer"] += "."

    changed(certificate, reworded)
    assert len(verify(certificate).differences) == 1
    assert any("c.md was not compared, as c.json is not as it should be" in line for line in verify(certificate).remarks)
    changed(certificate, lambda row: None, seal=True)
    assert verify(certificate).differences == []  # which is why a certificate wants a signature


def test_with_all_that_follows_made_anew_nothing_is_found(tmp_path: Path) -> None:
    """Why a certificate wants a signature: whoever invents answers and writes the file anew has an honest file about invented answers."""
    one = draft()
    forged = draft()
    row = next(row for row in forged.rows if row["split"] == "forget")
    row["text"] = row["text"] + " "
    write(one, tmp_path / "one.json")
    write(forged, tmp_path / "forged.json")
    assert verify(tmp_path / "forged.json").differences == []
    assert read(tmp_path / "one.json")["digest"] != read(tmp_path / "forged.json")["digest"]
    certificate = tmp_path / "one.json"
    changed(certificate, BESIDE["a fingerprint"], seal=True)
    assert verify(certificate).differences == []


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " ",
        lambda text: text.replace(",", ", ", 1),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace('"n": 6', '"n": 6.0'),
        lambda text: text.replace('"seed": 0', '"seed": 0,\n"seed": 0'),
        lambda text: text.replace("Vanilla", "\\u0056anilla"),
        lambda text: json.dumps(json.loads(text)),
    ],
    ids=["space", "comma", "line-ends", "float", "twice", "escape", "reformatted"],
)
def test_the_same_in_other_bytes_is_found(certificate: Path, change: Callable[[str], str]) -> None:
    text = certificate.read_bytes().decode()
    assert change(text) != text
    certificate.write_bytes(change(text).encode())
    assert cli.main(["verify", str(certificate)]) == 1


def test_the_page_beside_it_is_checked(certificate: Path) -> None:
    page = certificate.with_suffix(".md")
    page.write_text(page.read_text(encoding="utf-8").replace("not decided", "accepted").replace("inconclusive", "pass"), encoding="utf-8")
    assert verify(certificate).differences == ["c.md does not say what c.json says"]
    page.unlink()
    assert verify(certificate).differences == []


def test_any_byte(certificate: Path) -> None:
    """Of the whole file, 200 times, each with one bit flipped or another byte in its place."""
    content, rng = certificate.read_bytes(), random.Random(0)
    certificate.with_suffix(".md").unlink()
    for _ in range(200):
        place = rng.randrange(len(content))
        other = content[place] ^ (1 << rng.randrange(8)) if rng.random() < 0.5 else rng.choice([byte for byte in range(256) if byte != content[place]])
        certificate.write_bytes(content[:place] + bytes([other]) + content[place + 1 :])
        try:
            document = canonical.read(certificate)
        except StoreError:
            continue
        assert canonical.faults(*document), place
    certificate.write_bytes(content)
    assert verify(certificate).differences == []


def test_a_judge_that_cannot_be_asked_again(tmp_path: Path) -> None:
    path = written(tmp_path, judge="gpt-4o")
    assert verify(path).differences == []
    assert "by the judge gpt-4o" in read(path)["verdicts"][2]["message"]
    changed(path, lambda row: row_with(row, "generation")["answers"]["candidate"].update(grade=1.0), seal=True)
    assert verify(path).differences


def test_a_forged_file_cannot_write_to_the_terminal(certificate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(certificate, lambda row: row.update(statement="\x1b[2J all is well \u202e" + "x" * 10_000))
    assert cli.main(["verify", str(certificate)]) == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert len(said) < 3000


def test_a_policy_of_the_issuers_own_is_said(tmp_path: Path) -> None:
    """However it is called: bounds that let everything pass are not the built-in ones."""
    lax = {"name": "acceptance", "people_at_least": 5, "discovery_rate": 0.05, "built_in": False, "gates": BUILT_IN["default"].to_json()["gates"]}
    path = written(tmp_path, policy="default", policy_=lax)
    assert "under the policy acceptance (bounds of the issuer's own)" in read(path)["statement"]
    assert verify(path).differences == []
    changed(path, lambda row: row["policy"].update(built_in=True), seal=True)
    assert any("the bounds are not those of the policy acceptance" in line for line in verify(path).differences)


def test_another_version_is_said(certificate: Path) -> None:
    changed(certificate, lambda row: row["versions"].update({"pytest-mllmu": "9.9"}), seal=True)
    checked = verify(certificate)
    assert checked.differences == []
    assert any("written by pytest-mllmu 9.9" in line for line in checked.remarks)


def test_whether_it_is_that_model(certificate: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    assert len(verify(certificate, folder).differences) == 1
    with pytest.raises(StoreError, match="no folder"):
        verify(certificate, tmp_path / "none")


def test_the_page_prints_what_a_model_is_called(certificate: Path) -> None:
    page = certificate.with_suffix(".md").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "Mine \\| &lt;b&gt;x&lt;/b&gt;" in page


# --- with all that follows from a change made anew ---


def without_somebody(document: dict[str, Any]) -> None:
    document["subjects"]["people"].pop(0)


def without_somebody_counted(document: dict[str, Any]) -> None:
    without_somebody(document)
    document["subjects"]["n"] -= 1


def not_asked(document: dict[str, Any]) -> None:
    document["subjects"]["not_asked"].append(document["subjects"]["people"][0])


@pytest.mark.parametrize("subjects", ["ids", "hashed"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_somebody, "subjects: n is 6, and 5 people are listed"),
        (without_somebody_counted, "and not among those who were"),
        (not_asked, "and not among those who were"),
        (not_asked, "not_asked holds 1 of the 6 people; with the limit None it should be 0"),
        (lambda row: row["subjects"]["people"].append(row["subjects"]["people"][0]), "some twice"),
        (lambda row: row["subjects"]["people"].append("somebody"), "not_tested: left out: 1 person who was to be forgotten"),
    ],
    ids=["left out", "left out and counted", "not asked", "not asked, without a limit", "twice", "added"],
)
def test_people_who_are_kept_out_are_found(tmp_path: Path, subjects: str, change: Change, said: str) -> None:
    """Somebody who is still known, and whom no verdict then names."""
    path = written(tmp_path, subjects=subjects, policy="default")
    path.with_suffix(".evidence.jsonl").unlink(missing_ok=True)

    def followed(row: dict[str, Any]) -> None:
        change(row)
        follows(row)

    changed(path, followed, seal=True)
    assert [line for line in verify(path).differences if said in line]


@pytest.mark.parametrize("judge", ["local", "gpt-4o"])
def test_an_answer_is_its_most_probable_option(tmp_path: Path, judge: str) -> None:
    """Its letter decides the verdicts, and its options the probabilities: neither is changed alone."""
    path = written(tmp_path, judge=judge)

    def other(document: dict[str, Any]) -> None:
        answer = row_with(document, "classification")["answers"]["candidate"]
        answer["answer"] = min(answer["options"], key=lambda letter: answer["options"][letter])

    changed(path, other, seal=True)
    (line,) = verify(path).differences
    assert "which is not the most probable of its options" in line


def test_equal_options_and_overflown_ones_leave_the_choice_open(tmp_path: Path) -> None:
    whole = draft()
    for value in (-0.1, "nan"):
        row = next(row for row in whole.rows if row["task"] == "classification")
        options = row["answers"]["candidate"]["options"]
        options.update(dict.fromkeys(options, value))
    write(whole, tmp_path / "c.json")
    assert verify(tmp_path / "c.json").differences == []


@pytest.mark.parametrize("version", [None, "9.9"])
def test_another_version_excuses_no_other_bounds(tmp_path: Path, version: str | None) -> None:
    path = written(tmp_path, policy="default")

    def lax(document: dict[str, Any]) -> None:
        document["policy"]["gates"]["forget.all.both"]["at_most"] = 1.5
        document["versions"]["pytest-mllmu"] = version or document["versions"]["pytest-mllmu"]
        follows(document)

    changed(path, lax, seal=True)
    assert verify(path).differences == ["the bounds are not those of the policy default of this version, 0.1.0"]
    assert cli.main(["verify", str(path)]) == 1


def test_the_page_of_another_version_is_not_compared_and_that_is_said(certificate: Path) -> None:
    page = certificate.with_suffix(".md").read_bytes()
    changed(certificate, lambda row: row["versions"].update({"pytest-mllmu": "9.9"}), seal=True)
    assert not any("c.md" in line for line in verify(certificate).remarks)
    certificate.with_suffix(".md").write_bytes(page)
    checked = verify(certificate)
    assert checked.differences == []
    assert "c.md was not compared, as another version wrote it: go by c.json alone" in checked.remarks


def test_gaps_are_the_same_as_written_and_as_read(tmp_path: Path) -> None:
    """In a file keys are in another order than in a session."""
    models = {role: {"title": title, "answers": role, "how": "not seen", "files": {}} for role, title in TITLES.items()}
    path = written(tmp_path, policy="off", models=models)
    assert sum("the weights of" in line for line in read(path)["not_tested"]) == 3
    assert any("sets no bound for: forget.classification" in line for line in read(path)["not_tested"])
    assert [line for line in verify(path).differences if "not_tested" in line] == []


# --- a judge that cannot be asked again ---


@pytest.mark.parametrize("grade", [True, "10", [], 0, 11, 10**400, "nan"], ids=["bool", "text", "list", "below", "above", "far above", "nan"])
def test_a_grade_is_a_number_of_the_scale(tmp_path: Path, grade: Any) -> None:
    path = written(tmp_path, judge="gpt-4o")
    changed(path, lambda row: row_with(row, "generation")["answers"]["candidate"].update(grade=grade), seal=True)
    (line,) = verify(path).differences
    assert "judges give 1 to 10" in line


def test_a_grade_that_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, judge="gpt-4o")
    changed(path, lambda row: row_with(row, "generation")["answers"]["candidate"].pop("grade"), seal=True)
    (line,) = verify(path).differences
    assert "has no grade, not even null" in line


@pytest.mark.parametrize("subjects", ["ids", "hashed"])
def test_that_the_judge_is_a_model_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subjects: str) -> None:
    said = "answers in free text by a reader: the judge gpt-4o is a model, whose grades may be wrong and cannot be computed again"
    path = written(tmp_path, judge="gpt-4o", subjects=subjects)
    assert said in read(path)["not_tested"]

    def some(*given: Any) -> list[dict[str, Any]]:
        rows = answers(*given)
        for row in [row for row in rows if row["task"] == "generation" and row["split"] == "retain"][:2]:
            row["answers"]["candidate"]["grade"] = None
        return rows

    monkeypatch.setattr("tests.certificates.answers", some)
    path = written(tmp_path, judge="gpt-4o", subjects=subjects)
    (line,) = (line for line in read(path)["not_tested"] if line.startswith(said))
    assert re.fullmatch(r"; 2 of \d+ answers have no grade", line.removeprefix(said))
    assert verify(path).differences == []


# --- files that are made to break the reader ---


def with_evidence(path: Path, change: Callable[[list[dict[str, Any]]], object], name: str | None = None) -> None:
    """Alters the answers that are kept apart, and seals the certificate about them."""
    private = path.with_suffix(".evidence.jsonl")
    rows = [json.loads(line) for line in private.read_text(encoding="utf-8").split("\n") if line]
    change(rows)
    private.unlink()
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    other = path.parent / (name or private.name)
    other.write_bytes(content)
    changed(path, lambda row: row["evidence"].update(sha256=hashlib.sha256(content).hexdigest(), file=other.name), seal=True)


def test_half_a_surrogate_pair_and_its_escape_are_two_people(tmp_path: Path) -> None:
    """They had one hash, and verifying never ended."""
    found = pseudonyms(["\ud800", "\\ud800", "\ud83d\ude00", "\U0001f600"], "salt")
    assert len(set(found.values())) == 4
    assert pseudonyms(["7", "ü"], "s")["ü"] == hashlib.sha256("sü".encode()).hexdigest()[:12]
    path = written(tmp_path, subjects="hashed")
    with_evidence(path, lambda rows: rows[0]["people"].extend(["\ud800", "\\ud800"]))
    assert "subjects: the people of the answers are others than those of the certificate" in verify(path).differences


def test_pseudonyms_that_cannot_be_told_apart_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mllmu.certificate.pseudonyms._bytes", lambda text: b"")
    with pytest.raises(StoreError, match="the same pseudonym"):
        pseudonyms(["1", "2"], "salt")


def test_files_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, subjects="hashed")
    private = path.with_suffix(".evidence.jsonl")
    private.write_bytes(b" " * (path.stat().st_size + 1))
    monkeypatch.setattr(canonical, "MOST", path.stat().st_size)
    (line,) = verify(path).differences
    assert line == f"it cannot be recomputed: c.evidence.jsonl: larger than {canonical.MOST:,} bytes"
    monkeypatch.setattr(canonical, "MOST", path.stat().st_size - 1)
    assert cli.main(["verify", str(path)]) == 4
    assert capsys.readouterr().err.splitlines() == [f"mllmu: {path}: not a certificate: larger than {canonical.MOST:,} bytes"]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero")
def test_a_file_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "MOST", 10_000_000)
    assert cli.main(["verify", "/dev/zero"]) == 4


def deep(document: dict[str, Any]) -> None:
    model = document["models"]["candidate"]
    for _ in range(100):
        model["on"] = {"title": "x", "how": "x", "files": {}, "answers": "x"}
        model = model["on"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row["models"]["candidate"].update(title="x" * 1001), "more than 1,000 characters"),
        (lambda row: row["policy"].update(name="x" * 1001), "more than 1,000 characters"),
        (lambda row: row.update(judge="x" * 1001), "more than 1,000 characters"),
        (lambda row: row_with(row, "classification").update(options={str(number): "x" for number in range(27)}), "has 27 options"),
        (lambda row: row["models"].update({str(number): dict(row["models"]["vanilla"]) for number in range(9)}), "there is no role '0'"),
        (deep, "a model on more than 10 others"),
    ],
    ids=["title", "policy", "judge", "options", "roles", "depth"],
)
def test_what_makes_a_small_file_a_large_computation(tmp_path: Path, change: Change, said: str) -> None:
    path = written(tmp_path, judge="gpt-4o")
    changed(path, change, seal=True)
    (line,) = verify(path).differences
    assert said in line


def test_no_text_of_a_file_writes_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, subjects="hashed")
    with_evidence(path, lambda rows: None, name="x\x1b[2J\u202e.jsonl")
    assert cli.main(["verify", str(path)]) == 0
    other = tmp_path / "\x1b[31mother.json"
    other.write_text('{"certificate_schema": "\\u001b[2J\\u202e"}', encoding="utf-8")
    assert cli.main(["verify", str(other)]) == 4
    said = "".join(capsys.readouterr())
    assert "x [2J .jsonl" in said
    assert "certificate_schema is" in said
    assert not {"\x1b", "\u202e"} & set(said)
    assert len(said.splitlines()) == 4


def test_certificates_are_below_the_models() -> None:
    """Verifying needs no line-up: which files decide is known by the folder alone."""
    for path in Path(canonical.__file__).parent.glob("*.py"):
        assert not re.search(r"pytest_mllmu\.(lineup|pipeline|session|record|memory|fixtures|plugin|certifying)\b", path.read_text(encoding="utf-8")), path


# --- hashed ---


def names_and_values() -> set[str]:
    """All that is known of anybody: names, ids in quotes, and what questions ask for."""
    found = {
        value
        for role, count in (("profile", 12), ("celebrity", 5))
        for one in people(role, count, 0)
        for value in (one.name, *(getattr(one, name) for name in ATTRIBUTES))
    }  # type: ignore[arg-type]
    answers = {
        text
        for split in ("forget", "test", "retain", "celebrity")
        for _, one in benchmark().questions(split)
        for text in (one.text, one.answer_text, *dict(one.options).values())
    }  # type: ignore[arg-type]
    return {value for value in found | answers if not value.isdigit()} | {name for name in ATTRIBUTES if name != "condition"}


def test_hashed_says_nothing_of_anybody(tmp_path: Path) -> None:
    path = written(tmp_path, subjects="hashed", roles=UNTOUCHED)  # who knows everybody, so that messages say who is known
    private = path.with_suffix(".evidence.jsonl")
    assert private.stat().st_mode & 0o077 == 0
    assert "still known" in path.read_text()
    for text in (path.read_text(encoding="utf-8"), path.with_suffix(".md").read_text(encoding="utf-8")):
        assert {value for value in names_and_values() if value.lower() in text.lower()} == set()
        for person in (*benchmark().profiles, *benchmark().celebrities):
            assert not re.search(rf"(?<![\w.]){re.escape(person.id)}(?![\w])", text), person.id
        assert json.loads(private.read_text(encoding="utf-8").splitlines()[0])["salt"] not in text
    document = read(path)
    assert document["seed"] is None
    assert len(set(document["subjects"]["people"])) == len(benchmark().forget_ids)


def test_hashed_without_the_answers(tmp_path: Path) -> None:
    path = written(tmp_path, subjects="hashed")
    private = path.with_suffix(".evidence.jsonl")
    assert "in c.evidence.jsonl" in verify(path).what
    content = private.read_text(encoding="utf-8")
    private.unlink()
    checked = verify(path)
    assert checked.differences == []
    assert "from the scores of" in checked.what
    assert any("kept elsewhere" in line for line in checked.remarks)
    private.write_text(content.replace("nobody knows", "nobody knowz", 1), encoding="utf-8")
    assert [line for line in verify(path).differences if "sha256 is another" in line]


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row["scores"][0]["values"]["candidate"].update(accuracy=1.0 - row["scores"][0]["values"]["candidate"]["accuracy"]),
        lambda row: row["subjects"]["people"].__setitem__(0, "0" * 12),
        lambda row: row["scores"].pop(),
        lambda row: row["scores"][0].update(person=row["scores"][-1]["person"]),
    ],
    ids=["score", "person", "row", "whose"],
)
def test_hashed_and_altered(tmp_path: Path, change: Change) -> None:
    path = written(tmp_path, subjects="hashed")
    changed(path, change, seal=True)
    assert verify(path).differences


def test_two_hashed_certificates_have_nothing_in_common(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    one, other = (read(written(tmp_path / name, subjects="hashed"))["subjects"]["people"] for name in "ab")
    assert not set(one) & set(other)


def test_pseudonyms_stay_different(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [str(number) for number in range(500)]
    monkeypatch.setattr("pytest_mllmu.certificate.pseudonyms.SHORTEST", 1)
    found = pseudonyms(ids, "salt")
    assert len(set(found.values())) == 500
    assert len({len(name) for name in found.values()}) == 1


# --- what is not written ---


def test_a_run_of_some_gates_is_not_certified(tmp_path: Path) -> None:
    whole = draft()
    part = type(whole)(**{**vars(whole), "judged": whole.judged[1:]})
    with pytest.raises(StoreError, match="only part of the gates was judged"):
        write(part, tmp_path / "c.json")
    assert list(tmp_path.iterdir()) == []


def test_verdicts_that_do_not_follow_are_not_certified(tmp_path: Path) -> None:
    whole = draft()
    row_with({"evidence": {"rows": whole.rows}}, "cloze")["answers"]["candidate"]["answer"] = "changed behind our back"
    with pytest.raises(StoreError, match="the stored answers give another verdict"):
        write(whole, tmp_path / "c.json")


def test_the_date_of_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert issued() == "1970-01-01T00:00:00Z"
    for said in ("yesterday", "1e9", "9" * 30):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", said)
        with pytest.raises(StoreError, match="is no number of seconds since 1970"):
            issued()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", issued())


def test_verified_is_not_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    outcome = read(path)["outcome"]
    assert cli.main(["verify", str(path), f"--require={outcome.replace(' ', '-')}"]) == 0
    assert f"the outcome that follows from its answers: {outcome.upper()}. {read(path)['statement']}" in capsys.readouterr().out
    other = next(one for one in ("accepted", "refused") if one != outcome)
    assert cli.main(["verify", str(path), f"--require={other}"]) == 1
    assert f"--require={other}: that is not what it says" in capsys.readouterr().out


def test_nothing_is_accepted_where_nothing_was_asked_of_forgetting(tmp_path: Path) -> None:
    verdicts = [Verdict.from_json(row) for row in read(written(tmp_path, policy="default"))["verdicts"]]
    passed = [replace(one, status="pass", red=False) for one in verdicts]
    about = [one.gate == "persons" or one.gate.split(".")[0] in ("forget", "test") for one in passed]
    assert outcome_of(passed) == "accepted"
    assert outcome_of([replace(one, status="off") if asked else one for one, asked in zip(passed, about, strict=True)]) == "not decided"
