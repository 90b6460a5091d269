"""The figure of a study of hot entries: shares by budget, how profiles age, and what the memory system replies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recnmp.report import hot_rows as told
from recnmp.report.style import COLOURS, MARKERS, check_suffix, fill, save, styled

Json = Mapping[str, Any]
_MOST_BUDGETS = 4


def plot_hot_study(document: Json, path: Path) -> None:
    """Draw a study into ``path``, SVG, PNG or PDF, the same bytes for the same data.

    Of more than four budgets, ageing and reply show the first four. Raises ConfigError for another suffix.
    """
    check_suffix(path)
    readers = told.readers(document)
    panels = 1 + bool(document["ageing"]) + len(readers)
    rows = -(-panels // 2)
    with styled():
        figure = Figure(figsize=(11.0, 4.3 * rows + 0.4), layout="constrained")
        axes = list(figure.subplots(rows, min(panels, 2), squeeze=False).flat)
        _shares(axes[0], document)
        if document["ageing"]:
            _ageing(axes[1], document)
        for one, reader in zip(axes[panels - len(readers) :], readers, strict=False):
            _reply(one, document, reader)
        for empty in axes[panels:]:
            empty.set_axis_off()
        figure.suptitle(told.heading(document), x=0.01, ha="left", fontsize=11, fontweight="bold")
        save(figure, path)


def _framed(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=9, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _shares(axes: Axes, document: Json) -> None:
    """Hot lookups and hot samples by budget, of every part of the trace."""
    parts = list(dict.fromkeys(row["part"] for row in told.overall(document)))
    for k, (key, what) in enumerate((("hot_lookup_share", "lookups"), ("hot_sample_share", "whole samples"))):
        for part in reversed(parts):
            rows = sorted(
                (row for row in told.overall(document) if row["part"] == part),
                key=lambda r: r["budget_bytes"],
            )
            axes.plot(
                range(len(rows)),
                [row[key] for row in rows],
                f"{'--' if part == 'profiled' else '-'}{MARKERS[k % len(MARKERS)]}",
                color=COLOURS[k],
                markersize=4,
                label=f"{what}, {told.PARTS[part]}",
            )
    names = [told.budget_text(row) for row in rows]
    axes.set_xticks(range(len(names)), names, fontsize=8)
    _framed(axes, "Hot share by budget", "bytes for hot entries; share of all tables", "share that is hot")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    axes.set_ylim(-0.02, 1.02)
    axes.legend(fontsize=8)


def _ageing(axes: Axes, document: Json) -> None:
    """Mean shares by the age of a profile: lookups solid, whole samples dashed."""
    windows = document["request"]["windows"]
    for k, budget in enumerate(told.budgets(document)[:_MOST_BUDGETS]):
        for key, style in (("hot_lookup_share", "-"), ("hot_sample_share", "--")):
            y = told.by_age(document, budget["budget_bytes"], key)
            label = told.budget_text(budget).replace("\n", ", ") if style == "-" else None
            axes.plot(range(len(y)), y, style + MARKERS[k], color=COLOURS[k], markersize=3.5, label=label)
    title = "Ageing profiles: lookups solid, whole samples dashed"
    _framed(
        axes,
        title,
        f"age of a profile of one window, in windows ({windows} in the trace)",
        "share that is hot",
    )
    axes.set_xticks(range(windows))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    axes.set_ylim(-0.02, 1.02)
    axes.legend(fontsize=8, loc="upper right")


def _reply(axes: Axes, document: Json, reader: str) -> None:
    """Time of a lookup with hot entries in each tier: bars end where all overlaps, whiskers where nothing does."""
    budgets = told.budgets(document)[:_MOST_BUDGETS]
    rows = {(row["budget_bytes"], row["tier"]): row for row in document["reply"] if row["reader"] == reader}
    tiers = [tier for tier in told.tiers(document) if any(key[1] == tier for key in rows)]
    width, top = 0.84 / len(tiers), 0.0
    for k, tier in enumerate(tiers):
        for n, budget in enumerate(budgets):
            row = rows.get((budget["budget_bytes"], tier))
            if row is None:
                continue
            x = n + (k - (len(tiers) - 1) / 2) * width
            y, serial = row["ns_per_lookup"], row["serial_ns"] / row["lookups"]
            bar = axes.bar(x, y, width * 0.92, label=told.tier_text(tier) if n == 0 else None, **fill(k))
            axes.vlines(x, y, serial, color="#333333", linewidth=1)
            inside = serial > y  # the whisker is where the number would stand
            colour, padding = ("white", -9) if inside else ("#333333", 2)
            box = {
                "facecolor": COLOURS[k] if inside else "none",
                "edgecolor": "none",
                "pad": 0.5,
            }  # over hatches
            axes.bar_label(bar, [f"{y:.2f}"], fontsize=6, color=colour, padding=padding, bbox=box)
            top = max(top, serial)
    axes.set_xticks(np.arange(len(budgets)), [told.budget_text(one) for one in budgets], fontsize=8)
    _framed(
        axes,
        f"{reader}: time of a lookup; whisker: without overlap",
        "bytes for hot entries; share of all tables",
        "ns per lookup",
    )
    axes.set_ylim(0, top * 1.28)
    axes.legend(fontsize=7.5, ncols=3, loc="upper center")
