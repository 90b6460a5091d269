"""The figure of a cache study: LRU curve, what tables cost each other, and policies by size."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from recnmp.report import cache_rows as told
from recnmp.report.style import COLOURS, GREY, check_suffix, save, styled

Json = Mapping[str, Any]
_MARKERS = "osD^vP*X<>hpd8"
_BOUNDS = {"belady": (0, (4, 2)), "belady_bypass": (0, (1, 1))}
_MOST_BLOCKS = 4
_MOST_TABLES = 16


def plot_cache_study(document: Json, path: Path) -> None:
    """Draw a study into ``path``, SVG, PNG or PDF, the same bytes for the same data.

    Of more than four combinations of scope, line and ways the first four are drawn. Raises ConfigError for another
    suffix.
    """
    check_suffix(path)
    shown = list(told.blocks(document).items())[:_MOST_BLOCKS]
    panels = 1 + (len(told.sharing(document)) > 1) + len(shown)
    rows = -(-panels // 2)
    with styled():
        figure = Figure(figsize=(11.0, 4.3 * rows + 0.5), layout="constrained")
        axes = list(figure.subplots(rows, min(panels, 2), squeeze=False).flat)
        _curve(axes[0], document)
        if len(told.sharing(document)) > 1:
            _sharing(axes[1], document)
        names = list(dict.fromkeys(told.label(row) for _, of in shown for row in of))
        misses = [1 - row["hit_share"] for _, of in shown for row in of]
        for one, (block, of) in zip(axes[panels - len(shown) :], shown, strict=False):
            _policies(one, block, of, names)
            # alike in all panels, and not from 0 on: what tells policies apart is small
            one.set_ylim(max(0.0, min(misses) - 0.04), min(1.02, max(misses) + 0.04))
        for empty in axes[panels:]:
            empty.set_axis_off()
        if shown:
            handles, labels = axes[panels - 1].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=7, fontsize=8)
        figure.suptitle(told.heading(document), x=0.01, ha="left", fontsize=11, fontweight="bold")
        save(figure, path)


def _sized(axes: Axes, title: str, sizes: list[int]) -> None:
    axes.set_title(title, fontsize=9, fontweight="bold")
    axes.set_xscale("log", base=2)
    axes.set_xlabel("bytes of a cache")
    axes.set_ylabel("misses")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    if sizes:
        step = -(-len(sizes) // 8)
        axes.set_xticks(sizes[::step], [told.size_text(size) for size in sizes[::step]], fontsize=7.5)
        axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _curve(axes: Axes, document: Json) -> None:
    """LRU misses by size, whole trace and judged part; sampled ones with two standard errors."""
    request = document["request"]
    sampled = request["sampled"] is not None
    parts = [("cold", "whole trace, from an empty cache", "-")]
    if not sampled and request["train"]:
        parts.append(("warm", f"last {1 - request['train']:.0%}, warmed by the rest", "--"))
    top = 0.0
    for k, (start, text, style) in enumerate(parts):
        rows = [row for row in told.curve_of(document, "shared", told.ALL, start) if row["bytes"] >= 1024]
        x, y = [row["bytes"] for row in rows], np.array([row["miss_ratio"] for row in rows])
        axes.plot(x, y, style, color=COLOURS[k], linewidth=1.8, label=text)
        error = 2 * np.array([row["standard_error"] for row in rows])
        if sampled and len(rows):
            axes.fill_between(
                x, y - error, y + error, color=COLOURS[k], alpha=0.25, label="2 standard errors"
            )
        top = max(top, float(y.max(initial=0)))
    whole = [row["bytes"] for row in told.curve_of(document, "shared", told.ALL) if row["bytes"] >= 1024]
    first, last = (int(np.log2(whole[end])) for end in (0, -1)) if whole else (10, 20)
    how = f"sampled, {request['sampled']:g} of the entries" if sampled else "exact"
    _sized(axes, f"Fully associative LRU, {how}", [1 << k for k in range(first, last + 1, 2)])
    axes.set_ylim(0, top * 1.08 or 1)
    axes.legend(loc="lower left", fontsize=8)


def _sharing(axes: Axes, document: Json) -> None:
    """Misses of each table beside the others, and alone."""
    rows = told.sharing(document)[:_MOST_TABLES]
    x = np.arange(len(rows))
    shared, own = ([row[key] for row in rows] for key in ("shared", "own"))
    axes.vlines(x, own, shared, color=GREY, linewidth=1.2)
    axes.plot(x, shared, "o", color=COLOURS[1], markersize=5, label="shared by all tables")
    axes.plot(x, own, "s", color=COLOURS[0], markersize=5, label="of its own")
    names = [textwrap.shorten(row["table"], 14, placeholder="…") or row["table"] for row in rows]
    axes.set_xticks(x, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=7.5)
    size = told.size_text(told.middle_size(document))
    axes.set_title(f"LRU cache of {size}: tables, most lookups first", fontsize=9, fontweight="bold")
    axes.set_ylabel("misses")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    axes.set_ylim(0, min(1.3, max([*shared, *own, 0.1]) * 1.3))
    axes.set_xlim(-0.8, max(len(rows) - 0.2, 3))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", ncols=2, fontsize=8)


def _policies(axes: Axes, block: tuple[str, str, str, str], rows: list[Json], names: list[str]) -> None:
    """Misses of every policy by size; bounds are dashed and without marks."""
    for k, name in enumerate(names):
        mine = [row for row in rows if told.label(row) == name]
        x, y = [row["size_bytes"] for row in mine], [1 - row["hit_share"] for row in mine]
        if name in _BOUNDS:
            axes.plot(x, y, linestyle=_BOUNDS[name], color="#222222", linewidth=1.6, label=name)
            continue
        axes.plot(
            x,
            y,
            "-" if k < len(COLOURS) else "--",
            marker=_MARKERS[k % len(_MARKERS)],
            color=COLOURS[k % len(COLOURS)],
            markersize=4.5,
            linewidth=1.1,
            label=name,
        )
    scope, line, ways, start = block
    _sized(axes, f"{told.describe(scope, line, ways)}, {start}", sorted({row["size_bytes"] for row in rows}))
