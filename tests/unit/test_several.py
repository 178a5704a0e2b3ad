"""Several runs in one report: what stands side by side, what is one row, and what tells rows apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mllmu.analysis.policies import BUILT_IN
from pytest_mllmu.analysis.table import Row, Table, build_row
from pytest_mllmu.analysis.tradeoff import points
from pytest_mllmu.analysis.verdicts import judge_gate
from pytest_mllmu.benchmark.profiles import MODALITIES, Split
from pytest_mllmu.report import html, latex, markdown, terminal
from pytest_mllmu.report.apart import differences, labels
from pytest_mllmu.report.layout import blocks
from pytest_mllmu.report.run import Run
from pytest_mllmu.report.several import join
from pytest_mllmu.scoring.scores import Score

DEFAULT = BUILT_IN["default"]
SPLITS: tuple[Split, ...] = ("forget", "retain")
SETTINGS = {"model": "tiny-llava", "data": "synthetic", "profiles": 20, "celebrities": 2, "dialect": "strict", "demonstrations": 0, "limit": None}


def scores(right: int) -> list[Score]:
    """Ten people, of whom each answers ``right`` of ten questions of each set and modality."""
    return [
        Score(f"{split}-{modality}-{person}-{n}", f"{split}{person}", split, "cloze", modality, {"exact_match": float(n < right)})
        for split in SPLITS
        for modality in MODALITIES
        for person in range(10)
        for n in range(10)
    ]


def made(lr: float = 0.1, rank: int = 16) -> dict[str, Any]:
    return {"title": "GA", "method": {"name": "ga", "lora": {"r": rank}}, "hyper": {"lr": lr, "epochs": 3}, "modality": "multimodal"}


def make_run(
    right: int = 4, seed: int = 0, *, names: Mapping[str, int] | None = None, forget: int = 10, hyper: dict[str, Any] | None = None, **settings: Any
) -> Run:
    """A vanilla that knows everything, and candidates that know ``right`` of ten (of GA alone), or as ``names`` says."""
    known = names if names is not None else {"ga": right}
    rows = [build_row("vanilla", "Vanilla", scores(10), forget), *(build_row(name, name.upper(), scores(known[name]), forget) for name in known)]
    verdicts = [replace(judge_gate(gate, row, rows[0], row.title, DEFAULT), forget=forget) for row in rows[1:] for gate in DEFAULT.of("forget")[:1]]
    return Run(
        settings={**SETTINGS, "forget": [forget], "methods": {name: hyper or made() for name in known}, **settings},
        policy=DEFAULT.to_json(),
        versions={"torch": "2"},
        seed=seed,
        fingerprints={"profiles": f"p{seed}", "transformed": f"t{seed}", "celebrities": f"c{seed}", "forget": {str(forget): ["1"]}},
        table=Table(tuple(rows)),
        verdicts=verdicts,
        benchmark_name="synthetic",
        synthetic=True,
        notes=("dialect: strict",),
    )


def titles(run: Run) -> list[list[str]]:
    return [[row.title for row in block.rows] for block in blocks(run)]


def candidate(run: Run) -> Row:
    (row,) = (row for row in run.table.rows if row.on_trial)
    return row


def test_seeds_become_mean_and_sample_standard_deviation() -> None:
    run = join([("a", make_run(2, 0)), ("b", make_run(4, 1)), ("c", make_run(9, 2))])
    assert titles(run) == [["Vanilla", "GA"]]
    row = candidate(run)
    cell = row.cell("forget", "multimodal", "exact_match")
    assert cell is not None
    assert row.seeds == (0, 1, 2)
    assert cell.value == pytest.approx(0.5)  # of 0.2, 0.4, 0.9
    assert (cell.high - cell.low) / 2 == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 2))
    assert (cell.questions, cell.people) == (100, 10)
    (block,) = blocks(run)
    assert block.title == "tiny-llava (10% Forget), synthetic, 3 seeds (0, 1, 2)"
    text = terminal.render(run)
    assert "±: standard deviation over 3 seeds (0, 1, 2)" in text
    assert "95% interval" not in text
    assert "the seed also draws the people" in text
    assert " 50 " in text
    assert "±36" in text


def test_points_of_seeds_are_means_of_points() -> None:
    run = join([("a", make_run(2, 0)), ("b", make_run(4, 1))])
    (point,) = (point for point in points(blocks(run)[0].rows) if point.row.on_trial)
    forgotten, kept = point.forgotten(), point.kept("retain")
    assert forgotten is not None
    assert kept is not None
    assert (forgotten.value, kept.value) == (pytest.approx(0.7), pytest.approx(0.3))
    reach = math.sqrt(0.02)
    known = [f"30% ±14 of what vanilla knew of the {split} set (each seed: n = 200 about 10)" for split in SPLITS]
    assert f"GA, mean ± standard deviation over 2 seeds (0, 1): left is {', '.join(known)}" in run.notes
    assert (forgotten.low, forgotten.high) == (pytest.approx(0.7 - reach), pytest.approx(0.7 + reach))


def test_of_a_mean_it_is_said_which_seeds_have_collapsed() -> None:
    runs = [(f"s{seed}", make_run(4, seed, names={"ga": 4, "npo": 5})) for seed in (0, 1, 2)]
    for _, run in runs[1:]:
        run.verdicts[0] = replace(run.verdicts[0], gate="guard.collapse-output", status="fail")
    joined = join(runs)
    (block,) = blocks(joined)
    assert [block.named(row) for row in block.rows] == ["Vanilla", "GA †", "NPO"]
    said = "†: collapsed (GA with seed 1 and seed 2), which is not forgetting"
    for render in (terminal.render, markdown.render, latex.render):
        assert said in " ".join(render(joined).split())
    assert "†: collapsed, which is not forgetting" in " ".join(terminal.render(runs[1][1]).split())


def test_n_of_each_seed_stands_above_a_mean() -> None:
    page = html.render(join([("a", make_run(2, 0)), ("b", make_run(4, 1))]))
    assert "n = 200 / 10" in page
    assert "n: questions / people (of a mean over seeds: of each)" in page


def test_methods_of_one_seed_stand_side_by_side_and_the_vanilla_once() -> None:
    run = join([("a", make_run(names={"ga": 4})), ("b", make_run(names={"npo": 5}))])
    assert titles(run) == [["Vanilla", "GA", "NPO"]]
    assert all(not row.seeds for row in run.table.rows)
    assert [verdict.method for verdict in run.verdicts] == ["GA", "NPO"]
    assert "95% interval" in terminal.render(run)
    assert "standard deviation" not in terminal.render(run)


def test_one_row_of_two_seeds_beside_one_of_one_says_so() -> None:
    run = join([("a", make_run(names={"ga": 4, "npo": 5})), ("b", make_run(6, 1))])
    assert titles(run) == [["Vanilla", "GA", "NPO (seed 0)"]]
    text = " ".join(terminal.render(run).split())
    assert "±: standard deviation over 2 seeds (0, 1)" in text
    assert "±: of a row of one run half the 95% interval" in text


def test_rows_with_other_settings_are_told_apart_by_the_shortest_difference() -> None:
    run = join([("a", make_run(4)), ("b", make_run(6, hyper=made(lr=0.001)))])
    assert titles(run) == [["Vanilla", "GA, lr 0.1", "GA, lr 0.001"]]
    assert [verdict.method for verdict in run.verdicts] == ["GA, lr 0.1", "GA, lr 0.001"]
    assert len({row.name for row in run.table.rows}) == 3
    both = join([("a", make_run(4)), ("b", make_run(6, hyper=made(rank=8))), ("c", make_run(6, hyper=made(0.001, 8)))])
    assert titles(both) == [["Vanilla", "GA, lora r 16, lr 0.1", "GA, lora r 8, lr 0.1", "GA, lora r 8, lr 0.001"]]


def test_one_seed_with_two_results_is_no_mean() -> None:
    run = join([("a", make_run(4)), ("b", make_run(6)), ("c", make_run(8, 1))])
    assert titles(run) == [["Vanilla", "GA (a, seed 0)", "GA (b, seed 0)", "GA (c, seed 1)"]]
    assert "GA: runs of one seed differ (a, b, c), so that no mean is taken" in run.notes


@pytest.mark.parametrize("other", [{"model": "tiny-idefics2"}, {"dialect": "upstream"}, {"judge": "gpt-4o"}, {"profiles": 40}, {"forget": 5}])
def test_what_cannot_be_compared_has_a_block_of_its_own(other: dict[str, Any]) -> None:
    run = join([("a", make_run(4)), ("b", make_run(6, seed=int("profiles" in other), **other))])
    assert titles(run) == [["Vanilla", "GA"]] * 2
    assert len({block.title for block in blocks(run)}) == 2
    assert all(not row.seeds for row in run.table.rows)
    assert len({(verdict.method, verdict.forget) for verdict in run.verdicts}) == 2


def test_equal_runs_count_once() -> None:
    run = join([(str(number), replace(make_run(4), timings={"session_seconds": number})) for number in range(10)])
    assert titles(run) == [["Vanilla", "GA"]]
    assert run.notes[-1] == "9 is the same run as 0: counted once"
    assert run.verdicts == make_run(4).verdicts


def test_one_run_stays_as_it_is() -> None:
    run = make_run(4)
    assert join([("a", run)]).to_json() == run.to_json()
    with pytest.raises(ValueError, match="no run"):
        join([])


def test_what_runs_say_is_kept_with_their_names() -> None:
    first, second = make_run(4), replace(make_run(6, 1), notes=("dialect: strict", "no oracle"), policy={"name": "strict", "gates": {}})
    run = join([("a", first), ("b", second)])
    assert run.notes.count("dialect: strict") == 1
    assert "b: no oracle" in run.notes
    assert any("judged by other gates (a: default, b: strict)" in note for note in run.notes)
    assert [verdict.method for verdict in run.verdicts] == ["GA (seed 0)", "GA (seed 1)"]
    assert run.verdicts[1].message.startswith("seed 1: forget")
    assert run.settings["model"] == "tiny-llava"
    assert run.fingerprints["runs"]["b"]["profiles"] == "p1"
    assert [label for label, _ in run.parts] == ["a", "b"]
    again = Run.from_json({**run.to_json()})
    assert terminal.render(again) == terminal.render(run)
    assert "GA (seed 1)" in markdown.render(run) or "seed 1: forget" in markdown.render(run)


def test_part_of_a_run_fills_the_gaps_of_another() -> None:
    whole = make_run(4)
    part = replace(whole, table=Table(tuple(replace(row, cells=tuple(cell for cell in row.cells if cell.split == "forget")) for row in whole.table.rows)))
    assert join([("a", part), ("b", whole)]).table.rows[1].cells == candidate(whole).cells


def test_a_seed_without_an_answer_has_no_part_in_a_mean() -> None:
    part = make_run(8, 1)
    part.table = Table(tuple(replace(row, cells=tuple(cell for cell in row.cells if cell.split == "forget")) for row in part.table.rows))
    run = join([("a", make_run(4)), ("b", part)])
    cell = candidate(run).cell("retain", "multimodal", "exact_match")
    assert cell is not None
    assert cell.value == 0.4
    assert math.isnan(cell.low)
    assert any("not every seed has the same n" in note for note in run.notes)


def test_labels_are_short_and_unique() -> None:
    paths = [Path(name) for name in ("x/a/run.json", "x/b/run.json", "x/seed.json", "x/a/run.json")]
    assert labels(paths) == ["a/run #1", "b/run", "seed", "a/run #2"]


def test_the_shortest_difference() -> None:
    assert differences([{"lr": 0.1, "epochs": 1}, {"lr": 0.1, "epochs": 2}]) == ["epochs 1", "epochs 2"]
    assert differences([{"a": 1, "code": "x"}, {"a": 1, "code": "y"}]) == ["", ""]
    assert differences([{"steps": None}, {"steps": [5, 1]}]) == ["no steps", "steps 5, 1"]
