"""A channel of rank units: packets go in over its bus, ranks execute them, results come back over it.

Deliveries and results share the bus and never overlap; ranks run on their own command decoders in between.
Every packet is delivered in order, and its results are read back in order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.memory import _kernels as memory_kernel
from recnmp.memory.commands import Commands
from recnmp.memory.replay import Timeline, make_controllers, make_rules, make_work, timeline
from recnmp.memory.requests import Requests
from recnmp.nmp import _kernels as kernel
from recnmp.nmp.base import System, sorted_by
from recnmp.placement.place import PlacedLookups


@dataclass(frozen=True)
class Sent:
    """Where every lookup's instruction goes; L lookups, N bursts, P packets.

    Attributes:
        packet: packet of each lookup, shape (L,).
        bag: bag of each lookup counted from the trace's first, shape (L,).
        channel, rank, dimm: of each lookup, shape (L,); rank and dimm are within the channel.
        vector_bursts: bursts of each lookup's entry, shape (L,).
        sum_bursts: bursts of the FP32 sum it adds to, shape (L,).
        hit: bursts that the RankCache answers, shape (N,).
    """

    packet: NDArray[np.int64]
    bag: NDArray[np.int64]
    channel: NDArray[np.int32]
    rank: NDArray[np.int32]
    dimm: NDArray[np.int32]
    vector_bursts: NDArray[np.int64]
    sum_bursts: NDArray[np.int64]
    hit: NDArray[np.bool_]


@dataclass(frozen=True)
class Units:
    """What a channel's rank units are: sizes, and fixed latencies in memory clocks."""

    reorder_window: int
    header_bursts_per_dimm: int
    fixed: kernel.Fixed


@dataclass(frozen=True)
class Channel:
    """What one channel did; ``totals`` are the clocks named by ``DELIVERY`` to ``FINISH`` of the kernels."""

    timeline: Timeline
    totals: NDArray[np.int64]
    packets: int
    commands: tuple[Commands, ...]


def run_channel(c: int, sent: Sent, placed: PlacedLookups, system: System, units: Units) -> Channel:
    """Run channel ``c``: deliver its packets, let its ranks execute them, read the results back."""
    spec, ranks = system.spec, system.ranks_per_channel
    mine = np.flatnonzero(sent.channel == c)
    present, packet = np.unique(sent.packet[mine], return_inverse=True)
    requests, first_request, missed = _requests(mine, packet, len(present), sent, placed, system)
    stream = kernel.Stream(
        np.searchsorted(packet, np.arange(len(present) + 1)),
        sent.rank[mine].astype(np.int64),
        first_request,
        missed,
        *_bus_cycles(mine, packet, len(present), sent, system, units.header_bursts_per_dimm),
    )
    # a rank unit holds whole instructions, its controller bursts
    window = units.reorder_window * int(sent.vector_bursts.max(initial=1))
    controller = system.controller(1, window)
    rules = make_rules(spec, controller, has_writes=False)
    room = 4 * int(np.diff(requests.start).max(initial=0)) + 4096 if system.memory.audit else 0
    while True:
        controllers = make_controllers(rules, controller.refresh, requests.start, turns=ranks)
        work = make_work(requests)
        logs = np.zeros((ranks, room, 6), np.int64)
        totals, arrived = np.zeros(4, np.int64), np.zeros(len(present), np.int64)
        held = np.full((ranks, units.fixed.buffers), -1, np.int64)
        given = np.zeros((ranks, 2), np.int64)
        given[:, kernel.VISIBLE] = requests.start[:-1]
        code = kernel.run_channel(
            rules, controllers, work, logs, stream, units.fixed, held, given, arrived, totals
        )
        if code != memory_kernel.NO_SPACE:
            break
        room *= 2
    if code != memory_kernel.DONE:
        raise RecnmpError("a rank unit stopped before its last request; please report this configuration")
    commands = (
        tuple(
            Commands.of_log(logs[u, : controllers.scalar[u, memory_kernel.LOGGED]], spec)
            for u in range(ranks)
        )
        if room
        else ()
    )
    return Channel(timeline(controllers, work), totals, len(present), commands)


def _requests(
    mine: NDArray[np.int64],
    packet: NDArray[np.int64],
    packets: int,
    sent: Sent,
    placed: PlacedLookups,
    system: System,
) -> tuple[Requests, NDArray[np.int64], NDArray[np.int64]]:
    """Return a channel's DRAM requests sorted by rank, each instruction's first one and their numbers."""
    in_channel = np.full(len(sent.channel), -1, np.int64)
    in_channel[mine] = np.arange(len(mine))
    lookup = placed.lookup
    burst = np.flatnonzero(~sent.hit & (in_channel[lookup] >= 0))
    order, start = sorted_by(placed.rank[burst], system.ranks_per_channel)
    burst = burst[order]
    instruction = in_channel[lookup[burst]]
    missed = np.bincount(instruction, minlength=len(mine))
    first_request = np.zeros(len(mine), np.int64)
    first_request[instruction[::-1]] = np.arange(len(burst))[::-1]
    requests = Requests(
        start,
        np.zeros(len(burst), np.int64),  # delivery sets it
        placed.flat_bank[burst],
        placed.row[burst],
        placed.column[burst],
        np.zeros(len(burst), np.uint8),
        packet[instruction].astype(np.int32),
        packets,
    )
    return requests, first_request, missed


def _bus_cycles(
    mine: NDArray[np.int64],
    packet: NDArray[np.int64],
    packets: int,
    sent: Sent,
    system: System,
    header_bursts: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the clocks of each packet's configuration writes and of its result reads, shapes (P,)."""
    cycles, dimms = system.spec.cycles, system.memory.dimms_per_channel
    _, at = np.unique(packet * dimms + sent.dimm[mine], return_index=True)
    dimms_used = np.bincount(packet[at], minlength=packets)
    _, at = np.unique(sent.bag[mine] * dimms + sent.dimm[mine], return_index=True)
    vectors = np.bincount(packet[at], weights=sent.sum_bursts[mine][at], minlength=packets).astype(np.int64)
    header = dimms_used * header_bursts * cycles["nBL"]
    return header, vectors * cycles["nBL"] + dimms_used * cycles.get("nRTRS", 0)
