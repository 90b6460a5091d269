"""Least recently used: a hit or fill becomes the set's youngest line, the oldest one is replaced.

RecNMP's RankCache and ordinary host caches; true LRU order, no insertion or bypass rule. Hits are those of
``recnmp.cache.policies.lru``; this one takes lines as they are, without numbering them first.
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.cache import _kernels


def hits(line: NDArray[np.int64], sets: int, ways: int) -> NDArray[np.bool_]:
    """Return which accesses of ``line``, shape (n,), hit a cold cache of ``sets`` x ``ways`` lines."""
    hit = np.zeros(len(line), np.bool_)
    _kernels.lru(line, np.full((sets, ways), -1, np.int64), hit)
    return hit
