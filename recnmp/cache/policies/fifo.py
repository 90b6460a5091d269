"""FIFO: the line that came in first is replaced, however often it was read since.

Source: Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5 (2), 1966.
No ties.
"""

from dataclasses import dataclass

import numpy as np

from recnmp._accel import jit
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True


@dataclass(frozen=True)
class Options:
    """FIFO has no options."""


@jit
def _replay(item: Items, set_of: Items, line: Items, hand: Items, cached: Bits, hit: Bits) -> None:
    """Keep every set's lines in a ring; ``hand`` points at the oldest, or the first free place (-1)."""
    sets, ways = line.shape
    for n in range(len(item)):
        i = item[n]
        if cached[i]:
            hit[n] = True
            continue
        s = 0 if sets == 1 else set_of[i]
        at = hand[s]
        if line[s, at] >= 0:
            cached[line[s, at]] = False
        line[s, at] = i
        cached[i] = True
        hand[s] = at + 1 if at + 1 < ways else 0


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit, cached = np.zeros(stream.accesses, np.bool_), np.zeros(stream.items, np.bool_)
    line = np.full((stream.sets, stream.useful_ways(ways)), -1, np.int32)
    _replay(stream.item, stream.set_of, line, np.zeros(stream.sets, np.int32), cached, hit)
    return hit
