"""The figure of a RankCache study: hits, time and energy by size, and what every other choice is worth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recnmp.report import rankcache_rows as told
from recnmp.report.cache_rows import size_text
from recnmp.report.style import COLOURS, GREY, MARKERS, check_suffix, fill, save, styled

Json = Mapping[str, Any]
_SIZED = (
    ("hit_rate", "RankCache hits by size", "share of bursts", "{:.0%}"),
    ("ns_per_lookup", "Time by size; dotted: no RankCache", "ns per lookup", "{:g}"),
    ("recnmp_isca20_nj_per_lookup", "Energy by size, at RecNMP's prices", "nJ per lookup", "{:g}"),
)
_STYLES = ("-o", "-s", "--^")


def plot_rankcache_study(document: Json, path: Path) -> None:
    """Draw a study into ``path``, SVG, PNG or PDF, the same bytes for the same data.

    A grid has hits and time of all its points instead of axes. Raises ConfigError for another suffix.
    """
    check_suffix(path)
    with styled():
        if document["request"]["grid"]:
            figure = Figure(figsize=(8.4, 4.8), layout="constrained")
            _grid(figure.add_subplot(), document)
        else:
            figure = Figure(figsize=(11.0, 12.2), layout="constrained")
            axes = list(figure.subplots(4, 2).flat)
            for one, (key, *words) in zip(axes, _SIZED, strict=False):
                _by_size(one, document, key, *words)
            for one, axis in zip(axes[3:], told.AXES, strict=False):
                _saved(one, document, axis)
            _packets(axes[6], document)
            _shares(axes[7], document)
        figure.suptitle(told.heading(document), x=0.01, ha="left", fontsize=11, fontweight="bold")
        save(figure, path)


def _framed(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=9, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _by_size(axes: Axes, document: Json, key: str, title: str, y: str, form: str) -> None:
    sizes: list[int] = []
    for k, (step, rows) in enumerate(told.by_step(document, "size_bytes").items()):
        sizes = [row["size_bytes"] for row in rows]
        axes.plot(
            range(len(rows)),
            [row[key] for row in rows],
            _STYLES[k % len(_STYLES)],
            color=COLOURS[k],
            markersize=6 if k == 0 else 4,  # the first may be covered by the second
            linewidth=2.4 if k == 0 else 1.4,
            label=step,
        )
        if key != "hit_rate":
            bare = told.bare_of(document, rows[0])[key]
            axes.axhline(bare, color=COLOURS[k], linewidth=1, linestyle=":")
    axes.set_xticks(range(len(sizes)), [size_text(size) for size in sizes], fontsize=7.5)
    _framed(axes, title, "RankCache of each rank", y)
    axes.yaxis.set_major_formatter(lambda value, _: form.format(value))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.legend(fontsize=8, loc="best")


def _saved(axes: Axes, document: Json, axis: str) -> None:
    """Time that the RankCache saves, with its hits above; below 0 it costs time."""
    rows = told.along(document, axis)
    saved = np.array([1 - row["time_share"] for row in rows])
    x = np.arange(len(rows))
    axes.bar(x, saved, 0.6, **fill(0))
    for at, row in zip(x, rows, strict=True):
        end = (at, max(1 - row["time_share"], 0))
        text = f"{row['hit_rate']:.1%}"
        axes.annotate(text, end, (0, 3), textcoords="offset points", ha="center", fontsize=7, color=GREY)
    slanted = axis == "policy"
    names = [told.value_text(row, axis) for row in rows]
    turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(x, names, fontsize=7.5, **turned)
    _framed(axes, f"Time saved by {told.AXES[axis]}; hits above", "", "of the time without a RankCache")
    axes.axhline(0, color=GREY, linewidth=0.8)
    low, high = min(saved.min(initial=0), 0), max(saved.max(initial=0.01), 0.01)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    axes.set_ylim(low * 1.3, high * 1.18)


def _packets(axes: Axes, document: Json) -> None:
    """Time of a lookup by poolings of a packet, in both orders, with and without a RankCache."""
    for k, (order, rows) in enumerate(told.by_step(document, "poolings").items()):
        ticks = [str(row["poolings"]) for row in rows]
        for bare, style in ((False, "-o"), (True, ":o")):
            y = [(told.bare_of(document, row) if bare else row)["ns_per_lookup"] for row in rows]
            label = f"{told.ORDERS[order]}{', no RankCache' if bare else ''}"
            # the second order is drawn within the first, which it may cover
            axes.plot(
                range(len(y)),
                y,
                style,
                color=COLOURS[k],
                markersize=6 - 3 * k,
                linewidth=2.4 - 1.2 * k,
                label=label,
            )
        axes.set_xticks(range(len(ticks)), ticks)
    _framed(axes, "Time by packets and their order", "poolings of a packet", "ns per lookup")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.legend(fontsize=8)


def _shares(axes: Axes, document: Json) -> None:
    """Where the channel's time goes by size, in order of arrival."""
    rows = next(iter(told.by_step(document, "size_bytes").values()))
    rows = [told.bare_of(document, rows[0]), *rows]
    bottom = np.zeros(len(rows))
    for k, part in enumerate(("delivery", "return", "waiting")):
        y = np.array([row[f"{part}_share"] for row in rows])
        axes.bar(range(len(rows)), y, 0.6, bottom=bottom, label=part, **fill(k))
        bottom += y
    names = ["none", *(size_text(row["size_bytes"]) for row in rows[1:])]
    axes.set_xticks(range(len(rows)), names, fontsize=7.5)
    _framed(axes, "The channel's time by size, arrival order", "RankCache of each rank", "share of the time")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylim(0, 1.22)
    axes.legend(fontsize=8, ncols=3, loc="upper center")


def _grid(axes: Axes, document: Json) -> None:
    """All points of a grid, hits against time, one colour for each size."""
    rows = told.along(document, "grid")
    for k, size in enumerate(sorted({row["size_bytes"] for row in rows})):
        mine = [row for row in rows if row["size_bytes"] == size]
        x, y = [row["hit_rate"] for row in mine], [row["ns_per_lookup"] for row in mine]
        axes.plot(
            x,
            y,
            MARKERS[k % len(MARKERS)],
            color=COLOURS[k % len(COLOURS)],
            markersize=5,
            label=size_text(size),
        )
    _framed(axes, f"{len(rows)} RankCaches", "hits, share of bursts", "ns per lookup")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(fontsize=8)
