"""Accesses as a replacement policy sees them: dense numbers, sets, and what a profiled policy is told."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Items = NDArray[np.int32]
Longs = NDArray[np.int64]
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Stream:
    """What is asked of a cache, N accesses to lines or entries numbered 0 to ``items`` - 1.

    Attributes:
        item: what each access reads, shape (N,).
        set_of: set in which each item may lie, shape (items,).
        sets: sets of the cache.
        batch: batch of each access, shape (N,), not decreasing; None where nothing needs it.
        sample: sample of each access, shape (N,), equal in a row; None where nothing needs it.
        profile: reads of each item in the part of the trace that a profile may see, shape (items,); None likewise.
    """

    item: Items
    set_of: Items
    sets: int = 1
    batch: Longs | None = None
    sample: Longs | None = None
    profile: Longs | None = None

    @property
    def accesses(self) -> int:
        """Accesses, N."""
        return len(self.item)

    @property
    def items(self) -> int:
        """Different items there are."""
        return len(self.set_of)

    def useful_ways(self, ways: int) -> int:
        """Return ``ways``, or what the fullest set could ever hold: more is the same cache, and only takes memory."""
        return max(1, min(ways, int(np.bincount(self.set_of, minlength=1).max(initial=0))))

    def first_reads(self) -> Bits:
        """Return which accesses read their item for the first time, shape (N,)."""
        first = np.zeros(self.accesses, np.bool_)
        place = np.full(self.items, -1, np.int64)
        place[self.item[::-1]] = np.arange(self.accesses)[::-1]  # the first one is written last
        first[place[place >= 0]] = True
        return first


def stream_of(line: Longs, sets: int = 1) -> Stream:
    """Return accesses to numbered lines, whose low part selects the set: line modulo ``sets``."""
    lines, item = np.unique(line, return_inverse=True)
    return Stream(item.astype(np.int32), (lines % sets).astype(np.int32), sets)


def one_set(stream: Stream) -> Stream:
    """Return the same accesses to a fully associative cache."""
    return replace(stream, set_of=np.zeros(stream.items, np.int32), sets=1)
