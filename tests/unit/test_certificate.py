"""A certificate says what was found, and whoever changes anything in it is found out."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu import cli
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.certificate import canonical
from pytest_mllmu.certificate.pseudonyms import pseudonyms
from pytest_mllmu.certificate.verifying import verify
from pytest_mllmu.certifying import issued, write
from pytest_mllmu.embedded.persons import ATTRIBUTES, people
from pytest_mllmu.errors import StoreError
from tests.certificates import benchmark, changed, draft, written

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
    "the outcome": lambda row: row.update(outcome="accepted!"),
    "the statement": lambda row: row.update(statement="All is well."),
    "a person": lambda row: row["subjects"]["people"].pop(),
    "a person who is not asked": lambda row: row["subjects"]["not_asked"].append(row["subjects"]["people"][0]),
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
    "a gap": lambda row: row["not_tested"].pop(),
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
