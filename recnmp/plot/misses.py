"""Miss-ratio curves of traces, and of cache studies with their policies."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from recnmp.errors import ConfigError
from recnmp.plot.files import read_json
from recnmp.plot.labels import counted
from recnmp.plot.origin import trace_note
from recnmp.plot.plot import Plot
from recnmp.plot.sources import STUDY, TRACE, Source
from recnmp.plot.table import Row
from recnmp.report import cache_rows as told
from recnmp.report.style import COLOURS, DASHES, GREY, MARKERS, Sheet, legend_above, name_axes

_MOST = len(COLOURS)
_LEAST_BYTES = 1024  # smaller caches hold a few entries: nobody builds them

Progress = Callable[[str], None] | None


def misses(sources: Sequence[Source], progress: Progress = None) -> Plot:
    """Return miss-ratio curves by the bytes of a cache: of up to eight traces, or of one cache study.

    A trace's curve is exact: one fully associative LRU cache for all its tables, cold at the start; a trace alone is
    shown beside the same lookups shuffled, which tells reuse by order from reuse by popularity. A study adds the
    policies that it ran.

    Raises ConfigError for anything else, and for traces whose tables have entries of several sizes beside others.
    """
    kinds = {source.kind for source in sources}
    if kinds == {STUDY} and len(sources) == 1:
        return _of_study(sources[0])
    if kinds != {TRACE} or len(sources) > _MOST:
        raise ConfigError(f"miss-ratio curves are of up to {_MOST} traces, or of one cache study")
    return _of_traces(sources, progress)


def _of_traces(sources: Sequence[Source], progress: Progress) -> Plot:
    from recnmp.trace.inspect import inspect_trace

    rows: list[Row] = []
    notes = ["Exact LRU, fully associative, one cold cache for all tables."]
    sizes: set[bool] = set()
    for source in sources:
        info = inspect_trace(source.path, progress=progress)
        each = {table["entry_bytes"] for table in info["tables"]}
        sizes.add(len(each) == 1)
        unit = each.pop() if len(each) == 1 else None
        notes.append(
            f"{trace_note(source.name, info['meta'], info['checks'])}; {counted(info['lookups'], 'lookup')}."
        )
        rows += _points(source.path.stem, info["miss_ratio_curve"], unit)
        if len(sources) == 1:
            order = info["order"]
            part = "" if order["lookups"] == info["lookups"] else f", first {order['lookups']:,} lookups"
            rows += _points(f"the same shuffled{part}", order["shuffled_miss_ratio_curve"], unit)
            notes.append(f"First reads: {info['unique_share']:.1%} of the lookups, which no cache answers.")
    if len(sizes) > 1 or (len(sources) > 1 and not all(sizes)):
        raise ConfigError("entries of several sizes in a trace: its curve is by entries, so it stands alone")
    x = "bytes" if all(sizes) else "entries"
    title = "Miss ratio by size of an LRU cache"
    return Plot(Sheet(title, tuple(notes)), tuple(rows), lambda axes: _draw(axes[0], rows, x))


def _points(name: str, curve: Mapping[str, Sequence[float]], unit: int | None) -> list[Row]:
    return [
        {
            "curve": name,
            "entries": entries,
            "bytes": unit and entries * unit,
            "miss_ratio": ratio,
            "kind": "curve",
        }
        for entries, ratio in zip(curve["entries"], curve["miss_ratio"], strict=True)
    ]


def _of_study(source: Source) -> Plot:
    folder = source.path.parent
    document = dict(read_json(source.path)) | {
        name: _table(folder / f"{name}.parquet") for name in ("curves", "grid")
    }
    request = document["request"]
    starts = [("cold", "LRU, whole trace, cold")]
    if request["sampled"] is None and request["train"]:
        starts.append(("warm", f"LRU, last {1 - request['train']:.0%}, warmed"))
    rows: list[Row] = [
        {"curve": name, "entries": row["entries"], "bytes": row["bytes"], "miss_ratio": row["miss_ratio"]}
        | {"standard_error": row["standard_error"], "kind": "curve"}
        for start, name in starts
        for row in told.curve_of(document, "shared", told.ALL, start)
    ]
    sampled = request["sampled"] is not None
    notes = [
        f"Lines without marks: fully associative, {'sampled; band: 2 standard errors' if sampled else 'exact'}.",
    ]
    for block, found in list(told.blocks(document).items())[:1]:
        rows += [
            {
                "curve": told.label(row),
                "bytes": row["size_bytes"],
                "miss_ratio": 1 - row["hit_share"],
                "kind": "policy",
            }
            for row in found
        ]
        left = len(told.blocks(document)) - 1
        more = f"; {left} more of the study are in its own figure" if left else ""
        notes.append(f"Marks: policies, {told.describe(*block[:3])}, {block[3]}{more}.")
    names = list(dict.fromkeys(row["curve"] for row in rows if row["kind"] == "policy"))
    if len(names) > _MOST:
        rows = [row for row in rows if row["curve"] not in names[_MOST:]]
        notes.append(f"Not shown: {', '.join(names[_MOST:])}.")
    trace = document["trace"]
    notes.append(
        f"{trace_note(trace['file'], trace.get('meta') or {})}; {counted(trace['lookups'], 'lookup')}."
    )
    title = "Miss ratio by size of a cache"
    return Plot(Sheet(title, tuple(notes)), tuple(rows), lambda axes: _draw(axes[0], rows, "bytes"))


def _table(path: Path) -> list[Row]:
    rows: list[Row] = pq.read_table(path).to_pylist() if path.is_file() else []
    return rows


def _draw(axes: Axes, rows: Sequence[Row], x: str) -> None:
    least = _LEAST_BYTES if x == "bytes" else 1
    shown = [row for row in rows if row[x] is not None and row[x] >= least]
    names = {
        kind: list(dict.fromkeys(r["curve"] for r in shown if r["kind"] == kind))
        for kind in ("curve", "policy")
    }
    for kind, found in names.items():
        for k, name in enumerate(found):
            mine = [row for row in shown if row["curve"] == name and row["kind"] == kind]
            _line(axes, [row[x] for row in mine], mine, (kind, k))
    axes.set_xscale("log", base=2)
    top = max((row["miss_ratio"] for row in shown), default=1.0)
    axes.set_ylim(0, max(0.05, min(1.02, top * 1.06)))
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:g}%")
    ends = [row[x] for row in shown] or [1, 2]
    first, last = int(np.ceil(np.log2(min(ends)))), int(np.floor(np.log2(max(ends))))
    root = axes.get_figure(root=True)
    assert root is not None
    step = max(1, -(-(last - first) // max(2, int(root.get_figwidth() * 1.6))))
    ticks = [1 << n for n in range(first, last + 1, step)]
    axes.set_xticks(
        ticks, [told.size_text(tick) if x == "bytes" else f"{tick:,}" for tick in ticks], fontsize="small"
    )
    axes.xaxis.set_minor_locator(NullLocator())
    what = "bytes of the cache" if x == "bytes" else "entries the cache holds"
    name_axes(axes, f"{what}, log scale", "misses, share of the lookups")
    axes.grid(linewidth=0.5)
    axes.set_axisbelow(True)
    legend_above(axes)


def _line(axes: Axes, x: Sequence[float], rows: Sequence[Row], which: tuple[str, int]) -> None:
    (kind, k), y = which, np.array([row["miss_ratio"] for row in rows])
    if kind == "policy":
        style: dict[str, Any] = {"marker": MARKERS[k % len(MARKERS)], "markersize": 4, "linewidth": 0.8}
        axes.plot(x, y, color=COLOURS[k % len(COLOURS)], linestyle=":", label=rows[0]["curve"], **style)
        return
    colour = GREY if rows[0].get("standard_error") is not None and k else COLOURS[k % len(COLOURS)]
    axes.plot(x, y, color=colour, linestyle=DASHES[k % len(DASHES)], linewidth=1.4, label=rows[0]["curve"])
    error = 2 * np.array([row.get("standard_error") or 0.0 for row in rows])
    if error.any():
        axes.fill_between(x, y - error, y + error, color=colour, alpha=0.25, linewidth=0)
