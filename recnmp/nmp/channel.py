"""A channel of rank units: packets go in over its buses, ranks execute them, results come back over it.

Deliveries and results share the channel and never overlap; ranks run on their own command decoders in between.
Every packet is delivered in order, and its results are read back in order.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp._accel import JITTED
from recnmp._threads import most_threads
from recnmp.errors import RecnmpError
from recnmp.memory import _kernels as memory_kernel
from recnmp.memory.commands import Commands
from recnmp.memory.idle import refresh_idle_ranks
from recnmp.memory.replay import Timeline, make_controllers, make_rules, timeline
from recnmp.memory.traffic import HostBursts, Served
from recnmp.nmp import _kernels as kernel
from recnmp.nmp.base import System, sorted_by
from recnmp.nmp.instructions import Instructions
from recnmp.nmp.recorded import PacketLog, Reads, packet_log

THREADS_FROM = 20_000  # instructions, of some 0.2 us


@dataclass(frozen=True)
class Units:
    """What a channel's rank units are: sizes, and fixed latencies in memory clocks."""

    reorder_window: int
    header_bursts_per_dimm: int
    fixed: kernel.Fixed


@dataclass(frozen=True)
class Channel:
    """What one channel did: P packets.

    Attributes:
        timeline: what the ranks' controllers did.
        clocks: clocks of each packet, shape (P, 6), columns ``HEADER_AT`` to ``RETURNED_AT`` of the kernels.
        return_cycles: clocks of each packet's results on DQ, shape (P,).
        hits, reads: bursts that the RankCaches answered, and those that DRAM was asked for.
        others: what became of the host's own bursts.
        first_read: reads of rank r are ``first_read[r] : first_read[r + 1]`` of the timeline's n, shape (R + 1,).
        bursts: what each of them reads, shape (n,).
        log: packets on the time axis, where the run is recorded.
        rank_reads: reads of each rank, where the run is recorded.
    """

    timeline: Timeline
    clocks: NDArray[np.int64]
    return_cycles: NDArray[np.int64]
    hits: int
    reads: int
    others: Served
    first_read: NDArray[np.int64]
    bursts: NDArray[np.uint8]
    log: PacketLog | None = None
    rank_reads: tuple[Reads, ...] = ()

    @property
    def cycles(self) -> int:
        """Clock at which the last result has left the channel."""
        return int(self.clocks[:, kernel.RETURNED_AT].max(initial=0))

    @property
    def busy(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """First clock and clocks of deliveries, configuration writes included, and of results, shapes (P,)."""
        begin, delivered, returned = (
            self.clocks[:, at] for at in (kernel.HEADER_AT, kernel.DELIVERED_AT, kernel.RETURNED_AT)
        )
        return {
            "delivery": (begin, delivered - begin),
            "return": (returned - self.return_cycles, self.return_cycles),
        }

    @property
    def busy_cycles(self) -> dict[str, int]:
        """Clocks of deliveries, configuration writes included, and of results."""
        return {name: int(length.sum()) for name, (_, length) in self.busy.items()}

    def arrivals(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return when each instruction's data had come, and their bursts; what reads share comes once."""
        depart, bursts = self.timeline.depart, self.bursts
        if not self.timeline.counts["merged"]:
            return depart, bursts
        # a rank's data bus carries a burst at a time
        once = [a + np.unique(depart[a:b], return_index=True)[1] for a, b in pairwise(self.first_read)]
        return depart[np.concatenate(once)], bursts[np.concatenate(once)]


def run_channel(sent: Instructions, system: System, units: Units, others: HostBursts) -> Channel:
    """Deliver a channel's packets, let its ranks execute them, read the results back.

    ``others`` are bursts of the host on this channel besides, in order of arrival.
    """
    ranks = system.ranks_per_channel
    controller = system.rank_controller(units.reorder_window)
    rules = make_rules(system.spec, controller, has_writes=bool(others.write.any()))
    stream = _stream(sent, system, units)
    per_rank = sent.reads_per_rank()
    start = np.concatenate([[0], np.cumsum(per_rank)])
    by_rank, other_start = sorted_by(others.rank, ranks)
    most = int((per_rank + np.diff(other_start)).max(initial=0))
    room = 4 * most + 4096 if system.memory.audit else 0
    while True:
        controllers = make_controllers(rules, controller.refresh, start, turns=ranks)
        controllers.scalar[:, [memory_kernel.SIDE, memory_kernel.SIDE_END]] = start[-1] + np.stack(
            [other_start[:-1], other_start[1:]], axis=1
        )
        work = _make_work(int(start[-1]), sent.packets, ranks, others, by_rank)
        request = np.empty_like(by_rank)
        request[by_rank] = start[-1] + np.arange(len(others))
        traffic = kernel.Traffic(
            others.rank, request, others.write, others.arrive, np.full(len(others), -1), np.zeros(1, np.int64)
        )
        logs = np.zeros((ranks, room, 6), np.int64)
        clocks = np.zeros((sent.packets + 1, kernel.CLOCKS), np.int64)
        held = np.full((ranks, units.fixed.buffers), -1, np.int64)
        given = np.zeros((ranks, 2), np.int64)
        given[:, kernel.VISIBLE] = start[:-1]
        number = np.empty(sent.bursts, np.int64)
        code = _run_in_threads(
            _threads(sent, system, others),
            ranks,
            (rules, controllers, work, logs, stream, units.fixed, traffic, held, given, number, clocks),
        )
        if code != memory_kernel.NO_SPACE:
            break
        room *= 2
    if code != memory_kernel.DONE:
        raise RecnmpError("a rank unit stopped before its last request; please report this configuration")
    commands = tuple(
        Commands.of_log(logs[u, : controllers.scalar[u, memory_kernel.LOGGED]], system.spec)
        for u in range(ranks if room else 0)
    )
    clocks = clocks[:-1]
    end = int(clocks[:, kernel.RETURNED_AT].max(initial=0))
    refresh_idle_ranks(controllers, rules, end)
    hits = int(np.count_nonzero(sent.filled_by >= 0))
    done = timeline(controllers, work, commands, end)
    of_sls = replace(done, accepted=done.accepted[: start[-1]], depart=done.depart[: start[-1]])
    served = Served(others, traffic.passed)
    bursts = np.ones(start[-1], np.uint8)
    if sent.bursts - hits > start[-1]:
        counted = np.bincount(number[sent.filled_by < 0] if hits else number, minlength=start[-1])
        bursts = counted.astype(np.uint8)
    channel = Channel(of_sls, clocks, stream.return_cycles, hits, sent.bursts - hits, served, start, bursts)
    if not room:
        return channel
    log = packet_log(sent, stream, units.fixed, clocks, done.done[:, : sent.packets], traffic)
    reads = tuple(Reads(of_sls.accepted[a:b], of_sls.depart[a:b]) for a, b in pairwise(start))
    return replace(channel, log=log, rank_reads=reads)


def _threads(sent: Instructions, system: System, others: HostBursts) -> int:
    """Return how many threads run the channel's ranks.

    One among the host's traffic, where ranks meet every few clocks, and for what is done before a thread has begun.
    """
    if not JITTED or len(others) or len(sent.rank) < THREADS_FROM:
        return 1
    return max(1, min(most_threads() // system.memory.channels, system.ranks_per_channel))


def _run_in_threads(threads: int, ranks: int, state: tuple[Any, ...]) -> int:
    """Run a channel in this thread and ``threads - 1`` that help; returns the kernel's code."""
    desk = np.zeros(kernel.TAKEN + ranks * kernel.DESK_LINE, np.int64)
    with ThreadPoolExecutor(threads) as pool:
        for thread in range(1, threads):
            pool.submit(kernel.run_channel, *state, desk, thread * ranks // threads)
        try:
            return int(kernel.run_channel(*state, desk, 0))
        finally:
            desk[kernel.OFFERED] = kernel.CLOSED


def _stream(sent: Instructions, system: System, units: Units) -> kernel.Stream:
    cycles = system.spec.cycles
    return kernel.Stream(
        sent.packet_start,
        sent.rank,
        sent.units,
        sent.first_burst,
        sent.bank,
        sent.row,
        sent.column,
        sent.filled_by,
        sent.dimms * units.header_bursts_per_dimm * cycles["nBL"],
        sent.returned_bursts * cycles["nBL"] + sent.dimms * cycles.get("nRTRS", 0),
    )


def _make_work(
    reads: int, packets: int, ranks: int, others: HostBursts, by_rank: NDArray[np.int64]
) -> memory_kernel.Work:
    """Return room for ``reads`` instructions that delivery fills in, and behind it the host's bursts by rank."""
    requests = reads + len(others)
    arrive, accepted, depart = np.empty((3, requests), np.int64)
    lane, row, column, group = np.empty((4, requests), np.int32)
    write, more = np.zeros((2, requests), np.uint8)
    depart[:] = -1
    theirs = slice(reads, None)
    write[theirs] = others.write[by_rank]
    # a write gets there with its data, over DQ
    arrive[theirs] = np.where(write[theirs], memory_kernel.NEVER, others.arrive[by_rank])
    lane[theirs], row[theirs], column[theirs] = (
        others.bank[by_rank],
        others.row[by_rank],
        others.column[by_rank],
    )
    group[theirs] = packets
    return memory_kernel.Work(
        arrive,
        lane,
        row,
        column,
        write,
        more,
        group,
        accepted,
        depart,
        np.zeros((ranks, 2, packets + 1), np.int64),
    )
