"""Stacked bars: where the time of a batch, the channel's time, or the energy of a lookup goes, host beside NMP."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from recnmp.errors import ConfigError
from recnmp.plot.bars import origin
from recnmp.plot.labels import option_label, value_text
from recnmp.plot.plot import Plot
from recnmp.plot.table import Key, Row, Table
from recnmp.report.cells import SHARE_LABELS
from recnmp.report.style import Sheet, fill, legend_above, name_axes, text_inches
from recnmp.report.tables import PART_LABELS
from recnmp.sweep.confidence import mean_and_half_width

Of = Literal["time", "channel", "energy"]
Parts = dict[str, float]

MOST_STACKS = 48
SIDES = {"host": "host", "nmp": "NMP"}

_TITLES = {
    "time": "Where the time of a batch goes",
    "channel": "Where the channel's time goes near memory",
    "energy": "Where the energy of a lookup goes",
}
_UNITS = {"time": "µs per batch", "channel": "µs per batch", "energy": "nJ per lookup"}
_ENERGY = {
    "DRAM activates": ("dram_act_pre", "dram_activate"),
    "DRAM reads and writes": ("dram_read", "dram_write", "dram_column"),
    "DRAM refresh": ("dram_refresh",),
    "DRAM background": ("dram_background_active", "dram_background_idle"),
    "data on the channel": ("io_data", "io_host_traffic"),
    "instructions and results": ("io_instructions", "io_configuration", "io_results", "io_polls"),
    "RankCaches": ("rank_cache_lookups", "rank_cache_fills"),
    "arithmetic": ("rank_adds", "dimm_adds", "dequantise_adds", "dequantise_multiplies", "weight_multiplies"),
}


def breakdown(table: Table, of: Of = "time", *, share: bool = False) -> Plot:
    """Return a stack for every point and side of it; parts add up to the whole, means over the seeds.

    ``of`` is ``time`` (a batch end to end), ``channel`` (what the channel did while near memory worked) or ``energy``
    (of a lookup, by DRAM currents where they are known). ``share``: every stack is 100 %.

    Raises ConfigError for a source that does not tell this, and for more than `MOST_STACKS` stacks.
    """
    names = table.axes()
    stacks = _gathered(table, names, of)
    if not stacks:
        what = _TITLES[of][0].lower() + _TITLES[of][1:]
        raise ConfigError(f"{table.name}: nothing in it says {what}{_why(of)}")
    if len(stacks) > MOST_STACKS:
        raise ConfigError(f"{table.name}: {len(stacks)} stacks; {MOST_STACKS} are the most: use --where")
    mean = _means(stacks, of, share=share)
    labels = list(next(iter(mean.values())))
    unit = "% of the whole" if share else _UNITS[of]
    rows = [
        dict(zip(names, key, strict=True))
        | {"side": side, "part": part, unit: parts[part], "replicates": len(stacks[key, side])}
        for (key, side), parts in mean.items()
        for part in labels
    ]
    ordered = _sorted(table, names, list(dict.fromkeys(table.key(row, names) for row in table.rows)))
    told = [_told(names, key) for key in ordered]
    notes = [*_notes(of, {side for _, side in stacks}), *_replicates(stacks, table), *origin(table)]
    along = ", ".join(option_label(name) for name in names)
    sheet = Sheet(_TITLES[of] + (f", by {along}" if along else ""), tuple(notes))
    drawn = {(key, side): mean[key, side] for key in ordered for side in SIDES if (key, side) in mean}
    return Plot(sheet, tuple(rows), lambda axes: _draw(axes[0], ordered, told, drawn, labels, (along, unit)))


def _gathered(table: Table, names: Sequence[str], of: Of) -> dict[tuple[Key, str], list[Parts]]:
    """Return the parts of every replicate, by point and side."""
    stacks: dict[tuple[Key, str], list[Parts]] = {}
    for row in table.rows:
        for side, parts in _parts(table, row, of).items():
            stacks.setdefault((table.key(row, names), side), []).append(parts)
    return stacks


def _means(
    stacks: Mapping[tuple[Key, str], Sequence[Parts]], of: Of, *, share: bool
) -> dict[tuple[Key, str], Parts]:
    """Return means over the replicates, of the parts that some stack has; ``share``: in per cent of each stack."""
    there = {
        part for found in stacks.values() for parts in found for part, value in parts.items() if value > 0
    }
    labels = [part for part in _order(of) if part in there]
    mean = {
        at: {part: mean_and_half_width([one.get(part, 0.0) for one in found])[0] for part in labels}
        for at, found in stacks.items()
    }
    if not share:
        return mean
    return {
        at: {part: 100 * value / sum(parts.values()) for part, value in parts.items()}
        for at, parts in mean.items()
    }


def _parts(table: Table, row: Row, of: Of) -> dict[str, Parts]:
    """Return the parts of both sides of a point; none of a point that failed or does not tell."""
    if of == "energy":
        return _energy(table.document(row) or {})
    if of == "channel":
        whole = row.get("sls.nmp_ns")
        shares = {label: row.get(f"nmp.time_share.{key}") for key, label in SHARE_LABELS.items()}
        known = {label: value * whole / 1e3 for label, value in shares.items() if value is not None and whole}
        return {"nmp": known} if known else {}
    found = {side: _time(row, f"end_to_end.breakdown.{side}") for side in SIDES}
    return {side: parts for side, parts in found.items() if parts}


def _time(row: Row, at: str) -> Parts:
    """Return the parts of a latency; of the SLS only what no other part hides, so that they add up to it."""
    parts = {label: row.get(f"{at}.{key}_ns") for key, label in PART_LABELS.items()}
    exposed = row.get(f"{at}.exposed_sls_ns")
    if exposed is not None:
        parts["SLS"] = exposed
    return {label: value / 1e3 for label, value in parts.items() if value is not None}


def _energy(document: Mapping[str, Any]) -> dict[str, Parts]:
    energy = document.get("energy") or {}
    ledger = energy.get("idd") or energy.get("recnmp_isca20") or {}
    lookups = (document.get("sls") or {}).get("lookups")
    found = {}
    for side in SIDES:
        counts = ledger.get(side)
        if counts and lookups:
            found[side] = {
                label: sum(counts.get(f"{key}_uj_per_run") or 0.0 for key in keys) * 1e3 / lookups
                for label, keys in _ENERGY.items()
            }
    return found


def _order(of: Of) -> list[str]:
    if of == "energy":
        return list(_ENERGY)
    return list(SHARE_LABELS.values() if of == "channel" else PART_LABELS.values())


def _why(of: Of) -> str:
    return "; the dense part was left out (mlp.kind none): try --of channel" if of == "time" else ""


def _notes(of: Of, sides: set[str]) -> list[str]:
    if of == "time":
        hidden = (
            ["Near memory, of SLS what the bottom MLP beside it does not hide."] if "nmp" in sides else []
        )
        return ["Stacks add up to the latency of a batch.", *hidden]
    if of == "channel":
        return ["Stacks add up to the SLS of a batch near memory."]
    return ["By DRAM supply currents where the DRAM's are known, else by RecNMP's constants; cores left out."]


def _replicates(stacks: Mapping[tuple[Key, str], Sequence[Parts]], table: Table) -> list[str]:
    counts = sorted({len(found) for found in stacks.values()})
    several = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    means = [f"Means of n = {several} seeds, without intervals."] if counts[-1] > 1 else []
    return means + [note for note in table.replicate_notes([]) if note.startswith("×")]  # noqa: RUF001


def _sorted(table: Table, names: Sequence[str], keys: list[Key]) -> list[Key]:
    places = [{repr(value): n for n, value in enumerate(table.values(name))} for name in names]
    return sorted(
        keys, key=lambda key: [place[repr(value)] for place, value in zip(places, key, strict=True)]
    )


def _told(names: Sequence[str], key: Key) -> str:
    return "\n".join(value_text(name, value) for name, value in zip(names, key, strict=True))


def _draw(
    axes: Axes,
    keys: Sequence[Key],
    told: Sequence[str],
    stacks: Mapping[tuple[Key, str], Parts],
    labels: Sequence[str],
    words: tuple[str, str],
) -> None:
    size = float(matplotlib.rcParams["font.size"])
    sides = [side for side in SIDES if any(side == one for _, one in stacks)]
    wide = 0.8 / len(sides)
    for k, part in enumerate(labels):
        x, y, bottom = [], [], []
        for (key, side), parts in stacks.items():
            x.append(keys.index(key) + (sides.index(side) - (len(sides) - 1) / 2) * wide)
            y.append(parts[part])
            bottom.append(sum(parts[one] for one in labels[:k]))
        axes.bar(x, y, wide * 0.88, bottom=bottom, label=part, **fill(k))
    for at, key in enumerate(keys):
        if not any((key, side) in stacks for side in sides):
            axes.annotate("×", (at, 0), (0, 2), textcoords="offset points", ha="center", fontsize=size)  # noqa: RUF001
    name_axes(axes, words[0], words[1])
    _ticks(axes, told, sides, wide, size)
    edge = 0.6 if len(keys) > 1 else 1.2
    axes.set_xlim(-edge, len(keys) - 1 + edge)
    axes.set_ylim(0, 1.05 * max(sum(parts.values()) for parts in stacks.values()))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.grid(axis="y", linewidth=0.5)
    axes.set_axisbelow(True)
    legend_above(axes)


def _ticks(axes: Axes, told: Sequence[str], sides: Sequence[str], wide: float, size: float) -> None:
    """Write below every stack which side it is, and below those which point."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    place = (figure.get_figwidth() - 0.6) / max(len(told), 2)
    small = size - 1.5
    turned = len(sides) > 1 and text_inches("host ", small) > place * wide
    if len(sides) > 1:
        middle = (len(sides) - 1) / 2
        where = [n + (k - middle) * wide for n in range(len(told)) for k in range(len(sides))]
        names = [SIDES[side] for _ in told for side in sides]
        axes.set_xticks(where, names, minor=True, fontsize=small, rotation=90 if turned else 0)
        axes.tick_params(axis="x", which="minor", length=0, pad=1.5)
    widest = max((text_inches(line, size) for text in told for line in text.split("\n")), default=0)
    slanted: dict[str, Any] = (
        {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if widest > place else {}
    )
    flat = [text.replace("\n", ", ") for text in told] if slanted else list(told)
    axes.set_xticks(np.arange(len(told)), flat, fontsize=small if slanted else size, **slanted)
    if slanted:
        longest = max(text_inches(text, small) for text in flat)
        figure.set_figheight(figure.get_figheight() + 0.64 * longest)  # sine of 40 degrees
    below = (small * 2.6 if turned else small * 1.4) if len(sides) > 1 else 0
    axes.tick_params(axis="x", which="major", length=0, pad=3 + below)
