"""Which answers a report shows, and how they are kept small and harmless; who still tells what; where a candidate stands."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from csv import DictReader
from dataclasses import replace

import pytest
from PIL import Image

from pytest_mllmu.analysis.leaks import Leaks, Told, leaks
from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.table import Table, build_row
from pytest_mllmu.analysis.tradeoff import points
from pytest_mllmu.analysis.verdicts import Status, Verdict, verdict
from pytest_mllmu.benchmark.profiles import MODALITIES, SPLITS, TASKS, Modality, Picture, Question, Split
from pytest_mllmu.errors import DataError
from pytest_mllmu.report import charts, csv, html, latex, markdown, page, terminal
from pytest_mllmu.report.layout import blocks
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.samples import LONGEST, SIDE, Sample, draw, drawn, said, sound
from pytest_mllmu.report.standing import sentence, standings
from pytest_mllmu.report.untested import GENERAL, NEVER, REQUESTS, untested
from pytest_mllmu.scoring.metrics import METRICS
from pytest_mllmu.scoring.scores import Score
from tests.pages import findings, rich, sample
from tests.unit.test_report import make_run, scores


def questions(people: int) -> list[Question]:
    return [Question(f"{n:02}-{task}-{side}", f"{n:02}", task, side, "?", "a") for n in range(people) for task in TASKS for side in MODALITIES]


POOLS: dict[Split, list[Question]] = {split: questions(4) for split in SPLITS[:4]}


# --- samples ---


def test_most_are_about_the_people_to_forget_and_everybody_else_is_there() -> None:
    found = list(draw(POOLS, 12, 0))
    assert Counter(split for split, _ in found) == {"forget": 6, "retain": 2, "test": 2, "celebrity": 2}
    assert {(question.task, question.modality) for split, question in found if split == "forget"} >= {("generation", "multimodal"), ("cloze", "unimodal")}
    assert len({question.person for split, question in found if split == "forget"}) == 4  # all, before one comes twice
    assert len({(split, question.id) for split, question in found}) == 12


def test_the_seed_decides_and_the_order_of_the_questions_does_not() -> None:
    turned = {split: list(reversed(pool)) for split, pool in reversed(POOLS.items())}
    assert list(draw(POOLS, 12, 0)) == list(draw(turned, 12, 0))
    assert list(draw(POOLS, 12, 0)) != list(draw(POOLS, 12, 1))


@pytest.mark.parametrize(("pools", "number", "there"), [(POOLS, 1000, 96), ({"forget": questions(1)[:1]}, 12, 1), ({}, 12, 0), (POOLS, 0, 0)])
def test_no_more_than_there_are(pools: dict[Split, list[Question]], number: int, there: int) -> None:
    assert len(list(draw(pools, number, 0))) == there


def test_an_option_stands_for_its_letter_only_where_it_was_chosen() -> None:
    question = Question("q", "p", "classification", "unimodal", "?", "B", (("A", "Lima"), ("B", "Oslo")))
    assert (said(question, "B", chosen=True), said(question, "B", chosen=False), said(question, "E", chosen=True)) == ("Oslo", "B", "E")
    assert len(said(question, "x" * 100_000, chosen=False)) <= LONGEST


def test_pictures_are_drawn_anew_and_small() -> None:
    file = io.BytesIO()
    Image.effect_noise((900, 600), 90).convert("RGB").save(file, "PNG")
    found = sound(drawn(Picture(lambda: file.getvalue() + b"<script>")))
    with Image.open(io.BytesIO(base64.b64decode(found))) as image:
        assert image.size == (SIDE, 107)
    assert b"<script>" not in base64.b64decode(found)
    assert len(found) < 20_000 < len(file.getvalue())
    assert drawn(None) == sound("") == ""
    with pytest.raises(DataError, match="corrupt image"):
        drawn(Picture(lambda: b"\x89PNG\r\n"))


def test_a_sample_is_read_back() -> None:
    row = json.loads(json.dumps(sample("x").to_json()))
    assert Sample.from_json(row) == sample("x")
    for key, value in (("split", "all"), ("task", "essay"), ("modality", "both"), ("answers", 7), ("forget", "many"), ("options", None)):
        with pytest.raises((ValueError, TypeError, KeyError)):
            Sample.from_json({**row, key: value})


# --- leaks ---


def score(person: str, split: Split, attribute: str, modality: Modality, right: bool, number: int = 0) -> Score:
    return Score(f"{split}-{person}-{attribute}-{modality}-{number}", person, split, "cloze", modality, {"exact_match": float(right)}, 0.0, attribute)


def test_what_vanilla_did_not_know_cannot_leak() -> None:
    kinds: list[tuple[str, Split, str, Modality, bool, bool]] = [
        ("1", "forget", "job", "multimodal", True, True),
        ("1", "test", "job", "multimodal", True, False),
        ("1", "forget", "job", "unimodal", False, True),
        ("1", "retain", "job", "unimodal", True, True),
        ("9", "forget", "job", "unimodal", True, True),
    ]
    vanilla, candidate = ([score(who, split, what, side, row[at]) for row in kinds for who, split, what, side in [row[:4]]] for at in (4, 5))
    found = leaks("ga", 10, ["1", "2"], candidate, vanilla)
    assert found.people == {"1": {("job", "multimodal"): Told(1, 2, 2), ("job", "unimodal"): Told(0, 0, 1)}, "2": {}}
    assert Leaks.from_json(json.loads(json.dumps(found.to_json()))) == found
    with pytest.raises(ValueError, match="a modality that is none"):
        Leaks.from_json({**found.to_json(), "people": {"1": [["job", "smell", 1, 1, 1]]}})
    with pytest.raises(ValueError, match="counts that cannot be"):
        Leaks.from_json({**found.to_json(), "people": {"1": [["job", "unimodal", 3, 2, 4]]}})


# --- where a candidate stands ---


def judged(*found: tuple[str, Status]) -> list[Verdict]:
    gates = BUILT_IN["default"].gates
    return [verdict(gates[name], "GA", status, "", person="1" if name == "persons" else None) for name, status in found]


@pytest.mark.parametrize(
    ("found", "word", "colour"),
    [
        ([("forget.all.both", "pass"), ("retain.all.both", "pass")], "holds", "pass"),
        ([("forget.all.both", "pass"), ("retain.all.both", "inconclusive")], "open", "inconclusive"),
        ([("forget.all.both", "fail"), ("retain.all.both", "fail")], "remembers", "fail"),
        ([("persons", "fail")], "remembers", "fail"),
        ([("sequence.sustained", "fail")], "remembers", "fail"),
        ([("forget.all.both", "pass"), ("celebrity.cloze.unimodal", "fail")], "loses", "fail"),
        ([("pretrained.fine-tuned", "fail")], "loses", "fail"),
        ([("guard.selective", "fail"), ("forget.all.both", "pass")], "uneven", "fail"),
        ([("guard.collapse-output", "fail"), ("forget.all.both", "fail")], "collapsed", "fail"),
        ([("guard.memorised", "inconclusive"), ("forget.all.both", "fail")], "unknown", "fail"),
        ([("guard.memorised", "inconclusive"), ("forget.all.both", "inconclusive")], "unknown", "fail"),
        ([("forget.all.both", "off")], "measured", "inconclusive"),
    ],
)
def test_one_word_for_a_candidate(found: list[tuple[str, Status]], word: str, colour: str) -> None:
    run = replace(make_run(), verdicts=judged(*found))
    (one,) = standings(run)
    assert (one.word, one.colour) == (word, colour)
    assert sentence(run)[0] == colour
    assert sentence(run)[1].startswith("GA ")


def test_several_candidates_are_counted_and_named() -> None:
    mine = judged(("forget.all.both", "pass"), ("persons", "fail"))
    other = [replace(one, method="NPO") for one in judged(("forget.all.both", "pass"))]
    colour, text = sentence(replace(make_run(), verdicts=[*mine, *other]))
    assert text == "Of 2 candidates under the default policy, 1 holds every gate: NPO; 1 still knows people who were to be forgotten: GA."
    assert colour == "inconclusive"
    assert sentence(replace(make_run(), verdicts=[])) == ("inconclusive", "Nothing was judged.")


def test_what_was_not_tested() -> None:
    run = make_run()
    said = list(untested(run))
    assert set(NEVER) < set(said)
    assert "other seeds than 7: data, training and the draw of people vary with it" in said
    whole = rich()
    whole.settings |= {"scenario": "sequential", "limit": 3}
    more = list(untested(whole))
    assert not {GENERAL, REQUESTS} & set(more)
    assert "all people but the first 3 of each set" in more
    assert not any("oracle" in line for line in more)
    assert any("oracle" in line for line in said)


# --- pictures ---


def test_marks_are_in_the_picture_and_labels_apart() -> None:
    rows = rich().table.rows
    crowd = [*rows, *(replace(rows[2], name=f"m{n}", title=f"M{n}") for n in range(8))]
    dots = points(crowd)
    numbers = {charts.key(point): n for n, point in enumerate(dots)}
    panels = charts.tradeoff(dots, numbers, lambda split: 0.9 if split == "forget" else None)
    assert [panel.title for panel in panels] == ["Retain", "Real Celebrity", "General"]
    panel = panels[0]
    assert panel.bounds == (panel.x(0.1), None)
    by_label = {mark.label: mark for mark in panel.marks}
    assert (by_label["V"].x, by_label["V"].y) == (panel.x(0.0), panel.y(1.0))
    assert by_label["O"].x == panel.x(1.0)
    for mark in panel.marks:
        assert min(mark.x, *mark.across) >= charts.LEFT
        assert max(mark.x, *mark.across) <= charts.WIDTH - charts.RIGHT
        assert min(mark.y, *mark.along) >= charts.TOP
        assert max(mark.y, *mark.along) <= charts.HEIGHT - charts.BOTTOM
        assert 0 < mark.label_x < charts.WIDTH
        assert 0 < mark.label_y < charts.HEIGHT
    assert len({(mark.label_x, mark.label_y) for mark in panel.marks}) == len(panel.marks)


def test_modalities_and_curves() -> None:
    dots = points(rich().table.rows)
    numbers = {charts.key(point): n for n, point in enumerate(dots)}
    rows = charts.modality(dots, numbers, "forget")
    assert rows is not None
    assert [bar.side for bar in rows.bars] == ["image", "text"] * 2  # the oracle and the candidate: the vanilla keeps all
    assert rows.better == "less"
    assert charts.modality([], {}, "forget") is None
    curves = charts.curves(findings(""))
    assert curves is not None
    assert [line.label for line in curves.lines] == ["Forget", "Retain"] or [line.label for line in curves.lines] == ["Retain", "Forget"]
    assert all(len(line.points) == 4 for line in curves.lines)
    assert all("[" not in says for line in curves.lines if line.label == "Forget" for _, _, says in line.points)  # of two people there is no interval
    assert charts.curves(replace(findings(""), matrix=())) is None


def test_several_shares_are_in_one_picture() -> None:
    run = rich()
    rows = [replace(row, forget=share, name=f"{row.name}.{share}" if row.on_trial else row.name) for share in (5, 15) for row in run.table.rows]
    (found,) = page.overview(replace(run, table=replace(run.table, rows=tuple(rows))))
    _, panels, legend = found
    assert [mark.label for mark in panels[0].marks] == ["V", "O·5", "1·5", "O·15", "1·15"]
    assert len(panels[0].paths) == 2  # the oracle's and the method's
    assert legend == [("1", 1, "GA ")]
    assert list(page.overview(run)) == []


# --- a collapsed model is no winner ---


def collapsed() -> Run:
    """GA has collapsed and answers nothing on forget; NPO has not, nor KL."""
    run = make_run()
    others = [build_row(name, title, scores(right)) for name, title, right in (("npo", "NPO", 5), ("kl", "KL", 6))]
    run.table = Table((*run.table.rows, *others))
    run.verdicts = [*judged(("guard.collapse-output", "fail")), *(replace(one, method="NPO") for one in judged(("forget.all.both", "pass")))]
    run.leaks = [Leaks("ga", 0, {"1": {("job", "unimodal"): Told(0, 2, 2)}})]
    return run


def test_a_collapsed_row_has_a_sign_and_is_never_the_best() -> None:
    run = collapsed()
    (block,) = blocks(run)
    assert block.collapsed == {"ga": ()}
    ranks = {row.name: block.rank(row, "forget", "multimodal", METRICS["accuracy"]) for row in block.rows}
    assert ranks == {"vanilla": "", "ga": "", "npo": "best", "kl": "second"}
    for text in (terminal.render(run), markdown.render(run), latex.render(run), html.render(run)):
        assert "GA †" in text
        assert "collapsed, which is not forgetting" in text
    assert {row["collapsed"] for row in DictReader(csv.text(run).splitlines()) if row["title"] == "GA"} == {"yes"}
    assert {row["collapsed"] for row in DictReader(csv.text(run).splitlines()) if row["title"] == "NPO"} == {""}


def test_a_collapsed_model_is_a_cross_and_its_people_are_not_green() -> None:
    page_of_it = html.render(collapsed())
    assert page_of_it.count('<path class="cross"') == 2  # retain and celebrity
    assert "Crosses have collapsed" in page_of_it
    assert "GA: <span" in page_of_it
    whole = replace(collapsed(), verdicts=[])
    assert '<path class="cross"' not in html.render(whole)


def test_the_word_of_the_acceptance_policy_is_the_certificates() -> None:
    run = make_run()
    run.policy = BUILT_IN["acceptance"].to_json()
    for found, word, colour in (
        (
            [("forget.all.both", "pass"), ("guard.reference", "inconclusive")],
            "Accepted, as this policy lets pass what is inconclusive here: GA fails no gate",
            "pass",
        ),
        ([("forget.all.both", "pass")], "Accepted: GA holds every gate", "pass"),
        ([("forget.all.both", "fail")], "Refused: GA still knows", "fail"),
        ([("retain.all.both", "pass")], "Not decided: GA holds every gate", "inconclusive"),
    ):
        run.verdicts = [replace(one, red=one.status == "fail") for one in judged(*found)]
        assert sentence(run)[0] == colour
        assert sentence(run)[1].startswith(word), sentence(run)
