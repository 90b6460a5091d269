"""S3-FIFO: a small queue that most lines leave unread, a main queue with reinsertion, and a ghost queue.

Source: Yang et al., FIFO queues are all you need for cache eviction, SOSP 2023, algorithm 1. New lines enter the
small queue, those that the ghost queue remembers the main one. A line at the small queue's end that was hit at
least twice moves to the main queue with its count at 0, else it becomes a ghost; one at the main queue's end that
was hit goes to its start with its count one less, counts up to 3. The small queue gives up a line where it holds
at least its share of the ways, else the main one. No ties. What the paper leaves open: shares are whole lines, at
least one, rounded down; moving to the main queue makes no room, so lines are given up until one has left; a ghost
that is read again leaves its queue; there are as many ghosts as lines of the main queue.
"""

from dataclasses import dataclass

import numpy as np

from recnmp._accel import inlined, jit
from recnmp.cache.policies._lists import COUNT, WHERE, empty_lists, move, oldest
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True

# queues of a set, and where an item is; nowhere is 0
_SMALL, _MAIN, _GHOST = 1, 2, 3
_LISTS = 4
_MOST = 3  # counts have two bits
_MOVES = 2  # hits that take a line from the small to the main queue


@dataclass(frozen=True)
class Options:
    """``small_share`` of the ways is the small queue's."""

    small_share: float = 0.1


@inlined
def _evict(node: Items, size: Items, base: int, small: int, ghosts: int) -> None:
    """Give up one line."""
    while True:
        if size[_SMALL] >= small or size[_MAIN] == 0:
            i = oldest(node, base + _SMALL)
            if node[i, COUNT] >= _MOVES:
                node[i, COUNT] = 0
                move(node, size, base, i, _MAIN)
                continue
            move(node, size, base, i, _GHOST)
            if size[_GHOST] > ghosts:
                move(node, size, base, oldest(node, base + _GHOST), 0)
            return
        i = oldest(node, base + _MAIN)
        if node[i, COUNT] == 0:
            move(node, size, base, i, 0)
            return
        node[i, COUNT] -= 1
        move(node, size, base, i, _MAIN)


@jit
def _replay(item: Items, set_of: Items, ways: int, small: int, sizes: Items, node: Items, hit: Bits) -> None:
    items = len(set_of)
    for n in range(len(item)):
        i = item[n]
        at = node[i, WHERE]
        if at in (_SMALL, _MAIN):
            hit[n] = True
            node[i, COUNT] = min(node[i, COUNT] + 1, _MOST)
            continue
        s = 0 if len(sizes) == 1 else set_of[i]
        size, base = sizes[s], items + _LISTS * s
        to = _MAIN if at == _GHOST else _SMALL
        if at == _GHOST:
            move(node, size, base, i, 0)
        if size[_SMALL] + size[_MAIN] == ways:
            _evict(node, size, base, small, ways - small)
        node[i, COUNT] = 0
        move(node, size, base, i, to)


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit = np.zeros(stream.accesses, np.bool_)
    small = max(1, int(options.small_share * ways))
    sizes, node = np.zeros((stream.sets, _LISTS), np.int32), empty_lists(stream.items, _LISTS * stream.sets)
    _replay(stream.item, stream.set_of, ways, small, sizes, node, hit)
    return hit
