"""Values of embedding entries: a pure function of (table, entry, element), so that nothing has to be stored.

The model zoo writes these values into its tables and the simulator's functional check carries them through
packets and adders. They are integers of at most 8 in magnitude, kept as FP32, so a sum of up to 2 million of
them is exact in any order: a difference between two pooled vectors is an error, never rounding.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LARGEST = 8
"""Values lie in [-LARGEST, LARGEST]."""

_BLOCK = 1 << 16  # entries hashed at once: bounds the memory of temporaries
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, the increment of splitmix64
_MULTIPLY = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_TABLE_SHIFT = np.uint64(40)  # table and entry share one 64-bit key: 24 bits and 40 bits


def mix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the finalizer of splitmix64 of every element: a bijection of 64 bits without visible pattern.

    Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
    """
    x = (x ^ (x >> np.uint64(30))) * _MULTIPLY[0]
    x = (x ^ (x >> np.uint64(27))) * _MULTIPLY[1]
    return x ^ (x >> np.uint64(31))


def entry_values(table: ArrayLike, entry: ArrayLike, dim: int) -> NDArray[np.float32]:
    """Return the vectors of the given entries, shape (n, dim), integers in [-8, 8] as FP32.

    Args:
        table: table of each entry, shape (n,), or one table for all; below 2^24.
        entry: entry in its table, shape (n,); below 2^40.
        dim: elements of an entry.

    >>> entry_values(0, [5, 6], 4)
    array([[-2., -7.,  5., -1.],
           [-6., -8., -5.,  5.]], dtype=float32)
    """
    entries = np.asarray(entry, np.uint64)
    keys = (np.asarray(table, np.uint64) << _TABLE_SHIFT) | entries
    values = np.empty((len(entries), dim), np.float32)
    for start in range(0, len(entries), _BLOCK):
        values[start : start + _BLOCK] = _block(keys[start : start + _BLOCK], dim)
    return values


def _block(keys: NDArray[np.uint64], dim: int) -> NDArray[np.int16]:
    """Hash each key to ``dim`` bytes, eight per 64-bit word, and scale each byte to 17 values."""
    words = np.arange(1, (dim + 7) // 8 + 1, dtype=np.uint64) * _GOLDEN
    hashed = mix64(mix64(keys * _GOLDEN)[:, None] + words)
    octets = hashed.astype("<u8").view(np.uint8)[:, :dim]  # the same bytes on a big-endian machine
    return (octets.astype(np.int16) * (2 * LARGEST + 1) >> 8) - LARGEST
