"""Kernels of reuse: numbering entries, stack distances, bags. Arrays only, allocated by the caller."""

import numpy as np

from recnmp._accel import inlined, jit, popcount

_ONE = np.uint64(1)
_63 = np.uint64(63)
_AHEAD = 16  # accesses between asking for an item's last slot and needing it

HASH_PRIME = 2147483647
"""Bags are told apart by a polynomial hash modulo this prime, so a hash fits an int32."""

BAGS, LONG, ASCENDING, COMPARED, SAME, FOLLOWING, REPEATED, SHORTEST, LONGEST = range(9)
"""Columns of what ``scan_bags`` counts by table; see ``recnmp.trace.reuse.bags``."""

_BAG, _TABLE, _LENGTH, _HASH, _ASCENDS, _FIRST_ITEM, _FIRST, _LAST = range(8)
OPEN_BAG = 8
"""Integers that keep the bag that is still open at the end of a piece."""


@jit
def mark(table, entry, first, words):
    """Set the bit of every (table, entry) that is read; table t owns the bits from ``first[t]`` on."""
    for n in range(len(entry)):
        bit = first[table[n]] + np.int64(entry[n])
        words[bit >> 6] |= _ONE << (np.uint64(bit) & _63)


@jit
def number(table, entry, first, words, rank, item):
    """Write the number of every lookup's entry among the marked ones; ``rank`` counts marks before a word."""
    for n in range(len(entry)):
        bit = first[table[n]] + np.int64(entry[n])
        below = (_ONE << (np.uint64(bit) & _63)) - _ONE
        item[n] = rank[bit >> 6] + popcount(words[bit >> 6] & below)


@jit
def count(item, reads):
    """Add the lookups of every item to ``reads``."""
    for i in item:
        reads[i] += 1


@inlined
def _compact(last, words, tree):
    """Move all live marks to the front of the time axis, in order; return the first free slot.

    Every item's new slot is the number of marks before its old one, so nobody need know a slot's owner.
    """
    live = 0
    for w in range(len(words)):
        tree[w] = live  # for now: marks before this word
        live += popcount(words[w])
    for i in range(len(last)):
        slot = last[i]
        if slot >= 0:
            below = (_ONE << (np.uint64(slot) & _63)) - _ONE
            last[i] = tree[slot >> 6] + popcount(words[slot >> 6] & below)
    full = live >> 6
    for w in range(len(words)):
        words[w] = ~np.uint64(0) if w < full else np.uint64(0)
    if live & 63:
        words[full] = (_ONE << (np.uint64(live) & _63)) - _ONE
    for k in range(1, len(tree)):
        tree[k] = (min(k, full) - min(k - (k & -k), full)) << 6
    return live


@jit
def stack_distances(item, last, words, tree, reuses, state, distance):
    """Write the LRU stack distance of every access: different items read since this one was; -1 if never.

    A bit per slot of a time axis marks the latest access of every item. Marks of whole words are in a Fenwick
    tree; the newest word joins it when it is full. ``state`` is [next slot, items seen, -]; ``last`` is -1 and all
    other arrays 0 at first. ``reuses[d]`` counts distances d.
    """
    time, seen = state[0], state[1]
    slots = len(words) << 6
    ahead = 0  # random reads of ``last`` are what takes time; reading early overlaps them
    for n in range(len(item)):
        if n + _AHEAD < len(item):
            ahead ^= last[item[n + _AHEAD]]
        if time == slots:
            time = _compact(last, words, tree)
        i = item[n]
        slot = np.int64(last[i])
        d = -1
        if slot < 0:
            seen += 1
        else:
            w = slot >> 6
            bit = _ONE << (np.uint64(slot) & _63)
            up_to = popcount(words[w] & (bit | (bit - _ONE)))
            k = w
            while k > 0:
                up_to += tree[k]
                k &= k - 1
            d = seen - up_to
            reuses[d] += 1
            words[w] ^= bit
            if w < time >> 6:
                k = w + 1
                while k < len(tree):
                    tree[k] -= 1
                    k += k & -k
        distance[n] = d
        words[time >> 6] |= _ONE << (np.uint64(time) & _63)
        last[i] = time
        time += 1
        if time & 63 == 0:
            marks = popcount(words[(time >> 6) - 1])
            k = time >> 6
            while k < len(tree):
                tree[k] += marks
                k += k & -k
    state[0], state[1] = time, seen
    state[2] = ahead  # so that the reads ahead are not left out


@inlined
def _close_bag(bag, hashes, previous, counts):
    """Count the open bag of ``bag`` for its table, and compare it with the bags before it."""
    t, length, first = bag[_TABLE], bag[_LENGTH], bag[_FIRST_ITEM]
    of_table = counts[t]
    of_table[SHORTEST] = length if of_table[BAGS] == 0 else min(of_table[SHORTEST], length)
    of_table[LONGEST] = max(of_table[LONGEST], length)
    of_table[BAGS] += 1
    if length > 1:
        of_table[LONG] += 1
        of_table[ASCENDING] += bag[_ASCENDS]
        if hashes[first] >= 0:
            of_table[COMPARED] += 1
            of_table[SAME] += 1 if hashes[first] == bag[_HASH] else 0
        hashes[first] = bag[_HASH]
        if previous[t] >= 0:
            of_table[FOLLOWING] += 1
            of_table[REPEATED] += 1 if previous[t] == bag[_FIRST] else 0
        previous[t] = bag[_FIRST]


@jit
def scan_bags(table, bag_of, entry, item, bag, hashes, previous, counts, length, owner):
    """Read lookups in order, close every bag that ends among them, and return how many did.

    ``length`` and ``owner`` get lookups and table of the closed bags. ``bag`` keeps the open one, ``bag[0]`` its
    number, -1 at first. ``hashes`` (items) and ``previous`` (tables) start at -1, ``counts`` (tables, 9) at 0.
    """
    closed = 0
    for n in range(len(entry)):
        value = np.int64(entry[n])
        if bag_of[n] != bag[_BAG]:
            if bag[_BAG] >= 0:
                _close_bag(bag, hashes, previous, counts)
                length[closed] = bag[_LENGTH]
                owner[closed] = bag[_TABLE]
                closed += 1
            bag[_BAG] = bag_of[n]
            bag[_TABLE] = table[n]
            bag[_LENGTH] = 0
            bag[_HASH] = 0
            bag[_ASCENDS] = 1
            bag[_FIRST_ITEM] = item[n]
            bag[_FIRST] = value
            bag[_LAST] = -1
        if value <= bag[_LAST]:
            bag[_ASCENDS] = 0
        bag[_LAST] = value
        bag[_LENGTH] += 1
        bag[_HASH] = (bag[_HASH] * 48271 + value + 1) % HASH_PRIME
    return closed


@jit
def close_last_bag(bag, hashes, previous, counts):
    """Count the bag that is open when no more lookups follow."""
    _close_bag(bag, hashes, previous, counts)
