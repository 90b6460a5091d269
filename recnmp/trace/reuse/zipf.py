"""Zipf and Zipf-Mandelbrot laws fitted to how often entries are read.

The entries that are read, most read first, get ranks 1, 2, ...; a law gives rank r the share (r + q)^-alpha over
the sum of all. alpha, and q if wanted, have the greatest likelihood; ``ks`` is the largest difference between
the cumulative shares, law against trace (Kolmogorov-Smirnov distance), at ranks 1 to 256 and then every 2 %.

A law of the entries that are read, not of those there are: ranks come from the same counts as the shares, so a
short uniform trace shows a small alpha, and what was never read is not guessed at.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

_SINGLE = 256  # ranks that have a bin of their own
_GROWTH = 1.02
_LARGEST = 20.0  # alpha; beyond it the second entry is read once in a million times
_ENOUGH = 10  # different entries below which nothing is fitted


@dataclass(frozen=True)
class ZipfFit:
    """Share of rank r ~ (r + q)^-alpha over ``entries`` ranks; ``ks`` from 0 (the same) to 1."""

    alpha: float
    q: float
    entries: int
    ks: float

    def document(self) -> dict[str, float]:
        """Return the fit ready for JSON."""
        return asdict(self)

    def share(self, rank: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the share of the lookups that the law gives to each rank."""
        low, high = _bins(self.entries)
        total = _weights(low, high, self.alpha, self.q).sum()
        return np.asarray((rank + self.q) ** -self.alpha / total, np.float64)


@dataclass(frozen=True)
class Popularity:
    """Lookups of the entries by rank, in bins: ranks low + 1 to high have ``lookups``; shapes (bins,)."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    lookups: NDArray[np.int64]


def popularity(ascending: NDArray[np.integer]) -> Popularity:
    """Return the binned popularity of entries whose lookups are given, fewest first, shape (entries,)."""
    low, high = _bins(len(ascending))
    if not len(low):
        return Popularity(low, high, low)
    # ranks run from the end; sums run from the start
    sums = np.add.reduceat(ascending, (len(ascending) - high)[::-1], dtype=np.int64)[::-1]
    return Popularity(low, high, sums)


def fit_zipf(reads: Popularity, shifted: bool = False) -> ZipfFit | None:
    """Return the likeliest law, with q fitted if ``shifted``, else 0; None below ten different entries."""
    if not len(reads.high) or reads.high[-1] < _ENOUGH:
        return None
    entries = int(reads.high[-1])
    q = 0.0
    if shifted:
        grid = np.concatenate([[0.0], np.geomspace(0.1, entries, 24)])
        best = int(np.argmax([_likelihood(reads, _alpha(reads, one), one) for one in grid]))
        q = _refined(reads, float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)]))
        if _likelihood(reads, _alpha(reads, 0.0), 0.0) >= _likelihood(reads, _alpha(reads, q), q):
            q = 0.0
    alpha = _alpha(reads, q)
    law = np.cumsum(_weights(reads.low, reads.high, alpha, q))
    seen = np.cumsum(reads.lookups)
    return ZipfFit(alpha, q, entries, float(np.max(np.abs(law / law[-1] - seen / seen[-1]))))


def _refined(reads: Popularity, low: float, high: float) -> float:
    """Return the likeliest q between two, by golden sections."""
    golden = (5**0.5 - 1) / 2
    for _ in range(16):
        a, b = high - golden * (high - low), low + golden * (high - low)
        if _likelihood(reads, _alpha(reads, a), a) >= _likelihood(reads, _alpha(reads, b), b):
            high = b
        else:
            low = a
    return (low + high) / 2


def _alpha(reads: Popularity, q: float) -> float:
    """Return the alpha at which the law's mean logarithm of (rank + q) is the trace's: the likeliest one."""
    logs = np.log(_middle(reads.low, reads.high) + q)
    sizes = reads.high - reads.low
    wanted = float(np.average(logs, weights=reads.lookups))
    low, high, alpha = 0.0, _LARGEST, 1.0
    for _ in range(60):
        weights = sizes * np.exp(-alpha * (logs - logs[0]))
        total = weights.sum()
        mean = float(weights @ logs / total)
        if high - low < 1e-9 or abs(mean - wanted) < 1e-10:
            break
        if mean > wanted:
            low = alpha
        else:
            high = alpha
        spread = float(weights @ (logs - mean) ** 2 / total)
        step = alpha + (mean - wanted) / spread if spread > 0 else low
        alpha = step if low < step < high else (low + high) / 2  # Newton, or bisection where it leaves
    return alpha


def _likelihood(reads: Popularity, alpha: float, q: float) -> float:
    logs = np.log(_middle(reads.low, reads.high) + q)
    total = np.log(_weights(reads.low, reads.high, alpha, q).sum())
    return float(-alpha * (reads.lookups @ logs) - reads.lookups.sum() * total)


def _bins(entries: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    steps = int(np.log(max(entries / _SINGLE, 1)) / np.log(_GROWTH)) + 2
    wide = np.rint(_SINGLE * _GROWTH ** np.arange(steps)).astype(np.int64)
    edges = np.unique(np.concatenate([np.arange(min(_SINGLE, entries) + 1), wide]))
    edges = np.append(edges[edges < entries], entries)
    return edges[:-1], edges[1:]


def _middle(low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.float64]:
    return (low + 1 + high) / 2


def _weights(low: NDArray[np.int64], high: NDArray[np.int64], alpha: float, q: float) -> NDArray[np.float64]:
    return np.asarray((high - low) * (_middle(low, high) + q) ** -alpha, np.float64)
