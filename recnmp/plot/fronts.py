"""Pareto fronts of sweeps, searches and any table."""

from collections.abc import Mapping, Sequence
from typing import Any

from recnmp.errors import ConfigError
from recnmp.plot.bars import origin
from recnmp.plot.labels import figure_label, less_is_better, listed
from recnmp.plot.plot import Plot
from recnmp.plot.table import Row, Table
from recnmp.report.pareto_figure import Objective, draw_panels, front, pareto_sheet

_LATENCY = ("end_to_end.nmp_ns", "sls.nmp_ns")
_ENERGY = ("energy.idd.nmp.total_nj_per_lookup", "energy.recnmp_isca20.nmp.total_nj_per_lookup")
_AREA = ("energy.units.area_scaled_mm2_all_units", "energy.units.area_mm2_all_units")


def pareto(table: Table, objectives: Sequence[str] = ()) -> Plot:
    """Return all points of a table by two or three objectives, and the front of those that no other beats.

    An objective is a column, or ``COLUMN:min``, ``COLUMN:max``; without that, gains, rates and hits are to be large,
    all else small. By default a search's own, else latency, energy of a lookup and area near
    memory, where they vary. Seeds are averaged.

    Raises ConfigError for columns that are not there, and for other numbers of objectives.
    """
    chosen = [_objective(table, text) for text in objectives or table.objectives or _defaults(table)]
    if not 2 <= len(chosen) <= 3 or len({one.column for one in chosen}) < len(chosen):
        raise ConfigError(
            f"a Pareto front is of two or three objectives, not {len(chosen)}; choose with --objective"
        )
    names = table.axes()
    rows = _averaged(table, names, chosen)
    best = set(front(rows, chosen))
    data = tuple({**row, "front": n in best} for n, row in enumerate(rows))
    seeds = max(int(row["replicates"]) for row in rows)
    notes = [f"Means of n = {seeds} seeds, without intervals."] if seeds > 1 else []
    if table.failed:
        notes.append(f"{len(table.failed)} of {len(table.rows)} points failed.")
    title = f"Pareto front of {listed(figure_label(one.column).split(' (')[0] for one in chosen)}"

    def name(row: Mapping[str, Any]) -> str:
        return table.point_text(row, names)

    sheet = pareto_sheet(rows, chosen, title, [*notes, *origin(table)], name if names else None)
    return Plot(sheet, data, lambda axes: draw_panels(axes, rows, chosen, numbered=bool(names)))


def _averaged(table: Table, names: Sequence[str], chosen: Sequence[Objective]) -> list[Row]:
    if table.loose:
        return [{**row, "replicates": 1} for row in table.rows]
    cells = {one.column: table.cells(names, one.column) for one in chosen}
    first = cells[chosen[0].column]
    return [
        dict(zip(names, key, strict=True))
        | {one.column: cells[one.column][key].mean for one in chosen}
        | {"replicates": cell.n}
        for key, cell in first.items()
    ]


def _objective(table: Table, text: str) -> Objective:
    column, colon, best = text.rpartition(":")
    if not colon:
        column, best = text, "min" if less_is_better(text) else "max"
    table.figure(column)
    if best not in ("min", "max"):
        raise ConfigError(f"--objective {text}: best is min or max, not {best!r}")
    return Objective(column, "min" if best == "min" else "max", figure_label(column))


def _defaults(table: Table) -> list[str]:
    found = [
        next((name for name in names if name in table.figures), None) for names in (_LATENCY, _ENERGY, _AREA)
    ]
    several = [name for name in found if name and len({row.get(name) for row in table.rows} - {None}) > 1]
    if len(several) < 2:
        raise ConfigError(
            f"{table.name}: no two of latency, energy and area vary; name others with --objective"
        )
    return several
