"""EVStore's policy: entries of samples that hit in many tables together are worth more than those read often.

Source: Kurniawan et al., EVStore: storage and caching capabilities for scaling embedding tables in deep
recommendation systems, ASPLOS 2023; from its published description. A sample waits for all its lookups, so an
entry's worth is the most lookups of one sample that hit together when it was among them; it only grows. All
lookups of a sample are looked up, then those that hit are raised to the sample's hits, and the others come in
there. Of the lowest worth the entry that has had it for longest goes. When entries of the highest worth there can
be take ``flush_at`` of the cache, ``flush_share`` of them go, again the oldest first, so that yesterday's samples
do not stay for good.

What the description leaves open: the highest worth is the lookups of the longest sample. An entry read twice in a
sample is looked up twice before it comes in. Not modelled: EVStore's second and third caches of fewer bits, and
taking a sample as hit when only few lookups miss. Fully associative only: worth compares all entries.
"""

from dataclasses import dataclass

import numpy as np

from recnmp._accel import inlined, jit
from recnmp.cache.policies._lists import WHERE, empty_lists, oldest, push, unlink
from recnmp.cache.stream import Bits, Items, Longs, Stream

PLUGIN = True
NEEDS = ("sample",)
BYPASSES = True  # what was flushed may have come in with the same sample
ONE_SET = True
AT_ONCE = True

# entries of each worth are one list, and WHERE is worth + 1


@dataclass(frozen=True)
class Options:
    """When entries of the highest worth take ``flush_at`` of the cache, ``flush_share`` of them go."""

    flush_at: float = 0.95
    flush_share: float = 0.3


@inlined
def _put(node: Items, size: Items, ends: int, i: int, worth: int) -> None:
    """Make entry ``i`` the youngest of those worth ``worth``, wherever it was; -1 for outside."""
    at = node[i, WHERE] - 1
    if at >= 0:
        unlink(node, i)
        size[at] -= 1
    if worth >= 0:
        push(node, ends + worth, i)
        size[worth] += 1
    node[i, WHERE] = worth + 1


@jit
def _replay(
    item: Items, start: Longs, ways: int, full: int, share: float, size: Items, node: Items, hit: Bits
) -> None:
    """Replay; when ``full`` entries have the highest worth, ``share`` of them are flushed."""
    items = len(node) - len(size)
    top = len(size) - 1
    used, lowest = 0, 0
    for sample in range(len(start) - 1):
        together = 0
        for n in range(start[sample], start[sample + 1]):
            if node[item[n], WHERE]:
                hit[n] = True
                together += 1
        for n in range(start[sample], start[sample + 1]):
            i = item[n]
            if node[i, WHERE] > together:
                continue
            if not node[i, WHERE]:
                if used == ways:
                    while size[lowest] == 0:
                        lowest += 1
                    _put(node, size, items, oldest(node, items + lowest), -1)
                else:
                    used += 1
            _put(node, size, items, i, together)
            lowest = min(lowest, together)
        if size[top] >= full:
            for _ in range(max(1, int(share * size[top]))):
                _put(node, size, items, oldest(node, items + top), -1)
                used -= 1


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    assert stream.sample is not None  # it is in NEEDS
    changes = np.flatnonzero(stream.sample[1:] != stream.sample[:-1]) + 1
    start = np.concatenate([[0], changes, [stream.accesses]]).astype(np.int64)
    worths = int(np.diff(start).max(initial=0)) + 1
    full = max(1, int(np.ceil(options.flush_at * ways)))
    hit = np.zeros(stream.accesses, np.bool_)
    node, size = empty_lists(stream.items, worths), np.zeros(worths, np.int32)
    _replay(stream.item, start, ways, full, options.flush_share, size, node, hit)
    return hit
