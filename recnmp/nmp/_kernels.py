"""The channel of a RecNMP system: deliver packets, let ranks execute them, read results back."""

from typing import NamedTuple

import numpy as np

from recnmp._accel import count_one, give_way, helper, index, jit, seen, spliced, take, tell
from recnmp.memory._kernels import ALL, DONE, DONE_AT, LIMIT, NO_SPACE, REMAINING, advance

# clocks of a packet: configuration writes begin, instructions begin, all are received, the sum is ready, the first
# RD of its results, their last beat on DQ
HEADER_AT, INSTRUCTIONS_AT, DELIVERED_AT, READY_AT, RESULTS_AT, RETURNED_AT = 0, 1, 2, 3, 4, 5
CLOCKS = 6
# buses: first clock C/A and DQ are free; DQ came from the DIMMs last; among traffic, clock which ranks have reached
COMMAND_FREE, DATA_FREE, READING, RANKS_AT = 0, 1, 2, 3
OUTSTANDING = 64
# desk: what a channel's thread and its helpers tell each other, each word in a cache line of its own: packets that
# ranks may run; runs of a rank made so far; the code of one that failed; of every rank, the packets it was taken for
OFFERED, MADE, FAILED, TAKEN = 0, 8, 16, 24
DESK_LINE = 8
CLOSED = -1  # instead of OFFERED: no more will come
VISIBLE, NEWEST = 0, 1  # columns of given: requests handed out, and the buffer taken last


class Stream(NamedTuple):
    """Instructions of one channel in delivery order: n of them in P packets, reading N bursts."""

    packet_start: np.ndarray  # (P + 1,) instructions of packet p
    rank: np.ndarray  # (n,) int32
    units: np.ndarray  # (n,) int32, what an instruction takes of the bus; see Fixed
    first_burst: np.ndarray  # (n + 1,) bursts of an instruction
    bank: np.ndarray  # (N,) int32, in the rank
    row: np.ndarray  # (N,) int32
    column: np.ndarray  # (N,) int32
    filled_by: np.ndarray  # (N,) burst whose read brings it into the RankCache, or -1: it reads DRAM itself
    header_cycles: np.ndarray  # (P,) clocks of the configuration writes' data
    return_cycles: np.ndarray  # (P,) clocks of the results on DQ


class Fixed(NamedTuple):
    """Fixed latencies and sizes, in memory clocks."""

    window: int  # clocks in which `per_window` units are received
    per_window: int
    buffers: int  # packets a rank can hold
    burst: int  # clocks of a burst on DQ
    write_latency: int  # WR to its data
    read_latency: int  # RD to its data
    turnaround: int  # idle clocks on DQ between results and a delivery
    decode: int  # look-up in the RankCache's tags
    after_last_burst: int  # pipeline and adder tree


class Traffic(NamedTuple):
    """What the host reads and writes on the channel besides, M bursts in order of arrival."""

    rank: np.ndarray  # (M,) int32
    request: np.ndarray  # (M,) its number among the requests of all ranks
    write: np.ndarray  # (M,) uint8
    arrive: np.ndarray  # (M,)
    passed: np.ndarray  # (M,) clock at which its burst has passed DQ, -1 until then
    first: np.ndarray  # (1,) all before it have passed


@spliced
def _run_ranks_until(rules, controllers, work, logs, given, until):
    """Run every rank up to clock ``until``; return DONE, or NO_SPACE."""
    for rank in range(len(given)):
        controllers.scalar[rank, LIMIT] = until
        code = advance(rules, controllers, work, logs[rank], rank, given[rank, VISIBLE], ALL)
        if code == NO_SPACE:
            return code
    return DONE


@helper
def _let_host_pass(work, traffic, fixed, bus, until):
    """Give DQ to the host's bursts that were ready before ``until``, in the order in which they were.

    Only the oldest that are outstanding are looked at, as many as a controller's two queues usually hold.
    A write is handed to its rank as its data pass; a read is ready when its rank has the data.
    """
    while True:
        best, earliest, seen = -1, until, 0
        for n in range(traffic.first[0], len(traffic.rank)):
            if traffic.arrive[n] >= until or seen == OUTSTANDING:
                break
            if traffic.passed[n] < 0:
                seen += 1
                ready = traffic.arrive[n]
                if not traffic.write[n]:
                    i = traffic.request[n]
                    if work.depart[i] < 0:
                        continue
                    # what a queued write answers takes as long as a RD at once
                    ready = max(work.depart[i] - fixed.burst, work.accepted[i] + 1 + fixed.read_latency)
                if ready < earliest:
                    best, earliest = n, ready
            elif n == traffic.first[0]:
                traffic.first[0] = n + 1
        if best < 0:
            return
        write = traffic.write[best]
        at = max(earliest, bus[DATA_FREE] + (bus[READING] * fixed.turnaround if write else 0))
        if write:
            work.arrive[traffic.request[best]] = at
        bus[DATA_FREE], bus[READING] = at + fixed.burst, 1 - write
        bus[COMMAND_FREE] = max(bus[COMMAND_FREE], at)
        traffic.passed[best] = at + fixed.burst


@spliced
def _deliver(rules, controllers, work, logs, stream, fixed, traffic, given, request, bus, start, p):
    """Hand the instructions of packet ``p`` to its ranks; return when the last hit is ready, or -1 for NO_SPACE.

    Requests are appended where their rank's next one belongs, with ``more`` 0 there; ``request`` (N,) keeps their
    numbers. The host's own bursts pass between windows of instructions. DQ is free when all are received.
    """
    received, part, hit_at, looked = start, 0, 0, start
    for j in range(stream.packet_start[p], stream.packet_start[p + 1]):
        rank = stream.rank[index(j)]
        if len(traffic.rank) and part <= 0 and received >= looked:
            bus[COMMAND_FREE] = bus[DATA_FREE] = bus[RANKS_AT] = received
            if _run_ranks_until(rules, controllers, work, logs, given, received) != DONE:
                return -1
            _let_host_pass(work, traffic, fixed, bus, received)
            received = bus[DATA_FREE] + bus[READING] * fixed.turnaround
            looked = received + fixed.burst
            bus[READING] = 0
        part += stream.units[index(j)] * fixed.window
        while part > 0:  # received when the window that ends it is over
            part -= fixed.per_window
            received += 1
        at = received + fixed.decode
        read = -1
        for n in range(stream.first_burst[j], stream.first_burst[j + 1]):
            if stream.filled_by[index(n)] >= 0:
                hit_at = at
                continue
            i = given[rank, VISIBLE]
            if read < 0:
                read = n
                work.arrive[index(i)], work.lane[index(i)], work.row[index(i)] = (
                    at,
                    stream.bank[index(n)],
                    stream.row[index(n)],
                )
                work.column[index(i)], work.group[index(i)] = stream.column[index(n)], p
                work.served[rank, REMAINING, p] += 1
            else:
                work.more[index(i)] |= 1 << (n - read - 1)
            request[index(n)] = i
        given[rank, VISIBLE] += read >= 0
    bus[COMMAND_FREE], bus[DATA_FREE], bus[READING] = received, received, 0
    return hit_at


@helper
def _buffer_in_the_way(stream, fixed, held, given, p):
    """Take a buffer in every rank that packet ``p`` uses; return the latest packet to be read back before, or -1."""
    latest = -1
    for j in range(stream.packet_start[p], stream.packet_start[p + 1]):
        rank = stream.rank[j]
        newest = given[rank, NEWEST]
        if held[rank, newest] != p:
            newest = 0 if newest + 1 == fixed.buffers else newest + 1
            latest = max(latest, held[rank, newest])
            held[rank, newest] = p
            given[rank, NEWEST] = newest
    return latest


@spliced
def _wait_among_traffic(rules, controllers, work, logs, fixed, traffic, given, bus, p):
    """Let the host's bursts pass until every rank has read what packet ``p`` asks for; return DONE or NO_SPACE.

    What a rank reads next is ready a read's latency from now at the earliest, so what crosses until then is known.
    """
    for rank in range(len(given)):
        while work.served[rank, REMAINING, p]:
            _let_host_pass(work, traffic, fixed, bus, bus[RANKS_AT] + fixed.read_latency)
            bus[RANKS_AT] += fixed.burst
            if _run_ranks_until(rules, controllers, work, logs, given, bus[RANKS_AT]) != DONE:
                return NO_SPACE
    return DONE


@spliced
def _run_among_traffic(rules, controllers, work, logs, fixed, traffic, given, bus, until):
    """Let the host's bursts pass that are ready before ``until``, and ranks run that far; return DONE or NO_SPACE."""
    while bus[RANKS_AT] < until:
        _let_host_pass(work, traffic, fixed, bus, min(bus[RANKS_AT] + fixed.read_latency, until))
        bus[RANKS_AT] = min(bus[RANKS_AT] + fixed.burst, until)
        if _run_ranks_until(rules, controllers, work, logs, given, bus[RANKS_AT]) != DONE:
            return NO_SPACE
    _let_host_pass(work, traffic, fixed, bus, until)
    return DONE


@spliced
def _run_ranks(rules, controllers, work, logs, given, desk, p, first):
    """Run ranks to the end of packet ``p``, from rank ``first`` on, but those that another thread has taken."""
    for n in range(first, first + len(given)):
        rank = n % len(given)
        if take(desk, TAKEN + rank * DESK_LINE, p, p + 1):
            if work.served[rank, REMAINING, p]:
                code = advance(rules, controllers, work, logs[rank], rank, given[rank, VISIBLE], p)
                if code != DONE:
                    tell(desk, FAILED, code)
            count_one(desk, MADE)


@spliced
def _help(rules, controllers, work, logs, given, desk, first):
    """Run ranks of the packets that the channel's thread offers, until it closes.

    From the same rank on every time: what a rank's controller knows is then in this core's cache already.
    """
    offered = seen(desk, OFFERED)
    while offered != CLOSED:
        if offered:
            _run_ranks(rules, controllers, work, logs, given, desk, offered - 1, first)
        give_way()
        offered = seen(desk, OFFERED)


@spliced
def _complete(rules, controllers, work, logs, stream, fixed, given, request, desk, p, delivered, hit_at):
    """Run every rank of packet ``p`` to its end; return the clock at which its sum is ready, or -code.

    Ranks know nothing of each other until then, so whoever is free runs the next one.
    """
    tell(desk, OFFERED, p + 1)
    _run_ranks(rules, controllers, work, logs, given, desk, p, 0)
    while seen(desk, MADE) < (p + 1) * len(given):
        give_way()
    code = seen(desk, FAILED)
    if code != DONE:
        return -code
    ready = max(delivered, hit_at)
    for rank in range(len(given)):
        ready = max(ready, work.served[rank, DONE_AT, p])
    if hit_at:
        begin, end = stream.packet_start[p], stream.packet_start[p + 1]
        for n in range(stream.first_burst[begin], stream.first_burst[end]):
            if stream.filled_by[n] >= 0:
                ready = max(ready, work.depart[request[stream.filled_by[n]]])
    return ready + fixed.after_last_burst


@jit
def run_channel(
    rules, controllers, work, logs, stream, fixed, traffic, held, given, request, clocks, desk, first
):
    """Execute all packets of a channel, whose buses carry a delivery, results or a burst of the host at a time.

    Packets are delivered in order. A packet waits until every rank it uses has a free buffer, that is until
    the packet ``buffers`` before it on that rank has been read back; results are read back in order too.
    ``held`` (R, buffers) starts at -1; ``given`` (R, 2) with the first request of each rank in VISIBLE;
    ``request`` (N,) and ``clocks`` (P + 1, CLOCKS) may start as they are; the last row is the buses' state.
    ``desk`` starts at 0; who calls with a rank as ``first`` instead of 0 helps in a thread of its own, from that
    rank on, until OFFERED is CLOSED. Returns DONE, or the engine's code.
    """
    if first:
        _help(rules, controllers, work, logs, given, desk, first)
        return DONE
    packets, mixed = len(stream.packet_start) - 1, len(traffic.rank) > 0
    bus = clocks[packets]  # a row of its own
    bus[:] = 0
    returned = 0
    for p in range(packets + 1):
        must = packets - 1
        if p < packets:
            must = _buffer_in_the_way(stream, fixed, held, given, p)
        while returned <= must:
            delivered, hit_at = clocks[returned, DELIVERED_AT], clocks[returned, READY_AT]
            free = max(bus[COMMAND_FREE], bus[DATA_FREE] - fixed.read_latency)
            if mixed:
                code = _wait_among_traffic(
                    rules, controllers, work, logs, fixed, traffic, given, bus, returned
                )
                if code != DONE:
                    return code
            ready = _complete(
                rules,
                controllers,
                work,
                logs,
                stream,
                fixed,
                given,
                request,
                desk,
                returned,
                delivered,
                hit_at,
            )
            if ready < 0:
                return -ready
            at = max(ready, free)
            if mixed:
                code = _run_among_traffic(rules, controllers, work, logs, fixed, traffic, given, bus, at)
                if code != DONE:
                    return code
                at = max(at, max(bus[COMMAND_FREE], bus[DATA_FREE] - fixed.read_latency))
            bus[COMMAND_FREE] = at + stream.return_cycles[returned]
            bus[DATA_FREE] = bus[COMMAND_FREE] + fixed.read_latency
            bus[READING] = 1
            clocks[returned, READY_AT], clocks[returned, RESULTS_AT] = ready, at
            clocks[returned, RETURNED_AT] = bus[DATA_FREE]
            returned += 1
        if p == packets:
            break
        begin = max(bus[COMMAND_FREE], bus[DATA_FREE]) + bus[READING] * fixed.turnaround
        start = begin
        if stream.header_cycles[p]:
            start += fixed.write_latency + stream.header_cycles[p]
        bus[READING] = 0
        hit_at = _deliver(
            rules, controllers, work, logs, stream, fixed, traffic, given, request, bus, start, p
        )
        if hit_at < 0:
            return NO_SPACE
        clocks[p, HEADER_AT], clocks[p, INSTRUCTIONS_AT], clocks[p, DELIVERED_AT] = (
            begin,
            start,
            bus[DATA_FREE],
        )
        clocks[p, READY_AT] = hit_at  # until it is known
    return DONE


@jit
def first_spread_entry(first, part):
    """Return the first lookup whose bursts, ``first[l] : first[l + 1]``, differ in ``part``; -1 for none."""
    for lookup in range(len(first) - 1):
        at = first[lookup]
        for n in range(at + 1, first[lookup + 1]):
            if part[n] != part[at]:
                return lookup
    return -1


@jit
def tally(packet, bag, channel, rank, load, read):
    """Count the lookups of every packet and rank in ``load`` (P, C, R), and mark the ranks at which bags have any.

    ``read`` is of shape (G, C, R); both start at 0.
    """
    for j in range(len(packet)):
        load[packet[j], channel[j], rank[j]] += 1
        read[bag[j], channel[j], rank[j]] = True


@jit
def count_steps(clock, amount, shift, moved):
    """Add up in ``moved`` what came in each step of ``1 << shift`` clocks; ``clock`` is one after its last beat."""
    for n in range(len(clock)):
        moved[(clock[n] - 1) >> shift] += amount[n]
