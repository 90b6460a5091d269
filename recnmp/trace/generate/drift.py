"""Drift of popularity: how soon a trace reads other entries than before, and the ``drift`` that does the same.

Two lookups of a table, some batches apart, read the same entry with a chance that falls with their distance if
popularity drifts and does not if it stands. That chance is counted over stretches of the trace and compared with what
the law gives whose ranks turn by ``drift`` of the population every batch. Which entries are popular at one time is
then a question of one stretch, so the law is fitted to stretches.

Not found: change that comes and goes within a few batches (sessions, days of the week); a trace shorter than six
stretches is taken to stand still.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.generate.expected import Law, repeat_chance
from recnmp.trace.trace import Calls

_LOOKUPS = 4000  # of a table in a stretch, at least
_STRETCHES = 16  # each with the two that follow
_LEAST_STRETCHES = 6
_MOST_LOOKUPS, _MOST_OF_A_TABLE = 1 << 24, 1 << 16  # kept of all stretches, of a table in one
_FEWEST = 0.05  # of the chance at distance 0: what has to be lost for drift to be looked for
_LAGS = 24
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Repeats:
    """How likely two lookups of a table read the same entry, by the batches between them.

    Attributes:
        lag: batches between, ascending from 0, shape (K,).
        chance: of one entry, shape (K,).
        weight: how far each is to be trusted, shape (K,).
    """

    lag: NDArray[np.float64]
    chance: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def lost(self) -> float:
        """Share of the chance at distance 0 that the later half of the distances has lost."""
        late = len(self.lag) // 2
        return 1 - float(np.average(self.chance[late:], weights=self.weight[late:]) / self.chance[0])


class Stretches:
    """Collects the lookups of stretches of a trace, which its calls and the lookups of each table choose."""

    def __init__(self, calls: Calls, lookups: NDArray[np.int64]) -> None:
        first, batches = int(calls.batch[0]), int(calls.batch[-1] - calls.batch[0]) + 1
        read = lookups[lookups > 0]
        a_batch = float(np.median(read)) / batches if len(read) else 0.0
        self._batches = max(1, int(np.ceil(_LOOKUPS / a_batch))) if a_batch else batches
        count = batches // self._batches
        spread = np.linspace(0, count - 1, _STRETCHES).astype(np.int64)
        self._number = np.unique(np.clip(spread[:, None] + np.arange(3), 0, count - 1))
        if count < _LEAST_STRETCHES:
            self._number = np.empty(0, np.int64)
        ends = np.append(calls.first_bag, calls.first_bag[-1] + calls.bags[-1])
        begin = first + self._number * self._batches
        self._begin = ends[np.searchsorted(calls.batch, begin)]
        self._end = ends[np.searchsorted(calls.batch, begin + self._batches)]
        self._room = min(_MOST_LOOKUPS // max(1, len(self._number) * len(lookups)), _MOST_OF_A_TABLE)
        self._parts: dict[tuple[int, int], list[NDArray[np.int32]]] = {}
        self._kept: dict[tuple[int, int], int] = {}

    def feed(self, table: NDArray[np.uint16], bag: NDArray[np.uint32], item: NDArray[np.int32]) -> None:
        """Take the next lookups of the trace, shapes (n,); ``item`` numbers their entries."""
        low, high = np.searchsorted(bag, self._begin), np.searchsorted(bag, self._end)
        for stretch in np.flatnonzero(low < high).tolist():
            span = slice(low[stretch], high[stretch])
            for t in np.unique(table[span]).tolist():
                kept = self._kept.get((t, stretch), 0)
                part = item[span][table[span] == t][: self._room - kept]
                if len(part):
                    self._parts.setdefault((t, stretch), []).append(part.copy())
                    self._kept[t, stretch] = kept + len(part)

    def reads(self, table: int) -> dict[int, tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """Return by stretch the items of a table that it reads and how often, shapes (U,)."""
        found = {}
        for stretch in range(len(self._number)):
            if self._kept.get((table, stretch), 0) > 1:
                found[stretch] = np.unique(np.concatenate(self._parts[table, stretch]), return_counts=True)
        return found

    def repeats(self, table: int) -> Repeats | None:
        """Return how soon ``table`` reads other entries; None where the trace is too short to tell."""
        reads = self.reads(table)
        if len(reads) < _LEAST_STRETCHES:
            return None
        met = _common(list(reads.values()))
        size = np.array([int(counts.sum()) for _, counts in reads.values()])
        pairs = np.outer(size, size) - np.diag(size)
        met -= np.diag(size)  # a lookup does not meet itself
        number = self._number[list(reads)]
        lag = np.abs(number[:, None] - number) * self._batches
        lags = np.unique(lag)
        # those that most pairs of stretches tell of, in order
        often = np.bincount(np.searchsorted(lags, lag.ravel()))
        lags = np.sort(lags[1:][np.argsort(-often[1:], kind="stable")[:_LAGS]])
        lags = np.concatenate([[0], lags])
        together = np.array([met[lag == one].sum() for one in lags])
        chance = (together + 0.5) / np.array([pairs[lag == one].sum() for one in lags])
        return Repeats(lags.astype(float), chance, 1 / (0.02**2 + 1 / (together + 1)))


def _common(reads: list[tuple[NDArray[np.int32], NDArray[np.int64]]]) -> NDArray[np.float64]:
    """Return for all pairs of stretches how many pairs of their lookups read one entry, shape (S, S)."""
    item = np.concatenate([items for items, _ in reads])
    stretch = np.repeat(np.arange(len(reads)), [len(items) for items, _ in reads])
    count = np.concatenate([counts for _, counts in reads])
    _, number = np.unique(item, return_inverse=True)
    order = np.argsort(number, kind="stable")
    number, stretch, count = number[order], stretch[order], count[order]
    met = np.zeros((len(reads), len(reads)))
    edges = np.searchsorted(number, np.arange(0, number[-1] + _BLOCK + 1, _BLOCK))
    for block, (a, b) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        matrix = np.zeros((len(reads), _BLOCK))
        matrix[stretch[a:b], number[a:b] - block * _BLOCK] = count[a:b]
        met += matrix @ matrix.T
    return met


def seems_to_drift(repeats: Repeats) -> bool:
    """Return whether so much of the chance is lost that it may be drift."""
    return repeats.lost > _FEWEST


def fit_drift(law: Law, repeats: Repeats) -> float:
    """Return the drift a batch with which ``law`` loses its repeats most nearly so; 0 if standing still is as near.

    Only how the chance falls is compared, not how large it is.
    """
    seen = np.log(repeats.chance)

    def miss(drift: float) -> float:
        given = np.log(repeat_chance(law, repeats.lag * drift * law.population))
        off = seen - given
        return float(np.average((off - np.average(off, weights=repeats.weight)) ** 2, weights=repeats.weight))

    slowest = 0.01 / (repeats.lag[-1] * law.population)
    tried = np.geomspace(min(slowest, 0.1), 0.5, 48)
    best = int(np.argmin([miss(drift) for drift in tried]))
    low, high = np.log(tried[max(best - 1, 0)]), np.log(tried[min(best + 1, len(tried) - 1)])
    golden = (5**0.5 - 1) / 2
    for _ in range(12):
        a, b = high - golden * (high - low), low + golden * (high - low)
        if miss(float(np.exp(a))) <= miss(float(np.exp(b))):
            high = b
        else:
            low = a
    drift = float(np.exp((low + high) / 2))
    return float(f"{drift:.3g}") if miss(drift) < miss(0.0) / 2 else 0.0
