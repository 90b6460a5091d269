"""Charts of a reproduction: lines and bars, described as data, drawn alike."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from recnmp.report.style import COLOURS, GREY, MARKERS, check_suffix, fill, save, styled

_PALE = 0.45
"""Strength of the colours of what others found."""


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
        beside: of ``stacked``, what others found, by the names of ``series``: paler bars to the right of ours.
        groups: of ``stacked``, what stands below equal runs of bars, which are set apart.
    """

    kind: Literal["lines", "bars", "stacked"]
    title: str
    x: str
    y: str
    ticks: tuple[str, ...]
    series: tuple[Series, ...]
    marks: tuple[tuple[str, float], ...] = ()
    caption: str = ""
    beside: tuple[Series, ...] = ()
    groups: tuple[str, ...] = ()


def draw(chart: Chart, path: Path) -> None:
    """Draw ``chart`` into ``path``, SVG, PNG or PDF, the same bytes for the same data.

    Raises ConfigError for another suffix.
    """
    check_suffix(path)
    with styled():
        figure = Figure(figsize=(8.4 if len(chart.ticks) < 30 else 11, 4.4), layout="constrained")
        axes = figure.add_subplot()
        if chart.kind == "lines":
            _lines(axes, chart)
        elif chart.groups:
            draw_groups(axes, chart)
        else:
            _bars(axes, chart)
        _frame(axes, chart)
        figure.suptitle(chart.title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        above = 16 if chart.groups else 6  # points: names of groups stand below the caption
        axes.set_title(textwrap.fill(chart.caption, 150), fontsize=7, color=GREY, pad=above)
        save(figure, path)


def _lines(axes: Axes, chart: Chart) -> None:
    for n, one in enumerate(chart.series):
        y = [np.nan if value is None else value for value in one.values]
        axes.plot(
            range(len(y)),
            y,
            linestyle="--" if one.dashed else "-",
            marker=MARKERS[(n if one.colour is None else one.colour) % len(MARKERS)],
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
        bars = axes.bar(x, y, width * 0.94, label=one.name, **style, **fill(i))
        bottom = bottom + y if stacked else bottom
        if not stacked and groups * n <= 40:
            texts = ["" if value is None else f"{value:.2f}" for value in one.values]
            axes.bar_label(bars, texts, fontsize=5.8, padding=1.5, color="#333333")


def places(chart: Chart) -> list[float]:
    """Return where the ticks of ``chart`` stand: a step apart, and one more between its groups."""
    run = len(chart.ticks) // max(1, len(chart.groups))
    return [n + (n // run if chart.groups else 0) for n in range(len(chart.ticks))]


def draw_groups(axes: Axes, chart: Chart) -> None:
    """Draw stacked bars in groups, those of others paler to the right of ours."""
    x, names = np.array(places(chart)), [one.name for one in chart.series]
    for stack, shift, strength in ((chart.series, -0.21, 1.0), (chart.beside, 0.21, _PALE)):
        bottom = np.zeros(len(x))
        for one in stack:
            y = np.array([0.0 if value is None else value for value in one.values])
            colour = to_rgb(COLOURS[names.index(one.name) % len(COLOURS)])
            paler = tuple(1 - strength * (1 - part) for part in colour)
            label = one.name if strength == 1 else None
            look = fill(names.index(one.name)) | {"facecolor": paler}
            axes.bar(x + shift, y, 0.38, bottom=bottom, label=label, **look)
            bottom = bottom + y
    axes.tick_params(axis="x", labelsize=6.5, length=0)
    axes.set_xlim(x[0] - 0.8, x[-1] + 0.8)
    run = len(chart.ticks) // len(chart.groups)
    for n, group in enumerate(chart.groups):
        middle = (x[n * run] + x[(n + 1) * run - 1]) / 2
        where = axes.get_xaxis_transform()
        axes.text(
            middle, 1.01, group, ha="center", va="bottom", fontsize=8, fontweight="bold", transform=where
        )


def _frame(axes: Axes, chart: Chart) -> None:
    """Set axes, legend and the marks of published values."""
    axes.set_xticks(places(chart), chart.ticks)
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
