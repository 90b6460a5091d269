"""Pinning by profile: the lines read most often in a profile stay for good, no other line ever comes in.

Source: a static hot set, as in Adnan et al., Accelerating recommendation system training by leveraging popular
choices (FAE), VLDB 2022, which pins by a count of reads under one budget over all tables. Every set pins as many
lines as it has ways; of equal counts the line of the lower number (tables in their order, entries in theirs).
What the profile never read is not pinned. A pinned line is fetched by its first read, which misses.
"""

from dataclasses import dataclass

import numpy as np

from recnmp.cache.stream import Bits, Stream

PLUGIN = True
NEEDS = ("profile",)
BYPASSES = True


@dataclass(frozen=True)
class Options:
    """Pinning has no options."""


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    assert stream.profile is not None  # it is in NEEDS
    order = np.lexsort((-stream.profile, stream.set_of))  # stable: the lower number first
    sets = stream.set_of[order]
    rank = np.arange(stream.items) - np.searchsorted(sets, sets)
    pinned = np.zeros(stream.items, np.bool_)
    pinned[order[rank < ways]] = True
    pinned &= stream.profile > 0
    found: Bits = pinned[stream.item] & ~stream.first_reads()
    return found
