"""LRU miss-ratio curves from a sample of the entries, with standard errors: for traces too long for exact ones.

SHARDS (Waldspurger et al., Efficient MRC construction with SHARDS, FAST 2015): an entry is in the sample if a hash of
it is below a threshold, so all its lookups are, and stack distances within the sample, divided by the rate, are
distances of the trace. Sampled lookups that are missing against the rate, or too many, are added to the shortest
distances (SHARDS-adj). The sample is cut into ``GROUPS`` disjoint samples by the same hash; the estimate is their
mean, and their spread gives its standard error. The spread tells of chance, not of the bias of a sample of few
entries.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.trace.reuse.distance import LruCurve, lru_curve
from recnmp.trace.storage import Lookups

GROUPS = 8
"""Disjoint samples whose spread is the error."""

FEWEST = 8
"""Sampled entries of a group below which a cache's size is not estimated."""

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP = 0x9E3779B97F4A7C15


def mixed(key: NDArray[np.uint64], seed: int = 0) -> NDArray[np.uint64]:
    """Return a hash of each key: SplitMix64's mixing (Steele et al., OOPSLA 2014) of the key and the seed."""
    word = key + np.uint64(((seed + 1) * _STEP) & (1 << 64) - 1)
    word = (word ^ (word >> np.uint64(30))) * _MIX[0]
    word = (word ^ (word >> np.uint64(27))) * _MIX[1]
    return np.asarray(word ^ (word >> np.uint64(31)))


@dataclass(frozen=True)
class SampledCurve:
    """Estimated misses of a cold LRU cache by its size.

    Attributes:
        lookups: lookups of the whole stream.
        rate: share of the entries that a group samples.
        groups: exact curves of the groups.
    """

    lookups: int
    rate: float
    groups: tuple[LruCurve, ...]

    @property
    def fewest_entries(self) -> int:
        """Smallest cache that is estimated, in entries."""
        return int(np.ceil(FEWEST / self.rate))

    @property
    def entries(self) -> int:
        """Estimated different entries."""
        return round(float(np.mean([len(curve.at_distance) for curve in self.groups])) / self.rate)

    def miss_ratio(self, entries: int) -> tuple[float, float]:
        """Return the estimated misses over lookups of a cache of ``entries``, and their standard error."""
        expected = self.lookups * self.rate
        size = round(entries * self.rate)
        hits = np.array([curve.hits(size) + expected - curve.accesses for curve in self.groups])
        ratio = 1 - hits / max(expected, 1e-300)
        error = float(np.std(ratio, ddof=1) / np.sqrt(len(ratio)))
        return float(np.clip(ratio.mean(), 0, 1)), error


class Sample:
    """Takes the lookups of a trace in order and keeps those of sampled entries: 8 bytes for each."""

    def __init__(self, tables: int, rate: float, seed: int = 1) -> None:
        """Sample about ``rate`` of the entries, all groups together."""
        self._rate, self._seed = rate / GROUPS, seed
        self._keys: list[NDArray[np.uint64]] = []
        self._group: list[NDArray[np.uint8]] = []
        self.lookups = np.zeros(tables, np.int64)

    def feed(self, pieces: Iterable[Lookups]) -> None:
        """Take these lookups."""
        parts = (int(k * self._rate * (1 << 64)) for k in range(1, GROUPS + 1))
        edges = np.array([min(part, (1 << 64) - 1) for part in parts], np.uint64)
        for piece in pieces:
            self.lookups += np.bincount(piece.table, minlength=len(self.lookups))
            key = piece.table.astype(np.uint64) << np.uint64(32) | piece.entry.astype(np.uint64)
            group = np.searchsorted(edges, mixed(key, self._seed), "right").astype(np.uint8)
            mine = group < GROUPS
            self._keys.append(key[mine])
            self._group.append(group[mine])

    def curves(self, tables: Sequence[int]) -> tuple[SampledCurve, dict[int, SampledCurve]]:
        """Return the curve of one cache over all tables, and those of a cache of its own for each of ``tables``.

        Raises RecnmpError where the sample is empty.
        """
        key = np.concatenate([*self._keys, np.empty(0, np.uint64)])
        group = np.concatenate([*self._group, np.empty(0, np.uint8)])
        if not len(key):
            raise RecnmpError(
                f"no lookup is in a sample of {GROUPS * self._rate:g} of the entries; sample more"
            )
        _, item = np.unique(key, return_inverse=True)
        of_group = [np.flatnonzero(group == g) for g in range(GROUPS)]
        table = (key >> np.uint64(32)).astype(np.int64)
        own = {
            t: SampledCurve(
                int(self.lookups[t]),
                self._rate,
                tuple(_curve(item[mine[table[mine] == t]]) for mine in of_group),
            )
            for t in tables
        }
        shared = tuple(_curve(item[mine]) for mine in of_group)
        return SampledCurve(int(self.lookups.sum()), self._rate, shared), own


def _curve(item: NDArray[np.int64]) -> LruCurve:
    return lru_curve(np.unique(item, return_inverse=True)[1].astype(np.int32))
