"""The figure of a search: the front among all designs tried, and the configuration as it stands."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

from matplotlib.axes import Axes

from recnmp.errors import RecnmpError
from recnmp.report.pareto_figure import draw_panels, pareto_sheet
from recnmp.report.style import COLOURS, INK, paper
from recnmp.search.request import Request
from recnmp.search.tables import Found, Row

FIGURE = "pareto.svg"

LABELS = {
    "end_to_end.nmp_ns": "end to end [ns per batch]",
    "sls.nmp_ns_per_lookup": "SLS near memory [ns per lookup]",
    "energy.idd.nmp.total_nj_per_lookup": "energy [nJ per lookup]",
    "energy.units.area_scaled_mm2_all_units": "area of the units [mm²]",
}
"""Of the objectives that are there by default; others are called by their keys."""


def draw_front(request: Request, found: Found, out: Path) -> list[Path]:
    """Draw a panel for each pair of objectives, the configuration itself marked; nothing where there is but one."""
    path, objectives = out / FIGURE, request.objectives
    if len(objectives) < 2:
        path.unlink(missing_ok=True)  # of another search
        return []
    rows = [row for row in found.trials if row["status"] == "done" and row["repeats"] is None]
    objectives = tuple(replace(one, label=LABELS.get(one.column, one.column)) for one in objectives)
    title = f"{request.document.path.stem}: designs that no other beats"
    sheet = pareto_sheet(rows, objectives, title, [_told(request, found, len(rows))])
    try:
        with paper(sheet, "page", path) as axes:
            draw_panels(axes, rows, objectives, numbered=False)
            for one, (x, y) in zip(axes, combinations(objectives, 2), strict=True):
                _mark(one, found.baseline, x.column, y.column)
            _legend(axes[0])
    except OSError as error:
        raise RecnmpError(f"{path}: cannot be written: {error.strerror}") from None
    return [path]


def _mark(axes: Axes, baseline: Row, x: str, y: str) -> None:
    """Mark the configuration as it stands."""
    at = baseline[x], baseline[y]
    axes.scatter(
        *at,
        marker="*",
        s=70,
        color=COLOURS[0],
        edgecolor=INK,
        linewidth=0.5,
        zorder=4,
        label="without search",
    )


def _legend(axes: Axes) -> None:
    """Set one legend for all panels, in one line."""
    before, figure = axes.get_legend(), axes.get_figure(root=True)
    assert figure is not None
    if before is not None:
        before.remove()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3, frameon=False)


def _told(request: Request, found: Found, designs: int) -> str:
    tried = f"{len(found.trials)} trials by {request.config.sampler}: {designs} designs"
    rest = {name: found.count(name) for name in ("infeasible", "error")}
    return ", ".join([tried, *(f"{count} {name}" for name, count in rest.items() if count)]) + "."
