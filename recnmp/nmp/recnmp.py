"""RecNMP: a processing unit in every DIMM's buffer chip, one rank unit per rank (Ke et al., ISCA 2020).

The host sends packets of 79-bit NMP instructions over C/A and DQ, eight in the time of one burst. Every rank
unit has its own command decoder: it reorders within a small window under its own rank's timing, on a private
data bus, behind an optional RankCache. It keeps one partial sum per PsumTag; the DIMM adds over its ranks; the
host reads one vector per pooling and DIMM back over the channel and adds across DIMMs and channels.

What costs time here: configuration writes, instruction delivery and result reads share one bus per channel;
a packet is complete when its slowest rank is; a rank buffers few packets, so imbalance stalls delivery.

Entries are FP32 or 8-bit codes with a scale and bias of their own, dequantised at the rank unit; sums are FP32.

Not modelled: table-aware packet scheduling, hot-entry profiling and LocalityBit bypass (every lookup is
cacheable), instruction decode errors, the memory controller's own packet queueing, psum register-file ports,
refresh of the host's timing view, one read for several lookups of a burst.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recnmp.cache.filter import cache_hits
from recnmp.errors import ConfigError
from recnmp.memory.replay import Timeline
from recnmp.nmp import _kernels as kernel
from recnmp.nmp.base import SlsRun, System, load_imbalance, need_bursts_of_64_bytes, sorted_by
from recnmp.nmp.channel import Channel, Sent, Units, run_channel
from recnmp.nmp.packet import (
    INSTRUCTION_BITS,
    MAX_POOLINGS,
    Packets,
    ddr_flags,
    encode,
    opcodes,
    packet_of_bags,
)
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import Trace
from recnmp.units import BURST_BYTES, cycles_to_ns

PLUGIN = True

Clocks = Annotated[int, Field(ge=0, le=1000)]


class Options(BaseModel):
    """Options of RecNMP; clocks are the memory's. Defaults without a word are recalled from the paper."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    poolings_per_packet: int = Field(
        8, ge=1, le=MAX_POOLINGS, description="bags in a packet, told apart by PsumTag"
    )
    reorder_window: int = Field(
        16, ge=1, le=256, description="instructions a rank unit chooses from; an assumption"
    )
    packets_in_flight: int = Field(
        2, ge=1, le=64, description="packets a rank can hold; 2 is double buffering"
    )
    instructions_per_burst: int = Field(
        8, ge=1, le=64, description="instructions sent in the time of one burst"
    )
    header_bursts_per_dimm: int = Field(
        1, ge=0, le=16, description="configuration writes per packet and DIMM"
    )
    pipeline_cycles: Clocks = Field(4, description="stages of the rank unit's datapath")
    adder_cycles: Clocks = Field(3, description="FP32 adder")
    multiplier_cycles: Clocks = Field(4, description="FP32 multiplier, used by weights and scales")
    rank_cache_cycles: Clocks = Field(1, description="RankCache access")
    host_add_ns_per_burst: float = Field(
        1.0, ge=0, le=1000, description="host time to add 64 B of a partial sum across DIMMs; an assumption"
    )


def run(trace: Trace, placed: PlacedLookups, system: System, options: Options) -> SlsRun:
    """Offload every lookup of ``trace``, batches back to back.

    Raises ConfigError when the bursts of an entry do not follow one another in one row of a rank, for a pooling
    NMP cannot do, and for a standard whose bursts are not of 64 B.
    """
    need_bursts_of_64_bytes(system.spec, "nmp.kind recnmp")
    packet, first_bag = packet_of_bags(trace, options.poolings_per_packet)
    sent = _send(trace, placed, system, packet)
    packets = _encode(trace, placed, system, sent, first_bag)
    units = _units(options, system, trace)
    with ThreadPoolExecutor(system.memory.channels) as pool:
        run_one = partial(run_channel, sent=sent, placed=placed, system=system, units=units)
        channels = list(pool.map(run_one, range(system.memory.channels)))
    cycles = max(int(c.totals[kernel.FINISH]) for c in channels)
    adds, last_adds = _host_adds(sent)
    host_add_ns = adds * options.host_add_ns_per_burst
    # the host adds behind the memory's back, but for the last packet's sums
    ns = (
        max(cycles_to_ns(cycles, system.spec.tCK_ps.value), host_add_ns)
        + last_adds * options.host_add_ns_per_burst
    )
    unit = sent.channel * system.ranks_per_channel + sent.rank
    ranks = system.memory.channels * system.ranks_per_channel
    details = {
        "packets": sum(channel.packets for channel in channels),
        "instructions": trace.lookups,
        "instruction_bits": INSTRUCTION_BITS,
        "rank_load_imbalance": load_imbalance(unit, ranks),
        "packet_load_imbalance": load_imbalance(unit, ranks, sent.packet),
        "cache_hit_rate": float(sent.hit.mean()) if system.cache.rank and len(sent.hit) else None,
        "time_share": {
            name: sum(int(c.totals[k]) for c in channels) / (cycles * len(channels)) if cycles else 0.0
            for name, k in (
                ("delivery", kernel.DELIVERY),
                ("return", kernel.RETURN),
                ("waiting", kernel.WAITING),
            )
        },
        "host_add_ns": host_add_ns,
    }
    commands = tuple((1, log) for channel in channels for log in channel.commands)
    return SlsRun(ns, _statistics(channels, system, cycles), details, packets, commands)


def _units(options: Options, system: System, trace: Trace) -> Units:
    """Return sizes and latencies; one table of 8-bit entries gives every packet the way through its dequantiser."""
    weighted = trace.weight is not None
    dequantised = any(trace.tables[t].dtype == "int8_rowwise" for t in np.unique(trace.calls.table))
    adders = 1 + (system.memory.ranks_per_dimm - 1).bit_length()  # the rank's own, then the DIMM's tree
    adders += dequantised  # its bias
    fixed = kernel.Fixed(
        per_window=options.instructions_per_burst,
        window=system.spec.cycles["nBL"],
        buffers=options.packets_in_flight,
        cache_latency=options.rank_cache_cycles if system.cache.rank else 0,
        after_last_burst=options.pipeline_cycles
        + options.adder_cycles * adders
        + options.multiplier_cycles * (weighted + dequantised)
        + system.spec.cycles["nCL"],
    )
    return Units(options.reorder_window, options.header_bursts_per_dimm, fixed)


def _send(trace: Trace, placed: PlacedLookups, system: System, packet: NDArray[np.int64]) -> Sent:
    first, lookup = placed.first[:-1], placed.lookup
    channel, rank = placed.channel[first], placed.rank[first]
    parts = {"channels": placed.channel, "ranks": placed.rank, "banks": placed.flat_bank, "rows": placed.row}
    for what, part in parts.items():
        if np.any(part != part[first][lookup]):
            raise ConfigError(
                f"memory.mapping: {system.memory.mapping} spreads an entry over {what}, but an instruction "
                "reads consecutive columns; take a mapping with enough column bits lowest, such as RoBaBgRaChCo"
            )
    bag = (trace.bag - np.uint32(trace.calls.first_bag[0])).astype(np.int64)
    dimm = (rank // system.memory.ranks_per_dimm).astype(np.int32)
    return Sent(
        packet[bag],
        bag,
        channel,
        rank,
        dimm,
        np.diff(placed.first),
        np.array([-(-t.pooled_bytes // BURST_BYTES) for t in trace.tables])[trace.table],
        _rank_cache_hits(placed, system),
    )


def _rank_cache_hits(placed: PlacedLookups, system: System) -> NDArray[np.bool_]:
    """Return the bursts each rank's cache answers; ranks see theirs in delivery order."""
    org, units = system.spec.organization, system.memory.channels * system.ranks_per_channel
    line = (
        placed.row.astype(np.int64) * system.spec.banks_per_rank + placed.flat_bank
    ) * org.bursts_per_row.value
    line += placed.column
    order, start = sorted_by(placed.channel * system.ranks_per_channel + placed.rank, units)
    hit = np.zeros(placed.bursts, np.bool_)
    for u in range(units):
        mine = order[start[u] : start[u + 1]]
        hit[mine] = cache_hits(line[mine], system.cache.rank)
    return hit


def _encode(
    trace: Trace, placed: PlacedLookups, system: System, sent: Sent, first_bag: NDArray[np.int64]
) -> Packets:
    """Encode one instruction per lookup; its address counts slots of its table's size within the channel."""
    org, first = system.spec.organization, placed.first[:-1]
    bank = sent.rank.astype(np.int64) * system.spec.banks_per_rank + placed.flat_bank[first]
    row = placed.row[first].astype(np.int64)
    weight = np.ones(trace.lookups, np.float32) if trace.weight is None else trace.weight
    channel_bank = sent.channel * system.ranks_per_channel * system.spec.banks_per_rank + bank
    call = np.repeat(np.arange(len(trace.calls)), trace.calls.bags)[sent.bag]
    burst = (bank * org.rows.value + row) * org.bursts_per_row.value + placed.column[first]
    words = encode(
        {
            "opcode": opcodes(trace)[call],
            "ddr_cmd": ddr_flags(channel_bank, row),
            "daddr": (burst * placed.burst_slots[trace.table] + placed.slot).astype(np.uint64),
            "vsize": (sent.vector_bursts - 1).astype(np.uint64),
            "weight": weight.view(np.uint32).astype(np.uint64),
            "locality": np.full(trace.lookups, system.cache.rank is not None, np.uint64),
            "psum_tag": (trace.bag - first_bag[sent.packet]).astype(np.uint64),
        }
    )
    return Packets(words, sent.channel, sent.packet, first_bag)


def _host_adds(sent: Sent) -> tuple[int, int]:
    """Return the bursts the host adds across DIMMs and channels: in all, and for the last packet."""
    parts = (int(sent.dimm.max(initial=0)) + 1) * (int(sent.channel.max(initial=0)) + 1)
    part = sent.channel * (int(sent.dimm.max(initial=0)) + 1) + sent.dimm
    _, at = np.unique(sent.bag * parts + part, return_index=True)
    _, first = np.unique(sent.bag, return_index=True)
    last = sent.packet == sent.packet.max(initial=-1)
    bursts = sent.sum_bursts
    return (
        int(bursts[at].sum() - bursts[first].sum()),
        int(bursts[at][last[at]].sum() - bursts[first][last[first]].sum()),
    )


def _statistics(channels: list[Channel], system: System, cycles: int) -> dict[str, object]:
    """Add up the ranks' DRAM figures; rates are over the whole run, delivery and results included."""
    totals: dict[str, int] = {}
    latency = 0.0
    for channel in channels:
        for name, count in channel.timeline.counts.items():
            totals[name] = totals.get(name, 0) + count
        latency += channel.timeline.read_latency_avg_cycles * len(channel.timeline.depart)
    requests = sum(len(channel.timeline.depart) for channel in channels)
    empty = np.zeros(0, np.int64)
    whole = Timeline(empty, empty, empty, cycles, totals, ())
    statistics = whole.statistics(system.spec, system.memory.channels * system.ranks_per_channel)
    return statistics | {
        "requests": requests,
        "read_latency_avg_cycles": latency / requests if requests else 0.0,
        "merged": totals["merged"],
    }
