"""Doubly linked lists in one array, for policies: a node for every item, then one for both ends of every list.

From the ends, YOUNGER leads to the oldest member and OLDER to the youngest.
"""

import numpy as np

from recnmp._accel import inlined
from recnmp.cache.stream import Items

YOUNGER, OLDER, WHERE, COUNT = range(4)
"""Columns of a node: towards the youngest, towards the oldest, the policy's own two."""


def empty_lists(items: int, lists: int) -> Items:
    """Return nodes of ``items`` items in no list and of ``lists`` empty lists; WHERE and COUNT are 0."""
    node = np.zeros((items + lists, 4), np.int32)
    node[items:, YOUNGER] = node[items:, OLDER] = np.arange(items, items + lists)
    return node


@inlined
def insert_after(node: Items, place: int, i: int) -> None:
    """Put item ``i``, which is in no list, behind ``place``, a member or the ends (then it is the oldest)."""
    younger = node[place, YOUNGER]
    node[place, YOUNGER] = i
    node[i, OLDER] = place
    node[i, YOUNGER] = younger
    node[younger, OLDER] = i


@inlined
def push(node: Items, ends: int, i: int) -> None:
    """Make item ``i``, which is in no list, the youngest of the list with these ends."""
    insert_after(node, node[ends, OLDER], i)


@inlined
def unlink(node: Items, i: int) -> None:
    """Take item ``i`` out of the list that it is in."""
    older, younger = node[i, OLDER], node[i, YOUNGER]
    node[older, YOUNGER] = younger
    node[younger, OLDER] = older


@inlined
def oldest(node: Items, ends: int) -> int:
    """Return the oldest member of a list, its ends if there is none."""
    return int(node[ends, YOUNGER])


@inlined
def move(node: Items, size: Items, base: int, i: int, to: int) -> None:
    """Make item ``i`` the youngest of list ``to``, wherever it was; 0 for nowhere.

    The ends of list ``to`` are at ``base`` + ``to``; ``size`` counts the members of every list.
    """
    at = node[i, WHERE]
    if at:
        unlink(node, i)
        size[at] -= 1
    if to:
        push(node, base + to, i)
        size[to] += 1
    node[i, WHERE] = to
