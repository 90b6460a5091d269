"""One page about a trace: what ``recnmp.trace.inspect.inspect_trace`` returns, drawn."""

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recnmp.report.style import COLOURS, GREY, check_suffix, fill, save, styled
from recnmp.trace.reuse.zipf import ZipfFit

_BLUE, _ORANGE, _GREEN = COLOURS[:3]
_CALM = "#3a7a50"  # of text, which wants more contrast than marks
_TICKED = 30  # tables that still have a tick each


def plot_inspection(info: Mapping[str, Any], path: Path, name: str) -> None:
    """Draw the inspection of the trace called ``name`` into ``path``: the same bytes for the same data.

    Raises ConfigError for another suffix than .svg, .png and .pdf.
    """
    check_suffix(path)
    panels: tuple[Callable[[Axes, Mapping[str, Any]], None], ...] = (
        *(_reuse, _popularity, _misses),
        *(_pooling, _tables, _checks),
    )
    with styled():
        figure = Figure(figsize=(14.0, 8.2), layout="constrained")
        grid = figure.subplots(2, 3)
        for axes, panel in zip(grid.flat, panels, strict=True):
            panel(axes, info)
        sizes = (
            f"{info['lookups']:,} lookups, {info['bags']:,} bags, {_counted(len(info['tables']), 'table')}"
        )
        text = f"{name}: {sizes}, {info['unique_share']:.1%} unique"
        figure.suptitle(text, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.get_layout_engine().set(h_pad=0.12, w_pad=0.1)  # type: ignore[union-attr, call-arg]
        save(figure, path)


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _title(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _reuse(axes: Axes, info: Mapping[str, Any]) -> None:
    names = list(info["reuse_histogram"])
    x = np.arange(len(names))
    axes.bar(x - 0.2, list(info["reuse_histogram"].values()), 0.4, label="of the lookups", **fill(0))
    axes.bar(x + 0.2, list(info["entry_histogram"].values()), 0.4, label="of the entries read", **fill(1))
    axes.set_xticks(x, names, rotation=55, ha="right", rotation_mode="anchor", fontsize=7.5)
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    _title(axes, "Reuse", "reads of the entry in the trace", "share")
    axes.legend(loc="upper right")


def _popularity(axes: Axes, info: Mapping[str, Any]) -> None:
    rank = np.array(info["popularity"]["rank"])
    axes.plot(rank, info["popularity"]["lookups"], color=_BLUE, linewidth=2.2, label="trace")
    for key, colour in (("zipf", _ORANGE), ("zipf_shifted", _GREEN)):
        fit = info[key]
        if fit and not (key == "zipf_shifted" and fit["q"] == 0):
            shift = f", q {fit['q']:.3g}" if fit["q"] else ""
            label = f"alpha {fit['alpha']:.2f}{shift}, KS distance {fit['ks']:.3f}"
            y = info["lookups"] * ZipfFit(**fit).share(rank)
            axes.plot(rank, y, "--", color=colour, linewidth=1.3, label=label)
    if len(rank):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.legend(loc="lower left")
    _title(axes, "Popularity, and Zipf laws fitted to it", "rank of the entry", "lookups of the entry")


def _misses(axes: Axes, info: Mapping[str, Any]) -> None:
    curve, order = info["miss_ratio_curve"], info["order"]
    axes.plot(curve["entries"], curve["miss_ratio"], color=_BLUE, linewidth=2.0, label="in the trace's order")
    shuffled = order["shuffled_miss_ratio_curve"]
    part = "" if order["lookups"] == info["lookups"] else f" (first {order['lookups']:,} lookups)"
    axes.plot(
        shuffled["entries"],
        shuffled["miss_ratio"],
        "--",
        color=_ORANGE,
        linewidth=1.5,
        label=f"shuffled{part}",
    )
    axes.axhline(info["unique_share"], color=GREY, linewidth=0.9, linestyle=":", label="first reads")
    if info["cache"]:
        axes.axvline(info["cache"]["entries"], color=GREY, linewidth=1.2, label="cache under study")
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    _title(axes, "Exact LRU miss ratio, one cold cache", "entries it holds", "misses")
    axes.legend(loc="lower left")


def _pooling(axes: Axes, info: Mapping[str, Any]) -> None:
    shares = info["pooling_histogram"]
    x = np.arange(len(shares))
    axes.bar(x, list(shares.values()), 0.6, color=_BLUE)
    axes.set_xticks(x, list(shares), rotation=40 if len(shares) > 7 else 0, fontsize=7.5)
    axes.set_xlim(-0.8, max(len(shares) - 0.2, 3))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    pooling = info["pooling_factor"]
    text = f"mean {pooling['mean']:.2f}, median {pooling['p50']}, 99 % up to {pooling['p99']}, max {pooling['max']}"
    _title(axes, "Pooling factor", f"lookups per bag ({text})", "share of the bags")


def _tables(axes: Axes, info: Mapping[str, Any]) -> None:
    tables = sorted(info["tables"], key=lambda table: -table["lookups"])
    lookups = np.array([table["lookups"] for table in tables]) / max(info["lookups"], 1)
    unique = [table["unique"] / table["lookups"] if table["lookups"] else np.nan for table in tables]
    hits = [table["lru_hits"]["8192"] / table["lookups"] if table["lookups"] else np.nan for table in tables]
    x = np.arange(len(tables))
    axes.bar(x, lookups, 0.8, color="#b9d3de", label="share of all lookups")
    axes.plot(x, unique, "o", color=_ORANGE, markersize=3.5, label="unique, of its lookups")
    axes.plot(x, hits, "s", color=_GREEN, markersize=3.2, label="hits, own LRU of 8,192 entries")
    axes.set_xlim(-0.8, max(len(tables) - 0.2, 4))
    axes.set_ylim(0, 1.45)  # room for the legend
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    if len(tables) <= _TICKED:
        names = [textwrap.shorten(table["name"], 14, placeholder="…") or table["name"] for table in tables]
        axes.set_xticks(x, names, rotation=55, ha="right", rotation_mode="anchor", fontsize=7)
    skew = f"busiest {info['table_skew']['busiest_over_mean']:.2f} times the mean"
    _title(axes, "Tables", f"{_counted(len(tables), 'table')}, most lookups first ({skew})", "share")
    axes.legend(loc="upper left")


def _checks(axes: Axes, info: Mapping[str, Any]) -> None:
    """Write what was checked: raised ones in colour with their reason."""
    axes.set_axis_off()
    axes.set_title("Checks", fontsize=10, fontweight="bold")
    y = 0.97
    for check in info["checks"]:
        mark = "raised" if check["raised"] else "no sign" if check["value"] is not None else "cannot tell"
        colour = _ORANGE if check["raised"] else GREY if check["value"] is None else _CALM
        lines = textwrap.wrap(check["reason"], 62)
        axes.text(0, y, check["name"], fontweight="bold", va="top", transform=axes.transAxes)
        axes.text(1, y, mark, color=colour, ha="right", va="top", fontweight="bold", transform=axes.transAxes)
        text = "\n".join(lines)
        axes.text(0, y - 0.05, text, fontsize=8, color="#333333", va="top", transform=axes.transAxes)
        y -= 0.095 + 0.042 * len(lines)
    raised = {f"{check['name']}: {check['reason']}" for check in info["checks"]}
    for note in info["flags"]:
        if note not in raised:
            axes.text(0, y, note, fontsize=8, va="top", transform=axes.transAxes)
            y -= 0.05
