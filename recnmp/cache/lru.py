"""Least recently used: a hit or fill becomes the set's youngest line, the oldest one is replaced.

RecNMP's RankCache and ordinary host caches; true LRU order, no insertion or bypass rule.
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.cache import _kernels

PLUGIN = True


def hits(line: NDArray[np.int64], sets: int, ways: int) -> NDArray[np.bool_]:
    """Return which accesses of ``line``, shape (n,), hit a cold cache of ``sets`` x ``ways`` lines."""
    hit = np.zeros(len(line), np.bool_)
    _kernels.lru(line, np.full((sets, ways), -1, np.int64), hit)
    return hit
