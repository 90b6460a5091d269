"""Grouped bars: one figure by an option along the axis and others side by side, with intervals of replicates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from recnmp.errors import ConfigError
from recnmp.plot.labels import figure_label, is_ratio, listed, option_label, value_text
from recnmp.plot.plot import Plot
from recnmp.plot.table import Cell, Key, Table
from recnmp.report.style import (
    COLOURS,
    GREY,
    INK,
    Sheet,
    fill,
    legend_above,
    name_axes,
    name_ticks,
    text_inches,
)

SPEEDUP = "sls.speedup_over_host"
MOST_SERIES = len(COLOURS)
_MOST_BARS = 96


@dataclass(frozen=True)
class Layout:
    """Which options a figure of bars shows: ``x`` along its axis, ``group`` side by side; values of each in order."""

    x: str
    group: tuple[str, ...]
    x_values: tuple[Any, ...]
    series: tuple[Key, ...]

    def name(self, key: Key) -> str:
        """Return what a series is called in the legend."""
        return ", ".join(value_text(option, value) for option, value in zip(self.group, key, strict=True))

    @property
    def legend(self) -> str:
        """What stands above the names of the series."""
        return "; ".join(option_label(option) for option in self.group)


def layout(table: Table, x: str | None, group: Sequence[str]) -> Layout:
    """Return what goes where: by default the first option that varies along the axis, all others side by side.

    Raises ConfigError for options that do not vary, for points that would share a bar, and for too many series.
    """
    axes = table.axes()
    if x is None and not axes:
        raise ConfigError(f"{table.name}: nothing varies in it; a figure of bars is of several points")
    along = table.option(x) if x is not None else next(name for name in axes if name not in group)
    beside = tuple(table.option(one) for one in group)
    if not group and x is None:
        beside = tuple(name for name in axes if name != along)
    if along in beside:
        raise ConfigError(f"{along} is both --x and --group")
    table.check_alone([along, *beside])
    here = {table.key(row, beside) for row in table.rows}
    series = [()] if not beside else _product(table, beside)
    shown = tuple(key for key in series if key in here)
    if len(shown) > MOST_SERIES:
        raise ConfigError(
            f"{table.name}: {len(shown)} series by {', '.join(beside)}; {MOST_SERIES} are the most: use --where"
        )
    values = tuple(table.values(along))
    if len(values) * len(shown) > _MOST_BARS:
        raise ConfigError(
            f"{table.name}: {len(values) * len(shown)} bars; {_MOST_BARS} are the most; use --where"
        )
    return Layout(along, beside, values, shown)


def _product(table: Table, names: Sequence[str]) -> list[Key]:
    found: list[Key] = [()]
    for name in names:
        found = [(*key, value) for key in found for value in table.values(name)]
    return found


def speedup(
    table: Table,
    metric: str = SPEEDUP,
    x: str | None = None,
    group: Sequence[str] = (),
    *,
    ideal: bool = False,
) -> Plot:
    """Return bars of ``metric`` by option ``x``, one series for each value of ``group``.

    Bars stand on zero; whiskers are 95 % confidence intervals over seeds. A point that failed is marked, one that the
    sweep does not have is a gap. ``ideal`` marks where ``x`` times the host would be.

    Raises ConfigError for figures and options that are not there, and for ``ideal`` where it has no meaning.
    """
    plan, figure = layout(table, x, group), table.figure(metric)
    if ideal and not (is_ratio(figure) and all(isinstance(v, int | float) for v in plan.x_values)):
        raise ConfigError(f"--ideal is of speed-ups along numbers, not of {figure} along {plan.x}")
    cells = table.cells((plan.x, *plan.group), figure)
    rows = [
        dict(zip(plan.group, key, strict=True)) | {plan.x: value} | _row(figure, cells.get((value, *key)))
        for key in plan.series
        for value in plan.x_values
    ]
    title = f"{figure_label(figure).split(' (')[0]} by {listed(option_label(name) for name in (plan.x, *plan.group))}"
    notes = [
        *bar_notes(table, plan, cells),
        *(["Dashes: as many times the host as the axis says."] if ideal else []),
    ]
    sheet = Sheet(title[0].upper() + title[1:], (*notes, *origin(table)))
    return Plot(sheet, tuple(rows), lambda axes: draw_bars(axes[0], plan, cells, figure, ideal=ideal))


def _row(figure: str, cell: Cell | None) -> dict[str, Any]:
    cell = cell or Cell()
    return {figure: cell.mean, f"{figure}.ci95": cell.half, "replicates": cell.n, "failed": cell.failed}


def origin(table: Table) -> tuple[str, ...]:
    """Return what a reader must know of the source, the last notes of every figure."""
    return (f"Source: {table.name}.", *table.origin)


def bar_notes(table: Table, plan: Layout, cells: Mapping[Key, Cell]) -> list[str]:
    """Return what a reader must know of intervals, failures, gaps and options that vary unseen."""
    notes = table.replicate_notes(cells.values())
    missing = sum((value, *key) not in cells for key in plan.series for value in plan.x_values)
    if missing:
        notes.append(f"Gaps, no points of the sweep: {missing}.")
    beside = table.alongside([plan.x, *plan.group])
    if beside:
        more = f" and {len(beside) - 6} options more" if len(beside) > 6 else ""
        notes.append(f"With the axis and series vary {', '.join(beside[:6])}{more}.")
    return notes


def draw_bars(
    axes: Axes,
    plan: Layout,
    cells: Mapping[Key, Cell],
    figure: str,
    *,
    ideal: bool = False,
    legend: bool = True,
) -> None:
    """Draw one panel of bars."""
    n = len(plan.series)
    width = 0.84 / n
    placed = [
        (at + (k - (n - 1) / 2) * width, k, cell)
        for k, key in enumerate(plan.series)
        for at, value in enumerate(plan.x_values)
        if (cell := cells.get((value, *key))) is not None
    ]
    for place, k, cell in placed:
        _bar(axes, place, width * 0.9, cell, k)
    ticks = [value_text(plan.x, value) for value in plan.x_values]
    _, unit = name_axes(axes, option_label(plan.x), figure_label(figure))
    name_ticks(axes, range(len(ticks)), ticks)
    axes.set_xlim(-0.6, len(ticks) - 0.4)
    shown = [(place, cell, cell.mean / unit) for place, _, cell in placed if cell.mean is not None]
    _numbers(axes, width / len(ticks), shown)
    low = min((cell.mean or 0 for cell in cells.values()), default=0)
    axes.margins(y=0.08)
    axes.set_ylim(bottom=None if low < 0 else 0)
    axes.axhline(0, color=GREY, linewidth=0.6)
    if is_ratio(figure):
        axes.axhline(1, color=GREY, linewidth=0.7, linestyle=":", zorder=1)
    if ideal:
        for at, value in enumerate(plan.x_values):
            axes.hlines(value, at - 0.46, at + 0.46, color=INK, linewidth=0.9, linestyle="--", zorder=4)
    axes.grid(axis="y", linewidth=0.5)
    axes.set_axisbelow(True)
    if legend:
        names = [Patch(label=plan.name(key), **fill(k)) for k, key in enumerate(plan.series)]
        legend_above(axes, names, title=plan.legend)


def _bar(axes: Axes, place: float, width: float, cell: Cell, k: int) -> None:
    if cell.mean is None:
        size = float(matplotlib.rcParams["font.size"]) - 0.5
        axes.annotate("×", (place, 0), (0, 2), textcoords="offset points", ha="center", fontsize=size)  # noqa: RUF001
        return
    axes.bar(place, cell.mean, width, **fill(k))
    if cell.half is not None:
        axes.errorbar(place, cell.mean, cell.half, color=INK, capsize=1.6, elinewidth=0.7, capthick=0.7)


def _numbers(axes: Axes, share: float, shown: Sequence[tuple[float, Cell, float]]) -> None:
    """Write its value over every bar, if all have room: each has ``share`` of the axes' width."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    size = float(matplotlib.rcParams["font.size"]) - 1.5
    widest = max((text_inches(short(value), size) for _, _, value in shown), default=0)
    if widest * 1.05 > share * (figure.get_figwidth() - 0.6):
        return
    for place, cell, value in shown:
        top = max((cell.mean or 0) + (cell.half or 0), 0)
        above: dict[str, Any] = {
            "xytext": (0, 1.5),
            "textcoords": "offset points",
            "ha": "center",
            "va": "bottom",
        }
        text = axes.annotate(short(value), (place, top), fontsize=size, zorder=5, **above)
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.2})  # over lines behind it


def short(value: float) -> str:
    """Return a number in three digits or so."""
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or not size else 3}f}"
