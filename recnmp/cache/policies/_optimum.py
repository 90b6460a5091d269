"""What knowing the future is worth: both forms of Belady's optimum, by a set of the next reads of all cached lines.

The set is a tree of 64-bit words over all accesses, so that its latest member is found in one step per level.
Lines that are never read again need no place in it: any of them may go first, all alike.
"""

import numpy as np
from numpy.typing import NDArray

from recnmp._accel import inlined, jit, popcount
from recnmp.cache.stream import Bits, Items, Longs, Stream

_Words = NDArray[np.uint64]
_ONE = np.uint64(1)


@jit
def _next_reads(item: Items, following: Items, latest: Items) -> None:
    """Write when each access's item is read next, the number of accesses if never; ``latest`` holds that at first."""
    for n in range(len(item) - 1, -1, -1):
        following[n] = latest[item[n]]
        latest[item[n]] = n


@inlined
def _add(words: _Words, start: Longs, place: int) -> None:
    for level in range(len(start)):
        w = start[level] + (place >> 6)
        old = words[w]
        words[w] = old | (_ONE << np.uint64(place & 63))
        if old != 0:
            break
        place >>= 6


@inlined
def _remove(words: _Words, start: Longs, place: int) -> None:
    for level in range(len(start)):
        w = start[level] + (place >> 6)
        words[w] &= ~(_ONE << np.uint64(place & 63))
        if words[w] != 0:
            break
        place >>= 6


@inlined
def _latest(words: _Words, start: Longs) -> int:
    """Return the largest member of a set that is not empty."""
    place = 0
    for level in range(len(start) - 1, -1, -1):
        word = words[start[level] + place]
        for shift in (1, 2, 4, 8, 16, 32):
            word |= word >> np.uint64(shift)
        place = (place << 6) + popcount(word) - 1
    return place


@jit
def _replay(
    item: Items, set_of: Items, ways: int, bypass: bool, following: Items, words: _Words, start: Longs,
    cached: Bits, hit: Bits,
) -> None:  # fmt: skip
    """Replay accesses that are sorted by set."""
    never = len(item)
    now, used, dead = -1, 0, 0  # dead lines still have a place, but are never read again
    for n in range(len(item)):
        i = item[n]
        if set_of[i] != now:
            now, used, dead = set_of[i], 0, 0
        if cached[i]:
            hit[n] = True
            _remove(words, start, n)
            used -= 1
            cached[i] = False
        if following[n] == never:
            if bypass:
                continue
            if used + dead < ways or dead > 0:
                dead = min(dead + 1, ways - used)
                continue
        if used + dead == ways:
            if dead > 0:
                dead -= 1
            else:
                latest = _latest(words, start)
                if bypass and latest < following[n]:
                    continue
                _remove(words, start, latest)
                cached[item[latest]] = False
                used -= 1
        if following[n] == never:
            dead += 1
        else:
            _add(words, start, following[n])
            cached[i] = True
            used += 1


def optimum(stream: Stream, ways: int, bypass: bool) -> Bits:
    """Return which accesses hit at best, shape (N,)."""
    order = None
    if stream.sets > 1:
        narrow = np.uint16 if stream.sets <= 1 << 16 else np.int32  # NumPy sorts 16 bits by radix, far faster
        order = np.argsort(stream.set_of.astype(narrow)[stream.item], kind="stable")
    item = stream.item if order is None else stream.item[order]
    n = len(item)
    following = np.empty(n, np.int32)
    _next_reads(item, following, np.full(stream.items, n, np.int32))
    sizes = [(n >> 6) + 1]
    while sizes[-1] > 1:
        sizes.append((sizes[-1] >> 6) + 1)
    start = np.cumsum([0, *sizes])
    hit, cached = np.zeros(n, np.bool_), np.zeros(stream.items, np.bool_)
    words = np.zeros(start[-1], np.uint64)
    _replay(item, stream.set_of, ways, bypass, following, words, start[:-1], cached, hit)
    if order is None:
        return hit
    in_order = np.empty_like(hit)
    in_order[order] = hit
    return in_order
