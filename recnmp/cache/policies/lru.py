"""LRU: the line that was not read for longest is replaced.

Source: Mattson et al., Evaluation techniques for storage hierarchies, IBM Systems Journal 9 (2), 1970. No ties:
one access at a time. A hit or fill makes a line its set's youngest.
"""

from dataclasses import dataclass

import numpy as np

from recnmp._accel import jit
from recnmp.cache.policies._lists import WHERE, empty_lists, oldest, push, unlink
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True


@dataclass(frozen=True)
class Options:
    """LRU has no options."""


@jit
def _replay(item: Items, set_of: Items, free: Items, node: Items, hit: Bits) -> None:
    items = len(set_of)
    one = len(free) == 1
    for n in range(len(item)):
        i = item[n]
        s = 0 if one else set_of[i]
        ends = items + s
        if node[i, WHERE]:
            hit[n] = True
            unlink(node, i)
        else:
            if free[s]:
                free[s] -= 1
            else:
                old = oldest(node, ends)
                unlink(node, old)
                node[old, WHERE] = 0
            node[i, WHERE] = 1
        push(node, ends, i)


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit = np.zeros(stream.accesses, np.bool_)
    free = np.full(stream.sets, ways, np.int32)
    _replay(stream.item, stream.set_of, free, empty_lists(stream.items, stream.sets), hit)
    return hit
