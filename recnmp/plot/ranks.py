"""Load imbalance: what each rank was asked to do, and how far the busiest is from the mean."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from recnmp.errors import ConfigError
from recnmp.plot.bars import Layout, bar_notes, draw_bars, layout, origin
from recnmp.plot.plot import Plot
from recnmp.plot.table import Cell, Key, Row, Table
from recnmp.report.style import COLOURS, GREY, Sheet, fill, legend_above, name_axes

RATIOS = ("nmp.rank_load_imbalance", "nmp.packet_load_imbalance", "nmp.batch_load_imbalance")
_SIDES = {"host": "host", "nmp": "NMP"}
_COUNTS = {"lookups": "lookups", "bursts_read": "bursts read from DRAM"}
_MOST_RANKS = 64


def imbalance(table: Table, x: str | None = None, group: Sequence[str] = ()) -> Plot:
    """Return the loads of all ranks of one result, or how uneven they are at the points of a sweep.

    Of one result: lookups, and bursts read from DRAM, of every rank on both sides, with the mean. Of several: the
    busiest rank's load over the mean rank's, over the whole run and within packets or batches; 1 is even.

    Raises ConfigError for a source without ranks near memory.
    """
    if len(table.rows) == 1:
        return _of_one(table)
    plan = layout(table, x, group)
    ratios = [name for name in RATIOS if name in table.figures]
    if not ratios:
        raise ConfigError(f"{table.name}: no near memory in it, so no loads of its ranks")
    cells = {name: table.cells((plan.x, *plan.group), name) for name in ratios}
    names = (plan.x, *plan.group)
    rows = [
        dict(zip(names, key, strict=True))
        | {"ratio": name, "busiest_over_mean": cell.mean}
        | {"busiest_over_mean.ci95": cell.half, "replicates": cell.n, "failed": cell.failed}
        for name, found in cells.items()
        for key, cell in found.items()
    ]
    notes = ["1 is even.", *bar_notes(table, plan, cells[ratios[0]]), *origin(table)]
    sheet = Sheet("How uneven the loads of ranks are", tuple(notes), (len(ratios), 1), 0.36)
    return Plot(sheet, tuple(rows), lambda axes: _ratios(axes, plan, cells))


def _ratios(axes: Sequence[Axes], plan: Layout, cells: Mapping[str, Mapping[Key, Cell]]) -> None:
    for n, (one, (name, found)) in enumerate(zip(axes, cells.items(), strict=True)):
        draw_bars(one, plan, found, name, legend=n == 0)
        one.axhline(1, color=GREY, linewidth=0.7, linestyle=":", zorder=1)
        if n + 1 < len(cells):
            one.set_xlabel("")


def _of_one(table: Table) -> Plot:
    row = table.rows[0]
    memory = (table.document(row) or {}).get("memory") or {}
    loads = {
        (count, side): [(c, r, n) for c, ranks in enumerate(of[count]) for r, n in enumerate(ranks)]
        for count in _COUNTS
        for side in _SIDES
        if (of := (memory.get(side) or {}).get("rank_loads")) and of.get(count)
    }
    if not loads:
        raise ConfigError(f"{table.name}: no loads of single ranks in it; run it again with this version")
    if max(map(len, loads.values())) > _MOST_RANKS:
        raise ConfigError(f"{table.name}: more than {_MOST_RANKS} ranks")
    rows: list[Row] = [
        {"count": count, "side": side, "channel": c, "rank": r, "load": n}
        for (count, side), found in loads.items()
        for c, r, n in found
    ]
    told = [
        f"{name} over the mean: {row[key]:.2f}."
        for key, name in (
            ("nmp.rank_load_imbalance", "Busiest rank of the whole run, lookups,"),
            ("nmp.packet_load_imbalance", "Within packets, on average,"),
            ("nmp.batch_load_imbalance", "Within batches, on average,"),
        )
        if row.get(key) is not None
    ]
    counts = [count for count in _COUNTS if any(count == one for one, _ in loads)]
    sheet = Sheet(
        "Loads of ranks", ("Lines: mean of the ranks.", *told, *origin(table)), (len(counts), 1), 0.34
    )
    return Plot(sheet, tuple(rows), lambda axes: _loads(axes, loads, counts))


def _loads(
    axes: Sequence[Axes], loads: Mapping[tuple[str, str], Sequence[Any]], counts: Sequence[str]
) -> None:
    for one, count in zip(axes, counts, strict=True):
        sides = [side for side in _SIDES if (count, side) in loads]
        width = 0.84 / len(sides)
        for k, side in enumerate(sides):
            found = loads[count, side]
            x = [n + (k - (len(sides) - 1) / 2) * width for n in range(len(found))]
            one.bar(x, [load for _, _, load in found], width * 0.9, label=_SIDES[side], **fill(k))
            mean = sum(load for _, _, load in found) / len(found)
            one.axhline(mean, color=COLOURS[k], linewidth=0.9, linestyle=("-", "--")[k])
        channels = max(c for c, _, _ in found) + 1
        names = [f"{c}.{r}" if channels > 1 else str(r) for c, r, _ in found]
        one.set_xticks(range(len(names)), names, fontsize="small", rotation=90 if len(names) > 24 else 0)
        what = "rank" if channels == 1 else "channel.rank"
        name_axes(one, what if one is axes[len(counts) - 1] else "", _COUNTS[count])
        one.yaxis.set_major_formatter("{x:,.0f}")
        one.grid(axis="y", linewidth=0.5)
        one.set_axisbelow(True)
    legend_above(axes[0])
