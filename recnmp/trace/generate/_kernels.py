"""Kernels that draw lookups: arrays only, allocated by the caller."""

import numpy as np

from recnmp._accel import inlined, jit

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


@inlined
def _mix(x):
    """Finalizer of splitmix64, as ``recnmp.trace.values.mix64``."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@inlined
def _permuted(value, entries, half, keys):
    """As ``recnmp.trace.synthetic.scatter`` of one rank."""
    mask = (np.uint64(1) << half) - np.uint64(1)
    while True:
        left, right = value >> half, value & mask
        for k in range(4):
            left, right = right, left ^ (_mix(right + keys[k]) & mask)
        value = (left << half) | right
        if value < entries:
            return value


@jit
def alias(share, kept, other, waiting):
    """Turn shares, adding up to their number, into the alias table of Walker in Vose's way.

    ``kept`` (n,) uint32 is the chance of a cell in 2^-32, ``other`` (n,) uint32 the cell read instead;
    ``waiting`` (n,) int64 is room to work in: cells below 1 wait from the front, the others from the back.
    """
    n = len(share)
    small, large = 0, n
    for i in range(n):
        if share[i] < 1.0:
            waiting[small] = i
            small += 1
        else:
            large -= 1
            waiting[large] = i
    while small > 0 and large < n:
        small -= 1
        poor, rich = waiting[small], waiting[large]
        kept[poor] = np.uint32(share[poor] * 4294967295.0)
        other[poor] = rich
        share[rich] -= 1.0 - share[poor]
        if share[rich] < 1.0:
            large += 1
            waiting[small] = rich
            small += 1
    for i in range(small):
        kept[waiting[i]] = 4294967295
        other[waiting[i]] = waiting[i]
    for i in range(large, n):
        kept[waiting[i]] = 4294967295
        other[waiting[i]] = waiting[i]


@jit
def draw(word, kept, other, low, width, turn, population, head, half, keys, entries, entry):
    """Write an entry for every random 64-bit word.

    Cells of the alias table before ``len(kept) - len(low)`` are ranks, later ones spans of ``width`` ranks
    after ``low``. Rank r stands at place r - ``turn`` of the population; ``head`` holds the entries of the first
    places, the permutation gives the others.
    """
    cells = np.uint64(len(kept))
    ranks = len(kept) - len(low)
    for n in range(len(word)):
        w = word[n]
        c = np.int64(((w >> _32) * cells) >> _32)
        if (w & _LOW) >= kept[c]:
            c = np.int64(other[c])
        if c >= ranks:
            span = c - ranks
            c = low[span] + np.int64(((_mix(w) >> _32) * np.uint64(width[span])) >> _32)
        c -= turn
        if c < 0:
            c += population
        if c < len(head):
            entry[n] = head[c]
        else:
            entry[n] = _permuted(np.uint64(c), np.uint64(entries), half, keys)


@jit
def stack(uniform, distances, cumulative, padding, reorder, ring, state, entry):
    """Write the entries of a stack profile; ``ring`` holds the population, oldest at ``state[0]``.

    ``state`` is [place of the oldest, new entries so far]; the newest is just before the oldest, so that reading
    the oldest as new only moves the place.
    """
    n = len(ring)
    warm = distances[-1]
    for i in range(len(uniform)):
        u = uniform[i]
        if state[1] < warm:
            u *= cumulative[np.searchsorted(distances, state[1], "right") - 1]
        elif padding:
            u = (1.0 - cumulative[0]) * u + cumulative[0]
        distance = distances[min(np.searchsorted(cumulative, u, "left"), len(distances) - 1)]
        if distance == 0:
            entry[i] = ring[state[0]]
            state[0] = state[0] + 1 if state[0] + 1 < n else 0
            state[1] += 1
            continue
        at = state[0] - distance
        if at < 0:
            at += n
        found = ring[at]
        entry[i] = found
        if reorder:
            for _ in range(distance - 1):
                following = at + 1 if at + 1 < n else 0
                ring[at] = ring[following]
                at = following
            ring[at] = found


@jit
def first_distinct(rank, length, kept):
    """Write the first ``length`` different values of every row, ascending, row after row; False if too few."""
    start = 0
    for row in range(len(rank)):
        found = 0
        for c in range(rank.shape[1]):
            if found == length[row]:
                break
            value = rank[row, c]
            at = start + np.searchsorted(kept[start : start + found], value)
            if at < start + found and kept[at] == value:
                continue
            for i in range(start + found, at, -1):
                kept[i] = kept[i - 1]
            kept[at] = value
            found += 1
        if found < length[row]:
            return False
        start += found
    return True
