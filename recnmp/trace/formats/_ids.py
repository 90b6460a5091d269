"""From what a file has in its cells to entries of a table."""

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace.formats import _kernels as kernel
from recnmp.trace.formats._columns import Cells
from recnmp.trace.formats._options import TableOptions

_LARGEST = (1 << 32) - 1
_FEWEST_SLOTS = 1 << 12


class SlotTable:
    """A hash table of 64-bit keys in two columns, which grows; 27 to 54 bytes a key."""

    def __init__(self) -> None:
        self.slots = np.zeros((_FEWEST_SLOTS, 2), np.uint64)
        self.known = 0

    @property
    def most(self) -> int:
        """Keys it may hold before it must grow."""
        return len(self.slots) * 6 // 10

    @np.errstate(over="ignore")  # hashes wrap around
    def grow(self) -> None:
        """Double it."""
        larger = np.zeros((2 * len(self.slots), 2), np.uint64)
        kernel.move_slots(self.slots, larger)
        self.slots = larger


class IdMap:
    """Turns the ids of one table into its entries.

    Args:
        name: the table, for errors.
        options: how.
        base: 10 or 16 for ids that are whole numbers, 0 for text.

    Raises ConfigError where the options lack the size that they need. Text under ``dense`` is told apart by a 64-bit
    hash: of 1e8 different ids two fall together with a chance of 3 in 10,000.
    """

    def __init__(self, name: str, options: TableOptions, base: int = 10) -> None:
        self.name, self._options, self._base = name, options, base
        self._table = SlotTable()
        self._largest = -1
        if options.ids in ("modulo", "hash") and options.entries is None:
            raise ConfigError(f"table {name!r}: ids: {options.ids} needs entries, the size of the table")
        if base == 0 and (options.ids in ("as_is", "modulo") or options.fold):
            raise ConfigError(f"table {name!r}: its ids are text; ids is hash or dense, without fold")

    @property
    def entries(self) -> int:
        """Entries of the table so far."""
        if self._options.entries is not None:
            return self._options.entries
        return max(self._table.known if self._options.ids == "dense" else self._largest + 1, 1)

    def of_text(self, cells: Cells) -> NDArray[np.uint64]:
        """Return the key of each cell, whatever it says, shape (N,)."""
        return cells.hashed(self._options.seed)

    def outside(self, key: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which keys cannot be entries, shape (N,): too large ones, as they are."""
        if self._options.ids != "as_is":
            return np.zeros(len(key), np.bool_)
        return self._folded(key) >= np.uint64(self._options.entries or _LARGEST + 1)

    @np.errstate(over="ignore")  # hashes wrap around
    def entry(self, key: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Return the entry of each key, none of them outside, shape (N,)."""
        options, key = self._options, self._folded(key)
        if options.ids == "dense":
            return self._dense(key)
        if options.ids == "as_is":
            self._largest = max(self._largest, int(key.max(initial=0)) if len(key) else -1)
            return key.astype(np.uint32)
        if options.ids == "hash" and self._base:
            hashed = np.zeros(len(key), np.uint64)
            kernel.hash_numbers(key, np.uint64(options.seed), hashed)
            key = hashed
        return (key % np.uint64(options.entries or 1)).astype(np.uint32)

    def _folded(self, key: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return key if self._options.fold is None else key % np.uint64(self._options.fold)

    def _dense(self, key: NDArray[np.uint64]) -> NDArray[np.uint32]:
        number = np.zeros(len(key), np.uint32)
        table, done = self._table, 0
        while done < len(key):
            step, table.known = kernel.renumber(
                key[done:], table.slots, table.known, table.most, number[done:]
            )
            done += step
            if done < len(key):
                table.grow()
        if table.known > (self._options.entries or _LARGEST):
            raise ConfigError(
                f"table {self.name!r}: more than {self._options.entries or _LARGEST:,} different ids; give it more "
                "entries, or ids: hash"
            )
        return number
