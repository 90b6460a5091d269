"""RecNMP: a processing unit in every DIMM's buffer chip, one rank unit per rank (Ke et al., ISCA 2020).

The host sends packets of 79-bit NMP instructions over C/A and DQ, eight in the time of one burst. Every rank
unit has its own command decoder: it reorders within a small window under its own rank's timing, on a private
data bus, behind an optional RankCache. It keeps one partial sum per PsumTag; the DIMM adds over its ranks; the
host reads one vector per pooling and DIMM back over the channel and adds across DIMMs and channels.

What costs time here: configuration writes, instruction delivery and result reads are commands on one channel, each
with its latency; a packet is complete when its slowest rank is; a rank buffers few packets, so imbalance stalls
delivery. An instruction looks its lines up in the RankCache when it arrives; what misses is read by the rank's own
DRAM controller, and a hit waits for its line if that is still on the way.

Not modelled: instruction decode errors, the memory controller's own packet queueing, psum register-file ports, a
datapath that is slower than a burst a clock, ECC, entries that near memory would have to write.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp._threads import side_by_side
from recnmp.errors import ConfigError
from recnmp.memory.replay import Timeline
from recnmp.memory.traffic import HostBursts, Served
from recnmp.nmp.base import SlsRun, System, imbalance, need_bursts_of_64_bytes
from recnmp.nmp.channel import Channel, run_channel
from recnmp.nmp.count import configuration_bits, instruction_bits, operations
from recnmp.nmp.instructions import Sent, instructions_of, send
from recnmp.nmp.locality import best_bits, counts_in_batch
from recnmp.nmp.packet import INSTRUCTION_BITS, packet_of_bags
from recnmp.nmp.recnmp.encoding import encoded
from recnmp.nmp.recnmp.options import Options, units_of
from recnmp.nmp.scheduling import arrival_order, table_aware
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import Trace
from recnmp.units import cycles_to_ns

__all__ = ["PLUGIN", "Options", "run", "run_channels"]

PLUGIN = True


def run(trace: Trace, placed: PlacedLookups, system: System, options: Options) -> SlsRun:
    """Offload every lookup of ``trace``, batches back to back.

    Raises ConfigError when the bursts of an entry do not follow one another in one row of a rank, for a pooling
    NMP cannot do, for a standard whose bursts are not of 64 B, and for profiling without a RankCache.
    """
    need_bursts_of_64_bytes(system.spec, "nmp.kind recnmp")
    bag_packet, first_bag = packet_of_bags(trace, options.poolings_per_packet)
    cacheable, profile = _locality(trace, placed, system, options)
    sent = send(trace, placed, system, bag_packet, np.arange(len(first_bag)), cacheable)
    sent = _scheduled(trace, sent, first_bag, system, options)
    packets = encoded(trace, placed, system, sent, first_bag)
    channels = system.among_traffic(
        lambda bursts: run_channels(trace, sent, placed, system, options, bursts),
        _end,
        guess=trace.lookups * system.spec.cycles["nBL"],
    )
    cycles = _end(channels)
    adds, last_adds = _host_adds(sent)
    host_add_ns = adds * options.host_add_ns_per_burst
    profile_ns = trace.lookups * options.profile_ns_per_lookup / options.profile_threads if profile else 0.0
    # the host counts and adds behind the memory's back, but for the first batch and the last packet's sums
    ns = (
        profile_ns / trace.batches
        + max(cycles_to_ns(cycles, system.spec.tCK_ps.value), host_add_ns + profile_ns)
        + last_adds * options.host_add_ns_per_burst
    )
    load = sent.load.reshape(len(sent.load), system.memory.channels * system.ranks_per_channel)
    busy = [channel.busy_cycles for channel in channels]
    share = {
        name: sum(one[name] for one in busy) / (cycles * len(channels)) if cycles else 0.0
        for name in ("delivery", "return")
    }
    details = {
        "packets": sum(len(channel.clocks) for channel in channels),
        "instructions": trace.lookups,
        "instruction_bits": INSTRUCTION_BITS,
        "rank_load_imbalance": imbalance(load.sum(axis=0, keepdims=True)),
        "packet_load_imbalance": imbalance(load),
        "cache_hit_rate": sum(c.hits for c in channels) / max(placed.bursts, 1)
        if system.cache.rank
        else None,
        "cacheable_share": float(cacheable.mean()) if system.cache.rank and trace.lookups else None,
        "profile": profile,
        "profile_ns": profile_ns,
        "time_share": share | {"waiting": 1 - sum(share.values()) if cycles else 0.0},
        "host_add_ns": host_add_ns,
    }
    delivered = {
        "instruction_bits": instruction_bits(
            packets, placed, as_ddr_commands=options.delivery == "ddr_commands"
        ),
        "configuration_bits": configuration_bits(sent, options.header_bursts_per_dimm),
    }
    done = operations(trace, placed, sent, channels, system, delivered)
    commands = tuple((1, log) for channel in channels for log in channel.timeline.commands)
    logs = tuple(channel.log for channel in channels if channel.log is not None)
    reads = tuple(one for channel in channels for one in channel.rank_reads)
    statistics = _statistics(channels, system, cycles)
    return SlsRun(ns, statistics, done, details, packets, commands, reads, logs)


def _locality(
    trace: Trace, placed: PlacedLookups, system: System, options: Options
) -> tuple[NDArray[np.bool_], dict[str, Any] | None]:
    """Return every lookup's LocalityBit, shape (L,), and what the profile chose."""
    cache = system.cache.rank
    if options.locality == "all":
        return np.full(trace.lookups, cache is not None), None
    if cache is None:
        raise ConfigError(
            f"nmp.options.locality: {options.locality} is for a RankCache; cache.rank is not set"
        )
    if options.locality == "threshold":
        count, _ = counts_in_batch(trace)
        return count >= (options.locality_threshold or 1), {"threshold": options.locality_threshold}
    bits, taken = best_bits(trace, placed.entry_bursts, cache)
    return bits, {"thresholds": {str(threshold): n for threshold, n in taken.items() if n}}


def _scheduled(
    trace: Trace, sent: Sent, first_bag: NDArray[np.int64], system: System, options: Options
) -> Sent:
    """Return what is sent in the order of its delivery."""
    call = np.searchsorted(trace.calls.first_bag, first_bag, "right") - 1
    batch = trace.calls.batch[call]
    order = arrival_order(batch, system.arrival)
    if options.scheduling == "table_aware":
        load = sent.load.reshape(len(order), -1) if len(order) else np.zeros((0, 1), np.int64)
        home = np.where(np.count_nonzero(load, axis=1) == 1, load.argmax(axis=1), -1)
        order = table_aware(order, batch, trace.calls.table[call], home, system.arrival)
    return replace(sent, order=order)


def run_channels(
    trace: Trace,
    sent: Sent,
    placed: PlacedLookups,
    system: System,
    options: Options,
    others: HostBursts | None = None,
) -> list[Channel]:
    """Run the channels side by side, each in a thread of its own, the host's ``others`` besides."""
    others = others or Served.none().bursts
    units, compressed = units_of(options, system, trace), options.delivery == "compressed"

    def run_one(channel: int) -> Channel:
        instructions = instructions_of(channel, sent, placed, system, as_ddr_commands=not compressed)
        return run_channel(instructions, system, units, others.of_channel(channel))

    return side_by_side(run_one, range(system.memory.channels))


def _end(channels: list[Channel]) -> int:
    return max(channel.cycles for channel in channels)


def _host_adds(sent: Sent) -> tuple[int, int]:
    """Return the bursts the host adds across DIMMs and channels: in all, and for the last packet."""
    parts = sent.summed.sum(axis=(1, 2), dtype=np.int64)
    added = np.maximum(parts - 1, 0) * sent.bag_bursts
    return int(added.sum()), int(added[np.isin(sent.bag_packet, sent.order[-1:])].sum())


def _statistics(channels: list[Channel], system: System, cycles: int) -> dict[str, object]:
    """Add up the ranks' DRAM figures; rates are over the whole run, delivery and results included."""
    totals: dict[str, int] = {}
    latency = 0.0
    for channel in channels:
        for name, count in channel.timeline.counts.items():
            totals[name] = totals.get(name, 0) + count
        latency += channel.timeline.read_latency_avg_cycles * len(channel.timeline.depart)
    instructions = sum(len(channel.timeline.depart) for channel in channels)
    empty = np.zeros(0, np.int64)
    whole = Timeline(empty, empty, empty, cycles, totals, ())
    statistics = whole.statistics(system.spec, system.memory.channels * system.ranks_per_channel)
    return statistics | {
        "requests": sum(channel.reads for channel in channels),
        "read_latency_avg_cycles": latency / instructions if instructions else 0.0,
        "merged": totals["merged"],
        **Served.joined([channel.others for channel in channels]).figures(cycles, system.spec),
    }
