"""Clusters of items whose every partial sum is kept, chosen by benefit over cost under a memory budget.

A cluster of n items has 2^n - 1 sums, so two clusters of a and b items cost (2^a - 1)(2^b - 1) entries more as one.
They save a read for every training bag that has items of both. Within a part the pair with the highest benefit over
cost is merged again and again; of equal pairs, the one whose least items come first.

No merge has a higher ratio than the one before it in its part: the union of a and b shares with a third cluster at
most the bags that a and b share with it, and its cost is higher than both costs together. So every threshold on the
ratio, and every best pair anywhere, cuts the same list of merges, sorted by ratio, at another place.

Source: MERCI (Lee et al., ASPLOS 2021) and the behaviour of its published program.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.study.memo import _kernels as kernel
from recnmp.study.memo.bags import Longs, TrainingBags

LARGEST_PART = 4096
"""Items of a part; every pair of them is looked at."""

_FIRST_THRESHOLD, _STEPS, _FINEST = 10000.0, 5, 0.001
_ABOVE, _BELOW, _NEAR = (
    1.05,
    0.95,
    0.1,
)  # of a target: a round that is undone, one that is enough, no more singly


@dataclass(frozen=True)
class Merges:
    """All merges that save a read, M of them, highest ratio first; of equal ones as parts and their steps come.

    Attributes:
        into: item whose cluster takes another one in, shape (M,); a cluster goes by its least item.
        taken: item whose cluster it takes in, shape (M,).
        ratio: benefit over cost, shape (M,).
        extra_bytes: what all merges up to each one take beyond the tables, shape (M,).
    """

    into: Longs
    taken: Longs
    ratio: NDArray[np.float64]
    extra_bytes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ratio)

    def above(self, threshold: float) -> int:
        """Return how many merges have a higher ratio."""
        return int(np.searchsorted(-self.ratio, -threshold, "left"))

    def clusters(self, count: int, items: int) -> Longs:
        """Return the least item of each item's cluster after the first ``count`` merges, shape (items,)."""
        of = np.arange(items)
        of[self.taken[:count]] = self.into[:count]
        while True:
            further = of[of]
            if np.array_equal(further, of):
                return of
            of = further


def find_merges(bags: TrainingBags, part: Longs, entry_bytes: Longs, most_bytes: float) -> Merges:
    """Return the merges within the parts, until one alone takes more than ``most_bytes``.

    ``part`` of each item, -1 for none, and the bytes of its entries have shape (N,). Raises ConfigError for a
    part of more than ``LARGEST_PART`` items.
    """
    chosen = np.flatnonzero(part >= 0)
    _, dense, sizes = np.unique(part[chosen], return_inverse=True, return_counts=True)
    if sizes.max(initial=0) > LARGEST_PART:
        raise ConfigError(f"a part has {sizes.max():,} items, {LARGEST_PART:,} is the most")
    member = chosen[np.argsort(dense, kind="stable")]  # items, part by part
    first = np.concatenate([[0], np.cumsum(sizes)])
    local = np.full(bags.items, -1)
    local[member] = np.arange(len(member)) - np.repeat(first[:-1], sizes)
    groups = _Groups.of(bags, part, local, sizes)
    found = []
    for p in range(len(sizes)):
        width = float(entry_bytes[member[first[p]]])
        pair, ratio, cost = groups.merged(p, most_bytes / width)
        item = member[first[p] + pair]
        found.append((item[:, 0], item[:, 1], ratio, cost * width))
    if not found:
        return Merges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    into, taken, ratio, more = (np.concatenate(of) for of in zip(*found, strict=True))
    order = np.argsort(-ratio, kind="stable")
    return Merges(into[order], taken[order], ratio[order], np.cumsum(more[order]))


@dataclass(frozen=True)
class _Groups:
    """The pins of bags with at least two items of a part, part by part; items are numbered within theirs."""

    size: Longs  # items of each part
    start: Longs  # of a part's groups
    first: Longs  # pin of each group
    length: Longs
    weight: Longs
    pins: Longs

    @classmethod
    def of(cls, bags: TrainingBags, part: Longs, local: Longs, size: Longs) -> "_Groups":
        """Cut the bags along the parts."""
        bag = np.repeat(np.arange(len(bags.weight)), np.diff(bags.start))
        of_pin = part[bags.item]
        kept = np.flatnonzero(of_pin >= 0)
        kept = kept[np.argsort(of_pin[kept], kind="stable")]
        bag, of_pin, pins = bag[kept], of_pin[kept], local[bags.item[kept]]
        fresh = np.ones(len(bag), np.bool_)
        fresh[1:] = (bag[1:] != bag[:-1]) | (of_pin[1:] != of_pin[:-1])
        first = np.flatnonzero(fresh)
        length = np.diff(np.append(first, len(bag)))
        shared = length > 1
        first, length = first[shared], length[shared]
        known = np.unique(part[part >= 0])
        start = np.searchsorted(of_pin[first], np.append(known, known.max(initial=0) + 1))
        return cls(size, start, first, length, bags.weight[bag[first]], pins)

    def merged(self, p: int, most_rows: float) -> tuple[Longs, NDArray[np.float64], NDArray[np.float64]]:
        """Return the merges of part ``p``: pairs of its items, their ratios and costs in entries."""
        n, of = int(self.size[p]), slice(self.start[p], self.start[p + 1])
        pair, ratio, cost = np.empty((n, 2), np.int64), np.empty(n), np.empty(n)
        count = kernel.merge_part(
            n,
            self.first[of],
            self.length[of],
            self.pins,
            self.weight[of],
            most_rows,
            np.zeros((n, n), np.int64),
            np.empty(n),
            np.empty(n, np.int64),
            pair,
            ratio,
            cost,
        )
        return pair[:count], ratio[:count], cost[:count]


def cut(merges: Merges, base_bytes: float, targets: Sequence[float]) -> list[int]:
    """Return how many merges each target takes; ``targets`` are memory over ``base_bytes``, ascending.

    A target is met within 10 % where that is possible, not exactly. First a threshold on the ratio falls in
    steps of a fifth of its value, halved where it comes to 0. A step to 1.05 of the target or more is undone,
    and the threshold rises by half a step, until that is below 0.001; one to 0.95 is enough. Then merges follow
    one by one, while memory is 10 % from the target and the next one fits. Each target goes on from the
    threshold and the merges of the one before. Other than the published program, it ends where there are no
    merges left that save a read.
    """
    size = base_bytes + np.concatenate([[0.0], merges.extra_bytes])
    counts, count, threshold = [], 0, _FIRST_THRESHOLD
    for ratio in targets:
        target = ratio * base_bytes
        count, threshold = _by_threshold(merges, size, target, count, threshold)
        while (
            count < len(merges) and abs(size[count] - target) >= _NEAR * target and size[count + 1] <= target
        ):
            count += 1
        counts.append(count)
    return counts


def _by_threshold(
    merges: Merges, size: NDArray[np.float64], target: float, count: int, threshold: float
) -> tuple[int, float]:
    """Return the merges that a falling threshold takes, and where it stops."""
    step = threshold / _STEPS
    while True:
        found = max(count, merges.above(threshold))
        if size[found] >= _ABOVE * target:
            step /= 2
            if step < _FINEST:
                return count, threshold
            threshold += step
            continue
        count = found
        if size[count] >= _BELOW * target or count == len(merges):
            return count, threshold
        threshold -= step
        if threshold <= step * 1e-9:  # rounding leaves next to nothing of what is to be 0
            step /= 2
            threshold = step
