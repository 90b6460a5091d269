"""LFU: the line read least often since it came in is replaced; of several, the one not read for longest.

Source: Aho, Denning and Ullman, Principles of optimal page replacement, Journal of the ACM 18 (1), 1971; constant
time by groups of equal counts, Shah, Mitra and Matani, An O(1) algorithm for implementing the LFU cache eviction
scheme, 2010. A line that leaves loses its count. The tie rule is LRU.
"""

from dataclasses import dataclass

import numpy as np

from recnmp._accel import inlined, jit
from recnmp.cache.policies._lists import OLDER, WHERE, YOUNGER, empty_lists, insert_after, oldest, unlink
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True

# a set's lines are one list, least reads first; lines of equal reads are a group; WHERE is group + 1
_READS, _LAST = range(2)


@dataclass(frozen=True)
class Options:
    """LFU has no options."""


@inlined
def _open_group(node: Items, group: Items, spare: Items, i: int, reads: int) -> None:
    """Give item ``i`` a group of its own; ``spare[0]`` counts the unused groups that follow it."""
    g = spare[spare[0]]
    spare[0] -= 1
    group[g, _READS] = reads
    group[g, _LAST] = i
    node[i, WHERE] = g + 1


@inlined
def _close_group(spare: Items, g: int) -> None:
    spare[0] += 1
    spare[spare[0]] = g


@inlined
def _join(node: Items, group: Items, g: int, i: int) -> None:
    """Put item ``i``, which is in no list, behind the last one of group ``g``."""
    insert_after(node, group[g, _LAST], i)
    group[g, _LAST] = i
    node[i, WHERE] = g + 1


@inlined
def _read_again(node: Items, group: Items, spare: Items, ends: int, i: int) -> None:
    """Move item ``i`` to the end of the lines that have one read more."""
    g = node[i, WHERE] - 1
    last, older = group[g, _LAST], node[i, OLDER]
    alone = last == i and (older == ends or node[older, WHERE] != g + 1)
    after = node[last, YOUNGER]
    if after != ends and group[node[after, WHERE] - 1, _READS] == group[g, _READS] + 1:
        unlink(node, i)
        if alone:
            _close_group(spare, g)
        elif last == i:
            group[g, _LAST] = older
        _join(node, group, node[after, WHERE] - 1, i)
    elif alone:
        group[g, _READS] += 1
    else:
        if last == i:
            group[g, _LAST] = older  # it already stands where its new group is to be
        else:
            unlink(node, i)
            insert_after(node, last, i)
        _open_group(node, group, spare, i, group[g, _READS] + 1)


@inlined
def _evict(node: Items, group: Items, spare: Items, ends: int) -> None:
    i = oldest(node, ends)
    g = node[i, WHERE] - 1
    if group[g, _LAST] == i:
        _close_group(spare, g)
    unlink(node, i)
    node[i, WHERE] = 0


@jit
def _replay(
    item: Items, set_of: Items, free: Items, group: Items, spares: Items, node: Items, hit: Bits
) -> None:
    items = len(set_of)
    for n in range(len(item)):
        i = item[n]
        s = 0 if len(free) == 1 else set_of[i]
        ends, spare = items + s, spares[s]
        if node[i, WHERE]:
            hit[n] = True
            _read_again(node, group, spare, ends, i)
            continue
        if free[s]:
            free[s] -= 1
        else:
            _evict(node, group, spare, ends)
        first = oldest(node, ends)
        if first != ends and group[node[first, WHERE] - 1, _READS] == 1:
            _join(node, group, node[first, WHERE] - 1, i)
        else:
            insert_after(node, ends, i)
            _open_group(node, group, spare, i, 1)


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit, ways = np.zeros(stream.accesses, np.bool_), stream.useful_ways(ways)
    free, group = np.full(stream.sets, ways, np.int32), np.zeros((stream.sets * ways, 2), np.int32)
    spares = np.empty((stream.sets, ways + 1), np.int32)
    spares[:, 0] = ways
    spares[:, 1:] = np.arange(stream.sets * ways, dtype=np.int32).reshape(stream.sets, ways)
    node = empty_lists(stream.items, stream.sets)
    _replay(stream.item, stream.set_of, free, group, spares, node, hit)
    return hit
