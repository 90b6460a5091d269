"""Kernels over the lookups of a trace: arrays only, allocated by the caller."""

import numpy as np
from numpy.typing import NDArray

from recnmp._accel import jit


@jit
def lru_hits(
    item: NDArray[np.int64], newer: NDArray[np.int64], older: NDArray[np.int64], capacity: int
) -> int:
    """Count the hits of a fully associative LRU cache of ``capacity`` items, cold at the start.

    ``item`` holds the items accessed in order. ``newer`` and ``older`` link the cached items by recency; they
    are one longer than there are items, and -1 everywhere. Their last position is the anchor of the ring:
    next to it are the oldest item (``newer``) and the newest (``older``).
    """
    anchor = len(newer) - 1
    newer[anchor] = anchor
    older[anchor] = anchor
    hits = 0
    held = 0
    for i in item:
        if newer[i] >= 0:
            hits += 1
            newer[older[i]] = newer[i]
            older[newer[i]] = older[i]
        elif held < capacity:
            held += 1
        else:
            victim = newer[anchor]
            newer[anchor] = newer[victim]
            older[newer[victim]] = anchor
            newer[victim] = -1
        newest = older[anchor]
        newer[newest] = i
        older[i] = newest
        newer[i] = anchor
        older[anchor] = i
    return hits
