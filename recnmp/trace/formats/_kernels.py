"""Kernels over text and ids: arrays only, allocated by the caller. Cells are spans of bytes of a text."""

import numpy as np

from recnmp._accel import helper, inlined, jit

_FNV_START = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@inlined
def _mixed(value):
    """Spread a 64-bit number over all its bits: the last step of SplitMix64."""
    value ^= value >> np.uint64(30)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return value


@jit
def parse_numbers(text, start, end, base, value, bad):
    """Read whole numbers of base 10 or 16 without sign; cells that are none, or exceed 64 bits, become bad."""
    limit = np.uint64(0xFFFFFFFFFFFFFFFF) // np.uint64(base)
    for i in range(len(start)):
        number = np.uint64(0)
        wrong = start[i] >= end[i]
        for at in range(start[i], end[i]):
            letter = text[at]
            digit = 99
            if 48 <= letter <= 57:
                digit = letter - 48
            elif base == 16 and 97 <= (letter | 32) <= 102:
                digit = (letter | 32) - 87
            if digit >= base or number > limit:
                wrong = True
                break
            grown = number * np.uint64(base) + np.uint64(digit)
            if grown < number:
                wrong = True
                break
            number = grown
        value[i] = number
        bad[i] = wrong


@jit
def hash_text(text, start, end, seed, value):
    """Hash the bytes of every cell: FNV-1a from a start that the seed changes, then mixed."""
    origin = _FNV_START ^ _mixed(seed)
    for i in range(len(start)):
        state = origin
        for at in range(start[i], end[i]):
            state = (state ^ np.uint64(text[at])) * _FNV_PRIME
        value[i] = _mixed(state)


@jit
def hash_numbers(number, seed, value):
    """Hash numbers."""
    salt = _mixed(seed + np.uint64(0x9E3779B97F4A7C15))
    for i in range(len(number)):
        value[i] = _mixed(number[i] ^ salt)


@jit
def count_parts(text, start, end, separator, parts):
    """Count the items of every cell that ``separator`` parts; an empty cell has none."""
    for i in range(len(start)):
        found = 1 if end[i] > start[i] else 0
        for at in range(start[i], end[i]):
            if text[at] == separator:
                found += 1
        parts[i] = found


@jit
def split_parts(text, start, end, separator, part_start, part_end):
    """Find the items of every cell, one after the other."""
    n = 0
    for i in range(len(start)):
        if end[i] == start[i]:
            continue
        part_start[n] = start[i]
        for at in range(start[i], end[i]):
            if text[at] == separator:
                part_end[n] = at
                n += 1
                part_start[n] = at + 1
        part_end[n] = end[i]
        n += 1


@helper
def find_slot(key, slots):
    """Return the slot of ``key`` in a table of a power of two slots, or the free one where it belongs; see below."""
    mask = np.uint64(len(slots) - 1)
    at = _mixed(key) & mask
    while slots[at, 1] != 0 and slots[at, 0] != key:
        at = (at + np.uint64(1)) & mask
    return at


@jit
def renumber(key, slots, known, most, number):
    """Number keys in order of first appearance; stop where the table would hold more than ``most``.

    ``slots`` is (S, 2): key, and its number + 1; 0 is a free slot. Returns how many keys are numbered in ``number``,
    and how many different ones there are now.
    """
    for i in range(len(key)):
        at = find_slot(key[i], slots)
        if slots[at, 1] == 0:
            if known >= most:
                return i, known
            known += 1
            slots[at, 0] = key[i]
            slots[at, 1] = np.uint64(known)
        number[i] = slots[at, 1] - np.uint64(1)
    return len(key), known


@jit
def move_slots(old, new):
    """Move everything into a larger table."""
    for i in range(len(old)):
        if old[i, 1] != 0:
            at = find_slot(old[i, 0], new)
            new[at, 0] = old[i, 0]
            new[at, 1] = old[i, 1]


@jit
def next_use(key, first, slots, known, most, following):
    """Find, backwards, where every key comes next; numbers count from ``first``; -1 for never again.

    ``slots`` is (S, 2): key, and where it was seen last + 1. Stops where the table would hold more than ``most``;
    returns how many keys at the front are still to do, and how many different ones there are now.
    """
    for i in range(len(key) - 1, -1, -1):
        at = find_slot(key[i], slots)
        if slots[at, 1] == 0:
            if known >= most:
                return i + 1, known
            known += 1
            slots[at, 0] = key[i]
            following[i] = -1
        else:
            following[i] = np.int64(slots[at, 1]) - 1
        slots[at, 1] = np.uint64(first + i + 1)
    return 0, known


@jit
def parse_lines(text, number, line, odd):
    """Read lines of whole numbers parted by spaces or tabs.

    Writes the numbers, of at most 18 digits, and the line of each from 0, and marks lines with anything else in
    ``odd``. Returns how many numbers there are.
    """
    n = 0
    row = 0
    value = np.int64(0)
    digits = 0
    for at in range(len(text)):
        letter = text[at]
        if 48 <= letter <= 57:
            value = value * 10 + np.int64(letter - 48)
            digits += 1
            if digits > 18:
                odd[row] = True
                value = np.int64(0)
            continue
        if digits > 0:
            number[n] = value
            line[n] = row
            n += 1
            value = np.int64(0)
            digits = 0
        if letter == 10:
            row += 1
        elif letter != 32 and letter != 9 and letter != 13:
            odd[row] = True
    return n
