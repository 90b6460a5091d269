"""One look at every lookup of a trace, in passes, in memory that does not grow with the number of lookups.

What it takes: a bit and a half for every entry of all tables (to number those that are read), 8 bytes for every
entry that is read, and the lookups of one piece. The order of accesses is compared with a shuffled one on the
first ``WINDOW`` lookups only, since shuffling needs them all at once.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace.reuse import _kernels
from recnmp.trace.reuse.bags import BagScan
from recnmp.trace.reuse.distance import LruCurve, StackDistances, lru_curve
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.reuse.statistics import LRU_ENTRIES, ReadCounts, read_counts
from recnmp.trace.storage import Lookups
from recnmp.trace.trace import Calls, Table

WINDOW = 1 << 24
"""Lookups on which the trace's order is compared with a shuffled one."""

SHUFFLE_SEED = 0

Pieces = Callable[[bool], Iterable[Lookups]]
"""Gives the lookups in order, piece by piece; the argument asks to verify their digest as well."""

_POINTS_OF_A_TABLE = 1  # per octave of its curve


@dataclass(frozen=True)
class TableReuse:
    """Reuse of one table by itself: ``points`` are (entries, hits) of its own LRU cache, ``lru_hits`` by size."""

    reads: ReadCounts
    points: list[tuple[int, int]]
    lru_hits: dict[str, int]


@dataclass(frozen=True)
class OrderEffect:
    """LRU hits of the first ``lookups`` lookups as they come, and in random order."""

    lookups: int
    in_order: LruCurve
    shuffled: LruCurve


@dataclass(frozen=True)
class Survey:
    """What the passes find.

    Attributes:
        reads, lru: reuse over all tables: counts, and hits of one cache by its size.
        filled: accesses after which caches of some sizes are full, None where they never are.
        tables: reuse of each table.
        bags: lookups of bags and signs in them.
        order: what the order of the lookups is worth.
        weighted: lookups have weights.
    """

    reads: ReadCounts
    lru: LruCurve
    filled: dict[int, int | None]
    tables: list[TableReuse]
    bags: BagScan
    order: OrderEffect
    weighted: bool


def survey(
    tables: Sequence[Table],
    calls: Calls,
    pieces: Pieces,
    cache_entries: Callable[[NDArray[np.int64]], int] = lambda _: 0,
    progress: Callable[[str], None] | None = None,
) -> Survey:
    """Read the lookups of a trace four times and return what is in them.

    ``cache_entries`` gets the different entries read of each table, shape (T,), and returns the size of a cache
    to watch beside ``LRU_ENTRIES``, or 0. Raises ConfigError for lookups that their tables do not have.
    """
    numbering, weighted = Numbering(tables), False
    lookups = 0
    for piece in _shown(_checked(pieces(True), tables), "numbering", progress):
        numbering.see(piece.table, piece.entry)
        weighted = weighted or piece.weight is not None
        lookups += len(piece.entry)
    numbering.freeze()
    reads, bags = np.zeros(numbering.count, np.uint32), BagScan(len(tables), numbering.count)
    window, kept = np.empty(min(lookups, WINDOW), np.int32), 0
    for piece in _shown(pieces(False), "counting", progress):
        item = numbering.items(piece.table, piece.entry)
        _kernels.count(item, reads)
        bags.feed(piece.table, piece.bag, piece.entry, item)
        part = item[: len(window) - kept]
        window[kept : kept + len(part)] = part
        kept += len(part)
    bags.finish(calls)
    ends = numbering.first
    counts = [read_counts(reads[a:b]) for a, b in itertools.pairwise(ends)]
    overall = read_counts(reads)
    del reads
    order = _order_effect(window)
    del window
    each = _each_table(numbering, counts, _shown(pieces(False), "each table's cache", progress))
    watched = cache_entries(np.diff(ends))
    sizes = [*LRU_ENTRIES, *([watched] if watched else [])]
    distances = StackDistances(numbering.count, sizes)
    for piece in _shown(pieces(False), "one cache", progress):
        distances.feed(numbering.items(piece.table, piece.entry))
    filled = {size: distances.filled(size) for size in sizes}
    return Survey(overall, distances.curve(), filled, each, bags, order, weighted)


def _each_table(
    numbering: Numbering, counts: list[ReadCounts], pieces: Iterator[Lookups]
) -> list[TableReuse]:
    first = numbering.first
    distances = [StackDistances(int(n)) for n in np.diff(first)]
    for piece in pieces:
        item = numbering.items(piece.table, piece.entry)
        by_table = np.argsort(piece.table, kind="stable")
        ends = np.cumsum(np.bincount(piece.table, minlength=len(distances)))
        for table in np.unique(piece.table).tolist():
            mine = by_table[ends[table - 1] if table else 0 : ends[table]]
            distances[table].feed((item[mine] - first[table]).astype(np.int32))
    curves = [one.curve() for one in distances]
    return [
        TableReuse(of, curve.points(_POINTS_OF_A_TABLE), {str(n): curve.hits(n) for n in LRU_ENTRIES})
        for of, curve in zip(counts, curves, strict=True)
    ]


def _order_effect(item: NDArray[np.int32]) -> OrderEffect:
    in_order = lru_curve(item)
    np.random.default_rng(SHUFFLE_SEED).shuffle(item)
    return OrderEffect(len(item), in_order, lru_curve(item))


def _checked(pieces: Iterable[Lookups], tables: Sequence[Table]) -> Iterator[Lookups]:
    """Pass lookups on if they can be part of a trace of these tables."""
    sizes = np.array([table.entries for table in tables], np.int64)
    last_bag = -1
    for piece in pieces:
        if len(piece.bag):
            if piece.table.max() >= len(tables):
                raise ConfigError("trace has lookups of tables that it does not have")
            if np.any(outside := piece.entry >= sizes[piece.table]):
                i = int(np.argmax(outside))
                table = tables[piece.table[i]]
                raise ConfigError(
                    f"a lookup reads entry {piece.entry[i]} of table {table.name!r}, which has {table.entries}"
                )
            if piece.bag[0] < last_bag or np.any(piece.bag[1:] < piece.bag[:-1]):
                raise ConfigError("trace lookups are not in bag order")
            last_bag = int(piece.bag[-1])
        yield piece


def _shown(pieces: Iterable[Lookups], what: str, progress: Callable[[str], None] | None) -> Iterator[Lookups]:
    lookups = 0
    for piece in pieces:
        yield piece
        lookups += len(piece.entry)
        if progress:
            progress(f"{what}: {lookups:,} lookups")
