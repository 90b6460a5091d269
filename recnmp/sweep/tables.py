"""Tidy tables of a sweep: one row per point, and one per setting where seeds are replicates."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recnmp.errors import ConfigError, RecnmpError
from recnmp.report.result import load_result
from recnmp.report.tidy import write_tidy
from recnmp.sweep.confidence import mean_and_half_width
from recnmp.sweep.figures import figures
from recnmp.sweep.plan import Plan
from recnmp.sweep.store import MANIFEST_FILE, MANIFEST_FORMAT, SEARCH_FORMAT, is_sweep, read_json
from recnmp.sweep.task import Outcome

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]

TABLES = {MANIFEST_FORMAT: ("results", "summary"), SEARCH_FORMAT: ("trials", "pareto")}
"""What the folders of a sweep and of a search hold; the first is for who names none."""


def write_tables(plan: Plan, outcomes: Sequence[Outcome], out: Path) -> list[Path]:
    """Write ``results`` and, where there are seeds, ``summary`` as CSV and Parquet; returns their paths.

    The same points give the same bytes, whenever and wherever they ran.
    """
    options = list(plan.points[0].options)
    columns = {name: column_of([point.options[name] for point in plan.points]) for name in options}
    seeded = plan.points[0].seed is not None
    rows = []
    for i, (point, outcome) in enumerate(zip(plan.points, outcomes, strict=True)):
        row: Row = {"point": point.key} | {name: columns[name][i] for name in options}
        row |= {"seed": point.seed} if seeded else {}
        row |= {"status": "error" if outcome.document is None else "done", "error": outcome.error}
        rows.append(row | _without(figures(outcome.document or {}), options))
    tables = {"results": same_columns(rows)}
    if seeded:
        tables["summary"] = summary(rows, options)
    origin = {"code_sha256": plan.code, "sweep": plan.document.data["sweep"]}
    try:
        return [path for name, table in tables.items() for path in write_tidy(table, out / name, origin)]
    except OSError as error:
        raise RecnmpError(f"{out}: cannot write the tables: {error.strerror}") from None


def summary(rows: Sequence[Row], options: Sequence[str]) -> list[Row]:
    """Return a row for each setting: the mean of every figure over its seeds, beside it half its confidence interval.

    ``x`` lies in ``x`` ± ``x.ci95`` with 95 % confidence (Student's t); null with fewer than two replicates. Points
    that failed are counted and left out.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(json.dumps([row[name] for name in options]), []).append(row)
    told = {"point", "seed", "status", "error", *options}
    result = []
    for group in groups.values():
        done = [row for row in group if row["status"] == "done"]
        row = {name: group[0][name] for name in options}
        row |= {"replicates": len(done), "failed": len(group) - len(done)}
        for name in dict.fromkeys(name for one in done for name in one if name not in told):
            values = [one[name] for one in done if name in one]
            row[name], row[f"{name}.ci95"] = mean_and_half_width(values)
        result.append(row)
    return same_columns(result)


def load_results(path: str | Path, table: str | None = None) -> "pandas.DataFrame":
    """Return a table of a sweep or search, or a single result as one of one row; see `recnmp.load_results`."""
    try:
        import pandas
    except ModuleNotFoundError:
        raise ConfigError("load_results needs pandas: pip install 'recnmp[dist]'") from None
    path = Path(path)
    if is_sweep(path):
        folder = path if path.is_dir() else path.parent
        manifest = read_json(folder / MANIFEST_FILE, *TABLES)
        tables = TABLES[manifest["format"]]
        if table is not None and table not in tables:
            raise ConfigError(f"no table {table!r}; there are {' and '.join(tables)}")
        file = folder / f"{table or tables[0]}.parquet"
        if not file.is_file():
            why = "the sweep has no seeds" if table == "summary" else "it has not ended yet; run it again"
            raise ConfigError(f"{file}: no such table: {why}")
        return pandas.read_parquet(file)
    if table not in (None, TABLES[MANIFEST_FORMAT][0]):
        raise ConfigError(f"{path}: a single result has no {table}")
    return pandas.DataFrame([figures(load_result(path))])


def column_of(values: list[Any]) -> list[Any]:
    """Return an option's values fit for a column: numbers, or true and false, or texts; JSON where they are mixed."""
    kinds = {_kind(value) for value in values if value is not None}
    if len(kinds) <= 1 and "data" not in kinds:
        return values
    return [v if v is None or isinstance(v, str) else json.dumps(v, sort_keys=True) for v in values]


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "data"


def _without(row: Row, names: Sequence[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def same_columns(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with the columns of all of them, null where one has none."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]
