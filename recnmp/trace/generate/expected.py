"""What independent draws from a Zipf-Mandelbrot law are expected to read: the forward model of a fit.

Rank r of a population N has p ~ (r + q)^-alpha; of n draws its reads are Poisson with mean n p. Ranks are taken
together in spans of 0.5 % with one mean. Cumulative Poisson shares are sums up to 8 and beyond them Wilson and
Hilferty's cube-root normal (1931), within 0.001.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.generate.draws import spans
from recnmp.trace.reuse.statistics import REUSE_BINS

_SINGLE, _GROWTH = 200, 1.005
_EXACT = 8
_GRID = np.linspace(-6, 6, 4801)
_NORMAL = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in _GRID])


@dataclass(frozen=True)
class Law:
    """Zipf-Mandelbrot popularity: exponent, shift and entries in use."""

    alpha: float
    q: float
    population: int


def mean_reads(law: Law, lookups: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the expected reads of an entry in each span of ranks, and the span's entries; shapes (spans,)."""
    single = min(_SINGLE, law.population)
    edges = np.concatenate([np.arange(single), spans(law.population, single, _GROWTH)])
    if law.population <= _SINGLE:
        edges = np.arange(law.population + 1)
    width = np.diff(edges)
    share = (edges[:-1] + (width + 1) / 2 + law.q) ** -law.alpha
    return lookups * share / float(share @ width), width


def expected_unique(law: Law, lookups: int) -> float:
    """Return the different entries that ``lookups`` draws read."""
    mean, width = mean_reads(law, lookups)
    return float(width @ -np.expm1(-mean))


def expected_histogram(law: Law, lookups: int) -> NDArray[np.float64]:
    """Return the share of the lookups whose entry is read once, twice, 3-4 times, ...; as ``REUSE_BINS``."""
    mean, width = mean_reads(law, lookups)
    # the lookups at entries read k times are n p P(reads - 1 = k - 1)
    below = np.array([mean * width @ _at_most(end - 1, mean) for end in REUSE_BINS]) / lookups
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


def population_for(alpha: float, q: float, lookups: int, unique: int, most: int) -> int:
    """Return the population, at most ``most``, of which ``unique`` entries are expected to be read."""
    low, high = min(unique, most), most
    while high - low > max(1, low // 2000):
        middle = math.isqrt(low * high) if high > 2 * low else (low + high) // 2
        if expected_unique(Law(alpha, q, middle), lookups) < unique:
            low = middle
        else:
            high = middle
    return high


def _at_most(k: int, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chance of at most ``k`` events by their expected number."""
    if k < _EXACT:
        term, total = np.exp(-mean), np.exp(-mean)
        for i in range(1, k + 1):
            term = term * mean / i
            total = total + term
        return np.asarray(total, np.float64)
    z = (np.cbrt(mean / (k + 1)) - 1 + 1 / (9 * (k + 1))) * 3 * math.sqrt(k + 1)
    return np.asarray(1 - np.interp(z, _GRID, _NORMAL), np.float64)
