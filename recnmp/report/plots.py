"""Figures. The same data give the same bytes of SVG, whoever draws them and whenever."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from recnmp.report.style import COLOURS, GREY, MARKERS, check_suffix, save, styled

_TRAFFIC = {"random": 0, "stream": 1}


def plot_curve(document: Mapping[str, Any], path: Path) -> None:
    """Draw a bandwidth-latency curve of ``recnmp.memory.curve.measure_curve`` into ``path``, SVG, PNG or PDF.

    Raises ConfigError for another suffix.
    """
    check_suffix(path)
    with styled():
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        _curves(axes, document)
        _limits(axes, document)
        ranks = document["ranks"]
        title = f"{document['standard']}, {ranks} rank{'s' * (ranks != 1)}, {document['policy']}, "
        axes.set_title(
            f"{title}refresh {document['refresh']}, {document['read_share']:.0%} reads", fontsize=9
        )
        axes.set_xlabel("achieved bandwidth (GB/s)")
        axes.set_ylabel("read latency (ns)")
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.legend(loc="upper left", ncols=2)
        save(figure, path)


def _curves(axes: Axes, document: Mapping[str, Any]) -> None:
    for traffic, n in _TRAFFIC.items():
        points = [point for point in document["points"] if point["traffic"] == traffic]
        x = [point["gb_per_s"] for point in points]
        for key, style, label in (("mean", f"-{MARKERS[n]}", "mean"), ("p99", "--", "99th percentile")):
            y = [point[f"read_latency_{key}_ns"] for point in points]
            axes.plot(
                x, y, style, color=COLOURS[n], markersize=3.5, linewidth=1.4, label=f"{traffic}, {label}"
            )


def _limits(axes: Axes, document: Mapping[str, Any]) -> None:
    """Mark what the standard's own numbers promise: the peak and the latency of a lone read."""
    forms = document["closed_forms"]
    peak, limit = forms["peak_gb_per_s"], forms["activate_limit_gb_per_s"]
    axes.set_xlim(0, peak * 1.02)
    axes.set_yscale("log")
    axes.set_ylim(forms["row_hit_ns"] / 2, axes.get_ylim()[1] * 2)  # room for the legend
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    marks = {peak: "data bus peak"} | ({limit: "ACT window"} if limit < 0.99 * peak else {})
    for x, text in marks.items():
        axes.axvline(x, color=GREY, linewidth=0.9, linestyle=":", zorder=1)
        where = axes.get_xaxis_transform()
        label = axes.text(x, 0.02, text, color=GREY, fontsize=7.5, rotation=90, ha="center", transform=where)
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})
        label.set_zorder(1.5)  # under the curves
    lone_reads = {
        "row_hit_ns": "row open",
        "closed_bank_ns": "bank closed",
        "row_conflict_ns": "other row open",
    }
    for name, text in lone_reads.items():
        axes.axhline(forms[name], color=GREY, linewidth=0.9, linestyle=":", zorder=1)
        where = axes.get_yaxis_transform()
        lines = f" lone read, {text}"
        axes.text(1.0, forms[name], lines, color=GREY, fontsize=7.5, va="center", transform=where)
