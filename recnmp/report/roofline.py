"""A roofline as text and as a figure."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import offset_copy

from recnmp.report.style import COLOURS, DASHES, GREY, Sheet, Width, legend_above, name_axes, paper
from recnmp.report.tables import PART_LABELS

Json = Mapping[str, Any]

_MARKERS = {
    "sls": "*",
    "bottom_mlp": "o",
    "top_mlp": "s",
    "heads": "D",
    "attention": "^",
    "recurrent": "v",
    "cross": "P",
    "interaction": "X",
}
_LIFTED = "#8f1d6b"


def roofline_lines(document: Json) -> Iterator[str]:
    """Yield a roofline of `recnmp.mlp.roofline.roofline` for a terminal."""
    roofs, memory = document["roofs"], document["memory"]
    yield f"{document['device']} · {document['machine']}"
    yield f"  {roofs['method']}{'' if roofs['stable'] else ' (unstable)'}"
    rates = f"DRAM {roofs['dram_gb_per_s']:.1f} GB/s, cache {roofs['cache_gb_per_s']:.1f} GB/s"
    yield f"  compute {roofs['gflop_per_s']:,.1f} GFLOP/s, {rates}"
    yield f"  {memory_text(memory)}"
    yield ""
    yield (
        f"{'model':<18}{'operator':<18}{'batch':>6}{'MFLOP':>11}{'MB':>11}{'FLOP/B':>8}{'GFLOP/s':>9}{'roof':>8}"
        "  bound"
    )
    for point in document["points"]:
        reached = "-" if point["gflop_per_s"] is None else f"{point['gflop_per_s']:.2f}"
        flop = point["product_flop"] + point["other_flop"]
        yield (
            f"{point['model']:<18}{PART_LABELS[point['operator']]:<18}{point['batch_size']:>6}{flop / 1e6:>11,.3f}"
            f"{point['bytes'] / 1e6:>11,.3f}{point['flop_per_byte']:>8.2f}{reached:>9}"
            f"{point['roof_from_dram_gflop_per_s']:>8.1f}  {point['bound']}"
        )


def memory_text(memory: Json) -> str:
    """Return what the modelled memory delivers, in a line."""
    ranks = f"{memory['ranks']} rank{'s' * (memory['ranks'] != 1)}"
    channels = f"{memory['channels']} channel{'s' * (memory['channels'] != 1)}"
    limits = f"each {memory['rank_share']:.0%} of its bus ({memory['rank_limit']}, refresh)"
    return (
        f"modelled memory, {memory['standard']}, entries of {memory['entry_bytes']} B: host "
        f"{memory['host_gb_per_s']:.1f} GB/s over {channels}, near memory "
        f"{memory['near_memory_gb_per_s']:.1f} GB/s in {ranks}, {limits}"
    )


def draw_roofline(document: Json, path: Path, width: Width = "page") -> None:
    """Draw a roofline into ``path``, SVG, PDF or PNG, the same bytes for the same data.

    Raises ConfigError for another suffix.
    """
    with paper(roofline_sheet(document), width, path) as axes:
        draw_on(axes[0], document)


def shown_points(document: Json) -> list[Json]:
    """Return the points that can be drawn: operators without arithmetic (copies) and without a time cannot."""
    return [p for p in document["points"] if p["flop_per_byte"] > 0 and p["gflop_per_s"]]


def roofline_sheet(document: Json) -> Sheet:
    """Return title and notes of the figure."""
    return Sheet(
        f"Operators on {document['machine']}", _caption(document, shown_points(document)), aspect=0.56
    )


def draw_on(axes: Axes, document: Json) -> None:
    """Draw roofs, operators and legend."""
    shown = shown_points(document)
    x, y = _limits(shown, document)
    axes.set(xscale="log", yscale="log", xlim=x, ylim=y)
    name_axes(
        axes, "operational intensity (FLOP per byte that operators move), log scale", "GFLOP/s, log scale"
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.grid(which="major", linewidth=0.5)
    axes.set_axisbelow(True)
    _roofs(axes, document, x)
    _points(axes, shown)
    legend_above(axes, _handles(shown))


def _caption(document: Json, shown: Sequence[Json]) -> tuple[str, ...]:
    """Return what a reader must know, in sentences."""
    clock = ", CPU time" if document["clock"] == "cpu" else ""
    threads = f"{document['threads']} thread{'s' * (document['threads'] != 1)}"
    sizes = sorted({p["batch_size"] for p in shown}) or [0]
    memory = document["memory"]
    left_out = len(document["points"]) - len(shown)
    return (
        f"{document['backend']}, {threads}{clock}, {document['measured_on']}.",
        f"Larger markers, larger batches: {sizes[0]} to {sizes[-1]}.",
        "Weights stay in caches between calls, so operators may lie above the roof of DRAM.",
        "Roofs in black and grey: measured on this machine.",
        f"In purple: modelled {memory['standard']}, {memory['ranks']} ranks, entries of {memory['entry_bytes']} B.",
        *([f"Not shown, for want of arithmetic or of a time: {left_out}."] if left_out else []),
    )


def _limits(shown: Sequence[Json], document: Json) -> tuple[tuple[float, float], tuple[float, float]]:
    xs = [p["flop_per_byte"] for p in shown] or [1.0]
    ys = [p["gflop_per_s"] for p in shown] or [1.0]
    x = min(*xs, 0.1) / 2, max(*xs, 50.0) * 2
    return x, (min(*ys, 1.0) / 2, document["roofs"]["gflop_per_s"] * 2)


def _roofs(axes: Axes, document: Json, x: tuple[float, float]) -> None:
    """Draw the measured roofs of the machine, and those of the modelled memory."""
    roofs, memory = document["roofs"], document["memory"]
    top = roofs["gflop_per_s"]
    at = np.geomspace(*x, 200)
    kinds: tuple[tuple[str, float, dict[str, Any]], ...] = (
        ("near memory", memory["near_memory_gb_per_s"], {"color": _LIFTED, "linewidth": 1.8}),
        ("cache", roofs["cache_gb_per_s"], {"color": GREY, "linestyle": "--", "linewidth": 1.0}),
        (
            "host over its channels",
            memory["host_gb_per_s"],
            {"color": _LIFTED, "linestyle": ":", "linewidth": 1.4},
        ),
        ("DRAM", roofs["dram_gb_per_s"], {"color": "#333333", "linewidth": 1.4}),
    )
    lowest = min(rate for _, rate, _ in kinds)
    for name, rate, style in kinds:
        axes.plot(at, np.minimum(top, at * rate), zorder=1.5, **style)
        # names run along their lines, the lowest one's below it, since roofs may lie close to each other
        below = rate == lowest
        root = axes.get_figure(root=True)
        assert root is not None
        apart = offset_copy(axes.transData, root, 0, -2.5 if below else 2.5, units="points")
        axes.text(
            x[0] * 1.1,
            x[0] * 1.1 * rate,
            f"{name}, {rate:.0f} GB/s",
            transform=apart,
            color=style["color"],
            fontsize="x-small",
            va="top" if below else "bottom",
            rotation=np.degrees(np.arctan(rate)),
            rotation_mode="anchor",
            transform_rotates_text=True,
        )
    text = f"FP32 product, {top:.0f} GFLOP/s"
    axes.annotate(text, (x[1], top), xytext=(-4, 4), textcoords="offset points", ha="right", fontsize="small")


def _points(axes: Axes, shown: Sequence[Json]) -> None:
    """Draw every operator at its batch sizes, joined by a line, larger markers for larger batches."""
    models = list(dict.fromkeys(p["model"] for p in shown))
    sizes = sorted({p["batch_size"] for p in shown})
    for model, operator in dict.fromkeys((p["model"], p["operator"]) for p in shown):
        mine = [p for p in shown if (p["model"], p["operator"]) == (model, operator)]
        x, y = ([p[key] for p in mine] for key in ("flop_per_byte", "gflop_per_s"))
        colour = COLOURS[models.index(model) % len(COLOURS)]
        dash = DASHES[models.index(model) % len(DASHES)]
        axes.plot(x, y, color=colour, linestyle=dash, linewidth=0.8, alpha=0.7, zorder=2)
        area = [
            (90 if operator == "sls" else 30) * (0.45 + 0.75 * sizes.index(p["batch_size"]) / len(sizes))
            for p in mine
        ]
        axes.scatter(
            x, y, s=area, marker=_MARKERS[operator], color=colour, edgecolor="white", linewidth=0.4, zorder=3
        )


def _handles(shown: Sequence[Json]) -> list[Line2D]:
    models = list(dict.fromkeys(p["model"] for p in shown))
    operators = [name for name in PART_LABELS if name in {p["operator"] for p in shown}]
    return [
        Line2D(
            [],
            [],
            color=COLOURS[n % len(COLOURS)],
            linestyle=DASHES[n % len(DASHES)],
            linewidth=2,
            label=model,
        )
        for n, model in enumerate(models)
    ] + [
        Line2D([], [], color=GREY, marker=_MARKERS[name], linestyle="", markersize=5, label=PART_LABELS[name])
        for name in operators
    ]
