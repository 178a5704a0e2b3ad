"""Text in columns: measured as a terminal shows it, and cut into pieces that fit.

What is measured are cells of a terminal, not letters: a title may be in a script whose letters are two wide, or have accents that are none.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate

import wcwidth

WIDTH, NARROWEST = 100, 60
"""Cells in a line of what is printed: half of a wide screen, the log of a CI job; and of a terminal that has not as many."""
_room: ContextVar[int] = ContextVar("room", default=WIDTH)


@contextmanager
def fitting(columns: int) -> Iterator[None]:
    """What is printed meanwhile fits a terminal of so many columns, down to ``NARROWEST``; lines never get longer than ``WIDTH``."""
    before = _room.set(max(NARROWEST, min(WIDTH, columns)))
    try:
        yield
    finally:
        _room.reset(before)


def columns() -> int:
    """Of the terminal, or what COLUMNS says; a file or a pipe has ``WIDTH``."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def room() -> int:
    """Cells in a line."""
    return _room.get()


def printable(text: str) -> str:
    """One line without control characters: titles and notes can come from data, and a terminal obeys escapes."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def width(text: str) -> int:
    """In cells of a terminal."""
    return wcwidth.width(text, control_codes="ignore")


def wrap(text: str, wide: int | None = None, first: str = "", rest: str = "", *, whole: bool = False, most: int | None = None) -> list[str]:
    """``text`` in lines of at most ``wide`` cells, after an indent; options stay whole, and with ``whole`` (a path) so does every word.

    What does not fit into ``most`` lines ends in two dots.
    """
    return wcwidth.wrap(
        printable(text),
        wide or room(),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=not whole,
        break_on_hyphens=False,
        max_lines=most,
        placeholder="..",
    )


def left(text: str, wide: int) -> str:
    return text + " " * (wide - width(text))


def right(text: str, wide: int) -> str:
    return " " * (wide - width(text)) + text


def middle(text: str, wide: int) -> str:
    return left(" " * ((wide - width(text)) // 2) + text, wide)


def pack(widths: Sequence[int], whole: int) -> list[list[int]]:
    """Which of the parts stand beside each other, in their order, so that each line has room; one that is too wide stands alone."""
    lines: list[list[int]] = []
    free = 0
    for part, wide in enumerate(widths):
        if not lines or wide > free:
            lines.append([])
            free = whole
        lines[-1].append(part)
        free -= wide
    return lines


def sheet(header: Sequence[str], rows: Sequence[Sequence[str]], wide: int | None = None, label: int = 30, together: Sequence[int] = ()) -> list[list[str]]:
    """A table without lines, as many tables of at most ``wide`` cells as it takes, each with the first column (at most ``label`` cells) again.

    Numbers are never cut: titles are broken between their words where one is wider than what is under it. ``together``: see scenarios.Sheet.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    names = [wrap(row[0], label, rest="  ") or [""] for row in cells]
    shown = [max((width(row[column]) for row in cells), default=0) for column in range(1, len(header))]
    stacked = any(width(title) > number for title, number in zip(header[1:], shown, strict=True))
    titles = [printable(title).split() if stacked else [printable(title)] for title in header[1:]]
    widths = [max(number, *map(width, title or [""])) for title, number in zip(titles, shown, strict=True)]
    first = max((width(line) for name in names for line in name), default=0)
    ends = list(accumulate(together or [1] * len(widths)))
    units = [list(range(start, end)) for start, end in zip([0, *ends], ends, strict=False)]
    pieces = pack([sum(widths[column] + 2 for column in unit) for unit in units], (wide or room()) - first)
    return [_piece(names, first, titles, cells, widths, [column for unit in piece for column in units[unit]]) for piece in pieces]


def _piece(
    names: Sequence[Sequence[str]], first: int, titles: Sequence[Sequence[str]], cells: Sequence[Sequence[str]], widths: Sequence[int], columns: Sequence[int]
) -> list[str]:
    """One of the tables; the titles stand on the numbers."""
    high = max(len(titles[column]) for column in columns)
    stacked = {column: [""] * (high - len(titles[column])) + list(titles[column]) for column in columns}
    lines = [("", [stacked[column][line] for column in columns]) for line in range(high)]
    for name, row in zip(names, cells, strict=True):
        lines.append((name[0], [row[column + 1] for column in columns]))
        lines += [(more, []) for more in name[1:]]
    return [
        (left(name, first) + "".join("  " + right(text, widths[column]) for column, text in zip(columns, texts, strict=False))).rstrip()
        for name, texts in lines
    ]
