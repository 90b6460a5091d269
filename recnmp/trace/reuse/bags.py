"""How many lookups bags have, and signs in them that a generator rather than users made them."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.reuse import _kernels
from recnmp.trace.trace import Calls

_FACTORIAL = np.cumprod(np.r_[1.0, np.arange(1, 21)])  # 20! orders are as good as any more


class BagScan:
    """Takes lookups in order, in pieces that may cut bags, and counts by table.

    Memory: 4 bytes for each of the ``items`` that are read.

    Attributes, shapes (T,), complete after ``finish``:
        bags: bags with at least one lookup.
        long: bags with at least two; the rest is about these.
        ascending: those whose entries ascend, so that none repeats.
        ascending_by_chance: those expected to ascend had their different entries been put in random order.
        compared: those whose first entry another bag of the table began with.
        same: those of them that are that bag again, entry by entry.
        following: those that another long bag of the table precedes.
        repeated: those of them that begin with the same entry as the preceding one.
        shortest, longest: lookups of such bags; empty bags do not count.
        lengths: how many bags have so many lookups, over all tables, empty ones too.
        empty: bags without a lookup.
    """

    def __init__(self, tables: int, items: int) -> None:
        self._open = np.full(_kernels.OPEN_BAG, -1, np.int64)
        self._hashes = np.full(items, -1, np.int32)
        self._previous = np.full(tables, -1, np.int64)
        self._counts = np.zeros((tables, 9), np.int64)
        self.ascending_by_chance = np.zeros(tables)
        self.lengths: Counter[int] = Counter()

    def feed(
        self,
        table: NDArray[np.uint16],
        bag: NDArray[np.uint32],
        entry: NDArray[np.uint32],
        item: NDArray[np.int32],
    ) -> None:
        """Take the next lookups, shapes (n,), ``item`` numbering their entries over all tables."""
        length, owner = np.empty(len(bag), np.int64), np.empty(len(bag), np.int64)
        state = (self._open, self._hashes, self._previous, self._counts)
        closed = _kernels.scan_bags(table, bag, entry, item, *state, length, owner)
        self._note(length[:closed], owner[:closed])

    def finish(self, calls: Calls) -> None:
        """Close the last bag; ``calls`` tells the bags that no lookup names."""
        if self._open[0] >= 0:
            _kernels.close_last_bag(self._open, self._hashes, self._previous, self._counts)
            self._note(self._open[2:3], self._open[1:2])
        self._hashes = np.empty(0, np.int32)  # nothing follows that could be compared
        columns = self._counts.T
        self.bags, self.long, self.ascending, self.compared, self.same = columns[:5]
        self.following, self.repeated, self.shortest, self.longest = columns[5:]
        of_table = np.zeros(len(self.bags), np.int64)
        np.add.at(of_table, calls.table, calls.bags)
        self.empty = of_table - self.bags
        if self.empty.any():
            self.lengths[0] = int(self.empty.sum())

    def _note(self, length: NDArray[np.int64], owner: NDArray[np.int64]) -> None:
        values, counts = np.unique(length, return_counts=True)
        self.lengths.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        chance = np.where(length > 1, 1 / _FACTORIAL[np.minimum(length, 20)], 0)
        self.ascending_by_chance += np.bincount(owner, chance, len(self.ascending_by_chance))


def length_percentile(lengths: Counter[int], share: float) -> int:
    """Return the least length that ``share`` of the bags do not exceed; 0 without bags."""
    sizes = sorted(lengths)
    bags = np.cumsum([lengths[size] for size in sizes])
    return sizes[int(np.searchsorted(bags, share * bags[-1]))] if sizes else 0
