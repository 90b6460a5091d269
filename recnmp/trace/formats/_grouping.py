"""Rows of one group joined into a sample."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.formats._sink import Bags, Sink, joined


class Grouping:
    """Joins rows of one group into a sample, those that follow each other or, with ``gather``, all."""

    def __init__(self, gather: bool, sink: Sink) -> None:
        self._gather, self._sink = gather, sink
        self._kept: list[tuple[Sequence[Bags], NDArray[np.uint64], NDArray[np.int64] | None]] = []

    def add(self, bags: Sequence[Bags], key: NDArray[np.uint64], time: NDArray[np.int64] | None) -> None:
        """Add rows: their bags by table, group and time."""
        if len(key) == 0:
            return
        self._kept.append((bags, key, time))
        if self._gather:
            return
        # the last group may go on in the next block
        last = np.flatnonzero(key != key[-1])
        if len(last):
            self._emit(int(last[-1]) + 1)

    def finish(self) -> None:
        """Hand over what is left."""
        if self._kept:
            self._emit(len(self._kept[-1][1]))

    def _emit(self, end: int) -> None:
        """Hand over all rows but those of the last piece from ``end`` on."""
        pieces, (bags, key, time) = self._kept[:-1], self._kept[-1]
        rest = ([b.cut(end, len(key)) for b in bags], key[end:], None if time is None else time[end:])
        pieces.append(([b.cut(0, end) for b in bags], key[:end], None if time is None else time[:end]))
        self._kept = [rest] if len(rest[1]) else []
        tables = [joined(parts) for parts in zip(*(piece[0] for piece in pieces), strict=True)]
        keys = np.concatenate([piece[1] for piece in pieces])
        times = [piece[2] for piece in pieces if piece[2] is not None]
        group = self._groups(keys)
        order = np.lexsort((np.concatenate(times), group)) if times else np.argsort(group, kind="stable")
        rows = np.bincount(group)
        self._sink.add([_regrouped(bags, order, rows) for bags in tables])

    def _groups(self, key: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Number the groups in the order in which they begin."""
        if not self._gather:
            return np.cumsum(np.concatenate([[False], key[1:] != key[:-1]]))
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return rank[inverse]


def _regrouped(bags: Bags, order: NDArray[np.int64], rows: NDArray[np.int64]) -> Bags:
    """Return the bags of rows in another order, the next ``rows[g]`` of them joined to bag g."""
    length = bags.length[order]
    start = (np.cumsum(bags.length) - bags.length)[order]
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    where = np.repeat(start, length) + within
    joined_length = np.add.reduceat(length, np.cumsum(rows) - rows)
    return Bags(joined_length, bags.entry[where], None if bags.weight is None else bags.weight[where])
