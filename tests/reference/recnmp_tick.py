"""A slow twin of RecNMP's channels: every clock one by one, plain objects.

A channel has a C/A bus and a DQ bus. They carry packets to the ranks and results back to the host, and the
channel decides anew on every clock what comes next: a packet when every rank it uses has, or is about to have,
a buffer for it; otherwise the oldest result when that is ready.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

from reference.dram_ranks import Command
from reference.recnmp_packets import HostView, Packet, packets_of
from reference.recnmp_rank import RankUnit


@dataclass
class ChannelResult:
    """What a channel did.

    Attributes:
        packets: in the order of delivery, with their clocks.
        finish: clock at which the last result has left DQ; 0 without packets.
        delivery: clocks of headers and instructions, from header to last instruction.
        returning: clocks of results on DQ, with what each DIMM costs.
        commands: of every rank, with the number of the request that each is for.
        accepted, depart: of every rank; when each request (an instruction's missing bursts) was accepted, and its
            last beat came.
        outcomes: row hits, misses and conflicts of every rank.
        merged: requests of every rank that a waiting one answered.
        hits, reads: bursts that the cache and DRAM answered, by number in the placement, and when; one that
            DRAM answered with the last beat of its request.
    """

    packets: list[Packet]
    finish: int
    delivery: int
    returning: int
    commands: list[list[Command]]
    accepted: list[list[int]]
    depart: list[list[int]]
    outcomes: list[tuple[int, int, int]]
    merged: list[int]
    hits: dict[int, int]
    reads: dict[int, int]


class Channel:
    """Two buses, packets in order, and ranks."""

    def __init__(self, packets: list[Packet], system, settings, weighted: bool, quantised: bool) -> None:
        self.packets, self.settings, self.cycles = packets, settings, system.spec.cycles
        self.ranks = [RankUnit(system, settings, rank) for rank in range(system.ranks_per_channel)]
        self.host = HostView()
        self.after_last_burst = (
            settings.pipeline_cycles
            + settings.multiplier_cycles * (weighted + quantised)  # by the weight; by the entry's scale
            + settings.adder_cycles * (1 + ceil(log2(system.memory.ranks_per_dimm)))
            + settings.adder_cycles * quantised  # the entry's bias
        )
        self.sent, self.returned = 0, 0
        self.ca_free_at, self.dq_free_at, self.dq_had_results = 0, 0, False

    def run(self) -> ChannelResult:
        """Tick until all results are on their way to the host."""
        clock = 0
        while self.returned < len(self.packets):
            for rank in self.ranks:
                rank.tick(clock)
                rank.receive(clock)
            self.use_buses(clock)
            for rank in self.ranks:
                rank.offer(clock)
            clock += 1
        return self.result()

    def use_buses(self, clock: int) -> None:
        """The next packet goes before any result once its buffers are free, or will be when DQ is."""
        if self.ca_free_at > clock:
            return
        buffers = self.settings.packets_in_flight
        wanted = self.packets[self.sent] if self.sent < len(self.packets) else None
        if wanted and all(self.ranks[rank].has_buffer(buffers) for rank in wanted.ranks):
            turnaround = self.settings.turnaround_cycles if self.dq_had_results else 0
            if self.dq_free_at + turnaround <= clock:
                self.deliver(wanted, clock)
        elif self.is_ready(self.packets[self.returned], clock):
            self.read_back(self.packets[self.returned], clock)

    def deliver(self, packet: Packet, clock: int) -> None:
        """Write the packet's registers, then send its instructions."""
        burst = self.cycles["nBL"]
        writes = len(packet.dimms) * self.settings.header_bursts_per_dimm
        packet.header_at = clock
        packet.instructions_at = clock + (self.cycles["nCWL"] + writes * burst if writes else 0)
        units = 0
        for instruction in packet.instructions:
            commands = self.host.commands(instruction)
            if self.settings.delivery == "compressed":
                units += 1
                clocks = ceil(units * burst / self.settings.instructions_per_burst)
            else:
                units += len(commands)
                clocks = units
            packet.delivered_at = packet.instructions_at + clocks
            self.ranks[instruction.rank].coming.append((packet.delivered_at, instruction))
        for rank in packet.ranks:
            self.ranks[rank].held.append(packet)
        self.sent += 1
        self.ca_free_at = self.dq_free_at = packet.delivered_at
        self.dq_had_results = False

    def is_ready(self, packet: Packet, clock: int) -> bool:
        """Every burst read or found in a cache, added up, and in the output buffer."""
        if packet.ready_at < 0:
            ready = [self.ranks[i.rank].ready(burst) for i in packet.instructions for burst in i.bursts]
            if None in ready:
                return False
            packet.ready_at = max([packet.delivered_at, *ready]) + self.after_last_burst
        return packet.ready_at <= clock

    def read_back(self, packet: Packet, clock: int) -> None:
        """RD for every burst of a vector of each bag and DIMM; every DIMM's data wait a little.

        C/A is free nCL before DQ, so that results that follow at once leave no gap.
        """
        clocks = sum(packet.result_bursts.values()) * self.cycles["nBL"]
        clocks += len(packet.dimms) * self.cycles["nRTRS"]
        packet.results_at = clock
        packet.returned_at = clock + self.cycles["nCL"] + clocks
        self.returned += 1
        self.ca_free_at, self.dq_free_at = clock + clocks, packet.returned_at
        self.dq_had_results = True

    def result(self) -> ChannelResult:
        """Gather what happened."""
        done = [rank.result for rank in self.ranks]
        hits: dict[int, int] = {}
        reads: dict[int, int] = {}
        for packet in self.packets:
            for instruction in packet.instructions:
                for burst in instruction.bursts:
                    ready = self.ranks[instruction.rank].ready(burst)
                    (reads if burst.source is None else hits)[burst.number] = ready
        return ChannelResult(
            self.packets,
            self.dq_free_at,
            sum(packet.delivered_at - packet.header_at for packet in self.packets),
            sum(packet.returned_at - packet.results_at - self.cycles["nCL"] for packet in self.packets),
            [result.commands for result in done],
            [result.arrive for result in done],
            [result.depart for result in done],
            [(result.row_hits, result.row_misses, result.row_conflicts) for result in done],
            [result.merged for result in done],
            hits,
            reads,
        )


def run(
    trace,
    placed,
    system,
    settings,
    order: Sequence[int] | None = None,
    locality: Sequence[bool] | None = None,
) -> list[ChannelResult]:
    """Run every channel of ``system`` (spec, memory and cache); arguments as for ``packets_of``."""
    packets = packets_of(trace, placed, system, settings, order, locality)
    quantised = any(trace.tables[table].dtype == "int8_rowwise" for table in trace.calls.table)
    weighted = trace.weight is not None
    return [Channel(packets[c], system, settings, weighted, quantised).run() for c in sorted(packets)]
