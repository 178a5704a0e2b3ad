"""Pictures as files: matplotlib without its global state, the same bytes for the same run, and what the pictures have in common."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pytest_mllmu.files import write_bytes
from pytest_mllmu.report.grid import printable

COLUMN, PAGE = 3.4, 7.0
"""Inches: the widths of a column and of a page of a paper."""
DPI = 300
SHAPES = ("o", "s", "^", "D", "v", "P", "<", ">", "p", "d", "h", (4, 1, 0), (6, 1, 0), (3, 1, 0))
"""matplotlib's markers; the last ones are stars of 4, 6 and 3 points."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's, which the colour-blind can tell apart. In grey the shapes do it."""
GREY = "#777777"
LONGEST = 44
"""Of a name in a picture, in characters."""
NOTE_LINE, LEGEND_LINE = 0.1, 0.14
"""Inches."""
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "legend.fontsize": 6.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "axes.axisbelow": True,  # the grid is under everything
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 0.9,
    "lines.markersize": 4.5,
    "text.parse_math": False,  # a title may hold $ and _
    "text.usetex": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "pytest-mllmu",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": DPI,
}
_WHEN: dict[str, dict[str, Any]] = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None, "ModDate": None}}
"""What a file must not say of when and with what it was made."""

Draw = Callable[[], Any]
"""Makes a matplotlib.figure.Figure."""


def save(path: Path, draw: Draw) -> Path:
    """The picture that ``draw`` makes, in the format of the suffix. Raises StoreError when the file cannot be written; an older file is then still whole."""
    with _style():
        buffer = io.BytesIO()
        draw().savefig(buffer, format=path.suffix[1:].lower(), metadata=_WHEN[path.suffix.lower()])
    write_bytes(path, buffer.getvalue())
    return path


@contextmanager
def _style() -> Iterator[None]:
    """Ours, whatever a matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font does not have is a box in the picture and no reason to stop
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def sheet(panels: Sequence[int], width: float, height: float, **shared: Any) -> tuple[Any, list[list[Any]]]:
    """A figure, and the axes of each of its rows, which have so many panels. ``height`` in inches, of a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * len(panels)), layout="constrained")
    most = max(panels)
    grid = figure.subplots(len(panels), most, squeeze=False, **shared)
    for row, number in zip(grid, panels, strict=True):
        for axes in row[number:]:
            axes.remove()
    return figure, [list(row[:number]) for row, number in zip(grid, panels, strict=True)]


def name(text: str, longest: int = LONGEST) -> str:
    """A title of data or of others' files as it may stand in a picture."""
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def beneath(figure: Any, lines: Sequence[str], handles: Sequence[Any] = ()) -> None:
    """The legend, and under it n and what the bars are; the figure grows by what they take."""
    width, height = figure.get_size_inches()
    wrapped = [part for line in lines for part in textwrap.wrap(" ".join(printable(line).split()), int(width * 24))]
    longest = max((len(handle.get_label()) for handle in handles), default=0)
    columns = max(1, min(len(handles), int(width * 18 / (longest + 6))))
    notes, legend = NOTE_LINE * len(wrapped) + 0.05, LEGEND_LINE * math.ceil(len(handles) / columns) + 0.05
    whole = height + notes + legend
    figure.set_size_inches(width, whole)
    figure.get_layout_engine().set(rect=(0, (notes + legend) / whole, 1, height / whole))
    figure.text(0.01, notes / whole, "\n".join(wrapped), va="top", fontsize=5.5, linespacing=1.2, color="#333333", in_layout=False)
    if handles:
        place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, (notes + legend) / whole), "ncols": columns}
        figure.legend(handles=handles, frameon=False, handletextpad=0.4, columnspacing=1.2, borderpad=0, **place).set_in_layout(False)


def reach(value: float, low: float, high: float) -> list[list[float]] | None:
    """How far a bar reaches to either side, in percent, as matplotlib takes it; none where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return None
    return [[100 * max(0.0, value - low)], [100 * max(0.0, high - value)]]


class Ranged(Protocol):
    """A number with its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def ends(found: Iterable[Ranged]) -> list[float]:
    """Everything that an axis has to show of them: the numbers, and where their bars end."""
    return [end for one in found for end in (one.value, one.low, one.high)]


def scale(values: Iterable[float]) -> tuple[float, float]:
    """The ends of an axis of percents that shows 0, 100 and every value between -60 and 200."""
    found = [100 * value for value in values if not math.isnan(value)]
    return max(-60.0, min([0.0, *found])) - 8, min(200.0, max([100.0, *found])) + 8
