"""The figure of a memoization study: reads, time and energy by memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from recnmp.report.style import COLOURS, GREY, MARKERS, check_suffix, save, styled

Json = Mapping[str, Any]


def plot_memo_study(document: Json, path: Path) -> None:
    """Draw a study into ``path``, SVG, PNG or PDF, the same bytes for the same data.

    Memory is what was used, not what was asked for. Raises ConfigError for another suffix.
    """
    check_suffix(path)
    memory, runs = document["memory"], document["runs"]
    used = {row["memory"]: row["actual_memory"] for row in memory}
    with styled():
        figure = Figure(figsize=(11.0 if runs else 4.6, 3.9), layout="constrained")
        axes = list(figure.subplots(1, 3 if runs else 1, squeeze=False).flat)
        _reads(axes[0], memory)
        if runs:
            _by_architecture(axes[1], runs, used, "speedup_over_host", "Speed-up over the plain host")
            shares = [{**row, "energy": _share(row)} for row in runs]
            _by_architecture(axes[2], shares, used, "energy", "Energy, of the plain host's")
            axes[2].yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
        for one in axes:
            _by_memory(one, list(used.values()))
        trace, train = document["trace"]["file"], document["train"]["file"]
        title = (
            f"{trace}, memo tables learnt from {train}"
            if trace != train
            else f"{trace}, judged by its last batches"
        )
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        save(figure, path)


def _reads(axes: Axes, memory: Sequence[Json]) -> None:
    """Reads over lookups, and how many of the entries read are read once only."""
    x = [row["actual_memory"] for row in memory]
    for k, (key, text) in enumerate(
        (("reads_over_lookups", "reads over lookups"), ("unique_share", "first reads over reads"))
    ):
        y = [row[key] for row in memory]
        axes.plot(x, y, f"-{MARKERS[k]}", color=COLOURS[k + 2], markersize=5, linewidth=1.6, label=text)
    axes.set_title("Reads", fontsize=9, fontweight="bold")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    axes.set_ylim(0, 1.08)
    axes.legend(loc="best", fontsize=8)


def _by_architecture(
    axes: Axes, runs: Sequence[Json], used: dict[float, float], key: str, title: str
) -> None:
    top = 0.0
    for k, name in enumerate(dict.fromkeys(row["architecture"] for row in runs)):
        points = [row for row in runs if row["architecture"] == name and row[key] is not None]
        x, y = [used[row["memory"]] for row in points], [row[key] for row in points]
        axes.plot(x, y, f"-{MARKERS[k]}", color=COLOURS[k], markersize=5, linewidth=1.6, label=name)
        for end, up in ((0, -13 if y[-1] > y[0] else 6), (-1, 6)) if points else ():
            text = f"{y[end]:.0%}" if key == "energy" else f"{y[end]:.1f}x"
            axes.annotate(
                text, (x[end], y[end]), (0, up), textcoords="offset points", ha="center", fontsize=8
            )
        top = max([top, *y])
    axes.set_title(title, fontsize=9, fontweight="bold")
    axes.set_ylim(0, top * 1.18 or 1)
    axes.axhline(1.0, color=GREY, linewidth=0.9, linestyle=":", zorder=1)
    axes.legend(loc="center right", fontsize=8)


def _by_memory(axes: Axes, used: list[float]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.88, max(used) * 1.2)
    ticks: list[float] = [tick for tick in (1, 2, 4, 8, 16, 32, 64) if tick <= max(used) * 1.2]
    if len(ticks) < 3:
        ticks = sorted({round(value, 2) for value in used})
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("memory used, over that of the tables")
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _share(row: Json) -> float | None:
    """Return a run's energy over the plain host's, by supply currents where they are known."""
    percent = row["idd_saving_percent"]
    percent = row["recnmp_isca20_saving_percent"] if percent is None else percent
    return None if percent is None else 1 - percent / 100
