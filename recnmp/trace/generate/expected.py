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
_PLACES, _TIMES = 20_000, 500  # entries and batches looked at of a law that drifts
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
    middle, width = _ranks(law.population)
    share = (middle + law.q) ** -law.alpha
    return lookups * share / float(share @ width), width


def repeat_chance(law: Law, turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how likely two draws read one entry if its rank moved down by ``turn`` between them, shape as ``turn``.

    Ranks beyond the last are the first ones again. A turn between two whole numbers is now one, now the other.
    """
    whole = np.floor(turn).astype(np.int64)
    below, above = (_meeting(law, shift % law.population) for shift in (whole, whole + 1))
    return np.asarray(below + (turn - whole) * (above - below), np.float64)


def drifted_reads(
    law: Law, drift: float, batches: int, lookups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the expected reads of some entries of a law that drifts, and how many each stands for; shapes (P,)."""
    place = np.unique(np.linspace(0, law.population - 1, _PLACES).astype(np.int64))
    mean, width = mean_reads(law, lookups)
    share = mean / lookups
    edges = np.cumsum(width)
    reads = np.zeros(len(place))
    times = np.unique(np.linspace(0, batches - 1, _TIMES).astype(np.int64))
    for batch in times.tolist():
        rank = (place + round(batch * drift * law.population)) % law.population
        reads += share[np.searchsorted(edges, rank, "right")]
    stands_for = np.full(len(place), law.population / len(place))
    return reads * lookups / float(reads @ stands_for), stands_for


def _ranks(population: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the middle rank and the width of spans that cover ``population`` ranks."""
    single = min(_SINGLE, population)
    edges = np.concatenate([np.arange(single), spans(population, single, _GROWTH)])
    if population <= _SINGLE:
        edges = np.arange(population + 1)
    width = np.diff(edges)
    return edges[:-1] + (width + 1) / 2, width


def _meeting(law: Law, shift: NDArray[np.int64]) -> NDArray[np.float64]:
    middle, width = _ranks(law.population)
    total = float((middle + law.q) ** -law.alpha @ width)
    chance = np.zeros(len(shift))
    for i, one in enumerate(shift.tolist()):
        # ranks r and r + shift; those that come around meet the first ones
        for distance, count in ((one, law.population - one), (law.population - one, one)):
            if count:
                rank, of = _ranks(count)
                chance[i] += of @ ((rank + law.q) ** -law.alpha * (rank + distance + law.q) ** -law.alpha)
    return chance / total**2


def expected_unique(law: Law, lookups: int) -> float:
    """Return the different entries that ``lookups`` draws read."""
    mean, width = mean_reads(law, lookups)
    return float(width @ -np.expm1(-mean))


def expected_histogram(law: Law, lookups: int) -> NDArray[np.float64]:
    """Return the share of the lookups whose entry is read once, twice, 3-4 times, ...; as ``REUSE_BINS``."""
    return histogram_of(*mean_reads(law, lookups))


def histogram_of(mean: NDArray[np.float64], entries: NDArray[np.number]) -> NDArray[np.float64]:
    """Return that histogram of ``entries`` entries each whose reads are Poisson with these means, shapes (n,)."""
    lookups = mean @ entries
    # the lookups at entries read k times are n p P(reads - 1 = k - 1)
    below = np.array([mean * entries @ _at_most(end - 1, mean) for end in REUSE_BINS]) / lookups
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
