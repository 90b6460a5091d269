"""What is in a trace: sizes, pooling, reuse, and what a cache could make of it."""

from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from recnmp.trace import _kernels
from recnmp.trace.storage import load_trace, trace_digest
from recnmp.trace.trace import Trace

LRU_ENTRIES = (1024, 8192, 65536)
"""Capacities of the caches that are tried, in entries."""

REUSE_BINS = tuple(2**k for k in range(16))
"""Upper ends of the reuse bins, 1, 2, 4, ... 32768; a last bin is open (as in Meta's dlrm_datasets)."""

_ENOUGH = 1000  # lookups below which nothing is said about their distribution
_SHOWN = 40  # tables that are printed


def inspect_trace(path: Path) -> dict[str, Any]:
    """Return what is in the trace at ``path``, ready for JSON.

    Keys:
        lookups, bags, batches, samples: how many.
        pooling_factor: min, mean and max lookups per bag, empty bags included.
        unique_share: different (table, entry) pairs over lookups.
        reuse_histogram: share of the lookups whose entry is read once, twice, 3-4 times, ... in the trace.
        lru_hits: hits of a fully associative LRU cache by its size in entries; cold, one for all tables.
        top_1_percent_share: share of the lookups that go to the most read 1 % of the entries read at all.
        tables: name, entries, dim, dtype, bytes of an entry, lookups and unique entries of each.
        flags: what one should know before believing a result on this trace, in words.
        weighted, digest, meta: as stored.

    Raises ConfigError as ``load_trace`` does.
    """
    trace = load_trace(path)
    item, counts, unique = _items(trace)
    lengths = np.bincount(trace.bag - np.uint32(trace.calls.first_bag[0]), minlength=trace.bags)
    return {
        "lookups": trace.lookups,
        "bags": trace.bags,
        "batches": trace.batches,
        "samples": trace.samples,
        "pooling_factor": {
            "min": int(lengths.min()) if len(lengths) else 0,
            "mean": trace.lookups / max(trace.bags, 1),
            "max": int(lengths.max(initial=0)),
        },
        "unique_share": len(counts) / max(trace.lookups, 1),
        "top_1_percent_share": _top_share(counts),
        "reuse_histogram": reuse_histogram(counts),
        "lru_hits": {str(n): lru_hits(item, n) for n in LRU_ENTRIES},
        "tables": _tables(trace, unique),
        "weighted": trace.weight is not None,
        "flags": _flags(trace, counts, unique, lengths),
        "digest": trace_digest(trace),
        "meta": dict(trace.meta),
    }


def lru_hits(item: NDArray[np.int64], capacity: int) -> int:
    """Return the hits of a fully associative LRU cache of ``capacity`` items, cold at the start.

    ``item`` numbers what is accessed, in order, from 0 on without large gaps.
    """
    newer = np.full(int(item.max(initial=-1)) + 2, -1, np.int64)
    return int(_kernels.lru_hits(item, newer, newer.copy(), capacity))


def reuse_histogram(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return the share of lookups by how often their entry is read; ``counts`` holds each entry's reads."""
    bins = np.searchsorted(REUSE_BINS, counts)
    shares = np.bincount(bins, weights=counts, minlength=len(REUSE_BINS) + 1) / max(counts.sum(), 1)
    starts = [1, *(end + 1 for end in REUSE_BINS)]
    names = [str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, REUSE_BINS, strict=False)]
    return dict(zip([*names, f">{REUSE_BINS[-1]}"], shares.tolist(), strict=True))


def print_inspection(info: dict[str, Any], file: TextIO) -> None:
    """Print what ``inspect_trace`` returned to ``file``, for people."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    console = Console(file=file, highlight=False)
    for line in _summary(info):
        console.print(line, markup=False, soft_wrap=True)
    console.print()
    grid = Grid("table", box=None, pad_edge=False)
    for heading in ("entries", "dim", "dtype", "lookups", "unique", "unique share"):
        grid.add_column(heading, justify="right")
    for table in info["tables"][:_SHOWN]:
        entries, dim, lookups, unique = (f"{table[key]:,}" for key in ("entries", "dim", "lookups", "unique"))
        share = f"{table['unique'] / table['lookups']:.1%}" if table["lookups"] else "-"
        grid.add_row(escape(table["name"]), entries, dim, table["dtype"], lookups, unique, share)
    console.print(grid)
    if len(info["tables"]) > _SHOWN:
        console.print(f"... and {len(info['tables']) - _SHOWN} more tables")


def _summary(info: dict[str, Any]) -> list[str]:
    pooling, lookups = info["pooling_factor"], max(info["lookups"], 1)
    reuse = "  ".join(f"{bin_} {share:.1%}" for bin_, share in info["reuse_histogram"].items() if share)
    hits = "  ".join(f"{int(size):,} entries {hits / lookups:.1%}" for size, hits in info["lru_hits"].items())
    sizes = f"{info['lookups']:,} lookups in {info['bags']:,} bags of {len(info['tables'])} tables"
    lines = {
        "trace": f"{sizes}; {info['samples']:,} samples in {info['batches']} batches",
        "pooling factor": f"{pooling['min']} to {pooling['max']}, mean {pooling['mean']:.2f}",
        "unique entries": f"{info['unique_share']:.1%} of the lookups",
        "top 1 %": f"of the entries that are read take {info['top_1_percent_share']:.1%} of the lookups",
        "LRU hits": hits,
        "reuse": reuse,
        "note": "; ".join(info["flags"]),
        "made from": ", ".join(f"{key} {value}" for key, value in info["meta"].items()),
        "digest": info["digest"],
    }
    return [f"{label:<16}{text}" for label, text in lines.items() if text]


def _items(trace: Trace) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the item (distinct table and entry) of each lookup, lookups of each item, items per table."""
    first = np.cumsum([0, *(table.entries for table in trace.tables)])
    key, item, counts = np.unique(first[trace.table] + trace.entry, return_inverse=True, return_counts=True)
    unique = np.diff(np.searchsorted(key, first))
    return item.astype(np.int64), counts.astype(np.int64), unique


def _top_share(counts: NDArray[np.int64]) -> float:
    top = max(1, round(len(counts) / 100))
    return float(np.sort(counts)[-top:].sum() / max(counts.sum(), 1))


def _tables(trace: Trace, unique: NDArray[np.int64]) -> list[dict[str, Any]]:
    lookups = np.bincount(trace.table, minlength=len(trace.tables))
    return [
        {
            "name": t.name,
            "entries": t.entries,
            "dim": t.dim,
            "dtype": t.dtype,
            "entry_bytes": t.entry_bytes,
            "lookups": int(lookups[i]),
            "unique": int(unique[i]),
        }
        for i, t in enumerate(trace.tables)
    ]


def _flags(
    trace: Trace, counts: NDArray[np.int64], unique: NDArray[np.int64], lengths: NDArray[np.int64]
) -> list[str]:
    flags = []
    if trace.lookups >= _ENOUGH and _looks_uniform(trace, counts):
        flags.append("uniform indices: entries repeat no more than by chance; real traffic repeats far more")
    if empty := int(np.count_nonzero(lengths == 0)):
        flags.append(f"empty bags: {empty:,}")
    if unread := int(np.count_nonzero(unique == 0)):
        flags.append(f"tables that no lookup reads: {unread:,}")
    if trace.weight is not None:
        flags.append("weighted lookups")
    return flags


def _looks_uniform(trace: Trace, counts: NDArray[np.int64]) -> bool:
    """Compare the pairs of lookups that read the same entry with what uniform draws over each table give."""
    lookups = np.bincount(trace.table, minlength=len(trace.tables)).astype(float)
    entries = np.array([table.entries for table in trace.tables], float)
    expected = float(np.sum(lookups * (lookups - 1) / 2 / entries))
    pairs = float(np.sum(counts * (counts - 1.0) / 2))
    return bool(pairs <= 1.1 * expected + 4 * (expected**0.5 + 1))  # 4 standard deviations: pairs are Poisson
