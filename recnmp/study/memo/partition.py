"""Items parted into groups within which clusters may form: greedily, by pymetis, or as a file says."""

from pathlib import Path

import numpy as np

from recnmp._files import opened
from recnmp.errors import ConfigError
from recnmp.study.memo import _kernels as kernel
from recnmp.study.memo.bags import Longs, TrainingBags

METHODS = {
    "greedy": "parts grown from the hottest item by what occurs together most",
    "metis": "multilevel graph partitioning of pairs that occur together, with pymetis",
}
LONGEST_BAG = 500
"""Items of a bag beyond which it says nothing about what belongs together."""

_METIS_SEED = 1
_MOST_PAIRS = 1 << 24


def partition(bags: TrainingBags, method: str, part_size: int) -> Longs:
    """Return the part of each item, shape (N,); no part is of two tables, none has more than ``part_size`` items.

    ``method`` is a key of ``METHODS``. Parts of ``metis`` may be a few items larger. Raises ConfigError where
    pymetis is not installed.
    """
    make = {"greedy": greedy_parts, "metis": metis_parts}[method]
    part, done = np.full(bags.items, -1), 0
    for table in np.unique(bags.table):
        items = np.flatnonzero(bags.table == table)
        parts = -(-len(items) // part_size)
        part[items] = done + make(bags, items, parts)
        done += parts
    return part


def greedy_parts(bags: TrainingBags, items: Longs, parts: int) -> Longs:
    """Return the part of each of ``items``, all of one table, shape (n,).

    A part begins with the hottest item that is free. Then the free item follows, again and again, whose bags
    have most in common with the part: their weights summed over pairs with its items; of equals the lower
    number, and the hottest where none has anything in common. Bags of more than ``LONGEST_BAG`` items are not
    looked at. All parts have as many items but the last.
    """
    bag_of_pin = np.repeat(np.arange(len(bags.weight)), np.diff(bags.start))
    short = (np.diff(bags.start) <= LONGEST_BAG)[bag_of_pin]
    pins, of_bag = bags.item[short], bag_of_pin[short]
    order = np.argsort(pins, kind="stable")
    by_heat = items[np.argsort(-bags.heat[items], kind="stable")]
    room = np.full(parts, -(-len(items) // parts))
    room = np.minimum(room, np.maximum(len(items) - np.cumsum(room) + room, 0))
    part = np.full(bags.items, -1)
    kernel.grow_parts(
        bags.start,
        bags.item,
        bags.weight,
        np.searchsorted(pins[order], np.arange(bags.items + 1)),
        of_bag[order],
        by_heat,
        part,
        room,
        np.zeros((3, bags.items), np.int64),
    )
    return part[items]


def metis_parts(bags: TrainingBags, items: Longs, parts: int) -> Longs:
    """Return the part of each of ``items``, all of one table, shape (n,), as METIS cuts the graph of their pairs.

    An edge has the weight of the bags that have both items, of those of ``LONGEST_BAG`` items at most. Raises
    ConfigError where pymetis is not installed.
    """
    try:
        import pymetis
    except ImportError:
        raise ConfigError("partition metis needs pymetis: pip install 'recnmp[metis]'") from None
    if parts == 1:
        return np.zeros(len(items), np.int64)
    one, two, weight = _pairs(bags, items)
    ends = np.concatenate([one, two])
    order = np.argsort(ends, kind="stable")
    _, part = pymetis.part_graph(
        parts,
        pymetis.CSRAdjacency(
            np.searchsorted(ends[order], np.arange(len(items) + 1)), np.concatenate([two, one])[order]
        ),
        eweights=np.concatenate([weight, weight])[order],
        options=pymetis.Options(seed=_METIS_SEED),
    )
    return np.array(part, np.int64)


def _pairs(bags: TrainingBags, items: Longs) -> tuple[Longs, Longs, Longs]:
    """Return all pairs of ``items`` that share a bag, lower first, numbered within ``items``, and their weights."""
    number = np.full(bags.items, -1)
    number[items] = np.arange(len(items))
    bag = np.repeat(np.arange(len(bags.weight)), np.diff(bags.start))
    kept = (number[bags.item] >= 0) & (np.diff(bags.start) <= LONGEST_BAG)[bag]
    bag, item = bag[kept], number[bags.item[kept]]
    key, weight = np.empty(0, np.int64), np.empty(0, np.int64)
    for apart in range(1, int(np.bincount(bag).max(initial=1))):
        together = np.flatnonzero(bag[apart:] == bag[:-apart])
        key = np.concatenate([key, item[together] * len(items) + item[together + apart]])
        weight = np.concatenate([weight, bags.weight[bag[together]]])
        if len(key) > _MOST_PAIRS:
            key, weight = _added(key, weight)
    key, weight = _added(key, weight)
    return key // len(items), key % len(items), weight


def _added(key: Longs, weight: Longs) -> tuple[Longs, Longs]:
    known, which = np.unique(key, return_inverse=True)
    return known, np.bincount(which, weights=weight, minlength=len(known)).astype(np.int64)


def read_parts(path: Path, bags: TrainingBags, entries: int) -> Longs:
    """Return the part of each item as a text file has it: a whole number per entry from 0 on, -1 for none.

    Entries beyond the end of the file are in none. The bags must be of one table, of ``entries`` entries. Raises
    ConfigError for other text, more numbers than entries, and several tables.
    """
    if len(np.unique(bags.table)) > 1:
        raise ConfigError(f"{path}: a file parts the entries of one table, but several are memoised")
    with opened(path) as file:
        words = file.read().split()
    try:
        part = np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{path}: a partition is whole numbers parted by spaces, one for each entry"
        ) from None
    if len(part) > entries or part.min(initial=0) < -1:
        raise ConfigError(
            f"{path}: {len(part):,} numbers from {part.min(initial=0)} on, {entries:,} entries; parts are -1 or more"
        )
    return np.append(part, np.full(entries - len(part), -1))[bags.entry]
