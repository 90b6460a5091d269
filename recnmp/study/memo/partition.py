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


def partition(bags: TrainingBags, method: str, part_size: int) -> Longs:
    """Return the part of each item, shape (N,); no part is of two tables, none has more than ``part_size`` items.

    ``method`` is a key of ``METHODS``. Parts of ``metis`` may be a few items larger. Raises ConfigError where pymetis is
    not installed.
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

    A part begins with the hottest item that is free. Then the free item follows, again and again, whose bags have most
    in common with the part: their weights summed over pairs with its items; of equals the lower number, and the hottest
    where none has anything in common. Bags of more than ``LONGEST_BAG`` items are not looked at. All parts have
    as many items but the last.
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
