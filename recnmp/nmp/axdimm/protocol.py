"""The host's side: traces written, units triggered and polled, sums read, all over the channels' buses.

A host thread for each rank unit does, execution after execution:

1. write enable, then the trace, 64 B bursts of eight words; write exec, which triggers the unit;
2. read the sums of the unit's execution before this one: they can be read only now, since the trigger changes
   the psum buffers over;
3. poll the unit until it is done.

When no execution is left it triggers a short dummy trace, which frees the last sums, and reads them. With one
instruction buffer the next trace is written when the unit is done; with two, before polling. The ranks of a channel
share its bus, first come, first served, an access at a time; they execute side by side.
"""

import heapq
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from recnmp.nmp.axdimm.instruction import WORD_BYTES
from recnmp.units import BURST_BYTES

DELIVERY, RETURN, POLLING = "delivery", "return", "polling"
REGISTER_BURSTS = 1
"""A register of 8 B takes a whole burst."""


@dataclass(frozen=True)
class Access:
    """What a host thread asks of its channel's bus, from clock ``at`` on."""

    at: int
    what: str
    bursts: int


@dataclass(frozen=True)
class Done:
    """An access on the bus: ``sampled``, clock at which the DIMM saw its command; ``end``, of its last burst."""

    sampled: int
    end: int


Thread = Generator[Access, Done, int]


@dataclass
class Bus:
    """One channel's data bus; ``switch`` clocks pass when another rank or the other direction follows."""

    burst: int
    read_latency: int
    write_latency: int
    switch: int
    free: int = 0
    last: tuple[int, bool] | None = None
    bursts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((DELIVERY, RETURN, POLLING), 0))
    spans: dict[str, list[tuple[int, int]]] = field(
        default_factory=lambda: {what: [] for what in (DELIVERY, RETURN, POLLING)}
    )
    """First clock of every use of the bus, and its clocks."""

    @property
    def clocks(self) -> dict[str, int]:
        """Clocks of every use together."""
        return {what: sum(clocks for _, clocks in spans) for what, spans in self.spans.items()}

    def carry(self, unit: int, access: Access) -> Done:
        """Put the access of a unit on the bus behind what was asked before it."""
        is_read = access.what != DELIVERY
        latency = self.read_latency if is_read else self.write_latency
        gap = self.switch if self.last not in (None, (unit, is_read)) else 0
        begin = max(access.at + latency, self.free + gap)
        self.last = (unit, is_read)
        end = begin + access.bursts * self.burst
        clocks = access.bursts * self.burst + (gap if begin == self.free + gap else 0)
        self.spans[access.what].append((end - clocks, clocks))
        self.free = end
        self.bursts[access.what] += access.bursts
        return Done(begin - latency, end)


@dataclass(frozen=True)
class Host:
    """The host's software, in memory clocks.

    Attributes:
        driver_cycles: from wanting to write a trace to its first burst.
        poll_cycles: from one poll's answer, or the trigger or the sums read before it, to the next poll.
        dummy_words: words of the trace that frees the last sums.
        writes_ahead: the next trace is written while the unit executes.
    """

    driver_cycles: int
    poll_cycles: int
    dummy_words: int
    writes_ahead: bool


@dataclass(frozen=True)
class Work:
    """What a host thread needs to know: executions by number, and how to have one done.

    Attributes:
        trace_bursts, psum_bursts: of execution e.
        run: has unit u execute e from a clock on; returns the clock at which the sums stand.
    """

    trace_bursts: Callable[[int], int]
    psum_bursts: Callable[[int], int]
    run: Callable[[int, int, int], int]


def host_thread(unit: int, queue: deque[int], clock: int, host: Host, work: Work) -> Thread:
    """Have a unit do executions of ``queue``, which threads may share; returns the clock of its last sum."""
    pending = -1
    execution, clock = yield from _write_next(queue, clock, host, work)
    while execution >= 0:
        clock = (yield Access(clock, DELIVERY, REGISTER_BURSTS)).end  # exec
        done = work.run(unit, execution, clock)
        if pending >= 0:
            clock = (yield Access(clock, RETURN, work.psum_bursts(pending))).end
        following = -1
        if host.writes_ahead:
            following, clock = yield from _write_next(queue, clock, host, work)
        sampled = -1
        while sampled < done:
            poll = yield Access(clock + host.poll_cycles, POLLING, REGISTER_BURSTS)
            sampled, clock = poll.sampled, poll.end
        if not host.writes_ahead:
            following, clock = yield from _write_next(queue, clock, host, work)
        pending, execution = execution, following
    if pending >= 0:
        dummy = REGISTER_BURSTS + -(-host.dummy_words * WORD_BYTES // BURST_BYTES)
        clock = (yield Access(clock + host.driver_cycles, DELIVERY, dummy)).end
        clock = (yield Access(clock, DELIVERY, REGISTER_BURSTS)).end
        clock = (yield Access(clock, RETURN, work.psum_bursts(pending))).end
    return clock


def _write_next(
    queue: deque[int], clock: int, host: Host, work: Work
) -> Generator[Access, Done, tuple[int, int]]:
    """Take the next execution and write enable and its trace; returns it, -1 for none, and the clock."""
    if not queue:
        return -1, clock
    execution = queue.popleft()
    bursts = REGISTER_BURSTS + work.trace_bursts(execution)
    written = yield Access(clock + host.driver_cycles, DELIVERY, bursts)
    return execution, written.end


def run_threads(threads: dict[int, Thread], clock: int, buses: list[Bus], ranks: int) -> int:
    """Let the host threads of units run side by side from ``clock`` on; returns when the last one ends.

    Unit u is on channel ``u // ranks``. What happens at the same clock happens in the order of units, answers
    before new requests.
    """
    last = clock
    events: list[tuple[int, int, int, Access | Done | None]] = [(clock, 0, unit, None) for unit in threads]
    heapq.heapify(events)
    while events:
        _, _, unit, what = heapq.heappop(events)
        if isinstance(what, Access):
            done = buses[unit // ranks].carry(unit, what)
            heapq.heappush(events, (done.end, 0, unit, done))
            continue
        try:
            access = next(threads[unit]) if what is None else threads[unit].send(what)
        except StopIteration as finished:
            last = max(last, int(finished.value))
            continue
        heapq.heappush(events, (access.at, 1, unit, access))
    return last
