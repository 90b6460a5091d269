"""A slow twin of RecNMP's channels: every clock one by one, plain objects.

A channel has one bus. It carries packets to the ranks and results back to the host, one thing at a time, and
decides anew on every clock on which it is free: the next packet when every rank it uses has a buffer for it,
otherwise the oldest result when that is ready. Each rank decodes its own commands: a DRAM controller of one
rank that is offered a packet's bursts, less those its cache holds, from the clock their instruction arrives.
"""

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from math import ceil, log2
from typing import NamedTuple

from reference.dram_ranks import Command, Device
from reference.frfcfs_tick import Controller, Request, Rules


class Instruction(NamedTuple):
    """One lookup: where its entry lies, and the bursts of it that DRAM must read."""

    rank: int
    misses: list[Request]


@dataclass(eq=False)
class Packet:
    """Instructions delivered together and the partial sums read back for them."""

    instructions: list[Instruction] = field(default_factory=list)
    result_bursts: dict[tuple[int, int], int] = field(default_factory=dict)  # of each bag on each DIMM
    arrived: int = -1  # clock of the last instruction
    served: list[tuple[Controller, int]] = field(default_factory=list)  # accepted requests

    @property
    def ranks(self) -> set[int]:
        """Ranks that execute a part of it."""
        return {instruction.rank for instruction in self.instructions}

    @property
    def dimms(self) -> set[int]:
        """DIMMs of those ranks."""
        return {dimm for _, dimm in self.result_bursts}

    def data_ends(self) -> list[int] | None:
        """Last data beat of every request; None while one of them waits for its read command."""
        ends = [controller.result.depart[number] for controller, number in self.served]
        wanted = sum(len(instruction.misses) for instruction in self.instructions)
        return ends if len(ends) == wanted and -1 not in ends else None


@dataclass
class ChannelResult:
    """What a channel did: clocks of its bus, commands and request times of every rank, bursts that hit."""

    finish: int
    delivery: int
    returning: int
    waiting: int
    commands: list[list[Command]]
    accepted: list[list[int]]
    depart: list[list[int]]
    outcomes: list[tuple[int, int, int]]  # row hits, misses and conflicts of every rank


class Cache:
    """Set-associative, least recently used line out first."""

    def __init__(self, sets: int, ways: int) -> None:
        self.sets: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(sets)]
        self.ways = ways

    def hits(self, line: int) -> bool:
        """Look a line up and make it the youngest of its set."""
        lines = self.sets[line % len(self.sets)]
        found = line in lines
        lines[line] = None
        lines.move_to_end(line)
        if len(lines) > self.ways:
            lines.popitem(last=False)
        return found


class RankDecoder(Controller):
    """One rank's own controller and the bursts it was told to read."""

    def __init__(self, system, window: int, rank: int) -> None:
        memory = system.memory
        rules = Rules(
            page_policy=memory.page_policy, row_hit_cap=memory.row_hit_cap, merge_reads=memory.merge_reads
        )
        super().__init__(Device(system.spec, 1), memory.policy, memory.refresh, window, 1, rules)
        self.offered: deque[tuple[int, Request, Packet]] = deque()
        self.place = rank, system.ranks_per_channel

    def first_due(self, rank: int, ranks: int) -> int:
        """The rank is one of a channel's, with which it shares the interval."""
        return super().first_due(*self.place)

    def offer(self, clock: int) -> None:
        """Take the oldest burst that has arrived, at most one a clock."""
        if self.offered and self.offered[0][0] <= clock:
            _, request, packet = self.offered[0]
            if self.accept(request, clock):
                self.offered.popleft()
                packet.served.append((self, len(self.result.arrive) - 1))


class Channel:
    """One bus, its packets in order, and its ranks."""

    def __init__(
        self, packets: list[Packet], system, options, window: int, weighted: bool, dequantised: bool
    ) -> None:
        self.packets, self.options = packets, options
        self.cycles = system.spec.cycles
        self.ranks = [RankDecoder(system, window, rank) for rank in range(system.ranks_per_channel)]
        self.holds: list[list[int]] = [[] for _ in self.ranks]  # packets each rank was sent, in order
        self.cache_latency = options.rank_cache_cycles if system.cache.rank else 0
        adders = 1 + ceil(log2(system.memory.ranks_per_dimm))
        self.after_last_burst = (
            options.pipeline_cycles
            + options.adder_cycles * adders
            + (options.multiplier_cycles if weighted else 0)
            + (options.multiplier_cycles + options.adder_cycles if dequantised else 0)
            + self.cycles["nCL"]
        )
        self.sent, self.returned, self.free_at = 0, 0, 0
        self.delivery, self.returning, self.waiting = 0, 0, 0

    def run(self) -> ChannelResult:
        """Tick until the last result has been read back."""
        clock = 0
        while True:
            for rank in self.ranks:
                rank.tick(clock)
            self.use_bus(clock)
            if self.returned == len(self.packets):
                return self.result()
            for rank in self.ranks:
                rank.offer(clock)
            clock += 1

    def use_bus(self, clock: int) -> None:
        """Start what can start now; short packets may take no whole clock."""
        while self.free_at <= clock and self.returned < len(self.packets):
            if self.sent < len(self.packets) and self.has_buffers(self.packets[self.sent]):
                self.deliver(self.sent, clock)
            elif self.is_ready(self.packets[self.returned], clock):
                self.read_back(self.packets[self.returned], clock)
            else:
                self.waiting += 1
                return

    def has_buffers(self, packet: Packet) -> bool:
        """A rank holds so many packets; the one that many before this one must have been read back."""
        room = self.options.packets_in_flight
        return all(
            len(self.holds[rank]) < room or self.holds[rank][-room] < self.returned for rank in packet.ranks
        )

    def deliver(self, number: int, clock: int) -> None:
        """Configure the packet's DIMMs, then send its instructions, so many in the time of a burst."""
        packet, burst = self.packets[number], self.cycles["nBL"]
        begin = clock + len(packet.dimms) * self.options.header_bursts_per_dimm * burst
        for k, instruction in enumerate(packet.instructions):
            at = begin + (k + 1) * burst // self.options.instructions_per_burst
            self.ranks[instruction.rank].offered.extend(
                (at, request, packet) for request in instruction.misses
            )
        # the bus is busy to the end of the clock in which the last instruction arrives
        packet.arrived = begin + math.ceil(
            len(packet.instructions) * burst / self.options.instructions_per_burst
        )
        for rank in packet.ranks:
            self.holds[rank].append(number)
        self.sent += 1
        self.free_at = packet.arrived
        self.delivery += self.free_at - clock

    def is_ready(self, packet: Packet, clock: int) -> bool:
        """Every burst read or found in a cache, added up, and in the output buffer."""
        ends = packet.data_ends()
        if ends is None:
            return False
        return max([packet.arrived + self.cache_latency, *ends]) + self.after_last_burst <= clock

    def read_back(self, packet: Packet, clock: int) -> None:
        """One vector of each bag and DIMM, and a turnaround of the bus for each DIMM."""
        cycles = sum(packet.result_bursts.values()) * self.cycles["nBL"]
        cycles += len(packet.dimms) * self.cycles["nRTRS"]
        self.returned += 1
        self.free_at = clock + cycles
        self.returning += cycles

    def result(self) -> ChannelResult:
        """Gather what happened."""
        done = [rank.result for rank in self.ranks]
        return ChannelResult(
            self.free_at,
            self.delivery,
            self.returning,
            self.waiting,
            [result.commands for result in done],
            [result.arrive for result in done],
            [result.depart for result in done],
            [(result.row_hits, result.row_misses, result.row_conflicts) for result in done],
        )


def packets_of(trace, placed, system, options) -> dict[int, list[Packet]]:
    """Cut every call's bags into packets, and each packet into one for every channel that it uses."""
    packets: dict[int, list[Packet]] = {channel: [] for channel in range(system.memory.channels)}
    caches: dict[tuple[int, int], Cache] = {}
    lookups: dict[int, list[int]] = {}
    for lookup, bag in enumerate(trace.bag.tolist()):
        lookups.setdefault(bag, []).append(lookup)
    for first, bags in zip(trace.calls.first_bag.tolist(), trace.calls.bags.tolist(), strict=True):
        for start in range(first, first + bags, options.poolings_per_packet):
            mine: dict[int, Packet] = {}
            for bag in range(start, min(start + options.poolings_per_packet, first + bags)):
                for lookup in lookups.get(bag, []):
                    channel = int(placed.channel[placed.first[lookup]])
                    packet = mine.setdefault(channel, Packet())
                    _add(packet, lookup, placed, system, caches)
                    dimm = int(placed.rank[placed.first[lookup]]) // system.memory.ranks_per_dimm
                    # sums are FP32 whatever the entries are
                    packet.result_bursts[bag, dimm] = ceil(trace.tables[trace.table[lookup]].dim * 4 / 64)
            for channel, packet in mine.items():
                packets[channel].append(packet)
    return packets


def _add(packet: Packet, lookup: int, placed, system, caches) -> None:
    """Append the instruction of one lookup; its cache sees its bursts in the order of delivery."""
    org, cache = system.spec.organization, system.cache.rank
    bursts = range(placed.first[lookup], placed.first[lookup + 1])
    channel, rank = int(placed.channel[bursts[0]]), int(placed.rank[bursts[0]])
    misses = []
    for burst in bursts:
        bank, row, column = (int(a[burst]) for a in (placed.flat_bank, placed.row, placed.column))
        if cache is not None:
            if (channel, rank) not in caches:
                caches[channel, rank] = Cache(cache.size_bytes // 64 // cache.ways, cache.ways)
            line = (row * system.spec.banks_per_rank + bank) * org.bursts_per_row.value + column
            if caches[channel, rank].hits(line):
                continue
        misses.append(Request(0, 0, 0, *divmod(bank, org.banks_per_group.value), row, column))
    packet.instructions.append(Instruction(rank, misses))


def run(trace, placed, system, options) -> list[ChannelResult]:
    """Run every channel of ``system`` (spec, memory and cache) under ``options`` of RecNMP."""
    packets = packets_of(trace, placed, system, options)
    longest = max((int(n) for n in placed.first[1:] - placed.first[:-1]), default=1)
    window = options.reorder_window * longest
    weighted = trace.weight is not None
    dequantised = any(trace.tables[table].dtype == "int8_rowwise" for table in trace.calls.table)
    return [
        Channel(packets[c], system, options, window, weighted, dequantised).run() for c in sorted(packets)
    ]
