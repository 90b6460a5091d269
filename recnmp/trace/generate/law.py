"""A Zipf-Mandelbrot law fitted to how often entries were read, in a whole trace or in pieces of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.generate.expected import (
    Law,
    expected_histogram,
    expected_unique,
    mean_reads,
    population_for,
)
from recnmp.trace.generate.spec import MOST_ENTRIES, Zipf
from recnmp.trace.reuse.statistics import reuse_histogram

ENOUGH = 200
"""Lookups of a table below which its law is taken to be uniform."""

_OFTEN = 30  # reads from which an entry's rank is not left to chance
_SHORT = 0.97  # of the different entries: what a law may miss before its population outgrows the table
_ROUNDS = 120


@dataclass(frozen=True)
class Target:
    """What a law is to give, the mean of some pieces of a trace.

    Attributes:
        lookups, unique: lookups of a piece, and different entries among them.
        histogram: shares of the lookups by reads of their entry, as ``REUSE_BINS``.
        top: numbers of most read entries, shape (K,).
        top_share: lookups that they take, shape (K,).
    """

    lookups: int
    unique: int
    histogram: NDArray[np.float64]
    top: NDArray[np.int64]
    top_share: NDArray[np.float64]

    @classmethod
    def of(cls, pieces: Sequence[NDArray[np.integer]]) -> "Target":
        """Return what is in pieces whose read entries are read so often, each at least once."""
        sorted_ = [np.sort(reads)[::-1].astype(np.float64) for reads in pieces]
        often = max(1, min(int(np.searchsorted(-reads, -_OFTEN, "right")) for reads in sorted_))
        top = np.unique(np.minimum(2 ** np.arange(often.bit_length() + 1), often))
        shares = [np.cumsum(reads)[top - 1] / reads.sum() for reads in sorted_]
        histograms = [list(reuse_histogram(reads).values()) for reads in pieces]
        return cls(
            round(np.mean([reads.sum() for reads in sorted_])),
            round(np.mean([len(reads) for reads in sorted_])),
            np.mean(histograms, axis=0),
            top,
            np.mean(shares, axis=0),
        )


def fit_law(pieces: Sequence[NDArray[np.integer]], entries: int, least: int = 1) -> tuple[Zipf, float]:
    """Return the law of a table of ``entries`` entries, and how far it is off in any reuse bin.

    ``pieces`` tell how often the read entries are read; ``least`` is the least population. Where too few entries
    would be read even so, because nearly all that there are were read (as in a data set that numbers only what
    occurs), the population may be up to four times the table.
    """
    if sum(int(reads.sum()) for reads in pieces) < ENOUGH or max(len(reads) for reads in pieces) < 2:
        return Zipf(kind="zipf", alpha=0.0, population=max(*(len(reads) for reads in pieces), least, 1)), 0.0
    target = Target.of(pieces)
    law = _fit(target, entries, least)
    if expected_unique(law, target.lookups) < _SHORT * target.unique:
        law = _fit(target, min(4 * entries, MOST_ENTRIES), least)
    difference = float(np.abs(expected_histogram(law, target.lookups) - target.histogram).max())
    alpha, q = round(law.alpha, 4), float(f"{law.q:.4g}")
    return Zipf(kind="zipf", alpha=alpha, q=q, population=law.population), difference


def _fit(target: Target, entries: int, least: int) -> Law:
    def law_of(point: NDArray[np.float64]) -> Law:
        alpha, q = float(np.clip(point[0], 0, 8)), max(float(np.exp(point[1])) - 0.1, 0.0)
        population = population_for(alpha, q, target.lookups, target.unique, entries)
        return Law(alpha, q, max(population, least))

    def distance(point: NDArray[np.float64]) -> float:
        law = law_of(point)
        bins = np.cumsum(expected_histogram(law, target.lookups) - target.histogram)
        mean, width = mean_reads(law, target.lookups)
        share = np.interp(target.top, np.cumsum(width), np.cumsum(mean * width)) / target.lookups
        missed = np.mean((share - target.top_share) ** 2)
        return float(np.mean(bins**2) + missed + 1e-3 * max(0.0, -float(point[0])))

    starts = [np.array([alpha, np.log(q + 0.1)]) for alpha in (0.3, 0.9, 1.3) for q in (0.0, 5.0, 100.0)]
    return law_of(_least(distance, min(starts, key=distance)))


def _least(
    function: Callable[[NDArray[np.float64]], float], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where ``function`` of two numbers is least near ``start``: the simplex of Nelder and Mead (1965)."""
    points = [start, start + np.array([0.1, 0]), start + np.array([0, 0.7])]
    corners = sorted((function(p), tuple(p)) for p in points)
    for _ in range(_ROUNDS):
        best, middle, worst = (np.array(point) for _, point in corners)
        if np.abs(worst - best).max() < 1e-4:
            break
        centre = (best + middle) / 2
        tried = [(function(p), tuple(p)) for p in (2 * centre - worst,)]
        if tried[0][0] < corners[0][0]:
            far = 3 * centre - 2 * worst
            tried.append((function(far), tuple(far)))
        elif tried[0][0] >= corners[1][0]:
            near = (centre + (worst if tried[0][0] >= corners[2][0] else 2 * centre - worst)) / 2
            tried.append((function(near), tuple(near)))
        found = min(tried)
        if found[0] < corners[2][0]:
            corners[2] = found
        else:
            shrunk = ((best + p) / 2 for p in (middle, worst))
            corners[1:] = [(function(p), tuple(p)) for p in shrunk]
        corners.sort()
    return np.array(corners[0][1])
