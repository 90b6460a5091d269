"""The channel of a RecNMP system: deliver packets, let ranks execute them, read results back."""

from typing import NamedTuple

import numpy as np

from recnmp._accel import helper, jit
from recnmp.memory._kernels import DONE, DONE_AT, REMAINING, advance

DELIVERY, RETURN, WAITING, FINISH = 0, 1, 2, 3  # totals
VISIBLE, PACKETS = 0, 1  # columns of given


class Stream(NamedTuple):
    """Instructions of one channel in delivery order, n of them in P packets; requests sorted by rank."""

    packet_start: np.ndarray  # (P + 1,) instructions of packet p
    rank: np.ndarray  # (n,)
    first_request: np.ndarray  # (n,) first request of an instruction; its bursts follow one another
    bursts: np.ndarray  # (n,) bursts that miss the RankCache
    header_cycles: np.ndarray  # (P,) configuration writes
    return_cycles: np.ndarray  # (P,) result bursts on DQ


class Fixed(NamedTuple):
    """Fixed latencies and sizes, in memory clocks."""

    per_window: int  # instructions in one window
    window: int
    buffers: int  # packets a rank can hold
    cache_latency: int
    after_last_burst: int  # pipeline, adder tree, output buffer read


@helper
def _complete(rules, controllers, work, logs, given, p, arrived, fixed):
    """Run every rank of packet ``p`` to its end; return the clock at which the sum is ready, or -code."""
    ready = arrived[p] + fixed.cache_latency
    for rank in range(len(given)):
        if work.served[rank, REMAINING, p]:
            code = advance(rules, controllers, work, logs[rank], rank, given[rank, VISIBLE], p)
            if code != DONE:
                return -code
        ready = max(ready, work.served[rank, DONE_AT, p])
    return ready + fixed.after_last_burst


@jit
def run_channel(rules, controllers, work, logs, stream, fixed, held, given, arrived, totals):
    """Execute all packets of a channel; its bus carries deliveries and results one after the other.

    Packets are delivered in order. A packet waits until every rank it uses has a free buffer, that is until
    the packet ``buffers`` before it on that rank has been read back; results are read back in order too.
    ``held`` (R, buffers) starts at -1; ``given`` (R, 2), ``arrived`` (P,) and ``totals`` (4,) at 0; a rank
    starts with its first request in ``given[:, VISIBLE]``. Returns DONE, or the engine's code.
    """
    packets = len(stream.packet_start) - 1
    bus, returned = 0, 0
    for p in range(packets + 1):
        first, end = 0, 0
        must = packets - 1
        if p < packets:
            first, end = stream.packet_start[p], stream.packet_start[p + 1]
            must = -1
            for j in range(first, end):
                rank = stream.rank[j]
                must = max(must, held[rank, given[rank, PACKETS] % fixed.buffers])
        while returned <= must:
            ready = _complete(rules, controllers, work, logs, given, returned, arrived, fixed)
            if ready < 0:
                return -ready
            totals[WAITING] += max(ready - bus, 0)
            bus = max(bus, ready) + stream.return_cycles[returned]
            totals[RETURN] += stream.return_cycles[returned]
            returned += 1
        if p == packets:
            break
        begin = bus + stream.header_cycles[p]
        for j in range(first, end):
            rank = stream.rank[j]
            at = begin + (j - first + 1) * fixed.window // fixed.per_window
            for i in range(stream.first_request[j], stream.first_request[j] + stream.bursts[j]):
                work.arrive[i] = at
            given[rank, VISIBLE] += stream.bursts[j]
            if held[rank, (given[rank, PACKETS] - 1) % fixed.buffers] != p:
                held[rank, given[rank, PACKETS] % fixed.buffers] = p
                given[rank, PACKETS] += 1
        arrived[p] = begin + -(-(end - first) * fixed.window // fixed.per_window)
        totals[DELIVERY] += arrived[p] - bus
        bus = arrived[p]
    totals[FINISH] = bus
    return DONE
