"""Words and numbers in the bytes of a text: one pass over it, nothing allocated."""

import numpy as np

from recnmp._accel import jit

SPACE, NEWLINE, ZERO, NINE, LETTER_A = 32, 10, 48, 57, 97
CASE = 32  # makes a capital letter a small one


@jit
def split(text, number, start, end):
    """Find the words of all lines that have any, up to the first with another count than ``start`` has columns.

    ``number`` (N,) gets the lines' numbers, counted from 0, ``start`` and ``end`` (N, words) where words begin and
    end. Returns how many lines that are, and the number of the line that ended it, -1 for none.
    """
    width = start.shape[1]
    found, line, words, inside = 0, 0, 0, False
    for i in range(len(text)):
        letter = text[i]
        if letter > SPACE:
            if not inside:
                if words < width:
                    start[found, words] = i
                words += 1
                inside = True
            continue
        if inside:
            if words <= width:
                end[found, words - 1] = i
            inside = False
        if letter == NEWLINE:
            if words == width:
                number[found] = line
                found += 1
            elif words:
                return found, line
            words = 0
            line += 1
    return found, -1


@jit
def numbers(text, start, end, base, longest, value, bad):
    """Read each word from ``start`` to ``end`` as a number in ``base`` 10 or 16 into ``value``, uint64.

    ``bad`` are words with other letters, with none, and with more than ``longest``; their value means nothing.
    """
    factor = np.uint64(base)
    for n in range(len(start)):
        wrong = end[n] <= start[n] or end[n] - start[n] > longest
        total = np.uint64(0)
        for i in range(start[n], start[n] if wrong else end[n]):
            letter = np.int64(text[i])
            is_digit = letter <= NINE
            digit = letter - ZERO if is_digit else (letter | CASE) - LETTER_A + 10
            wrong |= digit < (0 if is_digit else 10) or digit >= base
            total = total * factor + np.uint64(digit & 15)
        value[n], bad[n] = total, wrong
