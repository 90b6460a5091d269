"""Memo tables: where every partial sum of a cluster stands, what it adds, and bags rewritten to read sums.

Clusters follow one another, largest first, of equal ones the one with the least entry first. A cluster of n entries
takes 2^n - 1 places: the sum of the entries whose bits are set in a mask stands at its first place + mask - 1, the
lowest bit being the least entry. Entries in no cluster follow, in order, a place each.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.study.memo.bags import Longs, TrainingBags
from recnmp.trace.trace import POOLINGS, Trace

_MOST_ENTRIES = 1 << 32


@dataclass(frozen=True)
class MemoTable:
    """One table with the sums of C clusters; an entry that is in none is a cluster of its own.

    Attributes:
        order: its entries, cluster by cluster, shape (entries,).
        position: place of each entry in ``order``, shape (entries,).
        size: entries of each cluster, not increasing, shape (C,).
        cluster: cluster of each place in ``order``, shape (entries,).
        first: place in ``order`` at which each cluster begins, shape (C + 1,).
        row: entry of the memo table at which each cluster's sums begin, shape (C + 1,); the last is the table's
        size.
    """

    order: Longs
    position: Longs
    size: Longs
    cluster: Longs
    first: Longs
    row: Longs

    @property
    def entries(self) -> int:
        """Entries of the memo table: sums, and entries that are in no cluster."""
        return int(self.row[-1])

    @property
    def clustered(self) -> int:
        """Entries of the plain table that are in clusters."""
        return int(self.size[self.size > 1].sum())

    def members(self, entry: Longs) -> tuple[Longs, Longs]:
        """Return what the sums at ``entry`` add: lookups as (place in ``entry``, plain entry), sums in order."""
        of = np.searchsorted(self.row, entry, "right") - 1
        mask = entry - self.row[of] + 1
        bits = np.arange(int(self.size.max(initial=1)))
        which, bit = np.nonzero(mask[:, None] >> bits & 1)
        return which, self.order[self.first[of[which]] + bit]

    def sums(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the memo table of a plain table with these ``values``, shapes (entries, D) and (rows, D)."""
        table = np.empty((self.entries, values.shape[1]), np.float32)
        for size in np.unique(self.size).tolist():
            chosen = np.flatnonzero(self.size == size)
            sums = np.zeros((len(chosen), 1 << size, values.shape[1]), np.float32)
            for bit in range(size):
                added = values[self.order[self.first[chosen] + bit]]
                sums[:, 1 << bit : 2 << bit] = sums[:, : 1 << bit] + added[:, None]
            table[self.row[chosen, None] + np.arange((1 << size) - 1)] = sums[:, 1:]
        return table


def memo_table(entries: int, member: Longs, cluster: Longs) -> MemoTable:
    """Return the memo table of a plain one with ``entries`` entries, of which ``member`` are in clusters.

    ``cluster`` of each member is the least entry of its cluster. Raises ConfigError for more entries than a
    trace has numbers for.
    """
    least = np.arange(entries)
    least[member] = cluster
    size = np.bincount(least, minlength=entries)
    order = np.lexsort((np.arange(entries), least, -size[least]))
    position = np.empty(entries, np.int64)
    position[order] = np.arange(entries)
    begins = np.append(True, np.diff(least[order]) != 0)
    first = np.append(np.flatnonzero(begins), entries)
    sizes = np.diff(first)
    rows = np.ldexp(1.0, sizes) - 1  # exact as far as it is allowed
    if rows.sum() > _MOST_ENTRIES:
        raise ConfigError(f"a memo table of {rows.sum():.3g} entries; {_MOST_ENTRIES:,} is the most")
    row = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    return MemoTable(order, position, sizes, np.cumsum(begins) - 1, first, row)


def memo_tables(
    trace: Trace, tables: tuple[int, ...], bags: TrainingBags, clusters: Longs
) -> dict[int, MemoTable]:
    """Return the memo table of each of ``tables``; ``clusters`` has the least item of each item's, shape (N,)."""
    made = {}
    for t in tables:
        mine = bags.table == t
        made[t] = memo_table(trace.tables[t].entries, bags.entry[mine], bags.entry[clusters[mine]])
    return made


def check_summable(trace: Trace, tables: tuple[int, ...]) -> None:
    """Raise ConfigError for weighted lookups and for entries that are not FP32: their sums are not to be kept."""
    if trace.weight is not None:
        raise ConfigError("the trace is weighted: partial sums cannot be kept for every weight")
    for table in (trace.tables[t] for t in tables):
        if table.dtype != "fp32":
            raise ConfigError(
                f"table {table.name!r} is {table.dtype}: its sums would be rounded once more; "
                "--set trace.table_dtype=fp32 studies it with FP32 entries"
            )


def rewrite(trace: Trace, memo: dict[int, MemoTable]) -> Trace:
    """Return ``trace`` with one lookup for each cluster that a bag touches; other tables' lookups stay as they are.

    A bag's lookups of a memo table ascend by cluster. An entry that a bag reads n times is in n of its sums.
    Means become sums, to be divided by the bag's former lookups, which the trace no longer shows. Raises
    ConfigError as ``check_summable`` does.
    """
    check_summable(trace, tuple(memo))
    tables, pooling = list(trace.tables), trace.calls.pooling.copy()
    other = ~np.isin(trace.table, list(memo))
    bags, entries = [trace.bag[other].astype(np.int64)], [trace.entry[other].astype(np.int64)]
    for t, one in memo.items():
        mine = trace.table == t
        bag, entry = _summed(trace.bag[mine].astype(np.int64), trace.entry[mine], one)
        bags.append(bag)
        entries.append(entry)
        tables[t] = replace(trace.tables[t], entries=one.entries)
        pooling[trace.calls.table == t] = POOLINGS.index("sum")
    bag = np.concatenate(bags)
    order = np.argsort(bag, kind="stable")  # a bag is of one table, so in one piece already
    bag = bag[order]
    return replace(
        trace,
        table=trace.bag_table[bag - int(trace.calls.first_bag[0])],
        bag=bag.astype(np.uint32),
        entry=np.concatenate(entries)[order].astype(np.uint32),
        tables=tuple(tables),
        calls=replace(trace.calls, pooling=pooling),
    )


def _summed(bag: Longs, entry: NDArray[np.uint32], memo: MemoTable) -> tuple[Longs, Longs]:
    """Return bag and entry of the sums that lookups of one table become, bag by bag."""
    if not len(bag):
        return bag, bag
    place = memo.position[entry]
    order = np.lexsort((place, bag))
    bag, place = bag[order], place[order]
    number = np.arange(len(bag))
    fresh = np.append(True, (bag[1:] != bag[:-1]) | (place[1:] != place[:-1]))
    again = number - np.maximum.accumulate(np.where(fresh, number, 0))  # how often the bag has read it before
    cluster = memo.cluster[place]
    order = np.lexsort((again, cluster, bag))
    bag, cluster, again, place = bag[order], cluster[order], again[order], place[order]
    differs = (bag[1:] != bag[:-1]) | (cluster[1:] != cluster[:-1]) | (again[1:] != again[:-1])
    first = np.flatnonzero(np.append(True, differs))
    mask = np.add.reduceat(np.int64(1) << (place - memo.first[cluster]), first)
    return bag[first], memo.row[cluster[first]] + mask - 1
