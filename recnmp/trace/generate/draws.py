"""The entries that the lookups of one table read, by each popularity law."""

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.generate import _kernels
from recnmp.trace.generate.spec import Popularity, RecSsd, Requests, Stack, Zipf
from recnmp.trace.synthetic import scatter
from recnmp.trace.values import mix64

HEAD = 1 << 20
"""Ranks that have a cell of their own; later ones share cells of 0.1 % of their rank, with one probability."""

_GROWTH = 1.001
_BINS, _SAMPLES = 50, 1000
_PERMUTATION_KEY = 12345


class Draws(Protocol):
    """The lookups of one table, in order."""

    def batch(self, lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the entries of the bags of the next batch, one bag after another, shape (sum,)."""


def make_draws(
    law: Popularity, entries: int, rng: np.random.Generator, cells: int = HEAD, kept: int = HEAD
) -> Draws:
    """Return the draws of a table of ``entries`` entries; ``rng`` is the table's own.

    Zipf laws give ``cells`` ranks a cell of their own and keep the entries of ``kept`` ranks, which is faster than
    to permute them anew and draws the same.
    """
    if isinstance(law, Zipf):
        return ZipfDraws(law, entries, rng, cells, kept)
    if isinstance(law, Requests):
        return RequestDraws(law, entries, rng)
    if isinstance(law, RecSsd):
        law = recssd_profile(law, rng)
    return StackDraws(law, scattered(min(law.population or entries, entries), entries, rng), rng)


def fixed_bags(first: NDArray[np.uint32], lookups: int, entries: int, key: np.uint64) -> NDArray[np.uint32]:
    """Return bags of ``lookups`` entries that their ``first`` one determines, shape (bags * lookups,).

    The others are uniform over the table, by a hash of the first, their place in the bag and ``key``.
    """
    place = np.arange(lookups, dtype=np.uint64)
    word = mix64((first.astype(np.uint64) * np.uint64(lookups))[:, None] + place ^ key)
    entry = ((word >> np.uint64(32)) * np.uint64(entries) >> np.uint64(32)).astype(np.uint32)
    entry[:, 0] = first
    return entry.ravel()


def scattered(population: int, entries: int, rng: np.random.Generator) -> NDArray[np.uint32]:
    """Return ``population`` different entries in an order without pattern."""
    return scatter(np.arange(population), entries, int(rng.integers(1 << 63))).astype(np.uint32)


class ZipfDraws:
    """Independent draws by an alias table (Walker 1977, Vose 1991): two random reads a lookup."""

    def __init__(
        self, law: Zipf, entries: int, rng: np.random.Generator, cells: int = HEAD, kept: int = HEAD
    ) -> None:
        self._rng, self._entries, self._drift, self._batches = rng, entries, law.drift, 0
        self._population = min(law.population or entries, entries)
        self._even = law.alpha == 0 and self._population == entries
        self._kept, self._other, self._low, self._width = _alias(law.alpha, law.q, self._population, cells)
        key = int(rng.integers(1 << 63))
        self._head = scatter(np.arange(min(self._population, kept)), entries, key).astype(np.uint32)
        self._half = np.uint64(max(1, (entries - 1).bit_length() + 1 >> 1))
        self._keys = mix64(np.arange(1, 5, dtype=np.uint64) * np.uint64(2 * key + 1))

    def batch(self, lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
        """See ``Draws``; popularity drifts from call to call."""
        turn = round(self._batches * self._drift * self._population) % self._population
        self._batches += 1
        return self.draw(int(lengths.sum()), turn)

    def draw(self, n: int, turn: int = 0) -> NDArray[np.uint32]:
        """Return ``n`` entries while the ``turn`` coldest of the population lead it."""
        if self._even:  # every entry alike: no rank to look up
            return self._rng.integers(0, self._entries, n, np.uint32)
        word = self._rng.integers(0, 1 << 64, n, np.uint64)
        entry = np.empty(n, np.uint32)
        place = (turn, self._population, self._head, self._half, self._keys, self._entries)
        _kernels.draw(word, self._kept, self._other, self._low, self._width, *place, entry)
        return entry


def spans(population: int, head: int = HEAD, growth: float = _GROWTH) -> NDArray[np.int64]:
    """Return edges of rank spans from ``head`` on to ``population``, each ``growth`` times the one before."""
    if population <= head:
        return np.empty(0, np.int64)
    steps = int(np.log(population / head) / np.log(growth)) + 1
    edges = np.unique(np.rint(head * growth ** np.arange(steps)).astype(np.int64))
    return np.append(edges[edges < population], population)


@lru_cache(maxsize=1)  # tables of one law follow each other and share its cells
def _alias(
    alpha: float, q: float, population: int, cells: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
    edges = spans(population, cells)
    low, width = edges[:-1], np.diff(edges)
    ranks = np.concatenate([np.arange(1, min(population, cells) + 1), low + (width + 1) / 2])
    share = (ranks + q) ** -alpha
    share[len(ranks) - len(low) :] *= width
    share *= len(share) / share.sum()
    kept, other = np.empty(len(share), np.uint32), np.empty(len(share), np.uint32)
    _kernels.alias(share, kept, other, np.empty(len(share), np.int64))
    return kept, other, low, width


class StackDraws:
    """Draws by LRU stack distance; work for a lookup grows with its distance."""

    def __init__(self, law: Stack, order: NDArray[np.uint32], rng: np.random.Generator) -> None:
        """Read the entries of ``order`` as they are new; the profile is ``law``'s."""
        self._law, self._rng, self._ring = law, rng, order.copy()
        self._state = np.zeros(2, np.int64)
        self._distances, self._cumulative = np.array(law.distances, np.int64), np.array(law.cumulative)

    def batch(self, lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
        """See ``Draws``."""
        return self.from_uniform(self._rng.random(int(lengths.sum())))

    def from_uniform(self, uniform: NDArray[np.float64]) -> NDArray[np.uint32]:
        """Return an entry for every number of [0, 1)."""
        entry = np.empty(len(uniform), np.uint32)
        profile = (self._distances, self._cumulative, self._law.padding, self._law.reorder)
        _kernels.stack(uniform, *profile, self._ring, self._state, entry)
        return entry


def recssd_profile(law: RecSsd, rng: np.random.Generator) -> Stack:
    """Return the stack profile of RecSSD's K; its histogram is drawn, so it differs between seeds."""
    density, _ = np.histogram(rng.exponential(1.0, _SAMPLES), _BINS, density=True)
    density[0] += int(density.sum() * law.k)
    cumulative = np.cumsum(density) / density.sum()
    cumulative[-1] = 1.0
    shares = tuple(np.clip(cumulative, 1e-12, 1.0).tolist())
    distances = tuple(d for d in range(_BINS) if d <= law.population)
    return Stack(
        kind="stack",
        distances=distances,
        cumulative=(*shares[: len(distances) - 1], 1.0),
        population=law.population,
    )


class RequestDraws:
    """Draws bag by bag as FBGEMM's request generator makes them; ``uniform_calls`` counts its fall-backs."""

    def __init__(self, law: Requests, entries: int, rng: np.random.Generator | np.random.RandomState) -> None:
        self._law, self._entries, self._rng = law, entries, rng
        self._reuse_rng = np.random.default_rng(_PERMUTATION_KEY)
        self._before: NDArray[np.uint32] | None = None
        self.uniform_calls = 0

    def batch(self, lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
        """See ``Draws``."""
        entry = self._skewed(lengths) if self._law.alpha > 1 else self._uniform(lengths)
        if self._law.reuse and self._before is not None:
            n = min(len(entry), len(self._before))
            again = self._reuse_rng.permutation(n)[: int(n * self._law.reuse)]
            entry[again] = self._before[again]
        self._before = entry.copy() if self._law.reuse else None
        return entry

    def ranks(self, lengths: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the ranks of the bags of a call, shape (sum,); None if a bag found too few different ones."""
        shape = (len(lengths), self._law.oversample * int(lengths.max(initial=0)))
        rank = (self._rng.zipf(self._law.alpha, shape) - 1) % self._entries
        kept = np.empty(int(lengths.sum()), np.int64)
        return kept if _kernels.first_distinct(rank, lengths, kept) else None

    def _skewed(self, lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
        kept = self.ranks(lengths)
        if kept is None:
            self.uniform_calls += 1
            return self._uniform(lengths)
        return scatter(kept, self._entries, _PERMUTATION_KEY).astype(np.uint32)

    def _uniform(self, lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
        size = int(lengths.sum())
        if isinstance(self._rng, np.random.RandomState):
            entry = self._rng.randint(0, self._entries, size).astype(np.uint32)
        else:
            entry = self._rng.integers(0, self._entries, size, np.uint32)
        bag = np.repeat(np.arange(len(lengths)), lengths)
        return entry[np.lexsort((entry, bag))]
