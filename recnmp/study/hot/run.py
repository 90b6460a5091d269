"""A study of hot entries from its request to its document."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recnmp.config import Config, config_to_dict
from recnmp.errors import ConfigError
from recnmp.report.provenance import provenance
from recnmp.study.cache.accesses import judged_from
from recnmp.study.hot.profile import counted, drawn_samples, hot_items, universe_of
from recnmp.study.hot.reply import Reply
from recnmp.study.hot.request import Request
from recnmp.study.hot.shares import ageing_rows, share_rows
from recnmp.trace.storage import load_trace, read_header

FORMAT = "recnmp-hot-study-1"


def hot_study(
    path: Path,
    request: Request,
    config: Config | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Return what hot entries of the trace at ``path`` are worth, ready for JSON.

    ``config`` is the memory system that is asked where the request has tiers or copies.

    Keys:
        format, trace, request, provenance: what was asked of what.
        system: memory, placement, cache, arrival and nmp sections of the memory system that was asked, else null.
        shares: hot lookups and samples of every budget; see ``recnmp.study.hot.shares``.
        ageing: what profiles are worth as they age; likewise.
        reply: time and energy; see ``recnmp.study.hot.reply``.

    Raises ConfigError where the trace is not sound or the request does not suit it.
    """
    header = read_header(path)
    trace = load_trace(path)
    universe = universe_of(trace, request.profiler)
    if request.windows > universe.samples:
        raise ConfigError(f"the trace has {universe.samples} samples, not {request.windows} windows of them")
    split = judged_from(universe.batch, request.train)
    first_batch = int(universe.batch[split]) if split else 0
    judged = int(universe.sample[universe.batch >= first_batch].min()) if split else 0
    profiled = np.arange(judged or universe.samples)
    times = np.zeros(universe.samples, np.int64)
    times[profiled] = drawn_samples(profiled, request.sample, request.profiler, request.seed)
    reads = counted(universe, times)
    reply = None
    if request.asks_memory:
        if config is None:
            raise ConfigError("tiers and copies need a configuration with a memory system")
        reply = Reply(universe, first_batch, config, progress)
    shares: list[dict[str, Any]] = []
    ageing: list[dict[str, Any]] = []
    replies: list[dict[str, Any]] = []
    for budget in request.bytes_of(universe.total_bytes):
        hot = hot_items(universe, reads, budget, request.profiler)
        shares += share_rows(universe, hot, budget, judged)
        if request.windows:
            ageing += ageing_rows(universe, budget, request.windows, request.profiler, progress)
        if reply:
            replies += reply.rows(hot, reads, budget, request.loaded(), request.replicate)
    system = None
    if reply and config is not None:
        data = config_to_dict(config)
        system = {name: data[name] for name in ("memory", "placement", "cache", "arrival", "nmp")}
    asked = request.document()
    return {
        "format": FORMAT,
        "trace": {
            "file": path.name,
            "digest": header.digest,
            "tables": len(header.tables),
            "table_bytes": universe.total_bytes,
            "lookups": trace.lookups,
            "samples": universe.samples,
        },
        "request": asked,
        "system": system,
        "shares": shares,
        "ageing": ageing,
        "reply": replies,
        "provenance": provenance({"request": asked, "system": system}, header.digest, sample=request.seed),
    }
