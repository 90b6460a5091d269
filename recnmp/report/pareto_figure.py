"""The points that no other point beats in every objective, and the figure that shows them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from recnmp.report.style import COLOURS, GREY, INK, Sheet, Width, legend_above, name_axes, paper

Row = Mapping[str, Any]

_MOST_NAMED = 12
MUCH = 8
"""Greatest value over least one from which an axis is logarithmic."""


@dataclass(frozen=True)
class Objective:
    """A column that is to be small or large; ``label`` stands at its axis, else the column's name does."""

    column: str
    best: Literal["min", "max"] = "min"
    label: str = ""

    def cost(self, row: Row) -> float | None:
        """Return what is to be small; None where the row has no finite value."""
        value = row.get(self.column)
        if value is None or isinstance(value, bool) or not isfinite(value):
            return None
        return float(value) if self.best == "min" else -float(value)


def front(rows: Sequence[Row], objectives: Sequence[Objective]) -> list[int]:
    """Return the places of the rows that no other row dominates, in the order of ``rows``.

    A row dominates another that it equals or beats in every objective and beats in one; equal rows stay together.
    Rows without a value for some objective neither are in the front nor dominate.
    """
    costs = [tuple(one.cost(row) for one in objectives) for row in rows]
    whole = [n for n, cost in enumerate(costs) if None not in cost]
    kept: list[int] = []
    # in ascending order only what came before can dominate
    for n in sorted(whole, key=lambda n: costs[n]):
        if not any(costs[m] != costs[n] and _no_worse(costs[m], costs[n]) for m in kept):
            kept.append(n)
    return sorted(kept)


def _no_worse(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True))


def draw_pareto(
    rows: Sequence[Row],
    objectives: Sequence[Objective],
    path: Path,
    *,
    title: str,
    notes: Sequence[str] = (),
    name: Callable[[Row], str] | None = None,
    width: Width = "page",
) -> None:
    """Draw all ``rows`` and their front into ``path``, SVG, PDF or PNG; the same bytes for the same data.

    An axis whose values differ much is logarithmic. With three objectives there is a panel for each pair; filled
    marks are the front of all three in every panel.
    ``name`` tells a point of the front in words: those are numbered, and listed below the figure.

    Raises ConfigError for another suffix.
    """
    sheet = pareto_sheet(rows, objectives, title, notes, name)
    with paper(sheet, width, path) as axes:
        draw_panels(axes, rows, objectives, numbered=name is not None)


def pareto_sheet(
    rows: Sequence[Row],
    objectives: Sequence[Objective],
    title: str,
    notes: Sequence[str] = (),
    name: Callable[[Row], str] | None = None,
) -> Sheet:
    """Return title, notes and panels of the figure, one for each pair of objectives."""
    pairs = len(objectives) * (len(objectives) - 1) // 2
    told = [*_names(rows, front(rows, objectives), objectives[0], name), *_left_out(rows, objectives), *notes]
    told = ["Lines: what is reached of the two objectives shown.", *told] if pairs > 1 else told
    return Sheet(title, tuple(told), (1, pairs), 0.6 if pairs == 1 else 0.36)


def draw_panels(
    axes: Sequence[Axes], rows: Sequence[Row], objectives: Sequence[Objective], *, numbered: bool
) -> None:
    """Draw a panel for each pair of objectives."""
    best = sorted(front(rows, objectives), key=lambda n: (rows[n][objectives[0].column], n))
    for one, pair in zip(axes, combinations(objectives, 2), strict=True):
        _panel(one, rows, best, pair, numbered=numbered and len(best) <= _MOST_NAMED)
    legend_above(axes[0])


def _panel(
    axes: Axes, rows: Sequence[Row], best: list[int], pair: Sequence[Objective], *, numbered: bool
) -> None:
    x, y = pair
    shown = [n for n, row in enumerate(rows) if x.cost(row) is not None and y.cost(row) is not None]
    rest = [n for n in shown if n not in set(best)]
    for places, style in (
        (rest, {"facecolor": "none", "edgecolor": GREY, "label": f"dominated ({len(rest)})", "s": 11}),
        (best, {"facecolor": COLOURS[1], "edgecolor": INK, "label": f"front ({len(best)})", "s": 24}),
    ):
        axes.scatter(
            [rows[n][x.column] for n in places],
            [rows[n][y.column] for n in places],
            linewidth=0.6,
            zorder=3,
            **style,  # type: ignore[arg-type]
        )
    _stairs(axes, [rows[n] for n in shown], x, y)
    if numbered:
        for place, n in enumerate(best, 1):
            at = (rows[n][x.column], rows[n][y.column])
            axes.annotate(str(place), at, (3, 3), textcoords="offset points", fontsize="x-small")
    spec = axes.get_subplotspec()
    narrow = spec is not None and spec.get_gridspec().ncols > 1
    for axis, (low, high) in ((axes.xaxis, axes.dataLim.intervalx), (axes.yaxis, axes.dataLim.intervaly)):
        if 0 < low * MUCH < high:
            axes.set(**{f"{axis.axis_name}scale": "log"})
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_minor_locator(NullLocator())
        else:
            axis.set_major_locator(MaxNLocator(4 if narrow else 6, min_n_ticks=3))
        axis.set_major_formatter("{x:,g}")
    name_axes(axes, f"{x.label or x.column}, {_better(x)}", f"{y.label or y.column}, {_better(y)}")
    axes.margins(0.1)
    axes.grid(linewidth=0.5)
    axes.set_axisbelow(True)


def _stairs(axes: Axes, rows: Sequence[Row], x: Objective, y: Objective) -> None:
    """Draw the border of what the points reach of this pair."""
    edge = sorted(
        {(rows[n][x.column], rows[n][y.column]) for n in front(rows, (x, y))}, reverse=x.best == "max"
    )
    where: Literal["post", "pre"] = "post"
    if len(edge) > 1:
        xs, ys = zip(*edge, strict=True)
        axes.step(xs, ys, where=where, color=COLOURS[1], linewidth=1.0, zorder=2)


def _better(one: Objective) -> str:
    return "less is better" if one.best == "min" else "more is better"


def _names(
    rows: Sequence[Row], best: list[int], first: Objective, name: Callable[[Row], str] | None
) -> list[str]:
    if name is None or len(best) > _MOST_NAMED:
        return []
    places = enumerate(sorted(best, key=lambda n: (rows[n][first.column], n)), 1)
    return ["; ".join(f"{place}: {name(rows[n])}" for place, n in places) + "."]


def _left_out(rows: Sequence[Row], objectives: Sequence[Objective]) -> list[str]:
    missing = sum(any(one.cost(row) is None for one in objectives) for row in rows)
    return [f"{missing} of {len(rows)} points lack a value and are not shown."] if missing else []
