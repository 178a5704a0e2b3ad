"""Who is to be forgotten is known from the ids alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_mllmu.benchmark.splits import draw, draw_forget, limited, order, synthetic_ids
from pytest_mllmu.embedded.persons import people
from pytest_mllmu.errors import DataError, SettingsError


@pytest.mark.parametrize(("people", "percent", "count"), [(500, 5, 25), (500, 10, 50), (500, 15, 75), (100, 10, 10), (7, 5, 1), (1, 5, 1), (30, 15, 4)])
def test_forgets_the_percentage_but_at_least_one(people: int, percent: int, count: int) -> None:
    drawn = draw_forget(synthetic_ids(people), percent, seed=0)
    assert len(drawn) == len(set(drawn)) == count
    assert set(drawn) <= set(synthetic_ids(people))


def test_depends_on_seed_and_percent_and_on_nothing_else() -> None:
    ids = synthetic_ids(500)
    assert draw_forget(ids, 10, 1) == draw_forget(tuple(reversed(ids)), 10, 1)
    assert draw_forget(ids, 10, 1) != draw_forget(ids, 10, 2)
    assert not set(draw_forget(ids, 5, 1)) <= set(draw_forget(ids, 10, 1))


def test_draw_is_fixed_for_all_times() -> None:
    assert draw_forget(synthetic_ids(20), 15, 0) == ("008", "014", "016")


def test_the_rest_is_retained() -> None:
    forget, retain = draw(synthetic_ids(40), 15, 3)
    assert sorted(forget + retain) == list(synthetic_ids(40))
    assert not set(forget) & set(retain)


def test_order_is_by_number() -> None:
    assert sorted(["1000", "999", "C10", "C2", "007", "7", "", "b", "²"], key=order) == ["", "007", "7", "999", "1000", "C2", "C10", "b", "²"]
    drawn = draw_forget(synthetic_ids(1200), 50, 0)
    assert list(drawn) == sorted(drawn, key=int)
    assert drawn != tuple(sorted(drawn))


def test_ids_match_the_people() -> None:
    assert synthetic_ids(12) == tuple(person.id for person in people("profile", 12, seed=0))
    assert synthetic_ids(1000)[-2:] == ("999", "1000")
    assert synthetic_ids(0) == ()


@pytest.mark.parametrize(("limit", "expected"), [(None, ("b", "a", "c")), (2, ("b", "a")), (0, ()), (9, ("b", "a", "c"))])
def test_limit_takes_the_first(limit: int | None, expected: tuple[str, ...]) -> None:
    assert limited(["b", "a", "c"], limit) == expected


@pytest.mark.parametrize("percent", [0, 100, -5])
def test_percent_must_leave_somebody_on_both_sides(percent: int) -> None:
    with pytest.raises(SettingsError, match=f"{percent} percent.*choose 1 to 99"):
        draw_forget(("001", "002"), percent, 0)


def test_nobody_to_draw_from() -> None:
    with pytest.raises(DataError, match="the set of profiles is empty"):
        draw_forget((), 10, 0)


def test_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'pyarrow', 'faker', 'PIL', 'torch', 'transformers'}"
    code = f"import sys, pytest_mllmu.benchmark.splits; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
