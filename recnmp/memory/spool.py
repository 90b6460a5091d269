"""Rows of numbers that wait on disk to be written in another order than they come in.

Spools are nameless files beside the file that is to be written, gone with the run however it ends.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

ROWS = 1 << 16
"""Rows that are read back at a time."""

Rows = NDArray[Any]


class Spool:
    """Rows of one type on disk, by number; what was never put is zero up to the last row put."""

    def __init__(self, folder: Path, row: DTypeLike) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the spool
        self._row = np.dtype(row)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, rows: Rows) -> None:
        """Put ``rows``, shape (N,), behind all others."""
        self._put(self._length, rows)

    def put(self, number: NDArray[np.int64], rows: Rows) -> None:
        """Put each row at its number, in any order; runs of consecutive numbers are put at once."""
        order = np.argsort(number, kind="stable")
        number, rows = number[order], rows[order]
        run = np.concatenate([[0], np.flatnonzero(np.diff(number) != 1) + 1, [len(number)]])
        for first, after in zip(run[:-1].tolist(), run[1:].tolist(), strict=True):
            if after > first:
                self._put(int(number[first]), rows[first:after])

    def _put(self, at: int, rows: Rows) -> None:
        left = np.ascontiguousarray(rows, self._row).view(np.uint8).data
        place = at * self._row.itemsize
        while len(left):  # a disk may take less than it was given
            done = os.pwrite(self._file.fileno(), left, place)
            left, place = left[done:], place + done
        self._length = max(self._length, at + len(rows))

    def read(self, first: int, rows: int) -> Rows:
        """Return up to ``rows`` rows from number ``first`` on."""
        size = min(rows, self._length - first) * self._row.itemsize
        text = os.pread(self._file.fileno(), size, first * self._row.itemsize)
        return np.frombuffer(text, self._row)

    def blocks(self) -> Iterator[Rows]:
        """Yield all rows in order, ``ROWS`` at a time."""
        for first in range(0, self._length, ROWS):
            yield self.read(first, ROWS)

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()


def merged(spools: list[Spool], key: str) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
    """Yield the rows of all ``spools`` in the order of ``key``, and the number of the spool of each row.

    Rows of a spool come in the order of ``key`` already, each key once in a spool; of equal keys the first spool's
    goes first.
    """
    blocks = [spool.blocks() for spool in spools]
    held = [next(block, None) for block in blocks]
    while any(rows is not None for rows in held):
        # what comes later in a spool has a higher key than the last row held of it
        until = min(rows[key][-1] for rows in held if rows is not None)
        ready, origin = [], []
        for n, rows in enumerate(held):
            if rows is not None:
                cut = int(np.searchsorted(rows[key], until, "right"))
                ready.append(rows[:cut])
                origin.append(np.full(cut, n))
                held[n] = rows[cut:] if cut < len(rows) else next(blocks[n], None)
        rows, spool = np.concatenate(ready), np.concatenate(origin)
        order = np.argsort(rows[key], kind="stable")
        yield rows[order], spool[order]
