"""The RankCache: which bursts it answers, and whose read brought them in.

A rank's tags are looked up in the order of delivery, so which bursts hit does not depend on when DRAM answers;
when a hit is ready does, if its line is still on the way. Tables are only read while a packet runs, so nothing
has to keep the caches coherent.
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.cache.filter import cache_hits
from recnmp.config.schema import CacheConfig


def filled_by(
    rank: NDArray[np.int32],
    line: NDArray[np.int64],
    cacheable: NDArray[np.bool_],
    cache: CacheConfig | None,
) -> NDArray[np.int64]:
    """Return the burst whose read brought each burst's line in, -1 for one that reads DRAM itself, shape (N,).

    Args:
        rank: rank of each burst in the order of delivery, shape (N,); every rank has a cache of its own.
        line: number of its line within the rank, shape (N,).
        cacheable: whether its instruction's LocalityBit is set, shape (N,); others neither look nor fill.
        cache: every rank's cache, or None.
    """
    found = np.full(len(line), -1, np.int64)
    if cache is None:
        return found
    for u in range(int(rank.max(initial=-1)) + 1):
        mine = np.flatnonzero((rank == u) & cacheable)
        hit = cache_hits(line[mine], cache)
        by_line = np.argsort(line[mine], kind="stable")
        # a line's first access misses, so the latest miss before a hit is one of the same line
        latest = np.maximum.accumulate(np.where(hit[by_line], 0, np.arange(len(mine))))
        fills = mine[by_line[latest]]
        hit = hit[by_line]
        found[mine[by_line[hit]]] = fills[hit]
    return found
