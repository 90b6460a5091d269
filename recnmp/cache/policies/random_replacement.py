"""Random: any line of a full set is replaced, all alike.

Source: Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5 (2), 1966.
Every access has a draw of NumPy's PCG64 from the seed, used or not, so that no hit depends on what comes later.
Free places are filled first, in order.
"""

from dataclasses import dataclass

import numpy as np

from recnmp._accel import jit
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True


@dataclass(frozen=True)
class Options:
    """``seed`` of the draws."""

    seed: int = 1


@jit
def _replay(
    item: Items, set_of: Items, line: Items, free: Items, draw: Items, cached: Bits, hit: Bits
) -> None:
    sets, ways = line.shape
    for n in range(len(item)):
        i = item[n]
        if cached[i]:
            hit[n] = True
            continue
        s = 0 if sets == 1 else set_of[i]
        if free[s]:
            at = ways - free[s]
            free[s] -= 1
        else:
            at = draw[n]
            cached[line[s, at]] = False
        line[s, at] = i
        cached[i] = True


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit, cached = np.zeros(stream.accesses, np.bool_), np.zeros(stream.items, np.bool_)
    ways = stream.useful_ways(ways)
    draw = np.random.default_rng(options.seed).integers(ways, size=stream.accesses, dtype=np.int32)
    line, free = np.empty((stream.sets, ways), np.int32), np.full(stream.sets, ways, np.int32)
    _replay(stream.item, stream.set_of, line, free, draw, cached, hit)
    return hit
