"""The queries that a server is offered, split into batches."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.config.serving import ServingConfig


@dataclass(frozen=True)
class Load:
    """Q queries, split into N batches, at a rate yet to be chosen.

    Attributes:
        gap: times between arrivals in units of the mean time, the first before the first query, shape (Q,).
        samples: of every query, shape (Q,).
        model: which of the co-located models it asks, shape (Q,).
        first_batch: of every query, shape (Q,).
        batch_samples: of every batch, shape (N,), those of a query together, full ones first.
    """

    gap: NDArray[np.float64]
    samples: NDArray[np.int64]
    model: NDArray[np.int64]
    first_batch: NDArray[np.int64]
    batch_samples: NDArray[np.int64]

    @property
    def query_of_batch(self) -> NDArray[np.int64]:
        """Query of every batch, shape (N,)."""
        return np.repeat(
            np.arange(len(self.samples)), np.diff(self.first_batch, append=len(self.batch_samples))
        )


def split(samples: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split queries into batches of at most ``most`` samples; returns each query's first batch, and all sizes."""
    batches = -(-samples // most)
    first = np.cumsum(batches) - batches
    sizes = np.full(int(batches.sum()), most, np.int64)
    sizes[first + batches - 1] = samples - (batches - 1) * most
    return first, sizes


def draw_load(serving: ServingConfig, batch_samples: int, models: int) -> Load:
    """Draw the queries of a seed for ``models`` co-located models, split by ``batch_samples``.

    Gaps are exponential (a Poisson process) or all the same; which model is asked is drawn evenly.
    """
    rng, n = np.random.default_rng(serving.seed), serving.queries
    gap = rng.exponential(1.0, n) if serving.arrivals == "poisson" else np.ones(n)
    samples = _sizes(serving, rng)
    model = rng.integers(0, models, n) if models > 1 else np.zeros(n, np.int64)
    return Load(gap, samples, model, *split(samples, batch_samples))


def _sizes(serving: ServingConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    n, middle, spread = serving.queries, serving.query_samples, serving.query_spread
    if spread is None:
        return np.full(n, middle, np.int64)
    drawn = rng.normal(middle, spread, n) if serving.query_sizes == "normal" else None
    if drawn is None:
        drawn = rng.lognormal(np.log(middle), spread, n)
    return np.clip(drawn, 1, serving.largest_query).astype(np.int64)
