"""A configured cache in front of one stream of bursts."""

import numpy as np
from numpy.typing import NDArray

from recnmp.cache import lru
from recnmp.cache.policy import parse_policy, policy_hits
from recnmp.cache.stream import stream_of
from recnmp.config.schema import CacheConfig
from recnmp.units import BURST_BYTES


def cache_hits(line: NDArray[np.int64], cache: CacheConfig | None) -> NDArray[np.bool_]:
    """Return which accesses hit, shape (n,): none without a cache.

    ``line`` numbers 64-byte lines; its low bits select the set. A line counts as present from the access that
    fetches it, so a second access to a line still on its way is a hit.

    Raises ConfigError for a policy that is not there, or that needs more than the accesses.
    """
    if cache is None:
        return np.zeros(len(line), np.bool_)
    sets = cache.size_bytes // BURST_BYTES // cache.ways
    name, options = parse_policy(cache.kind)
    if name == "lru":
        return lru.hits(
            line, sets, cache.ways
        )  # the same hits as the policy of that name, lines not numbered
    return policy_hits(name, stream_of(line, sets), cache.ways, options)
