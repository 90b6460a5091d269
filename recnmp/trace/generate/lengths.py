"""Pooling factors: how many lookups every bag has."""

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.generate.spec import Constant, Counted, Lengths, LogNormal, Uniform


def draw_lengths(law: Lengths, bags: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the lookups of ``bags`` bags, shape (bags,)."""
    if isinstance(law, Constant):
        return np.full(bags, law.value, np.int64)
    if isinstance(law, Uniform):
        return rng.integers(law.low, law.high + 1, bags)
    if isinstance(law, Counted):
        shares = np.array(law.counts) / sum(law.counts)
        return np.array(law.lengths, np.int64)[rng.choice(len(shares), bags, p=shares)]
    if isinstance(law, LogNormal):
        variance = np.log1p((law.sd / law.mean) ** 2)
        drawn = rng.lognormal(np.log(law.mean) - variance / 2, np.sqrt(variance), bags)
        return np.rint(np.minimum(drawn, law.high)).astype(np.int64)
    return np.maximum(rng.normal(law.mean, law.sd, bags).astype(np.int64), 0)


def mean_length(law: Lengths) -> float:
    """Return the mean of the law before it is rounded or cut: what a run's size is estimated by."""
    if isinstance(law, Constant):
        return float(law.value)
    if isinstance(law, Uniform):
        return (law.low + law.high) / 2
    if isinstance(law, Counted):
        return float(np.average(law.lengths, weights=law.counts))
    return law.mean
