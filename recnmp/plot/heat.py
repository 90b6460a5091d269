"""A heat map: a figure by two options, its value in every cell."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from recnmp.errors import ConfigError
from recnmp.plot.bars import SPEEDUP, origin, short
from recnmp.plot.labels import figure_label, option_label, value_text
from recnmp.plot.plot import Plot
from recnmp.plot.table import Cell, Key, Table
from recnmp.report.style import Sheet, name_axes, name_ticks, text_inches, time_unit

_MOST = 24
_SHADES = LinearSegmentedColormap.from_list("recnmp", ["#f4f8fa", "#8fbccd", "#0b6e99", "#06384e"])
"""One colour from pale to dark, so that greyscale keeps the order."""


def heatmap(table: Table, metric: str = SPEEDUP, x: str | None = None, y: str | None = None) -> Plot:
    """Return a map of ``metric``, option ``x`` across and ``y`` upwards: by default the first two that vary.

    Cells are means over the seeds; the shade goes from the smallest value to the largest, linear. Empty cells are
    no points of the sweep, crossed ones failed.

    Raises ConfigError for what does not vary, for points that would share a cell, and for more than 24 values.
    """
    figure = table.figure(metric)
    axes = table.axes()
    free = [name for name in axes if name not in (x, y)]
    across = table.option(x) if x is not None else next(iter(free), None)
    up = table.option(y) if y is not None else next((name for name in free if name != across), None)
    if across is None or up is None or across == up:
        raise ConfigError(
            f"{table.name}: a heat map is of two options that vary; here varies {', '.join(axes) or 'none'}"
        )
    table.check_alone([across, up])
    cells = table.cells((across, up), figure)
    sides = table.values(across), table.values(up)
    if max(map(len, sides)) > _MOST:
        raise ConfigError(f"{table.name}: {max(map(len, sides))} values along a side; {_MOST} are the most")
    rows = [
        {
            across: a,
            up: b,
            figure: cell.mean,
            f"{figure}.ci95": cell.half,
            "replicates": cell.n,
            "failed": cell.failed,
        }
        for b in sides[1]
        for a in sides[0]
        for cell in [cells.get((a, b), Cell())]
    ]
    largest = max((abs(cell.mean) for cell in cells.values() if cell.mean is not None), default=0.0)
    size, unit = time_unit(largest) if "(ns)" in figure_label(figure) else (1.0, "ns")
    what = figure_label(figure).replace("(ns)", f"({unit})")
    title = f"{what} by {option_label(across)} and {option_label(up)}"
    sheet = Sheet(title[0].upper() + title[1:], (*_notes(table, cells, sides), *origin(table)))
    return Plot(sheet, tuple(rows), lambda drawn: _draw(drawn[0], cells, sides, (across, up), size))


def _notes(table: Table, cells: Mapping[Key, Cell], sides: tuple[list[Any], list[Any]]) -> list[str]:
    counts = sorted({cell.n for cell in cells.values() if cell.n})
    several = "" if len(counts) < 2 else f" to {counts[-1]}"
    notes = (
        [f"Means of n = {counts[0]}{several} seeds, without intervals."] if counts and counts[-1] > 1 else []
    )
    missing = len(sides[0]) * len(sides[1]) - len(cells)
    notes += [f"Empty cells, no points of the sweep: {missing}."] if missing else []
    return notes + [note for note in table.replicate_notes([]) if note.startswith("×")]  # noqa: RUF001


def _draw(
    axes: Axes,
    cells: Mapping[Key, Cell],
    sides: tuple[list[Any], list[Any]],
    names: tuple[str, str],
    unit: float,
) -> None:
    across, up = sides
    grid = np.full((len(up), len(across)), np.nan)
    for (a, b), cell in cells.items():
        grid[up.index(b), across.index(a)] = np.nan if cell.mean is None else cell.mean / unit
    image = axes.pcolormesh(np.ma.masked_invalid(grid), cmap=_SHADES, edgecolor="white", linewidth=1.0)
    size = _size(axes, [short(value) for value in grid[~np.isnan(grid)]], len(across))
    low, high = float(np.nanmin(grid)), float(np.nanmax(grid))
    for (a, b), cell in cells.items():
        at = across.index(a) + 0.5, up.index(b) + 0.5
        if cell.mean is None:
            axes.text(*at, "×", ha="center", va="center")  # noqa: RUF001
        elif size:
            value = cell.mean / unit
            shade = _SHADES((value - low) / (high - low) if high > low else 0.0)
            axes.text(*at, short(value), ha="center", va="center", fontsize=size, color=readable(shade))
    axes.set_yticks(np.arange(len(up)) + 0.5, [value_text(names[1], value) for value in up])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    name_axes(axes, *map(option_label, names))
    places = [n + 0.5 for n in range(len(across))]
    name_ticks(axes, places, [value_text(names[0], value) for value in across])
    root = axes.get_figure(root=True)
    assert root is not None
    bar = root.colorbar(image, ax=axes, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)


def _size(axes: Axes, texts: list[str], columns: int) -> float:
    """Return the largest size at which the numbers fit their cells; 0 where none that can be read does."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    room = (figure.get_figwidth() - 1.5) / columns * 0.92
    largest = float(matplotlib.rcParams["font.size"])
    sizes = (largest, largest - 1, largest - 2)
    return next((size for size in sizes if max((text_inches(t, size) for t in texts), default=0) <= room), 0)


def readable(shade: tuple[float, ...]) -> str:
    """Return black or white, whichever has more contrast on a colour, by WCAG 2.1's relative luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shade[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"
