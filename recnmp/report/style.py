"""The one style of all figures: sizes for a paper, colours with a second channel each, files of the same bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from recnmp.errors import ConfigError

COLOURS = ("#0b6e99", "#c4541a", "#67b17f", "#8f3ccb", "#c79f51", "#9daab4", "#b33159", "#29897c")
"""15 or more apart in CIELAB, also with deuteranopia and protanopia; hatches and marks help in greyscale."""

HATCHES = ("", "////", "....", "xxxx", r"\\\\", "----", "oo", "||||")
MARKERS = "os^DvPX*"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1, 1.5)))
INK, GREY, PALE = "#222222", "#666666", "#e4e4e4"

SUFFIXES = (".svg", ".png", ".pdf")
WIDTHS = {"column": 3.3, "page": 7.0}
"""Inches: one column of a two-column paper, and its whole width."""

Width = Literal["column", "page"]
_POINTS = {"column": 7.0, "page": 8.0}  # what papers still set legibly

STYLE: Any = {
    "axes.edgecolor": "#888888",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "font.family": ["DejaVu Sans", "sans-serif"],  # the first comes with matplotlib
    "font.size": 9,
    "grid.color": PALE,
    "hatch.linewidth": 0.5,
    "legend.edgecolor": "white",
    "legend.framealpha": 1.0,
    "pdf.fonttype": 42,  # text stays text: it can be found, copied and edited
    "svg.fonttype": "none",
    "svg.hashsalt": "recnmp",
    "text.hinting": "none",  # letters as far apart in PNG as in the others
}
_METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
}


def check_suffix(path: Path, suffixes: tuple[str, ...] = SUFFIXES, what: str = "a figure ends") -> None:
    """Raise ConfigError for a figure that does not end in one of ``suffixes``."""
    if path.suffix not in suffixes:
        raise ConfigError(f"{path}: {what} in {' or '.join(suffixes)}")


def save(figure: Figure, path: Path, dpi: int = 160) -> None:
    """Write ``figure`` into ``path``, SVG, PDF or PNG: the same bytes for the same data, without a date.

    Raises ConfigError for another suffix.
    """
    check_suffix(path)
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=dpi, metadata=_METADATA[path.suffix])


@contextmanager
def styled(width: Width | None = None) -> Iterator[float]:
    """Draw in the one style, with the text of a figure as wide as that; yields its size in points."""
    size = _POINTS[width] if width else float(STYLE["font.size"])
    sized: Any = {} if width is None else {"axes.linewidth": 0.6, "patch.linewidth": 0.5, "font.size": size}
    ticks: Any = {f"{axis}tick.{key}": 0.6 for axis in "xy" for key in ("major.width", "minor.width")}
    with matplotlib.rc_context(STYLE | sized | (ticks if width else {})):
        yield size


def fill(n: int) -> dict[str, Any]:
    """Return the look of the n-th kind of bar: a colour, and a hatch for those who see none."""
    k = n % len(COLOURS)
    return {"facecolor": COLOURS[k], "hatch": HATCHES[k], "edgecolor": INK, "linewidth": 0.4}


@lru_cache(maxsize=4096)
def text_inches(text: str, points: float, bold: bool = False) -> float:
    """Return how wide ``text`` is, in inches."""
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal", size=points)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72


def wrapped(text: str, inches: float, points: float, bold: bool = False) -> str:
    """Return ``text`` in lines no wider than ``inches``; a word that is wider is a line of its own."""
    space = text_inches("x x", points, bold) - text_inches("xx", points, bold)
    lines: list[str] = []
    used = 0.0
    for word in text.split():
        # between others, for letters at both ends of a word have a little room around them
        wide = text_inches(f"x{word}x", points, bold) - text_inches("xx", points, bold)
        if lines and used + space + wide <= inches:
            lines[-1] += f" {word}"
            used += space + wide
        else:
            lines.append(word)
            used = wide
    return "\n".join(lines)


@dataclass(frozen=True)
class Sheet:
    """What every figure for a paper has beside its axes.

    Attributes:
        title: above everything.
        notes: sentences below everything, small: what a reader must know to believe the figure.
        panels: rows and columns of axes; in a column of a paper all stand below one another.
        aspect: height of a row of axes over the width of the whole figure.
    """

    title: str
    notes: tuple[str, ...] = ()
    panels: tuple[int, int] = (1, 1)
    aspect: float = 0.52


@contextmanager
def paper(sheet: Sheet, width: Width, path: Path) -> Iterator[list[Axes]]:
    """Yield axes of a figure that is written into ``path`` afterwards; raises ConfigError for another suffix."""
    check_suffix(path)
    with styled(width):
        figure, axes = blank(sheet, width)
        yield axes
        save(figure, path, 300)


def blank(sheet: Sheet, width: Width) -> tuple[Figure, list[Axes]]:
    """Return a figure with title, notes and empty axes; to be drawn within ``styled(width)``."""
    inches, points = WIDTHS[width], _POINTS[width]
    down, across = sheet.panels if width == "page" else (sheet.panels[0] * sheet.panels[1], 1)
    aspect = sheet.aspect if across == sheet.panels[1] else 0.55  # panels below one another are wider
    room = inches - 0.16
    title = wrapped(sheet.title, room, points + 1, bold=True)
    notes = wrapped(" ".join(sheet.notes), room, points - 1.5)
    lines = (title.count("\n") + 1) * (points + 1) + (notes.count("\n") + 1) * (points - 1.5)
    height = max(inches, 4.0) * aspect * down + lines * 1.25 / 72 + 0.35
    figure = Figure(figsize=(inches, height), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    edge = 0.06 / inches
    figure.suptitle(title, x=edge, ha="left", fontsize=points + 1, fontweight="bold")
    if notes:
        figure.supxlabel(notes, x=edge, ha="left", fontsize=points - 1.5, color=GREY)
    return figure, axes


def name_axes(axes: Axes, x: str, y: str) -> tuple[float, float]:
    """Set what stands at both axes, in lines that are no longer than the axes are; to be called after drawing.

    Long times, which names end in ``(ns)``, are shown in the unit that suits them; returns the units of x and y in
    those that were drawn, 1 for all but such times.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    points = float(matplotlib.rcParams["font.size"])
    spec = axes.get_subplotspec()
    rows, columns = (spec.get_gridspec().nrows, spec.get_gridspec().ncols) if spec is not None else (1, 1)
    lines = figure.get_suptitle().count("\n") + figure.get_supxlabel().count("\n") + 2
    tall = (figure.get_figheight() - lines * points / 72) / rows
    (x, x_unit), (y, y_unit) = (_in_unit(axis, name) for axis, name in ((axes.xaxis, x), (axes.yaxis, y)))
    axes.set_xlabel(
        wrapped(x, figure.get_figwidth() / columns - 0.65, points)
    )  # less what stands at the other
    axes.set_ylabel(wrapped(y, 0.72 * tall, points))
    return x_unit, y_unit


def name_ticks(axes: Axes, places: Sequence[float], texts: Sequence[str]) -> None:
    """Set what stands below places of the x axis that are one apart; slanted where it would not fit side by side.

    The figure grows by what slanted names take, after `name_axes`.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    points = float(matplotlib.rcParams["font.size"])
    widest = max((text_inches(text, points) for text in texts), default=0.0)
    fits = widest * 1.1 <= (figure.get_figwidth() - 0.7) / max(len(texts), 1)
    slanted: dict[str, Any] = {} if fits else {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(places, texts, **slanted)
    if not fits:
        figure.set_figheight(figure.get_figheight() + 0.5 * widest)


def time_unit(ns: float) -> tuple[float, str]:
    """Return how many ns the unit has that suits a time, and its name."""
    units = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
    return next(((size, unit) for size, unit in units if ns >= 10 * size), (1.0, "ns"))


def _in_unit(axis: Axis, name: str) -> tuple[str, float]:
    low, high = axis.get_data_interval()
    size, unit = time_unit(max(abs(low), abs(high))) if "(ns)" in name else (1.0, "ns")
    if size > 1:
        axis.set_major_formatter(lambda value, _: f"{value / size:,g}")
    return name.replace("(ns)", f"({unit})"), size


def legend_above(axes: Axes, handles: Sequence[Any] | None = None, title: str = "") -> None:
    """Set a legend above ``axes``, in as many columns as fit, under its ``title``; none for fewer than two names."""
    found = axes.get_legend_handles_labels()[0] if handles is None else list(handles)
    if len(found) < 2:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None
    points = float(matplotlib.rcParams["font.size"]) - 0.5
    widths = [text_inches(str(one.get_label()), points) + 3.6 * points / 72 for one in found]
    spec = axes.get_subplotspec()
    across = spec.get_gridspec().ncols if spec is not None else 1
    room = float(figure.get_figwidth()) / across - 0.55
    most = max((n for n in range(1, len(found) + 1) if n * max(widths) <= room), default=1)
    rows = -(-len(found) // most)
    axes.legend(
        handles=found,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=-(-len(found) // rows),  # rows alike
        fontsize=points,
        frameon=False,
        borderaxespad=0.2,
        borderpad=0.1,
        labelspacing=0.3,
        columnspacing=1.1,
        handlelength=2.2,
        handletextpad=0.5,
        title=title or None,
        title_fontsize=points,
        alignment="left",
    )
