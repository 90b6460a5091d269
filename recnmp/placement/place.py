"""From a trace to DRAM coordinates: every burst of every lookup."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recnmp._registry import did_you_mean, library_names
from recnmp.config.schema import MemoryConfig, PlacementConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec
from recnmp.library.mapping import load_mapping
from recnmp.placement.layout import Layout, make_layout
from recnmp.placement.mapping import FIELDS, Mapping, hashed, is_order, parse_mapping
from recnmp.placement.replicas import Replication, read_copies
from recnmp.trace.trace import Trace

Int32 = NDArray[np.int32]
Columns = tuple[Int32, Int32, Int32, Int32, Int32]
"""Channel, rank, flat bank, row and column of bursts."""


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
    burst_bytes = spec.organization.burst_bytes.value
    counted = _profile(trace if whole is None else whole, trace, placement)
    mapping = make_mapping(memory, spec)
    per_table = np.bincount(counted.table, minlength=len(trace.tables))
    layout = make_layout(trace.tables, per_table, mapping, burst_bytes, placement)
    entry_bursts = -(-np.array([t.entry_bytes for t in trace.tables], np.int64) // burst_bytes)
    address = layout.addresses(trace.table, trace.entry)
    first = np.concatenate([[0], np.cumsum(entry_bursts[trace.table])])
    placed = PlacedLookups(
        first,
        *_decoded(mapping, spec, address // burst_bytes, np.diff(first)),
        entry_bursts,
        np.maximum(burst_bytes // layout.stride, 1),
        address % burst_bytes // layout.stride[trace.table],
    )
    return _replicated(placed, trace, counted, layout, spec) if placement.replicate else placed


def _profile(whole: Trace, replayed: Trace, placement: PlacementConfig) -> Trace:
    """Return the lookups that tell what is hot."""
    if placement.profile is None:
        return replayed
    try:
        return whole.select(placement.profile.first_batch, placement.profile.batches)
    except ConfigError as error:
        raise ConfigError(f"placement.profile: {error}") from None


def _decoded(
    mapping: Mapping, spec: DramSpec, burst: NDArray[np.int64], bursts: NDArray[np.int64]
) -> Columns:
    """Return the places of ``bursts`` bursts from each ``burst`` on, which is aligned to them; shapes (N,).

    Fields are XORs of address bits, so a later burst's are those of its entry's first burst XOR those of its
    distance alone: far fewer numbers to decode.
    """
    part = np.arange(bursts.sum()) - np.repeat(np.cumsum(bursts) - bursts, bursts)
    firsts, parts = (
        _columns(mapping, spec, numbers) for numbers in (burst, np.arange(bursts.max(initial=1)))
    )
    channel, rank, bank, row, column = (
        np.repeat(of_first, bursts) ^ of_part[part] for of_first, of_part in zip(firsts, parts, strict=True)
    )
    return channel, rank, bank, row, column


def _columns(mapping: Mapping, spec: DramSpec, burst: NDArray[np.int64]) -> Columns:
    fields = mapping.decode(burst)
    flat_bank = fields["Bg"] * spec.organization.banks_per_group.value + fields["Ba"]
    columns = (fields["Ch"], fields["Ra"], flat_bank, fields["Ro"], fields["Co"])
    channel, rank, bank, row, column = (values.astype(np.int32) for values in columns)
    return channel, rank, bank, row, column


def _replicated(
    placed: PlacedLookups, trace: Trace, counted: Trace, layout: Layout, spec: DramSpec
) -> PlacedLookups:
    """Return ``placed`` with the lookups of hot entries at the copies that even out the ranks."""
    begin = placed.first[:-1]
    home = placed.channel[begin].astype(np.int64) << len(layout.mapping.positions("Ra")) | placed.rank[begin]
    moved, address, replication = read_copies(trace, counted, layout, home)
    bursts = np.diff(placed.first)[moved]
    fields = _decoded(layout.mapping, spec, address // layout.burst_bytes, bursts)
    at = np.repeat(begin[moved] - np.cumsum(bursts) + bursts, bursts) + np.arange(bursts.sum())
    copies = {}
    for name, values in zip(("channel", "rank", "flat_bank", "row", "column"), fields, strict=True):
        copies[name] = getattr(placed, name).copy()
        copies[name][at] = values
    slot = placed.slot.copy()
    slot[moved] = address % layout.burst_bytes // layout.stride[trace.table[moved]]
    return replace(placed, **copies, slot=slot, original=placed, replication=replication)
