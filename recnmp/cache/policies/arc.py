"""ARC: lines read once and lines read again in two LRU lists, whose shares follow the hits on what they gave up.

Source: Megiddo and Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003, figure 4. The target p
of the first list is a real number; a step is 1 or the quotient of the two ghost lists' lengths, whichever is
more. Ghosts are numbers without data, at most as many as there are lines. No ties.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp._accel import inlined, jit
from recnmp.cache.policies._lists import WHERE, empty_lists, move, oldest
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True

# lists of a set, and where an item is; nowhere is 0
_T1, _T2, _B1, _B2 = 1, 2, 3, 4
_LISTS = 5


@dataclass(frozen=True)
class Options:
    """ARC has no options: it tunes itself."""


@inlined
def _replace(node: Items, size: Items, base: int, target: float, in_b2: bool) -> None:
    """Give up the oldest line of one of the lists, and remember it as a ghost."""
    ones = size[_T1]
    if ones > 0 and (ones > target or (in_b2 and ones == target)):
        move(node, size, base, oldest(node, base + _T1), _B1)
    else:
        move(node, size, base, oldest(node, base + _T2), _B2)


@inlined
def _admit(node: Items, size: Items, base: int, target: float, ways: int) -> None:
    """Make room for an item that is in no list (case IV)."""
    if size[_T1] + size[_B1] == ways:
        if size[_T1] < ways:
            move(node, size, base, oldest(node, base + _B1), 0)
            _replace(node, size, base, target, False)
        else:
            move(node, size, base, oldest(node, base + _T1), 0)
        return
    total = size[_T1] + size[_T2] + size[_B1] + size[_B2]
    if total >= ways:
        if total == 2 * ways:
            move(node, size, base, oldest(node, base + _B2), 0)
        _replace(node, size, base, target, False)


@jit
def _replay(
    item: Items, set_of: Items, ways: int, sizes: Items, targets: NDArray[np.float64], node: Items, hit: Bits
) -> None:
    items = len(set_of)
    for n in range(len(item)):
        i = item[n]
        s = 0 if len(sizes) == 1 else set_of[i]
        size, base = sizes[s], items + _LISTS * s
        at = node[i, WHERE]
        if at in (_T1, _T2):
            hit[n] = True
        elif at == _B1:
            targets[s] = min(targets[s] + max(1.0, size[_B2] / size[_B1]), float(ways))
            _replace(node, size, base, targets[s], False)
        elif at == _B2:
            targets[s] = max(targets[s] - max(1.0, size[_B1] / size[_B2]), 0.0)
            _replace(node, size, base, targets[s], True)
        else:
            _admit(node, size, base, targets[s], ways)
        move(node, size, base, i, _T2 if at else _T1)


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit = np.zeros(stream.accesses, np.bool_)
    sizes, targets = np.zeros((stream.sets, _LISTS), np.int32), np.zeros(stream.sets)
    node = empty_lists(stream.items, _LISTS * stream.sets)
    _replay(stream.item, stream.set_of, ways, sizes, targets, node, hit)
    return hit
