"""Numbers for the entries that a trace reads, 0 on without gaps, table after table.

Everything that is kept for an entry then takes memory for the entries that are read, not for those there are.
What does grow with the tables is the numbering itself: a bit for every entry, half a bit for the way back.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.trace.reuse import _kernels
from recnmp.trace.trace import Table

MOST_BITS = 1 << 33
"""Entries of all tables up to which they get a bit each (1.5 GiB at most); beyond, what is read is sorted."""


class Numbering:
    """Meets every lookup once in ``see``; after ``freeze``, ``items`` numbers them.

    Attributes:
        first: number of each table's first item, shape (T + 1,); known after ``freeze``.
    """

    first: NDArray[np.int64]

    def __init__(self, tables: Sequence[Table]) -> None:
        sizes = [-(-table.entries // 64) * 64 for table in tables]  # tables start at a word of their own
        self._place = np.cumsum([0, *sizes], dtype=np.int64)
        self._dense = int(self._place[-1]) <= MOST_BITS
        self._words = np.zeros(int(self._place[-1]) // 64 if self._dense else 0, np.uint64)
        self._keys = np.empty(0, np.int64)

    @property
    def count(self) -> int:
        """Different entries read, over all tables."""
        return int(self.first[-1])

    def see(self, table: NDArray[np.uint16], entry: NDArray[np.uint32]) -> None:
        """Note that these entries are read; shapes (n,)."""
        if self._dense:
            _kernels.mark(table, entry, self._place, self._words)
        else:
            self._keys = np.union1d(self._keys, self._place[table] + entry)

    def freeze(self) -> None:
        """Number what was seen; nothing new may follow. Raises RecnmpError beyond 2^30 different entries."""
        if self._dense:
            self._rank = np.zeros(len(self._words) + 1, np.int32)
            np.cumsum(np.bitwise_count(self._words), dtype=np.int32, out=self._rank[1:])
            self.first = self._rank[self._place >> 6].astype(np.int64)
        else:
            self.first = np.searchsorted(self._keys, self._place).astype(np.int64)
        if not 0 <= self.count <= 1 << 30:  # slots of time, twice as many, are int32
            raise RecnmpError(f"the trace reads {self.count:,} different entries; the most is {1 << 30:,}")

    def items(self, table: NDArray[np.uint16], entry: NDArray[np.uint32]) -> NDArray[np.int32]:
        """Return the number of each lookup's entry, shape (n,)."""
        if not self._dense:
            return np.searchsorted(self._keys, self._place[table] + entry).astype(np.int32)
        item = np.empty(len(entry), np.int32)
        _kernels.number(table, entry, self._place, self._words, self._rank, item)
        return item
