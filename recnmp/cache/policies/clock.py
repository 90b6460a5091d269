"""CLOCK: lines in a ring; a hand passes by those read since it last came, and replaces the first other one.

Source: Corbató, A paging experiment with the Multics system, MIT Project MAC, 1968; also second chance, FIFO with
reinsertion. The rule that papers leave open: the read that brings a line in does not set its bit, only a hit
does. One bit a line.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp._accel import jit
from recnmp.cache.stream import Bits, Items, Stream

PLUGIN = True

_ABSENT, _CACHED, _READ = range(3)


@dataclass(frozen=True)
class Options:
    """CLOCK has no options."""


@jit
def _replay(
    item: Items, set_of: Items, line: Items, hand: Items, state: NDArray[np.uint8], hit: Bits
) -> None:
    sets, ways = line.shape
    for n in range(len(item)):
        i = item[n]
        if state[i] != _ABSENT:
            hit[n] = True
            state[i] = _READ
            continue
        s = 0 if sets == 1 else set_of[i]
        at = hand[s]
        while line[s, at] >= 0 and state[line[s, at]] == _READ:
            state[line[s, at]] = _CACHED
            at = at + 1 if at + 1 < ways else 0
        if line[s, at] >= 0:
            state[line[s, at]] = _ABSENT
        line[s, at] = i
        state[i] = _CACHED
        hand[s] = at + 1 if at + 1 < ways else 0


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    hit, state = np.zeros(stream.accesses, np.bool_), np.zeros(stream.items, np.uint8)
    line = np.full((stream.sets, stream.useful_ways(ways)), -1, np.int32)
    _replay(stream.item, stream.set_of, line, np.zeros(stream.sets, np.int32), state, hit)
    return hit
