"""What memoization learns from: which items occur together, and how often."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.trace import POOLINGS, Trace
from recnmp.trace.values import mix64

Longs = NDArray[np.int64]

_SUMS = tuple(POOLINGS.index(name) for name in ("sum", "mean"))
_ENTRY_BITS = np.int64(32)


@dataclass(frozen=True)
class TrainingBags:
    """Training bags of all tables, G of them; N items, which are the entries that occur.

    Attributes:
        table: table of each item, shape (N,), not decreasing.
        entry: its entry, shape (N,), growing within a table.
        start: bag g holds ``item[start[g] : start[g + 1]]``, shape (G + 1,).
        item: items of the bags, each once in a bag and growing, shape (start[-1],).
        weight: how often each bag occurs, shape (G,).
    """

    table: Longs
    entry: Longs
    start: Longs
    item: Longs
    weight: Longs

    @property
    def items(self) -> int:
        """Items, N."""
        return len(self.table)

    @property
    def heat(self) -> Longs:
        """How many lookups read each item, shape (N,); an item counts once in a bag."""
        of_pin = np.repeat(self.weight, np.diff(self.start))
        return np.bincount(self.item, weights=of_pin, minlength=self.items).astype(np.int64)


def summed_tables(trace: Trace) -> tuple[int, ...]:
    """Return the tables whose partial sums are of use: all their calls sum, or take a mean."""
    other = np.unique(trace.calls.table[~np.isin(trace.calls.pooling, _SUMS)])
    return tuple(t for t in np.unique(trace.calls.table).tolist() if t not in other)


def training_bags(trace: Trace, tables: tuple[int, ...], least: int = 1) -> TrainingBags:
    """Return the bags of ``tables`` without repeated entries; equal bags that follow one another are one.

    Items in fewer than ``least`` bags, equal ones counted once, are left out.
    """
    mine = np.isin(trace.table, tables)
    key = trace.table[mine].astype(np.int64) << _ENTRY_BITS | trace.entry[mine]
    known, item = np.unique(key, return_inverse=True)
    bag = trace.bag[mine].astype(np.int64)
    order = np.lexsort((item, bag))
    bag, item = bag[order], item[order]
    fresh = np.ones(len(bag), np.bool_)
    fresh[1:] = (bag[1:] != bag[:-1]) | (item[1:] != item[:-1])
    start, item, weight = _folded(bag[fresh], item[fresh])
    kept = np.bincount(item, minlength=len(known)) >= least
    number = np.cumsum(kept) - 1
    length = np.add.reduceat(kept[item], start[:-1]) if len(item) else np.empty(0, np.int64)
    item = number[item[kept[item]]]
    start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    known = known[kept]
    return TrainingBags(known >> _ENTRY_BITS, known & 0xFFFFFFFF, start, item.astype(np.int64), weight)


def _folded(bag: Longs, item: Longs) -> tuple[Longs, Longs, Longs]:
    """Return start and item of the bags, and how often each occurs in a row."""
    first = np.flatnonzero(np.diff(bag, prepend=-1))
    length = np.diff(np.append(first, len(bag)))
    if not len(first):
        return np.zeros(1, np.int64), item, np.empty(0, np.int64)
    place = np.arange(len(bag)) - np.repeat(np.append(0, length[:-1]), length)  # the same in the bag before
    differs = item != item[place]
    same = np.append(False, length[1:] == length[:-1]) & (np.add.reduceat(differs, first) == 0)
    kept = ~same
    weight = np.diff(np.append(np.flatnonzero(kept), len(kept)))
    pins = np.repeat(kept, length)
    start = np.concatenate([[0], np.cumsum(length[kept])])
    return start.astype(np.int64), item[pins], weight.astype(np.int64)


def known_bags(train: Trace, judged: Trace, tables: tuple[int, ...]) -> float:
    """Return the share of the judged bags of two lookups or more that training has as they are, told by a hash.

    Where it is high, as where an id always brings the same bag, memoization looks better than on bags that vary.
    """
    seen, asked = (_bag_hashes(trace, tables) for trace in (train, judged))
    return float(np.isin(asked, seen).mean()) if len(asked) else 0.0


def _bag_hashes(trace: Trace, tables: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return a hash of each bag of two lookups or more; the order of its lookups has no say."""
    mine = np.isin(trace.table, tables)
    bag = trace.bag[mine]
    key = trace.table[mine].astype(np.uint64) << np.uint64(_ENTRY_BITS) | trace.entry[mine]
    first = np.flatnonzero(np.diff(bag.astype(np.int64), prepend=-1))
    if not len(first):
        return np.empty(0, np.uint64)
    length = np.diff(np.append(first, len(bag)))
    hashed: NDArray[np.uint64] = np.add.reduceat(mix64(key), first)[length > 1]
    return hashed
