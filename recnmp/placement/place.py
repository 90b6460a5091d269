"""From a trace to DRAM coordinates: every burst of every lookup."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recnmp._registry import did_you_mean, library_names
from recnmp.config.schema import MemoryConfig, PlacementConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec
from recnmp.library.mapping import load_mapping
from recnmp.placement import _kernels as kernel
from recnmp.placement.layout import Layout, make_layout
from recnmp.placement.mapping import FIELDS, Mapping, hashed, is_order, parse_mapping
from recnmp.placement.replicas import Replication, read_copies
from recnmp.trace.trace import Trace


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
        original: the same lookups without copies, which the host reads; None when nothing is replicated.
        replication: what copies of hot entries cost and serve; None when nothing is replicated.
        options: the placement this comes from.
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
    original: "PlacedLookups | None" = None
    replication: Replication | None = None
    options: PlacementConfig = field(default_factory=PlacementConfig)

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


def place(
    trace: Trace, memory: MemoryConfig, spec: DramSpec, placement: PlacementConfig, whole: Trace | None = None
) -> PlacedLookups:
    """Give every lookup its place in DRAM: tables are laid out in pages, hot entries may have copies.

    Args:
        trace: the lookups.
        memory: channels, DIMMs, ranks and address mapping.
        spec: the DRAM standard.
        placement: pages, their colours, copies.
        whole: the trace that ``placement.profile`` counts its batches in, where ``trace`` is but a part of it.

    Raises ConfigError when an entry does not fit a page, tables or copies their memory, or the profile the trace.

    Not modelled: other data in memory, page migration, huge and small pages mixed.
    """
    counted = _profile(trace if whole is None else whole, trace, placement)
    per_table = np.bincount(counted.table, minlength=len(trace.tables))
    burst_bytes = spec.organization.burst_bytes.value
    layout = make_layout(trace.tables, per_table, make_mapping(memory, spec), burst_bytes, placement)
    address = layout.addresses(trace.table, trace.entry)
    placed = _placed(trace, address, layout, spec)
    if placement.replicate is None:
        return placed
    ranks = memory.dimms_per_channel * memory.ranks_per_dimm
    begin = placed.first[:-1]
    home = placed.channel[begin].astype(np.int64) * ranks + placed.rank[begin]
    address, replication = read_copies(trace, counted, layout, address, home)
    return replace(_placed(trace, address, layout, spec), original=placed, replication=replication)


def _profile(whole: Trace, replayed: Trace, placement: PlacementConfig) -> Trace:
    """Return the lookups that tell what is hot."""
    if placement.profile is None:
        return replayed
    try:
        return whole.select(placement.profile.first_batch, placement.profile.batches)
    except ConfigError as error:
        raise ConfigError(f"placement.profile: {error}") from None


def _placed(trace: Trace, address: NDArray[np.int64], layout: Layout, spec: DramSpec) -> PlacedLookups:
    """Decode the bursts of entries that start at these bytes.

    Fields are XORs of address bits and entries are aligned, so those of a later burst are those of its entry's
    first burst XOR those of its distance alone: far fewer numbers to decode.
    """
    burst_bytes, mapping = layout.burst_bytes, layout.mapping
    entry_bursts = -(-np.array([t.entry_bytes for t in trace.tables], np.int64) // burst_bytes)
    first = np.concatenate([[0], np.cumsum(entry_bursts[trace.table])])
    of_first = _columns(mapping, spec, address // burst_bytes)
    of_part = _columns(mapping, spec, np.arange(entry_bursts.max()))
    columns = np.empty((len(of_first), first[-1]), np.int32)
    for k in range(len(of_first)):
        kernel.combine(first, of_first[k], of_part[k], columns[k])
    channel, rank, flat_bank, row, column = columns
    return PlacedLookups(
        first,
        channel,
        rank,
        flat_bank,
        row,
        column,
        entry_bursts,
        np.maximum(burst_bytes // layout.stride, 1),
        address % burst_bytes // layout.stride[trace.table],
        options=layout.placement,
    )


def _columns(mapping: Mapping, spec: DramSpec, burst: NDArray[np.int64]) -> list[NDArray[np.int32]]:
    """Return channel, rank, flat bank, row and column of each burst."""
    fields = mapping.decode(burst)
    flat_bank = fields["Bg"] * spec.organization.banks_per_group.value + fields["Ba"]
    columns = (fields["Ch"], fields["Ra"], flat_bank, fields["Ro"], fields["Co"])
    return [values.astype(np.int32) for values in columns]
