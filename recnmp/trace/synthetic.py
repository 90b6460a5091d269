"""Embedding indices with realistic reuse, drawn from a seed.

Every table has an active population: the entries that its traffic reads at all. Popularity over it follows a
Zipf-Mandelbrot law, p ~ (rank + shift)^-exponent, and a keyed permutation scatters the ranks over the table,
so that popular entries are not neighbours. Tables differ; ``TABLE_MIX`` spreads them around a fit to the
access statistics that Meta publishes for 856 production-like tables (facebookresearch/dlrm_datasets,
``locality_stats.txt``, 2021; one table alone is fitted best by exponent 0.90, population 190,000, shift 1).

Matched, both at a million lookups per table: how the lookups divide over entries used once, twice, 3-4 times
and so on (within 0.03 in every bin), and the share of unique entries (14.5 %). A shorter stream has a larger
share of unique entries. Not matched, because nothing is published about them: order in time (draws are
independent unless ``recency`` is set), correlation between tables or within a bag, drift of popularity.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.library.model import RecModel
from recnmp.trace.trace import POOLINGS, Calls, Pooling, Table, Trace
from recnmp.trace.values import mix64


@dataclass(frozen=True)
class Reuse:
    """How the lookups of a table spread over its entries.

    Attributes:
        exponent: of the popularity law; 0 is uniform over the population.
        shift: added to the rank; flattens the most popular entries.
        population: entries in use; a smaller table uses all of its own.
        recency: share of lookups that repeat one of the last ``window`` lookups of the table instead.
        window: lookups that ``recency`` reaches back.
    """

    exponent: float
    shift: float
    population: int
    recency: float = 0.0
    window: int = 1024

    def __post_init__(self) -> None:
        """Refuse parameters that describe no distribution."""
        if self.exponent < 0 or self.shift < 0 or self.population < 1:
            raise ConfigError("reuse: exponent and shift are at least 0, population at least 1")
        if not 0 <= self.recency < 1 or self.window < 1:
            raise ConfigError("reuse: recency is from 0 to below 1, window at least 1")


TABLE_MIX = (
    Reuse(0.90, 1, 200_000),
    Reuse(0.60, 2, 100_000),
    Reuse(1.05, 4, 800_000),
    Reuse(0.85, 1, 160_000),
    Reuse(1.00, 2, 400_000),
    Reuse(0.90, 1, 200_000),
    Reuse(0.80, 2, 120_000),
    Reuse(0.95, 1, 300_000),
)
"""Reuse of table 0, 1, 2, ...; tables beyond the last start over."""


class IndexStream:
    """The entries that the lookups of one table read, in order.

    The stream is a function of (table, entries, reuse, seed): drawing it in the same pieces gives the same
    entries, so a longer run starts with a shorter one.
    """

    def __init__(self, table: int, entries: int, reuse: Reuse, seed: int) -> None:
        if seed < 0:
            raise ConfigError(f"seed {seed} is negative")
        self._entries, self._reuse = entries, reuse
        self._rng = np.random.default_rng([seed, table])
        self._key = int(self._rng.integers(1 << 63))
        ranks = np.arange(1, min(reuse.population, entries) + 1)
        self._cumulative = np.cumsum((ranks + reuse.shift) ** -float(reuse.exponent))
        self._recent = np.empty(0, np.int64)

    def draw(self, n: int) -> NDArray[np.int64]:
        """Return the entries of the next ``n`` lookups, shape (n,)."""
        position = self._rng.random(n) * self._cumulative[-1]
        rank = np.minimum(np.searchsorted(self._cumulative, position, "right"), len(self._cumulative) - 1)
        entry = scatter(rank, self._entries, self._key)
        return self._repeat(entry) if self._reuse.recency else entry

    def _repeat(self, fresh: NDArray[np.int64]) -> NDArray[np.int64]:
        """Replace a share of ``fresh`` by copies of what was read shortly before."""
        stream = np.concatenate([self._recent, fresh])
        source = np.arange(len(stream))
        new = source[len(self._recent) :]
        back = new - self._rng.integers(1, self._reuse.window + 1, len(new))
        repeats = (self._rng.random(len(new)) < self._reuse.recency) & (back >= 0)
        source[new[repeats]] = back[repeats]
        while np.any(source != source[source]):  # a copy of a copy: follow it to the original
            source = source[source]
        stream = stream[source]
        self._recent = stream[-self._reuse.window :]
        return stream[len(stream) - len(fresh) :]


def synthetic_trace(
    model: RecModel,
    batches: int,
    batch_size: int,
    seed: int,
    *,
    pooling: Pooling = "sum",
    weighted: bool = False,
) -> Trace:
    """Return the lookups of ``model`` without running it: those that the zoo's run of it makes.

    Every batch reads every table once, ``batch_size`` bags of the table's pooling factor each, with
    ``TABLE_MIX``'s reuse; tables are stored as the model says. Weights are uniform in [0, 1). Raises
    ConfigError for fewer than one batch or sample, or a negative seed.
    """
    if batches < 1 or batch_size < 1:
        raise ConfigError("a synthetic trace has at least one batch of one sample")
    groups = model.each_table
    streams = [IndexStream(t, group.entries, table_reuse(t), seed) for t, group in enumerate(groups)]
    sizes = np.tile([group.pooling_factor for group in groups], batches)
    table = np.tile(np.arange(len(groups), dtype=np.uint16), batches)
    n = len(table)
    entry = np.concatenate([streams[t].draw(size * batch_size) for t, size in zip(table, sizes, strict=True)])
    rng = np.random.default_rng([seed, len(groups) + 1])  # the zoo's dense features are stream len(groups)
    return Trace(
        np.repeat(table, sizes * batch_size),
        np.repeat(np.arange(n * batch_size, dtype=np.uint32), np.repeat(sizes, batch_size)),
        entry.astype(np.uint32),
        rng.random(len(entry), np.float32) if weighted else None,
        tuple(Table(f"table{t}", g.entries, g.dim, g.dtype) for t, g in enumerate(groups)),
        Calls(
            table,
            np.arange(n, dtype=np.int64) * batch_size,
            np.full(n, batch_size, np.int64),
            np.repeat(np.arange(batches, dtype=np.int64), len(groups)),
            np.full(n, POOLINGS.index(pooling), np.uint8),
        ),
        {"model": model.name, "seed": seed, "indices": "recnmp.trace.synthetic TABLE_MIX 1"},
    )


def table_reuse(table: int) -> Reuse:
    """Return the reuse of table 0, 1, 2, ... in ``TABLE_MIX``."""
    return TABLE_MIX[table % len(TABLE_MIX)]


def scatter(rank: NDArray[np.integer], entries: int, key: int) -> NDArray[np.int64]:
    """Return a pseudo-random permutation of ``0 .. entries - 1`` at ``rank``, without storing it.

    A Feistel network of four rounds permutes the next power of four; results outside the table are permuted
    again until they are inside (cycle walking: Black and Rogaway, Ciphers with Arbitrary Finite Domains,
    CT-RSA 2002).
    """
    half = np.uint64(max(1, (entries - 1).bit_length() + 1 >> 1))
    mask = (np.uint64(1) << half) - np.uint64(1)
    keys = mix64(np.arange(1, 5, dtype=np.uint64) * np.uint64(2 * key + 1))
    value = rank.astype(np.uint64)
    outside = np.arange(len(value))
    while len(outside):
        left, right = value[outside] >> half, value[outside] & mask
        for round_key in keys:
            left, right = right, left ^ (mix64(right + round_key) & mask)
        value[outside] = (left << half) | right
        outside = outside[value[outside] >= entries]
    return value.astype(np.int64)
