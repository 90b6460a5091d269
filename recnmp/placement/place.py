"""From a trace to DRAM coordinates: every burst of every lookup."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp._registry import did_you_mean, library_names
from recnmp.config.schema import MemoryConfig, PlacementConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec
from recnmp.library.mapping import load_mapping
from recnmp.placement.mapping import FIELDS, Mapping, hashed, is_order, parse_mapping
from recnmp.placement.pages import coloured_frames, random_frames
from recnmp.trace.trace import Trace

SMALLEST_SLOT_BYTES = 16
"""Least place of an entry: 32 bits number such slots in 64 GiB, a channel of eight ranks of 8 GiB."""


@dataclass(frozen=True)
class PlacedLookups:
    """The bursts that a trace's lookups read, N bursts of L lookups, in trace order.

    Attributes:
        first: bursts of lookup l are ``first[l] : first[l + 1]``, shape (L + 1,).
        channel: channel of each burst, shape (N,).
        rank: rank of that channel, ``dimm * ranks_per_dimm + rank_of_dimm``, shape (N,).
        flat_bank: ``bank_group * banks_per_group + bank`` in the rank, shape (N,).
        row: DRAM row, shape (N,).
        column: burst within the row, shape (N,).
        entry_bursts: bursts of one entry of each table, shape (T,).
        burst_slots: entries of each table that share a burst, shape (T,); 1 where an entry fills one or more.
        slot: which of its burst's slots a lookup's entry takes, shape (L,).
    """

    first: NDArray[np.int64]
    channel: NDArray[np.int32]
    rank: NDArray[np.int32]
    flat_bank: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    entry_bursts: NDArray[np.int64]
    burst_slots: NDArray[np.int64]
    slot: NDArray[np.int64]

    @property
    def bursts(self) -> int:
        """Bursts, N."""
        return len(self.row)

    @property
    def lookup(self) -> NDArray[np.int64]:
        """Lookup that reads each burst, shape (N,)."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


def make_mapping(memory: MemoryConfig, spec: DramSpec) -> Mapping:
    """Return the address mapping of a memory system.

    Raises ConfigError when its name is neither a bit order nor in the library, or it does not fit the memory.
    """
    org = spec.organization
    sizes = {
        "Ro": org.rows.value,
        "Ba": org.banks_per_group.value,
        "Bg": org.bank_groups.value,
        "Ra": memory.dimms_per_channel * memory.ranks_per_dimm,
        "Co": org.bursts_per_row.value,
        "Ch": memory.channels,
    }
    given, known = memory.mapping, library_names("mappings")
    if not isinstance(given, str):
        return hashed(parse_mapping(given.order, sizes), str(given), given.xor)
    if given in known:
        found = load_mapping(given)
        return hashed(parse_mapping(found.order, sizes), given, found.xor)
    if not is_order(given):
        raise ConfigError(
            f"mapping {given!r} is neither a list of {', '.join(FIELDS)} nor one of {', '.join(known)}"
            f"{did_you_mean(given, known)}"
        )
    return parse_mapping(given, sizes)


def place(trace: Trace, memory: MemoryConfig, spec: DramSpec, placement: PlacementConfig) -> PlacedLookups:
    """Give every lookup its place in DRAM.

    Tables follow one another, each starting on a page of its own. An entry takes a slot of the next power of
    two of its bytes, ``SMALLEST_SLOT_BYTES`` at least: small entries share a burst, none straddles a page.
    Pages get frames at random, or all pages of a table lie in one rank (``coloured``, tables dealt out to
    ranks in turn).

    Raises ConfigError when an entry does not fit a page, or the tables their memory.

    Not modelled: other data in memory, page migration, huge and small pages mixed.
    """
    burst_bytes = spec.organization.burst_bytes.value
    mapping = make_mapping(memory, spec)
    widths = [max(t.entry_bytes, SMALLEST_SLOT_BYTES) for t in trace.tables]
    stride = np.array([1 << (width - 1).bit_length() for width in widths], np.int64)
    if stride.max() > placement.page_bytes or placement.page_bytes < burst_bytes:
        widest = trace.tables[int(stride.argmax())]
        raise ConfigError(
            f"placement.page_bytes: a page of {placement.page_bytes} B cannot hold an entry of table "
            f"{widest.name!r} ({widest.entry_bytes} B, aligned to {stride.max()} B)"
        )
    pages = -(-np.array([t.entries for t in trace.tables], np.int64) * stride // placement.page_bytes)
    offset = trace.entry.astype(np.int64) * stride[trace.table]
    page, in_page = offset // placement.page_bytes, offset % placement.page_bytes
    page_bits = (placement.page_bytes // burst_bytes).bit_length() - 1
    coloured = placement.pages == "coloured"
    colours = memory.channels * memory.dimms_per_channel * memory.ranks_per_dimm if coloured else 1
    colour = np.arange(len(trace.tables)) % colours
    before = [pages[:t][colour[:t] == colour[t]].sum() for t in range(len(trace.tables))]
    page += np.array(before, np.int64)[trace.table]
    frames = 1 << (mapping.bits - page_bits)
    needed = int((before + pages).max())
    if needed > frames // colours:
        raise ConfigError(
            f"the tables {'of one rank ' * coloured}need {needed} pages of {placement.page_bytes} B, "
            f"{'a rank' if coloured else 'the memory'} has {frames // colours}"
        )
    if coloured:
        frame = coloured_frames(page, colour[trace.table], mapping, page_bits, placement.seed)
    else:
        frame = random_frames(page, frames, placement.seed)
    entry_bursts = -(-np.array([t.entry_bytes for t in trace.tables], np.int64) // burst_bytes)
    per_lookup = entry_bursts[trace.table]
    burst_slots = np.maximum(burst_bytes // stride, 1)
    slot = in_page % burst_bytes // stride[trace.table]  # 0 where entries start with a burst
    first = np.concatenate([[0], np.cumsum(per_lookup)])
    burst = np.repeat((frame << page_bits) + in_page // burst_bytes, per_lookup)
    burst += np.arange(first[-1]) - np.repeat(first[:-1], per_lookup)
    fields = mapping.decode(burst)
    flat_bank = fields["Bg"] * spec.organization.banks_per_group.value + fields["Ba"]
    columns = (fields["Ch"], fields["Ra"], flat_bank, fields["Ro"], fields["Co"])
    channel, rank, bank, row, column = (values.astype(np.int32) for values in columns)
    return PlacedLookups(first, channel, rank, bank, row, column, entry_bursts, burst_slots, slot)
