"""Words and numbers of large text files, by the million lines, with the number of every line kept.

Words are what white space separates; lines without a word are skipped.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.memory.text import _kernels as kernel

Bytes = NDArray[np.uint8]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

_LONGEST = {10: 18, 16: 16}  # digits that surely fit 64 bits, by base


@dataclass(frozen=True)
class Lines:
    """The lines of a block that have words, N of them, ``width`` words each up to the first that has not.

    Attributes:
        text: the characters, shape (characters,).
        number: line number in the file, counted from 1, shape (N,).
        start: where each word begins, shape (N, width).
        end: where each word ends, shape (N, width).
        odd: number of the first line with more or fewer words, None where all have ``width``.
    """

    text: Bytes
    number: Index
    start: Index
    end: Index
    odd: int | None

    def __len__(self) -> int:
        return len(self.number)

    def head(self, n: int) -> "Lines":
        """Return the first ``n`` lines; all when there are fewer."""
        odd = self.odd if n > len(self) else None
        return Lines(self.text, self.number[:n], self.start[:n], self.end[:n], odd)


def split_lines(first: int, block: bytes, width: int) -> Lines:
    """Find the words of ``block``, whole lines of which the first has number ``first``."""
    text = np.frombuffer(block, np.uint8)
    most = len(block) // (2 * width) + 2  # a word and what ends it are two letters at least
    number = np.empty(most, np.int64)
    start, end = np.empty((2, most, width), np.int64)
    n, odd = kernel.split(text, number, start, end)
    return Lines(text, number[:n] + first, start[:n], end[:n], None if odd < 0 else odd + first)


def line_of(first: int, block: bytes, number: int) -> str:
    """Return line ``number`` of a block as text, shortened to what fits a message."""
    text = block.split(b"\n", number - first + 1)[number - first].strip().decode("utf-8", "replace")
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_word(text: Bytes, start: Index, end: Index, word: str) -> Mask:
    """Return which words equal ``word``, shape as ``start``."""
    same: Mask = end - start == len(word)
    for k, letter in enumerate(word):
        same &= text[np.minimum(start + k, len(text) - 1)] == ord(letter)
    return same


def has_prefix(text: Bytes, start: Index, end: Index) -> Mask:
    """Return which words begin with ``0x`` or ``0X`` and go on."""
    found: Mask = (end - start > 2) & (text[start] == ord("0")) & (text[start + 1] | 32 == ord("x"))
    return found


def numbers(text: Bytes, start: Index, end: Index, base: int) -> tuple[NDArray[np.uint64], Mask]:
    """Return the value of every word in ``base`` 10 or 16, and which words are no such number.

    A number of more than 18 decimal or 16 hexadecimal digits counts as none.
    """
    value, bad = np.empty(len(start), np.uint64), np.empty(len(start), np.bool_)
    kernel.numbers(text, start, end, base, _LONGEST[base], value, bad)
    return value, bad
