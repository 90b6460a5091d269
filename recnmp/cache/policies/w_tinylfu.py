"""W-TinyLFU: a small LRU window before a segmented LRU main cache that only lets in what is read more than it loses.

Source: Einziger, Friedman and Manes, TinyLFU: a highly efficient cache admission policy, ACM Transactions on
Storage 13 (4), 2017. What leaves the window stays if it was read more often lately than the main cache's victim,
which goes instead; on a tie the newcomer goes. The main cache is probation and, for what was hit there, a
protected part of at most 80 %; what is pushed out of that is probation's youngest. Probation's oldest is the
victim, and protected's where probation is empty. Reads are counted up to 15 and halved after every 10 accesses
per way of the set. What the paper leaves open: shares are rounded, the window to one line at least, the protected
part down.

Not modelled: the sketch's collisions and its doorkeeper; every line has an exact counter of its own, halved
alike.
"""

from dataclasses import dataclass

import numpy as np

from recnmp._accel import inlined, jit
from recnmp.cache.policies._lists import WHERE, empty_lists, move, oldest
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True

_WINDOW, _PROBATION, _PROTECTED = 1, 2, 3
_LISTS = 4
_MOST = 15  # counters have four bits


@dataclass(frozen=True)
class Options:
    """Shares of the ways, the protected one of what is not window; ``sample`` accesses per way until halving."""

    window_share: float = 0.01
    protected_share: float = 0.8
    sample: int = 10


@inlined
def _reads(count: Items, i: int, age: int) -> int:
    """Return what is left of the counter of item ``i``, halved once for every age since it was written."""
    return int(count[i, 0] >> min(age - count[i, 1], 31))


@inlined
def _leave_window(node: Items, size: Items, base: int, main: int, count: Items, age: int) -> None:
    """Let the window's oldest into the main cache, or out."""
    newcomer = oldest(node, base + _WINDOW)
    if size[_PROBATION] + size[_PROTECTED] < main:
        move(node, size, base, newcomer, _PROBATION)
        return
    victim = newcomer
    if main > 0:
        victim = oldest(node, base + (_PROBATION if size[_PROBATION] else _PROTECTED))
        if _reads(count, newcomer, age) > _reads(count, victim, age):
            move(node, size, base, newcomer, _PROBATION)
        else:
            victim = newcomer
    move(node, size, base, victim, 0)


@jit
def _replay(
    item: Items, set_of: Items, shape: Items, sizes: Items, seen: Items, count: Items, node: Items, hit: Bits
) -> None:
    """``shape`` is window, main and protected lines, and accesses from one halving to the next."""
    window, main, protected, period = shape
    items = len(set_of)
    for n in range(len(item)):
        i = item[n]
        s = 0 if len(sizes) == 1 else set_of[i]
        size, base = sizes[s], items + _LISTS * s
        seen[s, 0] += 1
        if seen[s, 0] == period:
            seen[s, 0] = 0
            seen[s, 1] += 1
        age = seen[s, 1]
        count[i, 0] = min(_reads(count, i, age) + 1, _MOST)
        count[i, 1] = age
        at = node[i, WHERE]
        if at:
            hit[n] = True
            move(node, size, base, i, _WINDOW if at == _WINDOW else _PROTECTED)
            if size[_PROTECTED] > protected:
                move(node, size, base, oldest(node, base + _PROTECTED), _PROBATION)
            continue
        move(node, size, base, i, _WINDOW)
        if size[_WINDOW] > window:
            _leave_window(node, size, base, main, count, age)


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit = np.zeros(stream.accesses, np.bool_)
    window = min(max(1, round(options.window_share * ways)), ways)
    main = ways - window
    shape = np.array([window, main, int(options.protected_share * main), options.sample * ways], np.int32)
    sizes, seen = np.zeros((stream.sets, _LISTS), np.int32), np.zeros((stream.sets, 2), np.int32)
    node = empty_lists(stream.items, _LISTS * stream.sets)
    count = np.zeros((stream.items, 2), np.int32)
    _replay(stream.item, stream.set_of, shape, sizes, seen, count, node, hit)
    return hit
