"""What a search leaves: a row for each trial, and the front by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.report.pareto_figure import front
from recnmp.report.tidy import write_tidy
from recnmp.search.points import Ran
from recnmp.search.request import Figures, Request
from recnmp.search.trial import Trial
from recnmp.search.volume import shares
from recnmp.sweep.axes import as_text
from recnmp.sweep.tables import column_of, same_columns

Row = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """Rows of tables: the configuration itself (trial 0), all trials, and the front by its first objective."""

    baseline: Row
    trials: list[Row]
    front: list[Row]
    share_of_last_tenth: float | None
    """How much of the front's volume the last tenth of the trials added."""

    def count(self, status: str) -> int:
        """Return the trials of this status."""
        return sum(row["status"] == status for row in self.trials)


def found_in(request: Request, baseline: Figures, trials: Sequence[Trial]) -> Found:
    """Return the rows of all trials; those that no other trial beats are the front, a repeated point once."""
    names, objectives = request.space.names, request.objectives
    options = _options(request, trials)
    values = {name: column_of([row[name] for row in options]) for name in names}
    volumes = shares([one.told.costs if one.status == "done" else None for one in trials])
    own = Trial.of(request, 0, (), request.baseline, Ran(baseline), 0)
    rows = []
    for n, (one, volume) in enumerate(zip([own, *trials], [None, *volumes], strict=True)):
        row: Row = {"trial": one.number, "point": one.point and one.point.key}
        row |= {"status": one.status, "error": one.error, "repeats": one.repeats, "front": False}
        row |= {"volume_share": volume}
        row |= {name: values[name][n] for name in names}
        row |= {one.column: None for one in objectives}
        rows.append(row | {name: value for name, value in one.figures.items() if name not in names})
    own_row, *rows = same_columns(rows)
    able = [row for row in rows if row["status"] == "done" and row["repeats"] is None]
    best = [able[n] for n in front(able, objectives)]
    for row in best:
        row["front"] = True
    best.sort(key=lambda row: (objectives[0].cost(row), row["trial"]))
    return Found(own_row, rows, best, _last_tenth(volumes))


def write_tables(request: Request, found: Found, out: Path) -> list[Path]:
    """Write ``trials`` and ``pareto`` as CSV and Parquet; the same trials give the same bytes, wherever they ran."""
    objectives = {one.column: one.best for one in request.objectives}
    origin = {
        "code_sha256": request.planner.code,
        "sampler": request.sampler_version,
        "search": request.document.data["search"] | {"objectives": objectives},
    }
    tables = {"trials": [found.baseline, *found.trials], "pareto": found.front}
    try:
        return [path for name, rows in tables.items() for path in write_tidy(rows, out / name, origin)]
    except OSError as error:
        raise RecnmpError(f"{out}: cannot write the tables: {error.strerror}") from None


def _options(request: Request, trials: Sequence[Trial]) -> list[Row]:
    """Return the open options of the configuration itself and of all trials: as written where one has no point."""
    names = request.space.names
    shown = {
        (choice.option, as_text(choice.value)): one.point.options[choice.option]
        for one in trials
        if one.point is not None
        for choice in one.assignment
    }
    rows = [request.baseline.options]
    for one in trials:
        if one.point is not None:
            rows.append(one.point.options)
            continue
        written = {choice.option: choice for choice in one.assignment}
        values = {name: (name, as_text(choice.value)) for name, choice in written.items()}
        rows.append(
            {
                name: shown.get(values[name], written[name].value) if name in written else None
                for name in names
            }
        )
    return rows


def _last_tenth(volumes: Sequence[float | None]) -> float | None:
    known = [share for share in volumes[: len(volumes) - len(volumes) // 10] if share is not None]
    return 1 - known[-1] if known and any(volumes) else None
