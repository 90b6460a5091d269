"""A configured cache in front of one stream of bursts."""

import numpy as np
from numpy.typing import NDArray

from recnmp._registry import plugin
from recnmp.config.schema import CacheConfig
from recnmp.units import BURST_BYTES


def cache_hits(line: NDArray[np.int64], cache: CacheConfig | None) -> NDArray[np.bool_]:
    """Return which accesses hit, shape (n,): none without a cache.

    ``line`` numbers 64-byte lines; its low bits select the set. A line counts as present from the access that
    fetches it, so a second access to a line still on its way is a hit.
    """
    if cache is None:
        return np.zeros(len(line), np.bool_)
    sets = cache.size_bytes // BURST_BYTES // cache.ways
    found: NDArray[np.bool_] = plugin("cache", cache.kind).hits(line, sets, cache.ways)
    return found
