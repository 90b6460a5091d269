"""Reuse statistics of a trace or of one of its tables: what a figure made from it should be shown with."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.reuse import _kernels
from recnmp.trace.reuse.distance import LruCurve, StackDistances
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.reuse.zipf import Popularity, ZipfFit, fit_zipf, popularity
from recnmp.trace.trace import Trace

LRU_ENTRIES = (1024, 8192, 65536)
"""Capacities of the caches that are told by default, in entries."""

REUSE_BINS = tuple(2**k for k in range(16))
"""Upper ends of the reuse bins, 1, 2, 4, ... 32768; a last bin is open (as in Meta's dlrm_datasets)."""


@dataclass(frozen=True)
class ReadCounts:
    """How often entries are read, whatever the order.

    Attributes:
        lookups, entries: lookups, and different entries that they read.
        lookups_by_reuse: share of the lookups whose entry is read once, twice, 3-4 times, ...
        entries_by_reuse: share of the entries that are.
        same_pairs: pairs of lookups that read the same entry.
        top_1_percent_share: share of the lookups that go to the most read 1 % of the entries read at all.
        popularity: lookups by rank, in bins.
        zipf, zipf_shifted: fitted laws, with q = 0 and with q fitted, too; None where there is too little.
    """

    lookups: int
    entries: int
    lookups_by_reuse: dict[str, float]
    entries_by_reuse: dict[str, float]
    same_pairs: float
    top_1_percent_share: float
    popularity: Popularity
    zipf: ZipfFit | None
    zipf_shifted: ZipfFit | None

    @property
    def unique_share(self) -> float:
        """Different entries over lookups: what even an endless cache misses."""
        return self.entries / max(self.lookups, 1)


@dataclass(frozen=True)
class ReuseStatistics:
    """What a trace's reuse is like: ``reads`` without order, ``lru`` with it (one cache over all tables)."""

    reads: ReadCounts
    lru: LruCurve

    def document(self) -> dict[str, Any]:
        """Return the figures ready for JSON; hits are of fully associative LRU caches by their entries."""
        return {
            "lookups": self.reads.lookups,
            "unique_share": self.reads.unique_share,
            "top_1_percent_share": self.reads.top_1_percent_share,
            "reuse_histogram": self.reads.lookups_by_reuse,
            "lru_hits": {str(size): self.lru.hits(size) for size in LRU_ENTRIES},
            "zipf": self.reads.zipf.document() if self.reads.zipf else None,
        }

    def label(self) -> str:
        """Return one line to put next to a figure that depends on reuse.

        >>> import numpy as np
        >>> reads = read_counts(np.array([1, 2, 7], np.uint32))
        >>> ReuseStatistics(reads, LruCurve(10, np.array([4, 2, 1], np.uint32))).label()
        '10 lookups, 30.0% unique, LRU of 1,024 / 8,192 / 65,536 entries hits 70% / 70% / 70%'
        """
        sizes = " / ".join(f"{size:,}" for size in LRU_ENTRIES)
        hits = " / ".join(f"{self.lru.hit_share(size):.0%}" for size in LRU_ENTRIES)
        zipf = f", Zipf {self.reads.zipf.alpha:.2f} (KS {self.reads.zipf.ks:.3f})" if self.reads.zipf else ""
        text = f"{self.reads.lookups:,} lookups, {self.reads.unique_share:.1%} unique"
        return f"{text}, LRU of {sizes} entries hits {hits}{zipf}"


def reuse_statistics(trace: Trace) -> ReuseStatistics:
    """Return how ``trace`` reads its entries again; an entry is one of its table.

    Takes about a second for 10 million lookups, and 16 bytes for each entry read beside 4 for each lookup.
    """
    numbering = Numbering(trace.tables)
    numbering.see(trace.table, trace.entry)
    numbering.freeze()
    item = numbering.items(trace.table, trace.entry)
    reads = np.zeros(numbering.count, np.uint32)
    _kernels.count(item, reads)
    distances = StackDistances(numbering.count)
    distances.feed(item)
    return ReuseStatistics(read_counts(reads), distances.curve())


def read_counts(reads: NDArray[np.unsignedinteger]) -> ReadCounts:
    """Return the statistics of entries read so often, each at least once; sorts ``reads`` in place."""
    reads.sort()
    lookups, entries = int(reads.sum(dtype=np.int64)), len(reads)
    binned = popularity(reads)
    edges = np.r_[0, np.searchsorted(reads, REUSE_BINS, "right"), entries]
    sums = [int(reads[a:b].sum(dtype=np.int64)) for a, b in itertools.pairwise(edges)]
    top = max(1, round(entries / 100))
    values, times = _runs(reads)
    return ReadCounts(
        lookups,
        entries,
        _named(np.array(sums) / max(lookups, 1)),
        _named(np.diff(edges) / max(entries, 1)),
        float(times @ (values * (values - 1) / 2)),
        int(reads[entries - min(top, entries) :].sum(dtype=np.int64)) / max(lookups, 1),
        binned,
        fit_zipf(binned),
        fit_zipf(binned, shifted=True),
    )


def reuse_histogram(counts: NDArray[np.integer]) -> dict[str, float]:
    """Return the share of lookups by how often their entry is read; ``counts`` holds each entry's reads."""
    bins = np.searchsorted(REUSE_BINS, counts)
    lookups = np.bincount(bins, weights=counts, minlength=len(REUSE_BINS) + 1)
    return _named(lookups / max(lookups.sum(), 1))


def _named(shares: NDArray[np.floating]) -> dict[str, float]:
    starts = [1, *(end + 1 for end in REUSE_BINS)]
    names = [str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, REUSE_BINS, strict=False)]
    return dict(zip([*names, f">{REUSE_BINS[-1]}"], shares.tolist(), strict=True))


def _runs(ascending: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values of an ascending array and how often each occurs."""
    starts = np.flatnonzero(np.r_[len(ascending) > 0, ascending[1:] != ascending[:-1]])
    return ascending[starts].astype(float), np.diff(np.r_[starts, len(ascending)]).astype(float)
