"""Charts of a reproduction: lines and bars, described as data, drawn alike."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recnmp.report.plots import GREY, STYLE, check_suffix

COLOURS = ("#0b6e99", "#c4541a", "#4f8a3c", "#8a5aa8", "#b8902a", "#5b6770", "#a8405f", "#2f9c95")


@dataclass(frozen=True)
class Series:
    """Values along the x axis; None leaves a gap.

    ``dashed`` is for lines that are to be told apart in pairs, ``colour`` the number of a line's, if not its place.
    """

    name: str
    values: tuple[float | None, ...]
    dashed: bool = False
    colour: int | None = None


@dataclass(frozen=True)
class Chart:
    """What a figure shows.

    Attributes:
        kind: ``lines``, ``bars`` beside one another, or ``stacked``.
        ticks: what stands below the x axis, one for each value of every series.
        marks: published values as horizontal lines, by what is written at them.
        caption: what a reader must know, below the title: which traces.
    """

    kind: Literal["lines", "bars", "stacked"]
    title: str
    x: str
    y: str
    ticks: tuple[str, ...]
    series: tuple[Series, ...]
    marks: tuple[tuple[str, float], ...] = ()
    caption: str = ""


def draw(chart: Chart, path: Path) -> None:
    """Draw ``chart`` into ``path``, SVG or PNG, the same bytes for the same data.

    Raises ConfigError for another suffix.
    """
    check_suffix(path)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        axes = figure.add_subplot()
        if chart.kind == "lines":
            _lines(axes, chart)
        else:
            _bars(axes, chart)
        _frame(axes, chart)
        figure.suptitle(chart.title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        axes.set_title(textwrap.fill(chart.caption, 150), fontsize=7, color=GREY)
        metadata: dict[str, str | None] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=160, metadata=metadata)


def _lines(axes: Axes, chart: Chart) -> None:
    for n, one in enumerate(chart.series):
        y = [np.nan if value is None else value for value in one.values]
        axes.plot(
            range(len(y)),
            y,
            "--o" if one.dashed else "-o",
            color=COLOURS[(n if one.colour is None else one.colour) % len(COLOURS)],
            markersize=3.5,
            linewidth=1.5,
            label=one.name,
        )
    axes.set_xlim(-0.25, len(chart.ticks) - 0.75)


def _bars(axes: Axes, chart: Chart) -> None:
    groups, n = len(chart.ticks), len(chart.series)
    stacked = chart.kind == "stacked"
    width = 0.6 if stacked else 0.82 / n
    bottom = np.zeros(groups)
    for i, one in enumerate(chart.series):
        y = np.array([0.0 if value is None else value for value in one.values])
        x = np.arange(groups) + (0 if stacked else (i - (n - 1) / 2) * width)
        style: dict[str, Any] = {"bottom": bottom} if stacked else {}
        bars = axes.bar(x, y, width * 0.94, color=COLOURS[i % len(COLOURS)], label=one.name, **style)
        bottom = bottom + y if stacked else bottom
        if not stacked and groups * n <= 40:
            texts = ["" if value is None else f"{value:.2f}" for value in one.values]
            axes.bar_label(bars, texts, fontsize=5.8, padding=1.5, color="#333333")


def _frame(axes: Axes, chart: Chart) -> None:
    """Set axes, legend and the marks of published values."""
    axes.set_xticks(range(len(chart.ticks)), chart.ticks)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    top = axes.get_ylim()[1]
    for text, value in chart.marks:
        top = max(top, value * 1.1)
        axes.axhline(value, color=GREY, linewidth=0.9, linestyle=":")
        where = axes.get_yaxis_transform()
        axes.text(1.005, value, text, color=GREY, fontsize=7, va="center", transform=where)
    axes.set_ylim(0, top)
    figure = axes.get_figure()
    if figure is not None and len(chart.series) > 1:
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)
