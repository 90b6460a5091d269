"""RecNMP's slow twin on channels that the host uses for other things, too: every clock one by one.

A burst of the host is ready when it comes (a write) or when its rank has read it (a read). The channel has turns
for the host: where a window of instructions begins and where results are ready to be read back, all bursts that were
ready before go first, in the order in which they were. While the channel waits for a packet's ranks, bursts go as
they become ready. Nothing interrupts configuration writes or results.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from math import ceil

from reference.frfcfs_tick import Request
from reference.recnmp_packets import Instruction, Packet, packets_of
from reference.recnmp_rank import RankUnit
from reference.recnmp_tick import Channel, ChannelResult

QUEUE = 32
"""Writes that a controller holds."""
OUTSTANDING = 64
"""Bursts that the host has under way on a channel; younger ones wait for their turn though they may be ready."""


@dataclass(eq=False)
class HostBurst:
    """A burst that the host reads or writes: ``request.arrive`` is when the host asks, or has the data."""

    number: int
    rank: int
    request: Request
    at_rank: int = -1  # clock from which the rank's controller is offered it; -1 while unknown
    accepted: int = -1  # its number in the rank's controller
    crosses_at: int = -1  # first clock on DQ


class SharedRank(RankUnit):
    """A rank unit whose controller also serves bursts of the host, which it takes before instructions."""

    def __init__(self, system, settings, rank: int, others: Sequence[HostBurst]) -> None:
        super().__init__(system, settings, rank)
        self.write_queue = QUEUE
        self.others = deque(burst for burst in others if burst.rank == rank)

    def offer(self, clock: int) -> None:
        """The host's oldest burst if it has come, else an instruction."""
        burst = self.others[0] if self.others else None
        if burst and 0 <= burst.at_rank <= clock and self.accept(burst.request, clock):
            burst.accepted = len(self.result.arrive) - 1
            self.others.popleft()
        else:
            super().offer(clock)

    def has_read(self, burst: HostBurst) -> int | None:
        """Clock of a read's first beat at the rank; what a queued write answers takes as long as a RD at once."""
        if burst.accepted < 0 or self.result.depart[burst.accepted] < 0:
            return None
        cycles = self.device.spec.cycles
        first_beat = self.result.depart[burst.accepted] - cycles["nBL"]
        return max(first_beat, self.result.arrive[burst.accepted] + 1 + cycles["nCL"])


class SharedChannel(Channel):
    """Packets in order, and the host's bursts between them."""

    def __init__(self, packets, system, settings, weighted, quantised, others: Sequence[HostBurst]) -> None:
        super().__init__(packets, system, settings, weighted, quantised)
        self.uncrossed = list(others)
        self.ranks = [SharedRank(system, settings, rank, others) for rank in range(system.ranks_per_channel)]
        for burst in others:
            if not burst.request.is_write:
                burst.at_rank = burst.request.arrive
        self.turn: list[HostBurst] = []  # bursts that go before anything else
        self.turn_limit = 0  # those that were ready before this clock
        self.had_turn = False  # the packet to be read back has let them go
        self.free_for_results = 0  # C/A and DQ as the last packet left them
        self.dq_was_read = False
        self.sending: Packet | None = None
        self.waiting_to_go: deque[Instruction] = deque()  # of the packet being sent
        self.units, self.delay = 0, 0  # of that packet: what was sent, and clocks that the host's bursts took
        self.received = self.next_turn = 0

    def run(self) -> ChannelResult:
        """Tick until all results are on their way to the host."""
        clock = 0
        while self.returned < len(self.packets):
            for rank in self.ranks:
                rank.tick(clock)
                rank.receive(clock)
            self.use_buses(clock)
            for rank in self.ranks:
                rank.receive(clock)
                rank.offer(clock)
            clock += 1
        return self.result()

    def use_buses(self, clock: int) -> None:
        """One thing at a time: bursts whose turn it is, the packet being sent, then what comes next."""
        if self.turn:
            self.cross(self.turn[0], clock)
            if self.turn:
                return
        if self.sending:
            self.send(clock)
        if not self.sending and not self.turn:
            self.begin(clock)

    def begin(self, clock: int) -> None:
        """A packet goes before results once its buffers are free, or will be when DQ is."""
        if self.ca_free_at > clock:
            return
        wanted = self.packets[self.sent] if self.sent < len(self.packets) else None
        if wanted and all(self.ranks[r].has_buffer(self.settings.packets_in_flight) for r in wanted.ranks):
            if self.dq_free_at + self.settings.turnaround_cycles * self.dq_was_read <= clock:
                self.begin_sending(wanted, clock)
            return
        oldest = self.packets[self.returned]
        if not self.had_turn and self.is_ready(oldest, clock) and self.free_for_results <= clock:
            self.take_turn(clock)
            self.had_turn = True
        if not self.had_turn:
            if ready := self.ready_before(clock + 1, clock):
                self.cross(ready[0], clock)
            return
        if self.turn:
            self.cross(self.turn[0], clock)
        if not self.turn and max(self.ca_free_at, self.dq_free_at - self.cycles["nCL"]) <= clock:
            self.read_back(oldest, clock)
            self.dq_was_read, self.had_turn = True, False
            self.free_for_results = max(self.ca_free_at, self.dq_free_at - self.cycles["nCL"])

    def ready_before(self, limit: int, clock: int) -> list[HostBurst]:
        """The host's bursts that can cross and could before ``limit``, in the order of their turns."""
        under_way = takewhile(lambda burst: burst.request.arrive < limit, islice(self.uncrossed, OUTSTANDING))
        ready = [(self.ready_at(burst), burst.number, burst) for burst in under_way]
        return [burst for at, _, burst in sorted(r for r in ready if r[0] is not None) if at < limit]

    def ready_at(self, burst: HostBurst) -> int | None:
        return burst.request.arrive if burst.request.is_write else self.ranks[burst.rank].has_read(burst)

    def take_turn(self, clock: int) -> None:
        self.turn = self.ready_before(clock, clock)
        self.turn_limit = clock

    def cross(self, burst: HostBurst, clock: int) -> None:
        """Give DQ to a burst if it is free; a write that follows a read waits for the bus to turn around."""
        is_write = burst.request.is_write
        if self.dq_free_at + self.settings.turnaround_cycles * (is_write and self.dq_was_read) > clock:
            return
        burst.crosses_at = clock
        self.uncrossed.remove(burst)
        if is_write:
            burst.at_rank = clock
        self.dq_free_at, self.dq_was_read = clock + self.cycles["nBL"], not is_write
        self.ca_free_at = max(self.ca_free_at, clock)
        if self.turn:
            # one that became the 64th under way has its turn, too
            self.turn = self.ready_before(self.turn_limit, clock)

    def begin_sending(self, packet: Packet, clock: int) -> None:
        """Write the packet's registers; nothing else crosses until that is done."""
        writes = len(packet.dimms) * self.settings.header_bursts_per_dimm
        packet.header_at = clock
        packet.instructions_at = clock + (self.cycles["nCWL"] + writes * self.cycles["nBL"] if writes else 0)
        for rank in packet.ranks:
            self.ranks[rank].held.append(packet)
        self.sent += 1
        self.sending, self.waiting_to_go = packet, deque(packet.instructions)
        self.units, self.delay = 0, 0
        self.next_turn = self.received = packet.instructions_at
        self.dq_was_read = False
        self.send(clock)

    def send(self, clock: int) -> None:
        """Send instructions whose predecessors are received; a window goes by, then the host has its turn."""
        if self.dq_free_at > self.received:  # bursts of the host have crossed
            received = self.dq_free_at + self.settings.turnaround_cycles * self.dq_was_read
            self.delay += received - self.received
            self.received, self.next_turn = received, received + self.cycles["nBL"]
            self.dq_was_read = False
        while self.waiting_to_go and self.received == clock:
            if self.received >= self.next_turn:
                self.next_turn = self.received + self.cycles["nBL"]
                self.take_turn(clock)
                if self.turn:
                    self.cross(self.turn[0], clock)
                    return
            self.send_one(self.waiting_to_go.popleft())
        if not self.waiting_to_go and self.received <= clock:
            self.sending.delivered_at = self.received
            self.sending = None
            self.ca_free_at = self.dq_free_at = self.free_for_results = self.received

    def send_one(self, instruction: Instruction) -> None:
        """Put the next instruction on the bus; it is received when the clock is over that carries its last bits."""
        commands = self.host.commands(instruction)
        if self.settings.delivery == "compressed":
            self.units += 1
            clocks = ceil(self.units * self.cycles["nBL"] / self.settings.instructions_per_burst)
        else:
            self.units += len(commands)
            clocks = self.units
        self.received = self.sending.instructions_at + self.delay + clocks
        self.ranks[instruction.rank].coming.append((self.received, instruction))


def run(trace, placed, system, settings, others, order=None, locality=None):
    """Run every channel; ``others`` are the host's bursts of each. Other arguments as for ``packets_of``."""
    packets = packets_of(trace, placed, system, settings, order, locality)
    quantised = any(trace.tables[table].dtype == "int8_rowwise" for table in trace.calls.table)
    weighted = trace.weight is not None
    return [
        SharedChannel(packets[c], system, settings, weighted, quantised, others[c]).run()
        for c in sorted(packets)
    ]
