"""Copies of hot entries in every rank, so that near memory may read them wherever there is least to do.

Which entries are hot is what a profile counted. Copies of one rank lie side by side in spare memory of that rank,
widest entries first; the originals stay where they are and are what the host reads. Since copies lie side by
side, hot entries share DRAM rows there, which they seldom do in their tables.

Source of the idea: Park et al., TRiM, MICRO 2021, copies the hottest entries into every memory node; Samsung's
PNMLibrary for AxDIMM (policy REPLICATE_ALL) copies whole tables into both ranks.

Not modelled: finding, writing and refreshing the copies; tables are read-only during inference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.config.schema import ReplicateConfig
from recnmp.errors import ConfigError
from recnmp.placement import _kernels as kernel
from recnmp.placement.layout import Layout
from recnmp.trace.trace import Trace


@dataclass(frozen=True)
class Replication:
    """What copies of hot entries cost and serve.

    Attributes:
        entries: entries with a copy in every rank.
        copies: copies of each, ranks over all channels.
        bytes: memory set aside for them, in whole pages.
        table_share: those bytes as a share of the tables' own pages.
        lookup_share: share of the lookups that read a copy.
    """

    entries: int
    copies: int
    bytes: int
    table_share: float
    lookup_share: float


@dataclass(frozen=True)
class Hot:
    """The entries to copy, as told for L lookups.

    Attributes:
        heat: place of each lookup's entry in the order of heat, from 0 on; -1 without a copy; shape (L,).
        offset: first byte of the copy in every rank's set of copies, shape (L,); of no meaning without a copy.
        entries: entries that are copied.
        bytes: bytes that a rank's set of copies takes.
    """

    heat: NDArray[np.int64]
    offset: NDArray[np.int64]
    entries: int
    bytes: int


def read_copies(
    trace: Trace, counted: Trace, layout: Layout, address: NDArray[np.int64], home: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Replication]:
    """Copy the entries that ``counted`` finds hot, and choose the copy that each of their lookups reads.

    Args:
        trace: the lookups, L of them.
        counted: the profile, which may be ``trace``.
        layout: the tables' place, and the spare memory.
        address: first byte of the original entry of each lookup, shape (L,).
        home: rank of that, over all channels, shape (L,).

    Returns:
        The first byte that each lookup reads, shape (L,), and what this costs.

    Raises ConfigError when there is no room for the copies.
    """
    options, ranks = layout.placement.replicate, layout.mapping.ranks
    if options is None:
        raise ValueError("placement.replicate is not set")
    hot = find_hot(trace, counted, options, layout.stride)
    pieces, piece_bytes, set_aside = make_room(layout, hot.bytes)
    copied = hot.heat >= 0
    rank = choose_ranks(trace, home, hot.heat, ranks, options.bags)
    piece, in_piece = np.divmod(hot.offset, piece_bytes)
    read = np.where(copied, pieces[rank, piece] + in_piece, address) if copied.any() else address
    of_tables = int(layout.used.sum()) * layout.placement.page_bytes
    share = float(copied.mean()) if trace.lookups else 0.0
    return read, Replication(hot.entries, ranks, set_aside, set_aside / of_tables, share)


def find_hot(trace: Trace, counted: Trace, options: ReplicateConfig, stride: NDArray[np.int64]) -> Hot:
    """Return the entries to copy: those that ``counted`` reads most often, ties in order of table and entry.

    Entries that ``counted`` does not read get no copy, unless whole tables do (``share`` 1).
    """
    sizes = np.array([table.entries for table in trace.tables], np.int64)
    key = _keys(trace, sizes)
    if options.share == 1:
        ends = np.cumsum(sizes * stride)
        offset = (ends - sizes * stride)[trace.table] + trace.entry * stride[trace.table]
        return Hot(key, offset, int(sizes.sum()), int(ends[-1]))
    read, lookup, count = np.unique(key, return_inverse=True, return_counts=True)
    known = read
    if counted is not trace:
        known, count = np.unique(_keys(counted, sizes), return_counts=True)
    if len(known) == 0:
        return Hot(np.full(len(key), -1), np.zeros(len(key), np.int64), 0, 0)
    wanted = options.entries or max(round((options.share or 0) * int(sizes.sum())), 1)
    hot = known[np.argsort(-count, kind="stable")[:wanted]]
    width = stride[np.searchsorted(np.cumsum(sizes), hot, "right")]
    widest_first = np.argsort(-width, kind="stable")
    offset = np.zeros(len(hot), np.int64)
    offset[widest_first[1:]] = np.cumsum(width[widest_first])[:-1]
    by_key = np.argsort(hot)
    found = by_key[np.minimum(np.searchsorted(hot, read, sorter=by_key), len(hot) - 1)]
    heat = np.where(hot[found] == read, found, -1)
    return Hot(heat[lookup], offset[found][lookup], len(hot), int(width.sum()))


def _keys(trace: Trace, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number entries over all tables; returns the number of each lookup's entry, shape (L,)."""
    return (np.cumsum(sizes) - sizes)[trace.table] + trace.entry


def choose_ranks(
    trace: Trace, rank: NDArray[np.int64], heat: NDArray[np.int64], ranks: int, bags: int
) -> NDArray[np.int64]:
    """Return the rank that serves each lookup, over all channels, shape (L,).

    ``rank`` is where the original lies. Each group of up to ``bags`` bags of a call, a packet's, is evened out by
    itself. Copies are preferred in the rank that is their turn in the order of heat, so that a rank meets the
    same entries again and its cache holds them.
    """
    calls = trace.calls
    groups = -(-calls.bags // bags)
    first = np.cumsum(groups) - groups
    in_call = np.arange(trace.bags) - np.repeat(calls.first_bag - calls.first_bag[0], calls.bags)
    group = (np.repeat(first, calls.bags) + in_call // bags)[trace.bag - np.uint32(calls.first_bag[0])]
    start = np.searchsorted(group, np.arange(groups.sum() + 1))
    chosen = rank.copy()
    load, total = np.zeros((2, ranks), np.int64)
    kernel.choose_copies(start, chosen, np.where(heat < 0, -1, heat % ranks), load, total)
    return chosen


def make_room(layout: Layout, needed_bytes: int) -> tuple[NDArray[np.int64], int, int]:
    """Set aside memory in every rank; pages are taken until each rank has enough, as from lists of free pages.

    Where a page lies in several ranks, its pieces that lie in one are what a rank gets.

    Returns:
        The first byte of each piece of each rank, shape (R, pieces); bytes of a piece; bytes of the pages used.

    Raises ConfigError when memory is full, or an entry lies in several ranks.
    """
    mapping, page_bytes = layout.mapping, layout.placement.page_bytes
    piece_bytes = min(page_bytes, layout.burst_bytes << mapping.bits_within_rank)
    widest = int(layout.stride.max())
    if widest > piece_bytes:
        raise ConfigError(
            f"placement.replicate: a copy of {widest} B must lie in one rank, but {mapping.name} switches ranks "
            f"every {piece_bytes} B"
        )
    pieces = -(-needed_bytes // piece_bytes)
    per_page = page_bytes // piece_bytes
    pages = -(-pieces * mapping.ranks // per_page)
    while True:
        pages = min(pages, layout.spare_pages)
        start = np.add.outer(layout.spare(pages), np.arange(per_page) * piece_bytes).ravel()
        rank = mapping.rank_of(start // layout.burst_bytes)
        order = np.argsort(rank, kind="stable")
        ends = np.cumsum(np.bincount(rank, minlength=mapping.ranks))
        begins = np.concatenate([[0], ends[:-1]])
        if (ends - begins).min(initial=pieces) >= pieces:
            break
        if pages == layout.spare_pages:
            raise ConfigError(
                f"placement.replicate: copies need {needed_bytes} B in every rank, which the memory does not "
                "have beside the tables"
            )
        pages += pages // 4 + 16
    taken = order[begins[:, None] + np.arange(pieces)]
    return start[taken], piece_bytes, len(np.unique(taken // per_page)) * page_bytes
