"""A cache study from its request to its document."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from recnmp.config import Config
from recnmp.report.provenance import provenance
from recnmp.study.cache.accesses import TraceAccesses, judged_from, sample_of_lookup
from recnmp.study.cache.curves import exact_rows, sampled_rows
from recnmp.study.cache.grid import grid_rows
from recnmp.study.cache.request import PLACED, Request
from recnmp.trace.storage import iter_chunks, load_trace, read_header

FORMAT = "recnmp-cache-study-1"


def cache_study(
    path: Path,
    request: Request,
    config: Config | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Return what caches are worth on the trace at ``path``, ready for JSON.

    With ``request.sampled`` only the curves are made, in memory that does not grow with the trace but by its
    sample; else lookups, entries and the stream of one scope are in memory at a time.

    Keys:
        format, trace, request, provenance: what was asked of what.
        placement: memory and placement sections that scopes llc, dimm and rank used, else null.
        curves: LRU miss ratios by size; see ``recnmp.study.cache.curves``.
        grid: hits of every point; see ``recnmp.study.cache.grid``.

    Raises ConfigError where the trace is not sound or the request does not suit it.
    """
    header = read_header(path)

    def pieces() -> Any:
        return iter_chunks(path, verify=False)

    grid: list[dict[str, Any]] = []
    if request.sampled is not None:
        curves = list(sampled_rows(header.tables, pieces, request, progress))
    else:
        trace = load_trace(path)
        first = judged_from(sample_of_lookup(trace)[0], request.train)
        curves = list(exact_rows(header.tables, pieces, request, first, progress))
        grid = list(grid_rows(trace, TraceAccesses(trace, config), request, progress))
    placed = (
        config is not None and any(scope in PLACED for scope in request.scopes) and request.sampled is None
    )
    placement = None
    if placed and config is not None:
        data = config.model_dump(mode="json")
        placement = {"memory": data["memory"], "placement": data["placement"]}
    asked = request.document()
    return {
        "format": FORMAT,
        "trace": {
            "file": path.name,
            "digest": header.digest,
            "meta": dict(header.meta),
            "tables": len(header.tables),
            "lookups": next((row["lookups"] for row in curves if row["table"] == "all"), 0),
        },
        "request": asked,
        "placement": placement,
        "curves": curves,
        "grid": grid,
        "provenance": provenance(
            {"request": asked, "placement": placement}, header.digest, sample=request.seed
        ),
    }
