"""The traces that reproductions replay, each with the statistics that say what kind of trace it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from recnmp.config.load import shipped
from recnmp.library.model import RecModel, TableGroup
from recnmp.trace.inspect import lru_hits
from recnmp.trace.storage import load_trace
from recnmp.trace.synthetic import IndexStream, Reuse, table_reuse
from recnmp.trace.trace import POOLINGS, Calls, Table, Trace

LRU_BYTES = (1 << 20, 8 << 20, 64 << 20)
"""Capacities for which a trace's label states the hits of an LRU cache."""


@dataclass(frozen=True)
class Traffic:
    """Embedding traffic of equal tables: what one trace of a reproduction is made of.

    Attributes:
        indices: ``random``: uniform over a table's entries; ``skewed``: popularity fitted to published reuse
            (``recnmp.trace.synthetic``); ``file``: the shipped trace ``file``.
        tables, entries, dim, pooling_factor: of the model, equal for all tables.
        samples: bags of an operator call.
        calls: operator calls of each table.
        parallel: every operator call is a batch of its own, so that threads run operators side by side, one
            for each table; else a batch holds a call of every table.
        seed: of the indices.
    """

    indices: Literal["random", "skewed", "file"]
    tables: int = 8
    entries: int = 1_000_000
    dim: int = 16
    pooling_factor: int = 80
    samples: int = 64
    calls: int = 4
    parallel: bool = True
    seed: int = 1
    file: str = ""

    @property
    def name(self) -> str:
        """What the trace is called beside its figures."""
        names = {"random": "random indices", "skewed": "fitted reuse", "file": self.file}
        return names[self.indices]

    @property
    def model(self) -> RecModel:
        """The tables alone; layer sizes are of no use here."""
        group = TableGroup(
            count=self.tables, entries=self.entries, dim=self.dim, pooling_factor=self.pooling_factor
        )
        return RecModel(
            name=self.name, source="", bottom_mlp=(1,), top_mlp=(1,), interaction="cat", tables=(group,)
        )


@lru_cache(maxsize=2)
def trace_of(traffic: Traffic) -> Trace:
    """Return the lookups of ``traffic``; the last two are kept."""
    if traffic.indices == "file":
        trace = load_trace(shipped("traces") / traffic.file).select(0, traffic.calls)
    else:
        trace = _drawn(traffic)
    if not traffic.parallel:
        return trace
    return replace(trace, calls=replace(trace.calls, batch=np.arange(len(trace.calls))))


def _drawn(traffic: Traffic) -> Trace:
    uniform = Reuse(0.0, 0.0, traffic.entries)
    streams = [
        IndexStream(
            t, traffic.entries, uniform if traffic.indices == "random" else table_reuse(t), traffic.seed
        )
        for t in range(traffic.tables)
    ]
    calls, per_call = traffic.tables * traffic.calls, traffic.samples * traffic.pooling_factor
    table = np.tile(np.arange(traffic.tables, dtype=np.uint16), traffic.calls)
    bag = np.repeat(np.arange(calls * traffic.samples, dtype=np.uint32), traffic.pooling_factor)
    return Trace(
        np.repeat(table, per_call),
        bag,
        np.concatenate([streams[t].draw(per_call) for t in table]).astype(np.uint32),
        None,
        tuple(Table(f"table{t}", traffic.entries, traffic.dim) for t in range(traffic.tables)),
        Calls(
            table,
            np.arange(calls, dtype=np.int64) * traffic.samples,
            np.full(calls, traffic.samples, np.int64),
            np.repeat(np.arange(traffic.calls, dtype=np.int64), traffic.tables),
            np.full(calls, POOLINGS.index("sum"), np.uint8),
        ),
        {"indices": traffic.name, "seed": traffic.seed},
    )


def label(traffic: Traffic) -> dict[str, Any]:
    """Return what every figure of this trace is shown with.

    ``unique_share`` of the lookups read an entry for the first time; ``lru_hit_share`` by cache size in bytes is
    of one fully associative cache over all tables, cold at the start, in the order of the trace.
    """
    trace = trace_of(traffic)
    key = trace.table.astype(np.int64) << 32 | trace.entry
    unique, item = np.unique(key, return_inverse=True)
    entry_bytes = trace.tables[0].entry_bytes
    return {
        "trace": traffic.name,
        "tables": len(trace.tables),
        "batches": trace.batches,
        "entry_bytes": entry_bytes,
        "lookups": trace.lookups,
        "unique_share": len(unique) / trace.lookups,
        "lru_hit_share": {
            str(size): lru_hits(item.astype(np.int64), size // entry_bytes) / trace.lookups
            for size in LRU_BYTES
        },
    }


def text_of(trace: Mapping[str, Any]) -> str:
    """Return a label as one line: what the trace is and how much it reads again."""
    hits = " / ".join(f"{share:.0%}" for share in trace["lru_hit_share"].values())
    sizes = " / ".join(str(int(size) >> 20) for size in trace["lru_hit_share"])
    return (
        f"{trace['trace']}, {trace['tables']} tables, {trace['entry_bytes']} B, {trace['lookups']:,} lookups, "
        f"{trace['unique_share']:.1%} unique, LRU of {sizes} MiB hits {hits}"
    )


def trace_columns(trace: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trace's label as columns."""
    hits = {f"lru_{int(size) >> 20}_mib": share for size, share in trace["lru_hit_share"].items()}
    return {key: trace[key] for key in ("trace", "tables", "entry_bytes", "unique_share")} | hits
