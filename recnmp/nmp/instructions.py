"""From lookups to what a channel carries: its packets' instructions in the order of delivery, as arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.config.schema import MemoryConfig
from recnmp.errors import ConfigError
from recnmp.nmp import _kernels as kernel
from recnmp.nmp.base import System
from recnmp.nmp.packet import ddr_flags
from recnmp.nmp.rank_cache import filled_by
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import Trace
from recnmp.units import BURST_BYTES


@dataclass(frozen=True)
class Sent:
    """Where every lookup's instruction goes; L lookups in G bags and P packets.

    Attributes:
        packet: packet of each lookup, shape (L,).
        bag: bag of each lookup counted from the trace's first, shape (L,).
        channel, rank: of each lookup, shape (L,); the rank is within the channel.
        bag_packet: packet of each bag, shape (G,).
        bag_bursts: bursts of each bag's sum, which is of FP32 however its entries are stored, shape (G,).
        cacheable: LocalityBit of each lookup, shape (L,).
        order: packets in the order of delivery, shape (P,).
        load: lookups of each packet at each rank, shape (P, C, R) for C channels of R ranks.
        used, summed: whether a packet, or a bag, has lookups at a DIMM, shapes (P, C, D) and (G, C, D).
        ranks_of_bag: ranks at which each bag has lookups, shape (G,).
    """

    packet: NDArray[np.int64]
    bag: NDArray[np.int64]
    channel: NDArray[np.int32]
    rank: NDArray[np.int32]
    bag_packet: NDArray[np.int64]
    bag_bursts: NDArray[np.int64]
    cacheable: NDArray[np.bool_]
    order: NDArray[np.int64]
    load: NDArray[np.int64]
    used: NDArray[np.bool_]
    summed: NDArray[np.bool_]
    ranks_of_bag: NDArray[np.int64]

    @property
    def in_order(self) -> bool:
        """Whether packets are delivered in the order of the program."""
        return bool((self.order == np.arange(len(self.order))).all())


@dataclass(frozen=True)
class Instructions:
    """What a channel's packets carry: n instructions in P packets, reading N bursts.

    Attributes:
        packet_start: instructions of packet p are ``packet_start[p] : packet_start[p + 1]``, shape (P + 1,).
        packet: number of each packet in the whole run, shape (P,).
        rank: rank of the channel that executes each instruction, shape (n,).
        units: what each takes of the channel, in instructions or in DDR commands, shape (n,).
        first_burst: bursts of instruction j are ``first_burst[j] : first_burst[j + 1]``, shape (n + 1,).
        bank, row, column: place of each burst in its rank, shape (N,).
        filled_by: burst whose read brings this one into the RankCache, -1 for one that reads DRAM, shape (N,).
        dimms: DIMMs each packet uses, shape (P,).
        returned_bursts: bursts of results each packet returns, shape (P,).
        per_rank: instructions of each rank, shape (R,).
    """

    packet_start: NDArray[np.int64]
    packet: NDArray[np.int64]
    rank: NDArray[np.int32]
    units: NDArray[np.int32]
    first_burst: NDArray[np.int64]
    bank: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    filled_by: NDArray[np.int64]
    dimms: NDArray[np.int64]
    returned_bursts: NDArray[np.int64]
    per_rank: NDArray[np.int64]

    @property
    def packets(self) -> int:
        """Packets, P."""
        return len(self.dimms)

    @property
    def bursts(self) -> int:
        """Bursts, N."""
        return len(self.row)

    def reads_per_rank(self) -> NDArray[np.int64]:
        """Return the instructions of each rank that read DRAM, shape (R,)."""
        missed = self.filled_by < 0
        if missed.all():
            return self.per_rank
        if len(missed) != len(self.rank):
            missed = np.logical_or.reduceat(missed, self.first_burst[:-1])
        return np.bincount(self.rank[missed], minlength=len(self.per_rank))


def send(
    trace: Trace,
    placed: PlacedLookups,
    system: System,
    bag_packet: NDArray[np.int64],
    order: NDArray[np.int64],
    cacheable: NDArray[np.bool_],
) -> Sent:
    """Return where every lookup's instruction goes.

    Raises ConfigError where the mapping spreads an entry over more than consecutive columns of one row.
    """
    _check_entries_lie_together(placed, system)
    bag = (trace.bag - np.uint32(trace.calls.first_bag[0])).astype(np.int64)
    first = slice(None) if placed.bursts == trace.lookups else placed.first[:-1]
    sum_bursts = np.array([-(-table.pooled_bytes // BURST_BYTES) for table in trace.tables])
    packet, channel, rank = bag_packet[bag], placed.channel[first], placed.rank[first]
    memory, packets = system.memory, len(order)
    load = np.zeros((packets, memory.channels, system.ranks_per_channel), np.int64)
    read = np.zeros((trace.bags, memory.channels, system.ranks_per_channel), np.bool_)
    kernel.tally(packet, bag, channel, rank, load, read)
    return Sent(
        packet,
        bag,
        channel,
        rank,
        bag_packet,
        sum_bursts[trace.bag_table],
        cacheable,
        order,
        load,
        _at_dimms(load > 0, memory),
        _at_dimms(read, memory),
        np.count_nonzero(read, axis=(1, 2)).astype(np.int64),
    )


def _at_dimms(at_ranks: NDArray[np.bool_], memory: MemoryConfig) -> NDArray[np.bool_]:
    """Return whether something is so at any rank of a DIMM, shape (X, C, D), from ranks, shape (X, C, R)."""
    by_dimm = at_ranks.reshape(-1, memory.channels, memory.dimms_per_channel, memory.ranks_per_dimm)
    any_rank: NDArray[np.bool_] = np.logical_or.reduce(by_dimm, axis=3)
    return any_rank


def _check_entries_lie_together(placed: PlacedLookups, system: System) -> None:
    if placed.bursts == len(placed.slot):
        return
    parts = {"channels": placed.channel, "ranks": placed.rank, "banks": placed.flat_bank, "rows": placed.row}
    for what, part in parts.items():
        if kernel.first_spread_entry(placed.first, part) >= 0:
            raise ConfigError(
                f"memory.mapping: {system.memory.mapping} spreads an entry over {what}, but an instruction "
                "reads consecutive columns; take a mapping with enough column bits lowest, such as RoBaBgRaChCo"
            )


def instructions_of(
    channel: int, sent: Sent, placed: PlacedLookups, system: System, *, as_ddr_commands: bool
) -> Instructions:
    """Return what goes over ``channel``; ``as_ddr_commands``: every instruction as the commands it stands for."""
    mine = _in_delivery_order(channel, sent, system.memory.channels)
    rank = sent.rank[mine]
    per_packet = sent.load[:, channel].sum(axis=1)[sent.order]
    here = np.flatnonzero(per_packet)
    present = sent.order[here]
    burst: slice | NDArray[np.int64]
    if isinstance(mine, slice):
        first_burst, burst = placed.first, mine
    else:
        width = np.diff(placed.first)[mine]
        first_burst = np.concatenate([[0], np.cumsum(width)])
        burst = np.repeat(placed.first[:-1][mine] - first_burst[:-1], width) + np.arange(first_burst[-1])
    bank, row, column = placed.flat_bank[burst], placed.row[burst], placed.column[burst]
    units = np.ones(len(rank), np.int32)
    if as_ddr_commands:
        opened = first_burst[:-1]
        flags = ddr_flags(rank.astype(np.int64) * system.spec.banks_per_rank + bank[opened], row[opened])
        units = (np.bitwise_count(flags) - 1 + np.diff(first_burst)).astype(np.int32)
    dimms, returned = _results(channel, sent)
    return Instructions(
        np.concatenate([[0], np.cumsum(per_packet[here])]),
        present,
        rank,
        units,
        first_burst,
        bank,
        row,
        column,
        _fills(rank, bank, row, column, sent.cacheable[mine], np.diff(first_burst), system)
        if system.cache.rank
        else np.full(len(row), -1, np.int64),
        dimms[present],
        returned[present],
        sent.load[:, channel].sum(axis=0),
    )


def _in_delivery_order(channel: int, sent: Sent, channels: int) -> slice | NDArray[np.int64]:
    """Return the lookups of a channel in the order of delivery; all of them in order where that is so."""
    in_order = sent.in_order
    if channels == 1 and in_order:
        return slice(None)
    mine = np.flatnonzero(sent.channel == channel)
    if in_order:
        return mine
    position = np.empty_like(sent.order)
    position[sent.order] = np.arange(len(sent.order))
    return mine[np.argsort(position[sent.packet[mine]], kind="stable")]


def _results(channel: int, sent: Sent) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the DIMMs that each packet of the run uses on a channel and the bursts it returns, shapes (P,)."""
    per_bag = sent.summed[:, channel].sum(axis=1) * sent.bag_bursts
    returned = np.bincount(sent.bag_packet, per_bag, len(sent.order)).astype(np.int64)
    return sent.used[:, channel].sum(axis=1, dtype=np.int64), returned


def _fills(
    rank: NDArray[np.int32],
    bank: NDArray[np.int32],
    row: NDArray[np.int32],
    column: NDArray[np.int32],
    cacheable: NDArray[np.bool_],
    width: NDArray[np.int64],
    system: System,
) -> NDArray[np.int64]:
    line = row.astype(np.int64) * system.spec.banks_per_rank + bank
    line = line * system.spec.organization.bursts_per_row.value + column
    return filled_by(np.repeat(rank, width), line, np.repeat(cacheable, width), system.cache.rank)
