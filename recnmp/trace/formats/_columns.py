"""Columns of a log as arrays: cells of text, numbers, lists."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.formats import _kernels as kernel


@dataclass(frozen=True)
class Cells:
    """Spans of a text, N of them: ``text[start[i] : end[i]]``."""

    text: NDArray[np.uint8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @classmethod
    def none(cls) -> "Cells":
        """Return no spans."""
        nothing = np.zeros(0, np.int64)
        return cls(np.zeros(0, np.uint8), nothing, nothing)

    def __len__(self) -> int:
        return len(self.start)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Which are empty, shape (N,)."""
        equal: NDArray[np.bool_] = self.start == self.end
        return equal

    def select(self, keep: NDArray[np.bool_]) -> "Cells":
        """Return those that ``keep`` marks."""
        return Cells(self.text, self.start[keep], self.end[keep])

    @np.errstate(over="ignore")  # what wraps around is found
    def numbers(self, base: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Return the value of each and which are no whole number, shapes (N,)."""
        value, bad = np.zeros(len(self), np.uint64), np.zeros(len(self), np.bool_)
        kernel.parse_numbers(self.text, self.start, self.end, base, value, bad)
        return value, bad

    @np.errstate(over="ignore")  # hashes wrap around
    def hashed(self, seed: int) -> NDArray[np.uint64]:
        """Return a 64-bit hash of each, shape (N,)."""
        value = np.zeros(len(self), np.uint64)
        kernel.hash_text(self.text, self.start, self.end, np.uint64(seed), value)
        return value

    def split(self, separator: str) -> tuple["Cells", NDArray[np.int64]]:
        """Return the items that ``separator`` parts, and how many each cell has, shape (N,)."""
        parts = np.zeros(len(self), np.int64)
        kernel.count_parts(self.text, self.start, self.end, ord(separator), parts)
        start, end = np.zeros((2, parts.sum()), np.int64)
        kernel.split_parts(self.text, self.start, self.end, ord(separator), start, end)
        return Cells(self.text, start, end), parts


@dataclass(frozen=True)
class Numbers:
    """A column of whole numbers, (N,), and which are missing or negative."""

    value: NDArray[np.uint64]
    missing: NDArray[np.bool_]
    negative: NDArray[np.bool_]


@dataclass(frozen=True)
class Reals:
    """A column of real numbers, (N,), not finite where missing: weights, and nothing else."""

    value: NDArray[np.float64]


@dataclass(frozen=True)
class Lists:
    """A column of lists: the length of each row's, (N,), and all their items."""

    length: NDArray[np.int64]
    items: Cells | Numbers


@dataclass(frozen=True)
class Block:
    """Consecutive rows: their place in the file and the columns asked for.

    A column is Cells, numbers with a mask of missing ones, real numbers, or ids with the length of each row's list.
    """

    file: Path
    line: NDArray[np.int64]
    columns: dict[str, Cells | Numbers | Reals | Lists]
