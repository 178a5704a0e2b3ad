"""Says what a long step does and how long it may still take: plain lines, a few a minute, the same in a terminal, a CI log and a worker's file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

QUIET = 1.0  # a step shorter than this many seconds is not worth a line
LINE, TITLE, NOTE = 400, 120, 60


def one_line(text: str, limit: int = LINE) -> str:
    """``text`` on one line of at most ``limit`` characters, with control characters escaped, so that it cannot steer a terminal."""
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in " ".join(text.split()))
    return safe if len(safe) <= limit else f"{safe[: limit - 1]}…"


def duration(seconds: float) -> str:
    """``0.4 s``, ``34 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 0.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Step:
    """One long step. Lines come out of ``advance`` only: no thread, no timer, nothing to clean up."""

    def __init__(self, progress: Progress, title: str, total: int | None, unit: str) -> None:
        self.title, self.total, self.unit, self.done = one_line(title, TITLE), total, one_line(unit, NOTE), 0
        self._progress, self._note, self._began = progress, "", progress.clock()
        self._said: float | None = None

    def advance(self, n: int = 1, note: str = "") -> None:
        """``n`` more units are done; ``note`` (the last one given stays) is shown with them."""
        self.done += n
        self._note = note or self._note
        now = self._progress.clock()
        if self._said is None:
            if now - self._began >= QUIET:
                self.announce()
        elif now - self._said >= self._progress.every:
            self._said = now
            self._progress.say(f"{self.title}: {self._state(now - self._began)}")

    def announce(self) -> None:
        """Say that the step has begun, once."""
        if self._said is None:
            self._said = self._progress.clock()
            self._progress.say(self.title if self.total is None else f"{self.title}: {self.total} {self.unit}")

    def finish(self, word: str) -> None:
        """Say how long it took, unless it was too short for anybody to have wondered."""
        took = self._progress.clock() - self._began
        if self._said is not None or took >= QUIET:
            self._progress.say(f"{self.title}: {word} {duration(took)}")

    def _state(self, elapsed: float) -> str:
        note = f" ({one_line(self._note, NOTE)})" if self._note else ""
        if not self.total:
            return f"{self.done} {self.unit}, {duration(elapsed)} so far{note}"
        parts = [f"{self.done}/{self.total} {self.unit}", f"{min(100, 100 * self.done // self.total)}%"]
        if 0 < self.done < self.total:
            parts.append(f"about {duration(elapsed * (self.total - self.done) / self.done)} left")
        return ", ".join(parts) + note


class Progress:
    """Sends lines to ``sink``, of one step at most one every ``every`` seconds."""

    def __init__(self, sink: Callable[[str], None], clock: Callable[[], float] = time.monotonic, every: float = 5.0) -> None:
        self.sink, self.clock, self.every = sink, clock, every

    @classmethod
    def silent(cls) -> Progress:
        """One that says nothing."""
        return cls(lambda line: None)

    def say(self, text: str) -> None:
        """One line, now."""
        self.sink(one_line(f"mllmu: {text}"))

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "steps", *, at_once: bool = False) -> Iterator[Step]:
        """A step to ``advance``; ``at_once`` announces it without waiting a second, for one that is known to be long and cannot advance."""
        step = Step(self, title, total, unit)
        if at_once:
            step.announce()
        try:
            yield step
        except BaseException:
            step.finish("stopped after")
            raise
        step.finish("done in")


class FileSink:
    """Appends lines to a file: how a worker process, which has no terminal, tells what it does."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __call__(self, line: str) -> None:
        # Opened for every line (there are few), so that a forked or killed worker holds nothing; one write, so that the lines of several do not mix.
        # A full disk must not end a training because of a progress line.
        with suppress(OSError):
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, f"{one_line(line)}\n".encode())
            finally:
                os.close(handle)


class Tail:
    """Reads the lines that were appended to a file since the last look; the file may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset = Path(path), 0

    def new_lines(self) -> list[str]:
        """Complete new lines; half a line stays for the next time."""
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0  # the file was started anew
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        lines = (one_line(line.decode("utf-8", "backslashreplace")) for line in complete.split(b"\n"))
        return [line for line in lines if line]
