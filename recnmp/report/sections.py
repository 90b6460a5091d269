"""The sections of a result that come from the gather-reduce of host and near memory."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recnmp.config.schema import Config
from recnmp.nmp.base import SlsRun
from recnmp.nmp.ladder import Rung
from recnmp.placement.replicas import Replication
from recnmp.trace.trace import Trace


def sls_section(host: SlsRun, near: SlsRun | None, trace: Trace, ladder: Iterable[Rung]) -> dict[str, Any]:
    """Return the time of one batch's gather-reduce, the mean over the trace's batches [ns], on every host."""
    llc = host.memory["llc_hit_rate"]
    source = (
        "every lookup reads DRAM (no cache)" if llc is None else f"a cache answers {llc:.1%} of the bursts"
    )
    return {
        "host_ns": host.ns / trace.batches,
        "nmp_ns": near and near.ns / trace.batches,
        "speedup_over_host": host.ns / near.ns if near and near.ns else None,
        "batches": trace.batches,
        "lookups": trace.lookups,
        "host_ns_per_lookup": host.ns / max(trace.lookups, 1),
        "nmp_ns_per_lookup": near and near.ns / max(trace.lookups, 1),
        "host_baseline": f"simulated DRAM-bound gather: {source}, read queues always full",
        "host_ladder": [
            {
                "name": rung.name,
                "host_ns": rung.ns / trace.batches,
                "speedup_over_host": rung.ns / near.ns if near and near.ns else None,
                "how": rung.how,
            }
            for rung in ladder
        ],
    }


def memory_section(host: SlsRun, near: SlsRun | None, audited: list[int | None]) -> dict[str, Any]:
    """Return what DRAM did for each side, rank by rank and over time, and the commands judged where audited."""
    runs = zip(("host", "nmp"), (host, near), audited, strict=True)
    return {side: run and _memory(run, judged) for side, run, judged in runs}


def _memory(run: SlsRun, judged: int | None) -> dict[str, Any]:
    done = run.operations
    moved = {} if done.over_time is None else {"over_time": done.over_time.figures()}
    audited = {} if judged is None else {"audited_commands": judged, "audit_violations": 0}
    return run.memory | {"rank_loads": done.rank_loads} | moved | audited


def nmp_section(
    near: SlsRun | None, config: Config, trace: Trace, replication: Replication | None
) -> dict[str, Any]:
    """Return the figures of the near-memory architecture; empty for a host-only run."""
    if near is None:
        return {}
    copies = {"replication": replication and asdict(replication)}
    return {"kind": config.nmp.kind, "lookups": trace.lookups} | near.details | copies


def trace_section(trace: Trace, file: Path) -> dict[str, Any]:
    """Return what was replayed, with the share of lookups that read an entry for the first time."""
    entries = trace.table.astype(np.int64) << 40 | trace.entry
    return {
        "file": file.name,
        "batches": trace.batches,
        "batch_size": trace.batch_size,
        "tables": len(trace.tables),
        "table_dtypes": sorted({table.dtype for table in trace.tables}),
        "bags": trace.bags,
        "lookups": trace.lookups,
        "unique_share": len(np.unique(entries)) / trace.lookups if trace.lookups else 0.0,
        "meta": dict(trace.meta),
    }
