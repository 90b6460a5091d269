"""Hot-entry profiling: which lookups may use the RankCache.

Before a batch is offloaded, the host counts how often each entry is read in it, table by table. Entries read at
least `threshold` times get the LocalityBit, the others go past the cache and do not push hot ones out.

Source: Ke et al., RecNMP, ISCA 2020, hot-entry profiling, which sweeps the threshold; how the best one is told is
not stated. Here the best of a table's batch is the smallest of those with the most hits when that batch alone
runs through one RankCache.
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.cache.filter import cache_hits
from recnmp.config.schema import CacheConfig
from recnmp.trace.trace import Trace

THRESHOLDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
"""Thresholds that ``best_bits`` tries."""


def counts_in_batch(trace: Trace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how often a lookup's entry is read in its batch, and the number of its table's batch, shapes (L,)."""
    batch = trace.bag_batch[trace.bag - np.uint32(trace.calls.first_bag[0])]
    _, group = np.unique(batch * len(trace.tables) + trace.table, return_inverse=True)
    _, entry, count = np.unique(group << 32 | trace.entry, return_inverse=True, return_counts=True)
    return count[entry], group


def best_bits(
    trace: Trace, bursts: NDArray[np.int64], cache: CacheConfig
) -> tuple[NDArray[np.bool_], dict[int, int]]:
    """Return each lookup's LocalityBit under the best threshold of its table's batch, shape (L,).

    Also how many of the tables' batches took each threshold. ``bursts`` are those of a table's entry, (T,).
    """
    count, group = counts_in_batch(trace)
    bits, taken = np.zeros(trace.lookups, np.bool_), dict.fromkeys(THRESHOLDS, 0)
    by_group = np.argsort(group, kind="stable")
    for mine in np.split(by_group, np.flatnonzero(np.diff(group[by_group])) + 1):
        width = int(bursts[trace.table[mine[0]]])
        line = (trace.entry[mine].astype(np.int64)[:, None] * width + np.arange(width)).ravel()
        often = count[mine]
        most, best = -1, THRESHOLDS[0]
        for threshold in THRESHOLDS:
            hot = np.repeat(often >= threshold, width)
            hits = int(cache_hits(line[hot], cache).sum())
            if hits > most:
                most, best = hits, threshold
        bits[mine] = often >= best
        taken[best] += 1
    return bits, taken
