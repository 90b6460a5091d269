"""Values of embedding entries: a pure function of (table, entry, element), so that nothing has to be stored.

The model zoo writes these values into its tables and the simulator's functional check carries them through
packets and adders. Elements of FP32 tables are integers of at most 8 in magnitude, so a sum of up to 2 million
of them is exact in any order: a difference between two pooled vectors is an error, never rounding.

Entries of ``int8_rowwise`` tables have codes over all of 0 to 255, a scale that is a power of two and a whole
bias; elements are multiples of 2^-7 below 24 in magnitude, so a sum of up to 5,000 of them is exact, too. They
are values of their own, not the FP32 values rounded: quantisation error is not what is studied here.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recnmp.trace.trace import Table

LARGEST = 8
"""Values of FP32 entries and biases of 8-bit ones lie in [-LARGEST, LARGEST]."""

SCALES = np.ldexp(np.float32(1), np.arange(-7, -3)).astype("<f4")
"""Scales of 8-bit entries, each as frequent as the others."""

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
    keys = _keys(table, entry)
    values = np.empty((len(keys), dim), np.float32)
    for start in range(0, len(keys), _BLOCK):
        values[start : start + _BLOCK] = _small(_octets(keys[start : start + _BLOCK], 1, dim))
    return values


def entry_codes(
    table: ArrayLike, entry: ArrayLike, dim: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return the 8-bit entries: codes (n, dim), scale (n,) and bias (n,); an element is code * scale + bias.

    Arguments as for ``entry_values``. Scale and bias do not depend on ``dim``.
    """
    keys = _keys(table, entry)
    codes, own = np.empty((len(keys), dim), np.uint8), np.empty((len(keys), 2), np.uint8)
    for start in range(0, len(keys), _BLOCK):
        block = slice(start, start + _BLOCK)
        codes[block], own[block] = _octets(keys[block], 1, dim), _octets(keys[block], 0, 2)
    return codes, SCALES[own[:, 0] % len(SCALES)], _small(own[:, 1]).astype("<f4")


def entry_content(number: int, table: Table, entry: ArrayLike) -> NDArray[np.uint8]:
    """Return the bytes of entries of table ``number`` as memory holds them, shape (n, ``table.entry_bytes``).

    Little-endian FP32 elements; for ``int8_rowwise`` a code per element, then the FP32 scale and bias.
    """
    if table.dtype == "fp32":
        return entry_values(number, entry, table.dim).astype("<f4").view(np.uint8)
    codes, scale, bias = entry_codes(number, entry, table.dim)
    return np.concatenate([codes, np.column_stack([scale, bias]).view(np.uint8)], axis=1)


def _keys(table: ArrayLike, entry: ArrayLike) -> NDArray[np.uint64]:
    keys: NDArray[np.uint64] = (np.asarray(table, np.uint64) << _TABLE_SHIFT) | np.asarray(entry, np.uint64)
    return keys


def _octets(keys: NDArray[np.uint64], word: int, n: int) -> NDArray[np.uint8]:
    """Hash each key to ``n`` bytes, eight per 64-bit word from ``word`` on, shape (len(keys), n)."""
    words = np.arange(word, word + (n + 7) // 8, dtype=np.uint64) * _GOLDEN
    hashed = mix64(mix64(keys * _GOLDEN)[:, None] + words)
    octets: NDArray[np.uint8] = hashed.astype("<u8").view(np.uint8)[:, :n]  # alike on a big-endian machine
    return octets


def _small(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Scale each byte to the whole numbers of [-LARGEST, LARGEST]."""
    return (octets.astype(np.int16) * (2 * LARGEST + 1) >> 8) - LARGEST
