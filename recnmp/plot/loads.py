"""Latency against throughput: what queries wait at offered loads, host beside near memory."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from recnmp.errors import ConfigError
from recnmp.plot.bars import origin
from recnmp.plot.labels import value_text
from recnmp.plot.plot import Plot
from recnmp.plot.table import Key, Row, Table
from recnmp.report.style import COLOURS, DASHES, GREY, MARKERS, Sheet, legend_above, name_axes
from recnmp.sweep.confidence import mean_and_half_width

PERCENTILES = (50, 95, 99)
_SIDES = {"host": "host", "nmp": "NMP"}
_RATE = "end_to_end.serving.queries_per_s"
_MOST_LINES = 12


def latency(table: Table, percentiles: Sequence[int] = ()) -> Plot:
    """Return latencies by offered load, in ms against queries/s, a line for each side, setting and percentile.

    Loads are those of the result (`end_to_end.serving.queries_per_s`); points of a sweep that differ in their loads
    alone are one line. A line ends where the server no longer keeps up; its throughput is marked at the axis.

    Raises ConfigError for a source without queries under load, and for too many lines.
    """
    names = [name for name in table.axes() if name != _RATE]
    found: dict[tuple[Key, str, float], list[Mapping[str, float] | None]] = {}
    most: dict[tuple[Key, str], list[float]] = {}
    targets: set[float] = set()
    for row in table.rows:
        for side, serving in _served(table.document(row)):
            key = table.key(row, names)
            most.setdefault((key, side), []).append(serving[side]["throughput"]["queries_per_s"])
            targets |= {serving["p95_target_ns"]} if serving["p95_target_ns"] else set()
            for at in serving[side]["at"]:
                found.setdefault((key, side, at["queries_per_s"]), []).append(at["latency"])
    if not found:
        raise ConfigError(f"{table.name}: no queries under load in it; end_to_end.serving sets them")
    shown = tuple(percentiles) or (PERCENTILES if len(most) <= 2 else (95,))
    if len(most) * len(shown) > _MOST_LINES:
        raise ConfigError(
            f"{table.name}: {len(most) * len(shown)} lines; {_MOST_LINES} are the most; use --where"
        )
    rows = _rows(names, found, shown)
    rates = {at: mean_and_half_width(values)[0] for at, values in most.items()}
    seeds = max(len(values) for values in most.values())
    notes = [
        "Triangles at the axis: the most queries/s that are kept up with; lines end below.",
        *(
            [f"Means of n = {seeds} seeds; whiskers: 95 % confidence interval (Student's t)."]
            if seeds > 1
            else []
        ),
        *origin(table),
    ]
    sheet = Sheet("Latency of queries by offered load", tuple(notes), aspect=0.48)
    lines = _lines(names, rows, rates, shown)
    return Plot(sheet, tuple(rows), lambda axes: _draw(axes[0], lines, sorted(targets)))


def _served(document: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    serving = ((document or {}).get("end_to_end") or {}).get("serving") or {}
    for side in _SIDES:
        if serving.get(side):
            yield side, serving


def _rows(names: Sequence[str], found: Mapping[Any, Sequence[Any]], percentiles: Sequence[int]) -> list[Row]:
    rows = []
    for (key, side, rate), latencies in sorted(
        found.items(), key=lambda item: (str(item[0][:2]), item[0][2])
    ):
        kept = [one for one in latencies if one is not None]
        whole = len(kept) == len(latencies)  # of seeds of which one is overloaded no mean tells anything
        for p in percentiles:
            mean, half = (
                mean_and_half_width([one[f"p{p}_ns"] / 1e6 for one in kept]) if whole else (None, None)
            )
            rows.append(
                dict(zip(names, key, strict=True))
                | {"side": side, "percentile": p, "queries_per_s": rate}
                | {
                    "latency_ms": mean,
                    "latency_ms.ci95": half,
                    "replicates": len(kept),
                    "overloaded": not whole,
                }
            )
    return rows


def _lines(
    names: Sequence[str], rows: Sequence[Row], most: Mapping[Any, float], percentiles: Sequence[int]
) -> list[dict[str, Any]]:
    lines = []
    for n, (key, side) in enumerate(most):
        told = ", ".join(value_text(name, value) for name, value in zip(names, key, strict=True))
        for m, p in enumerate(percentiles):
            points = [
                row
                for row in rows
                if (tuple(row[name] for name in names), row["side"], row["percentile"]) == (key, side, p)
                and row["latency_ms"] is not None
            ]
            label = ", ".join(filter(None, [_SIDES[side], told, f"p{p}"]))
            lines.append({"label": label, "points": points, "colour": n, "dash": m, "most": most[key, side]})
    return lines


def _draw(axes: Axes, lines: Sequence[Mapping[str, Any]], targets: Sequence[float]) -> None:
    for line in lines:
        colour, points = COLOURS[line["colour"] % len(COLOURS)], line["points"]
        x, y = [row["queries_per_s"] for row in points], [row["latency_ms"] for row in points]
        error = (
            [row["latency_ms.ci95"] or 0.0 for row in points]
            if any(r["latency_ms.ci95"] for r in points)
            else None
        )
        axes.errorbar(
            x,
            y,
            error,
            color=colour,
            linestyle=DASHES[line["dash"] % len(DASHES)],
            marker=MARKERS[line["colour"] % len(MARKERS)],
            markersize=3.2,
            linewidth=1.1,
            elinewidth=0.7,
            capsize=1.5,
            label=line["label"],
        )
        where = axes.get_xaxis_transform()
        axes.plot(line["most"], 0, "^", color=colour, markersize=5, clip_on=False, transform=where, zorder=4)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(left=0)
    for target in targets:
        axes.axhline(target / 1e6, color=GREY, linewidth=0.9, linestyle="-.", zorder=1)
        at = (1.0, target / 1e6)
        words = f"p95 target {target / 1e6:g} ms"
        axes.annotate(
            words,
            at,
            (-2, 2),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            color=GREY,
            fontsize="small",
        )
    name_axes(axes, "offered load (queries/s)", "latency (ms), log scale")
    axes.grid(linewidth=0.5)
    axes.set_axisbelow(True)
    legend_above(axes)
