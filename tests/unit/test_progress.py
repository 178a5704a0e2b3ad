from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mllmu.progress import FileSink, Progress, Tail, duration, one_line


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Told:
    def __init__(self, every: float = 5.0) -> None:
        self.clock, self.lines = Clock(), list[str]()
        self.progress = Progress(self.lines.append, self.clock, every)


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_long_step_from_start_to_end(told: Told) -> None:
    with told.progress.step("fine-tuning tiny-llava (vanilla)", total=608) as step:
        for done in range(608):
            told.clock.now += 0.0625
            step.advance(note=f"loss {done / 1000:.2f}")
    assert told.lines[0] == "mllmu: fine-tuning tiny-llava (vanilla): 608 steps"
    assert told.lines[1] == "mllmu: fine-tuning tiny-llava (vanilla): 96/608 steps, 15%, about 32 s left (loss 0.10)"
    assert told.lines[-1] == "mllmu: fine-tuning tiny-llava (vanilla): done in 38 s"
    assert len(told.lines) == 9


def test_a_short_step_prints_nothing(told: Told) -> None:
    with told.progress.step("loading", total=3) as step:
        step.advance()
        told.clock.now += 0.9
        step.advance(2)
    assert told.lines == []


def test_a_long_step_that_cannot_advance(told: Told) -> None:
    with told.progress.step("loading"):
        told.clock.now += 75
    assert told.lines == ["mllmu: loading: done in 1 min 15 s"]


def test_at_once(told: Told) -> None:
    with told.progress.step("loading", at_once=True):
        assert told.lines == ["mllmu: loading"]
    assert told.lines[1:] == ["mllmu: loading: done in 0.0 s"]


def test_without_a_total(told: Told) -> None:
    with told.progress.step("reading", unit="rows") as step:
        for _ in range(3):
            told.clock.now += 5
            step.advance(10)
    assert told.lines == ["mllmu: reading", "mllmu: reading: 20 rows, 10 s so far", "mllmu: reading: 30 rows, 15 s so far", "mllmu: reading: done in 15 s"]


def test_the_last_note_stays_and_is_bounded(told: Told) -> None:
    with told.progress.step("x", total=10) as step:
        told.clock.now += 2
        step.advance(1, "one\ntwo" + "z" * 500)
        told.clock.now += 5
        step.advance(1)
    assert "(one two" in told.lines[1]
    assert len(told.lines[1]) < 130


@pytest.mark.parametrize("total", [0, 1, 2])
def test_more_than_the_total(told: Told, total: int) -> None:
    with told.progress.step("x", total=total) as step:
        for _ in range(4):
            told.clock.now += 6
            step.advance()
    assert all("left" not in line for line in told.lines)
    assert all("200%" not in line for line in told.lines)


def test_no_remaining_time_before_anything_is_done(told: Told) -> None:
    with told.progress.step("x", total=10, at_once=True) as step:
        told.clock.now += 6
        step.advance(0)
    assert told.lines[1] == "mllmu: x: 0/10 steps, 0%"


def test_a_step_that_fails_says_when_and_propagates(told: Told) -> None:
    def fail(seconds: float) -> None:
        with told.progress.step("x", total=10):
            told.clock.now += seconds
            raise KeyError("y")

    for seconds in (0.5, 8):
        with pytest.raises(KeyError):
            fail(seconds)
    assert told.lines == ["mllmu: x: stopped after 8 s"]


def test_steps_nest(told: Told) -> None:
    with told.progress.step("outer", at_once=True), told.progress.step("inner") as inner:
        told.clock.now += 2
        inner.advance()
    assert told.lines == ["mllmu: outer", "mllmu: inner", "mllmu: inner: done in 2 s", "mllmu: outer: done in 2 s"]


@given(gaps=st.lists(st.floats(0, 9), max_size=60), every=st.floats(1, 10))
def test_never_more_than_one_line_per_interval(gaps: list[float], every: float) -> None:
    told = Told(every)
    with told.progress.step("x", total=len(gaps)) as step:
        for gap in gaps:
            told.clock.now += gap
            step.advance()
    assert len(told.lines) <= sum(gaps) / every + 3


def test_silent() -> None:
    with Progress.silent().step("x", at_once=True) as step:
        step.advance()


def test_say_escapes_what_could_steer_a_terminal(told: Told) -> None:
    told.progress.say("a\x1b[2Jb\rc\u202ed\udc80")
    assert told.lines == ["mllmu: a\\x1b[2Jb c\\u202ed\\udc80"]


@given(st.text(), st.integers(1, 80))
def test_one_line_is_printable_bounded_and_idempotent(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
    assert one_line(line, limit) == line
    line.encode()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.44, "0.4 s"), (0.96, "1 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3599.7, "1 h 00 min"), (7800, "2 h 10 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sink_and_tail(tmp_path: Path) -> None:
    sink, tail = FileSink(tmp_path / "gw0.log"), Tail(tmp_path / "gw0.log")
    assert tail.new_lines() == []
    sink("one")
    sink("two\nstill two \x07")
    assert tail.new_lines() == ["one", "two still two \\x07"]
    assert tail.new_lines() == []
    sink("drei ÄÖ 中")
    assert tail.new_lines() == ["drei ÄÖ 中"]


def test_half_a_line_stays_for_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = Tail(path)
    with path.open("ab", buffering=0) as file:
        file.write(b"one\ntw")
        assert tail.new_lines() == ["one"]
        assert tail.new_lines() == []
        file.write("o \xc3".encode("latin-1"))
        assert tail.new_lines() == []
        file.write(b"\xa4\n\n\x1b[31mred\xff\n")
        assert tail.new_lines() == ["two ä", "\\x1b[31mred\\xff"]


def test_a_file_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = Tail(path)
    path.write_text("a long first line\n")
    assert tail.new_lines() == ["a long first line"]
    path.write_text("short\n")
    assert tail.new_lines() == ["short"]


def test_lines_of_several_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(FileSink(path), (letter * 300 for letter in "abcd" * 25)))
    lines = Tail(path).new_lines()
    assert sorted(lines) == sorted(letter * 300 for letter in "abcd" * 25)


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    FileSink(tmp_path / "no" / "such" / "folder")("x")
    if os.path.exists("/dev/full"):
        FileSink(Path("/dev/full"))("x")
