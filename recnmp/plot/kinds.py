"""The kinds of figures, and which of them a source can show."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from recnmp.errors import ConfigError
from recnmp.plot import bars, fronts, heat, loads, ranks, stacks
from recnmp.plot.files import read_json
from recnmp.plot.plot import Plot
from recnmp.plot.sources import (
    RESULT,
    ROOFLINE,
    SEARCH,
    STUDY,
    SWEEP,
    TABLE,
    TRACE,
    Source,
    find_source,
    table_of,
)
from recnmp.plot.table import Table
from recnmp.report.roofline import draw_on, roofline_sheet, shown_points

KINDS: Mapping[str, str] = {
    "speedup": "bars of any figure by two options, such as speed-up by ranks and vector size",
    "breakdown": "stacked bars: where time, channel time or energy goes",
    "latency": "latency against offered load, with the target",
    "mrc": "miss-ratio curves of traces or of a cache study",
    "roofline": "operators of models below the roofs of a machine",
    "pareto": "points by two or three objectives, and their front",
    "imbalance": "loads of ranks, and how uneven they are",
    "heatmap": "a figure by two options, its value in every cell",
}
_POINTS = ("speedup", "breakdown", "latency", "pareto", "imbalance", "heatmap")
_CAN: Mapping[str, tuple[str, ...]] = {
    TRACE: ("mrc",),
    STUDY: ("mrc",),
    ROOFLINE: ("roofline",),
    RESULT: _POINTS,
    SWEEP: _POINTS,
    SEARCH: ("pareto",),
    TABLE: ("speedup", "pareto", "heatmap"),
}
_WITH_DEFAULTS: Mapping[str, Callable[[Table], Plot]] = {
    "speedup": bars.speedup,
    "breakdown": stacks.breakdown,
    "latency": loads.latency,
    "pareto": fronts.pareto,
    "imbalance": ranks.imbalance,
    "heatmap": heat.heatmap,
}


def sources_for(kind: str, paths: Sequence[Path]) -> list[Source]:
    """Return what is at ``paths``; raises ConfigError for what cannot show ``kind``, with what it can."""
    found = [find_source(path) for path in paths]
    for source in found:
        if kind not in _CAN[source.kind]:
            can = ", ".join(_CAN[source.kind])
            raise ConfigError(f"{source.path}: a {source.kind} cannot show {kind}; it can show {can}")
    return found


def points_for(kind: str, paths: Sequence[Path], where: Sequence[str] = ()) -> Table:
    """Return the points that a figure of ``kind`` is of; raises ConfigError for what has none."""
    return table_of(sources_for(kind, paths)).where(where)


def roofline(paths: Sequence[Path]) -> Plot:
    """Return the roofline that `recnmp roofline --json` wrote."""
    if len(paths) != 1:
        raise ConfigError("a roofline is of one document")
    document = read_json(sources_for("roofline", paths)[0].path)
    rows = tuple({**point} for point in shown_points(document))
    return Plot(roofline_sheet(document), rows, lambda axes: draw_on(axes[0], document))


def listing(paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield every kind that these sources may show, with what is in the way of it, if anything, by default."""
    found = [find_source(path) for path in paths]
    able = [kind for kind in KINDS if all(kind in _CAN[source.kind] for source in found)]
    if not able:
        raise ConfigError(
            "no figure is of all of these: " + ", ".join(f"{one.path} is a {one.kind}" for one in found)
        )
    table = table_of(found) if set(able) & set(_POINTS) else None
    for kind in able:
        why = ""
        if table is not None:
            try:
                _WITH_DEFAULTS[kind](table)
            except ConfigError as error:
                why = str(error).removeprefix(f"{table.name}: ")
        yield kind, why
