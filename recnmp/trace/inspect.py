"""What is in a trace, and whether to believe it: sizes, pooling, reuse, order, tables, signs of a generator."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace import _kernels
from recnmp.trace.checks import CacheStudy, run_checks
from recnmp.trace.header import Header
from recnmp.trace.inspect_text import print_inspection
from recnmp.trace.reuse.bags import length_percentile
from recnmp.trace.reuse.statistics import LRU_ENTRIES, REUSE_BINS, reuse_histogram
from recnmp.trace.reuse.zipf import Popularity
from recnmp.trace.storage import Lookups, iter_chunks, read_header
from recnmp.trace.survey import SHUFFLE_SEED, OrderEffect, Survey, survey
from recnmp.trace.trace import Table, Trace

__all__ = ["LRU_ENTRIES", "REUSE_BINS", "inspect_trace", "lru_hits", "print_inspection", "reuse_histogram"]

_RANKS = 120  # points of the popularity curve that are told


def inspect_trace(
    path: Path, cache_bytes: int | None = None, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Return what is in the trace at ``path``, ready for JSON; traces of any length, as ``survey`` says.

    Keys:
        lookups, bags, batches, samples: how many.
        pooling_factor: min, mean, max and percentiles of lookups per bag, empty bags included.
        pooling_histogram: share of the bags with 0, 1, 2, 3-4, ... lookups.
        unique_share: different (table, entry) pairs over lookups.
        reuse_histogram: share of the lookups whose entry is read once, twice, 3-4 times, ... in the trace.
        entry_histogram: share of the entries read once, twice, ...
        top_1_percent_share: share of the lookups that go to the most read 1 % of the entries read at all.
        popularity: mean lookups of the entries around some ranks, the most read one having rank 1.
        zipf, zipf_shifted: laws fitted to it, without and with q; null below ten entries.
        lru_hits: hits of a fully associative LRU cache by its size in entries; cold, one for all tables.
        lru_filled_after: lookups after which such a cache is full; null if it never is.
        miss_ratio_curve: misses over lookups of such a cache, at sizes from 1 to the one that holds everything.
        order: hit shares of the first lookups in their order, and of the same ones shuffled.
        table_skew: how unlike the tables are, in lookups and in unique share.
        tables: name, entries, dim, dtype, bytes of an entry, lookups, unique entries, pooling and reuse of each;
            its LRU hits are those of a cache of its own.
        cache: where ``cache_bytes`` are given, what a cache of that size makes of the trace.
        checks: signs that the trace is not what users read: name, raised, value, limit, reason.
        flags: what one should know before believing a result on this trace, in words: checks raised, and more.
        weighted, digest, meta: as stored.

    Raises ConfigError where the file is no sound trace, or the cache is smaller than an entry.
    """
    header = read_header(path)
    tables = header.tables
    found, study = _surveyed(path, header, cache_bytes, progress)
    checks = run_checks(found, tables, study)
    none = np.empty(0, np.uint32)
    runs = Trace(none.astype(np.uint16), none, none, None, tables, header.calls, header.meta)
    return {
        "lookups": found.reads.lookups,
        "bags": runs.bags,
        "batches": runs.batches,
        "samples": runs.samples,
        **_bags(found, runs.bags),
        **_reuse(found),
        "order": _order(found.order),
        "table_skew": _skew(found),
        "tables": [_table(table, t, found) for t, table in enumerate(tables)],
        "cache": _cache(study, found),
        "checks": [check.document() for check in checks],
        "flags": [check.line for check in checks if check.raised] + _notes(found),
        "weighted": found.weighted,
        "digest": header.digest,
        "meta": dict(header.meta),
    }


def _surveyed(
    path: Path, header: Header, cache_bytes: int | None, progress: Callable[[str], None] | None
) -> tuple[Survey, CacheStudy | None]:
    """Return what the passes over the file find, and the cache that was asked for, if any."""
    entry_bytes = np.array([table.entry_bytes for table in header.tables], np.int64)
    entries, footprint = 0, 0

    def cache_entries(unique: NDArray[np.int64]) -> int:
        nonlocal entries, footprint
        footprint = int(unique @ entry_bytes)
        if cache_bytes is not None and footprint:
            # entries of several sizes: as many of mean size as fit
            entries = cache_bytes * int(unique.sum()) // footprint
            if not entries:
                raise ConfigError(f"a cache of {cache_bytes:,} bytes cannot hold an entry of the trace")
        return entries

    def pieces(verify: bool) -> Iterator[Lookups]:
        return iter_chunks(path, verify=verify)

    try:
        found = survey(header.tables, header.calls, pieces, cache_entries, progress)
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    if cache_bytes is None or not entries:
        return found, None
    return found, CacheStudy(cache_bytes, entries, footprint, found.filled[entries])


def lru_hits(item: NDArray[np.int64], capacity: int) -> int:
    """Return the hits of a fully associative LRU cache of ``capacity`` items, cold at the start.

    ``item`` numbers what is accessed, in order, from 0 on without large gaps.
    """
    newer = np.full(int(item.max(initial=-1)) + 2, -1, np.int64)
    return int(_kernels.lru_hits(item, newer, newer.copy(), capacity))


def _bags(found: Survey, bags: int) -> dict[str, Any]:
    lengths = found.bags.lengths
    sizes = np.array(sorted(lengths), np.int64)
    counts = np.array([lengths[int(size)] for size in sizes], np.float64)
    ends = np.array([0, *(2**k for k in range(int(sizes.max(initial=1)).bit_length() + 1))])
    shares = np.bincount(np.searchsorted(ends, sizes), counts, len(ends)) / max(bags, 1)
    names = [
        "0",
        *(str(b) if b - a == 1 else f"{a + 1}-{b}" for a, b in itertools.pairwise(ends)),
    ]
    last = int(np.flatnonzero(shares)[-1]) + 1 if np.any(shares) else 1
    pooling = {
        "min": int(sizes[0]) if len(sizes) else 0,
        "mean": found.reads.lookups / max(bags, 1),
        "max": int(sizes.max(initial=0)),
    }
    pooling |= {f"p{share:.0f}": length_percentile(lengths, share / 100) for share in (50, 90, 99)}
    return {
        "pooling_factor": pooling,
        "pooling_histogram": dict(zip(names[:last], shares[:last].tolist(), strict=True)),
    }


def _reuse(found: Survey) -> dict[str, Any]:
    reads, lru = found.reads, found.lru
    points = lru.points()
    return {
        "unique_share": reads.unique_share,
        "top_1_percent_share": reads.top_1_percent_share,
        "reuse_histogram": reads.lookups_by_reuse,
        "entry_histogram": reads.entries_by_reuse,
        "popularity": _popularity(reads.popularity),
        "zipf": reads.zipf.document() if reads.zipf else None,
        "zipf_shifted": reads.zipf_shifted.document() if reads.zipf_shifted else None,
        "lru_hits": {str(n): lru.hits(n) for n in LRU_ENTRIES},
        "lru_filled_after": {str(n): found.filled[n] for n in LRU_ENTRIES},
        "miss_ratio_curve": _misses(points, reads.lookups),
    }


def _misses(points: list[tuple[int, int]], lookups: int) -> dict[str, list[Any]]:
    return {
        "entries": [entries for entries, _ in points],
        "miss_ratio": [1 - hits / max(lookups, 1) for _, hits in points],
    }


def _popularity(binned: Popularity) -> dict[str, list[Any]]:
    bins = len(binned.low)
    if not bins:
        return {"rank": [], "lookups": []}
    shown = np.unique(np.searchsorted(binned.high, np.geomspace(1, binned.high[-1], _RANKS)))
    mean = binned.lookups / (binned.high - binned.low)
    middle = (binned.low + 1 + binned.high) / 2
    return {"rank": middle[shown].tolist(), "lookups": mean[shown].tolist()}


def _order(effect: OrderEffect) -> dict[str, Any]:
    shuffled = effect.shuffled.points()
    return {
        "lookups": effect.lookups,
        "shuffle_seed": SHUFFLE_SEED,
        "hit_share": {str(n): effect.in_order.hit_share(n) for n in LRU_ENTRIES},
        "shuffled_hit_share": {str(n): effect.shuffled.hit_share(n) for n in LRU_ENTRIES},
        "shuffled_miss_ratio_curve": _misses(shuffled, effect.lookups),
    }


def _skew(found: Survey) -> dict[str, float]:
    lookups = np.sort([of.reads.lookups for of in found.tables]).astype(float)
    total, n = max(lookups.sum(), 1), len(lookups)
    unique = [of.reads.unique_share for of in found.tables if of.reads.lookups] or [0.0]
    busiest = max(1, round(n / 10))
    return {
        "busiest_over_mean": float(lookups[-1] * n / total),
        "busiest_tenth_share": float(lookups[n - busiest :].sum() / total),
        "gini": float((2 * np.arange(1, n + 1) - n - 1) @ lookups / (n * total)),
        "unique_share_min": float(np.min(unique)),
        "unique_share_median": float(np.median(unique)),
        "unique_share_max": float(np.max(unique)),
    }


def _table(table: Table, t: int, found: Survey) -> dict[str, Any]:
    of, bags = found.tables[t], found.bags
    count = int(bags.bags[t] + bags.empty[t])
    return {
        "name": table.name,
        "entries": table.entries,
        "dim": table.dim,
        "dtype": table.dtype,
        "entry_bytes": table.entry_bytes,
        "lookups": of.reads.lookups,
        "unique": of.reads.entries,
        "pooling_factor": {
            "min": 0 if bags.empty[t] else int(bags.shortest[t]),
            "mean": of.reads.lookups / max(count, 1),
            "max": int(bags.longest[t]),
        },
        "reuse_histogram": of.reads.lookups_by_reuse,
        "zipf": of.reads.zipf.document() if of.reads.zipf else None,
        "zipf_shifted": of.reads.zipf_shifted.document() if of.reads.zipf_shifted else None,
        "lru_hits": of.lru_hits,
        "miss_ratio_curve": _misses(of.points, of.reads.lookups),
    }


def _cache(study: CacheStudy | None, found: Survey) -> dict[str, Any] | None:
    if study is None:
        return None
    hits = found.lru.hits(study.entries)
    return {
        "bytes": study.size_bytes,
        "entries": study.entries,
        "footprint_bytes": study.footprint_bytes,
        "hits": hits,
        "hit_share": hits / max(found.reads.lookups, 1),
        "filled_after": study.filled,
    }


def _notes(found: Survey) -> list[str]:
    notes = []
    if empty := found.bags.lengths[0]:
        notes.append(f"empty bags: {empty:,}")
    if unread := sum(not of.reads.lookups for of in found.tables):
        notes.append(f"tables that no lookup reads: {unread:,}")
    if found.weighted:
        notes.append("weighted lookups")
    return notes
