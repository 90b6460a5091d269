"""RecNMP's LocalityBit: only entries read often in their batch may use the cache, which is LRU; others go past it.

Source: Ke et al., RecNMP, ISCA 2020: the host counts a batch's reads before it offloads it, and sets the bit of
the lookups whose entry is read at least ``threshold`` times in it. A lookup without the bit neither looks nor
fills, even if its line is cached. The paper sweeps the threshold; here it is the one of ``THRESHOLDS`` with the
most hits in the part of the trace that a profile may see, the smaller one of two. Counts are of what the stream
numbers, so of lines where it numbers lines: the lines of an entry are read as often as the entry.
"""

from dataclasses import dataclass, replace

import numpy as np

from recnmp._accel import jit
from recnmp.cache.policies import lru
from recnmp.cache.stream import Bits, Items, Longs, Stream

PLUGIN = True
NEEDS = ("batch",)
BYPASSES = True

THRESHOLDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)
"""Thresholds that ``tuned`` tries."""


@dataclass(frozen=True)
class Options:
    """``threshold``: reads of an item in its batch from which they may use the cache."""

    threshold: int = 2


@jit
def _reads_in_batch(item: Items, batch: Longs, count: Items, reads: Items) -> None:
    """Write how often each access's item is read in its batch; ``count`` (items) is 0 before and after."""
    begin = 0
    for n in range(len(item)):
        count[item[n]] += 1
        if n + 1 == len(item) or batch[n + 1] != batch[n]:
            for k in range(begin, n + 1):
                reads[k] = count[item[k]]
            for k in range(begin, n + 1):
                count[item[k]] = 0
            begin = n + 1


def reads_in_batch(stream: Stream) -> Items:
    """Return how often each access's item is read in its batch, shape (N,)."""
    assert stream.batch is not None  # it is in NEEDS
    reads = np.empty(stream.accesses, np.int32)
    _reads_in_batch(stream.item, stream.batch, np.zeros(stream.items, np.int32), reads)
    return reads


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    return _hits(stream, reads_in_batch(stream) >= options.threshold, ways)


def tuned(stream: Stream, ways: int) -> Options:
    """Return the options with the most hits on ``stream``, which is not what they are then judged by."""
    reads = reads_in_batch(stream)
    found = [int(_hits(stream, reads >= threshold, ways).sum()) for threshold in THRESHOLDS]
    return Options(THRESHOLDS[int(np.argmax(found))])


def _hits(stream: Stream, cacheable: Bits, ways: int) -> Bits:
    hit = np.zeros(stream.accesses, np.bool_)
    hit[cacheable] = lru.hits(replace(stream, item=stream.item[cacheable]), ways, lru.Options())
    return hit
