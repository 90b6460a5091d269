"""SIEVE: a queue in order of arrival; a hand walks from old to young and replaces the first line not read since.

Source: Zhang et al., SIEVE is simpler than LRU, NSDI 2024, algorithm 1. Unlike CLOCK's, lines that stay keep
their place, and new ones come in at the young end, not at the hand. Past the youngest the hand goes on at the
oldest. No ties.
"""

from dataclasses import dataclass

import numpy as np

from recnmp._accel import jit
from recnmp.cache.policies._lists import WHERE, YOUNGER, empty_lists, oldest, push, unlink
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True

_ABSENT, _CACHED, _READ = range(3)


@dataclass(frozen=True)
class Options:
    """SIEVE has no options."""


@jit
def _replay(item: Items, set_of: Items, free: Items, hand: Items, node: Items, hit: Bits) -> None:
    """Replay; a hand at the ends of its list starts at the oldest line."""
    items = len(set_of)
    one = len(free) == 1
    for n in range(len(item)):
        i = item[n]
        if node[i, WHERE] != _ABSENT:
            hit[n] = True
            node[i, WHERE] = _READ
            continue
        s = 0 if one else set_of[i]
        ends = items + s
        if free[s]:
            free[s] -= 1
        else:
            at = hand[s] if hand[s] != ends else oldest(node, ends)
            while node[at, WHERE] == _READ:
                node[at, WHERE] = _CACHED
                at = node[at, YOUNGER]
                if at == ends:
                    at = oldest(node, ends)
            hand[s] = node[at, YOUNGER]
            unlink(node, at)
            node[at, WHERE] = _ABSENT
        node[i, WHERE] = _CACHED
        push(node, ends, i)


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit = np.zeros(stream.accesses, np.bool_)
    free = np.full(stream.sets, ways, np.int32)
    hand = np.arange(stream.items, stream.items + stream.sets, dtype=np.int32)
    _replay(stream.item, stream.set_of, free, hand, empty_lists(stream.items, stream.sets), hit)
    return hit
