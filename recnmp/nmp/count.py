"""RecNMP's packets and units, counted: what crosses the channel, what RankCaches and adders do."""

import numpy as np

from recnmp.nmp.base import System
from recnmp.nmp.channel import Channel
from recnmp.nmp.instructions import Sent
from recnmp.nmp.operations import Operations
from recnmp.nmp.over_time import OverTime, Steps, traffic_bytes
from recnmp.nmp.packet import DDR_COMMAND_BITS, INSTRUCTION_BITS, Packets, decode
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import Trace
from recnmp.units import BURST_BYTES

BURST_BITS = 8 * BURST_BYTES
UNIT = "recnmp_isca20_unit"


def operations(
    trace: Trace,
    placed: PlacedLookups,
    sent: Sent,
    channels: list[Channel],
    system: System,
    delivered: dict[str, int],
) -> Operations:
    """Return what a run did; ``delivered`` are the bits of instructions and configuration.

    A mean's division is the host's, and not counted. A first element is added to a sum of 0.
    """
    dim = np.array([table.dim for table in trace.tables])
    last_bag = trace.calls.first_bag[-1] + trace.calls.bags[-1]
    of_call = np.diff(np.searchsorted(trace.bag, [*trace.calls.first_bag, last_bag]))
    of_table = np.bincount(trace.calls.table, of_call, len(dim)).astype(np.int64)
    int8 = np.array([table.dtype == "int8_rowwise" for table in trace.tables])
    elements, dequantised = int(of_table @ dim), int(of_table @ (dim * int8))
    looked_up = int(np.diff(placed.first)[sent.cacheable].sum()) if system.cache.rank else 0
    bag_dim = dim[trace.bag_table]
    at_dimms = sent.summed.sum(axis=(1, 2), dtype=np.int64)
    return Operations(
        activity=tuple(ranks for channel in channels for ranks in channel.timeline.activity),
        **delivered,
        traffic_bits=sum(channel.others.passed_by(channel.cycles) for channel in channels) * BURST_BITS,
        result_bits=int(at_dimms @ sent.bag_bursts) * BURST_BITS,
        rank_cache_lookups=looked_up,
        rank_cache_fills=looked_up - sum(channel.hits for channel in channels),
        rank_adds=elements,
        dimm_adds=int((sent.ranks_of_bag - at_dimms) @ bag_dim),
        dequantise_adds=dequantised,
        dequantise_multiplies=dequantised,
        weight_multiplies=elements if trace.weight is not None else 0,
        host_adds=int(np.maximum(at_dimms - 1, 0) @ bag_dim),
        unit=UNIT,
        rank_lookups=sent.load.sum(axis=0),
        over_time=_over_time(channels, system),
    )


def _over_time(channels: list[Channel], system: System) -> OverTime:
    cycles = max(channel.cycles for channel in channels)
    steps = Steps(cycles)
    data = sum((steps.arrived(*channel.arrivals()) for channel in channels), np.zeros(steps.count, np.int64))
    busy = {
        name: sum((steps.busy(*channel.busy[name]) for channel in channels), np.zeros(steps.count, np.int64))
        for name in channels[0].busy
    }
    traffic = traffic_bytes([channel.others for channel in channels], cycles, steps, system.spec)
    buses = len(channels) * system.ranks_per_channel
    return OverTime(steps, system.spec, buses, data * BURST_BYTES, traffic, busy)


def configuration_bits(sent: Sent, header_bursts_per_dimm: int) -> int:
    """Return the bits of configuration writes: bursts for every packet and DIMM that it uses."""
    return int(sent.used.sum(dtype=np.int64)) * header_bursts_per_dimm * BURST_BITS


def instruction_bits(packets: Packets, placed: PlacedLookups, *, as_ddr_commands: bool) -> int:
    """Return the bits of all NMP instructions, or on C/A those of the DDR commands that they stand for."""
    lookups = len(packets.packet)
    if not as_ddr_commands:
        return lookups * INSTRUCTION_BITS
    opens = int(np.bitwise_count(decode(packets.words)["ddr_cmd"]).sum()) - lookups
    return (opens + placed.bursts) * DDR_COMMAND_BITS
