"""What is hot: reads of entries counted in samples of a trace, and the hottest that fit a budget of bytes.

One budget is for all tables together, as FAE has it (Adnan et al., Accelerating recommendation system training by
leveraging popular choices, VLDB 2022).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.study.cache.accesses import sample_of_lookup
from recnmp.trace.trace import Trace

Longs = NDArray[np.int64]
Bits = NDArray[np.bool_]

PROFILERS = {
    "plain": "samples drawn without replacement; of equal counts the lower table and entry first; what the profile "
    "never read is not hot",
    "fae": "as FAE's own profiler: samples drawn with replacement, its order of equal counts, unread entries fill "
    "what is left of the budget",
}
_MOST_ENTRIES = 1 << 28


@dataclass(frozen=True)
class Universe:
    """A trace as a study of what is hot sees it: L lookups of S samples that read something, E entries.

    Attributes:
        trace: the trace.
        item: entry of each lookup, numbered in the order of tables and entries, shape (L,).
        table, entry: of each item, shape (E,).
        width: stored bytes of each item, shape (E,).
        sample: sample of each lookup, 0 to S - 1 in the order of the trace, shape (L,).
        batch: batch of each lookup, from 0 on, shape (L,).
        total_bytes: of all entries of all tables, read or not.
    """

    trace: Trace
    item: Longs
    table: Longs
    entry: Longs
    width: Longs
    sample: Longs
    batch: Longs
    total_bytes: int

    @property
    def samples(self) -> int:
        """Samples that read something, S."""
        return int(self.sample.max(initial=-1)) + 1


def universe_of(trace: Trace, profiler: str) -> Universe:
    """Return the entries that ``profiler`` may find hot: those that the trace reads, or for ``fae`` all there are.

    Raises ConfigError for tables too large to count unread entries, and for a trace that reads nothing.
    """
    if not trace.lookups:
        raise ConfigError("the trace has no lookups")
    sizes = np.array([table.entries for table in trace.tables], np.int64)
    first = np.cumsum(sizes) - sizes
    key = first[trace.table] + trace.entry
    if profiler == "fae":
        if sizes.sum() > _MOST_ENTRIES:
            raise ConfigError(f"profiler fae counts every entry: {sizes.sum():,} are too many; choose plain")
        keys, item = np.arange(sizes.sum()), key
    else:
        keys, item = np.unique(key, return_inverse=True)
    table = np.searchsorted(first + sizes, keys, "right")
    widths = np.array([table.entry_bytes for table in trace.tables], np.int64)
    batch, sample = sample_of_lookup(trace)
    _, dense = np.unique(sample, return_inverse=True)
    return Universe(trace, item, table, keys - first[table], widths[table], dense, batch, int(sizes @ widths))


def drawn_samples(samples: Longs, share: float, profiler: str, seed: int) -> Longs:
    """Return how often a profile of a ``share`` of ``samples`` (their numbers) counts each, shape (len(samples),).

    Plain draws leave none out where the share is 1; FAE's are with replacement at any share.
    """
    n = len(samples)
    if profiler == "fae":
        legacy = np.random.RandomState(seed)  # whose draws FAE's program takes
        return np.bincount(legacy.randint(0, n, int(share * n)), minlength=n)
    if share == 1:
        return np.ones(n, np.int64)
    chosen = np.random.default_rng(seed).choice(n, max(1, round(share * n)), replace=False)
    return np.bincount(chosen, minlength=n)


def counted(universe: Universe, times: Longs) -> Longs:
    """Return how often each item is read where sample s counts ``times[s]`` times, shape (E,)."""
    weight = times[universe.sample]
    reads = np.bincount(universe.item, weights=weight, minlength=len(universe.width))
    return reads.astype(np.int64)


def hot_items(universe: Universe, reads: Longs, budget_bytes: int, profiler: str) -> Bits:
    """Return which items are hot: the most read ones that fit ``budget_bytes`` one after the other, shape (E,)."""
    if profiler == "fae":
        # FAE takes NumPy's unstable order, reversed; of this type it is the same on every processor
        order = np.argsort(reads.astype(">i8"))[::-1]
    else:
        order = np.argsort(-reads, kind="stable")
        order = order[: np.count_nonzero(reads)]
    fits = int(np.searchsorted(np.cumsum(universe.width[order]), budget_bytes, "right"))
    hot = np.zeros(len(reads), np.bool_)
    hot[order[:fits]] = True
    return hot


def whole_hot(universe: Universe, hit: Bits) -> Bits:
    """Return which samples have hot lookups only, shape (S,)."""
    cold: Bits = np.bincount(universe.sample[~hit], minlength=universe.samples) == 0
    return cold
