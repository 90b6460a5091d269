"""Tables laid out in memory: entries in slots, tables in pages, pages in frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.config.schema import PlacementConfig
from recnmp.errors import ConfigError
from recnmp.placement.colours import balanced_colours
from recnmp.placement.mapping import Mapping
from recnmp.placement.pages import coloured_frames, random_frames
from recnmp.trace.trace import Table

SMALLEST_SLOT_BYTES = 16
"""Least place of an entry: 32 bits number such slots in 64 GiB, a channel of eight ranks of 8 GiB."""


@dataclass(frozen=True)
class Layout:
    """Where T tables are; pages come from pools of numbered pages: one of the whole memory, or one of each rank.

    Attributes:
        mapping: the address mapping.
        burst_bytes: bytes of a burst.
        placement: the options this comes from; page size and seed among them.
        stride: bytes from one entry of each table to the next, powers of two, shape (T,).
        pool: pool that each table's pages come from, shape (T,).
        first_page: page of its pool with which each table starts, shape (T,).
        used: pages of each pool that hold tables; later ones are spare.
    """

    mapping: Mapping
    burst_bytes: int
    placement: PlacementConfig
    stride: NDArray[np.int64]
    pool: NDArray[np.int64]
    first_page: NDArray[np.int64]
    used: NDArray[np.int64]

    @property
    def frames(self) -> int:
        """Frames of the whole memory."""
        return (self.burst_bytes << self.mapping.bits) // self.placement.page_bytes

    @property
    def spare_pages(self) -> int:
        """Pages that are left for other things than tables, as many from each pool."""
        return (self.frames // len(self.used) - int(self.used.max())) * len(self.used)

    def addresses(self, table: NDArray[np.uint16], entry: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the first byte of each entry, shape as ``entry``."""
        offset = entry * self.stride[table]
        page, in_page = np.divmod(offset, self.placement.page_bytes)
        page += self.first_page[table]
        return self._starts(page, self.pool[table]) + in_page

    def spare(self, n: int) -> NDArray[np.int64]:
        """Return the first bytes of ``n`` spare pages, from all pools in turn, shape (n,)."""
        page, pool = np.divmod(np.arange(n), len(self.used))
        return self._starts(self.used[pool] + page, pool)

    def _starts(self, page: NDArray[np.int64], pool: NDArray[np.int64]) -> NDArray[np.int64]:
        options = self.placement
        page_bits = (options.page_bytes // self.burst_bytes).bit_length() - 1
        if options.pages == "random":
            return random_frames(page, self.frames, options.seed) * options.page_bytes
        if options.colours == "page_interleaved":
            page, pool = np.divmod(page, self.mapping.ranks)
        return coloured_frames(page, pool, self.mapping, page_bits, options.seed) * options.page_bytes


def make_layout(
    tables: Sequence[Table],
    lookups: NDArray[np.int64],
    mapping: Mapping,
    burst_bytes: int,
    placement: PlacementConfig,
) -> Layout:
    """Lay out ``tables``, of which a profile counted ``lookups``, shape (T,).

    Tables follow one another, each starting on a page of its own. An entry takes a slot of the next power of
    two of its bytes, ``SMALLEST_SLOT_BYTES`` at least: small entries share a burst, none straddles a page.

    Raises ConfigError when an entry does not fit a page, or the tables their memory.
    """
    widths = [max(table.entry_bytes, SMALLEST_SLOT_BYTES) for table in tables]
    stride = np.array([1 << (width - 1).bit_length() for width in widths], np.int64)
    page_bytes = placement.page_bytes
    if stride.max() > page_bytes or page_bytes < burst_bytes:
        widest = tables[int(stride.argmax())]
        raise ConfigError(
            f"placement.page_bytes: a page of {page_bytes} B cannot hold an entry of table "
            f"{widest.name!r} ({widest.entry_bytes} B, aligned to {stride.max()} B)"
        )
    pages = -(-np.array([table.entries for table in tables], np.int64) * stride // page_bytes)
    by_table = placement.pages == "coloured" and placement.colours != "page_interleaved"
    pools = mapping.ranks if by_table else 1
    room = (burst_bytes << mapping.bits) // page_bytes // pools
    pool = np.arange(len(tables)) % pools
    if by_table and placement.colours == "balanced":
        pool = balanced_colours(lookups, pages, pools, room)
    first_page = np.array([pages[:t][pool[:t] == pool[t]].sum() for t in range(len(tables))], np.int64)
    used = np.bincount(pool, weights=pages, minlength=pools).astype(np.int64)
    if used.max() > room:
        raise ConfigError(
            f"the tables {'of one rank ' * by_table}need {used.max()} pages of {page_bytes} B, "
            f"{'a rank' if by_table else 'the memory'} has {room}"
        )
    return Layout(mapping, burst_bytes, placement, stride, pool, first_page, used)
