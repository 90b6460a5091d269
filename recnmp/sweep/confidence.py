"""What replicates say: means with confidence intervals by Student's t."""

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache


def mean_and_half_width(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float | None]:
    """Return the mean, and half the width of its confidence interval; None for the latter of a single value.

    The interval takes the values for independent draws of one normal distribution, as those of different seeds are
    nearly; with few of them it is wide, as it should be.
    """
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    error = statistics.stdev(values) / math.sqrt(len(values))
    return mean, t_quantile(len(values) - 1, 0.5 + confidence / 2) * error


@lru_cache(maxsize=256)
def t_quantile(freedom: int, p: float) -> float:
    """Return the value that Student's t with ``freedom`` degrees stays below with probability ``p`` in (0.5, 1)."""
    low, high = 0.0, 1.0
    while t_below(high, freedom) < p:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(middle, freedom) < p else (low, middle)
    return (low + high) / 2


def t_below(t: float, freedom: int) -> float:
    """Return the probability that Student's t is below ``t`` >= 0, a finite sum (Abramowitz, Stegun 26.7.3-4)."""
    theta = math.atan(t / math.sqrt(freedom))
    cos2 = math.cos(theta) ** 2
    odd = freedom % 2
    total, term = 0.0, math.cos(theta) if odd else 1.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cos2 * k / (k + 1)
    if odd:
        return 0.5 + (theta + math.sin(theta) * total) / math.pi
    return 0.5 + math.sin(theta) * total / 2
