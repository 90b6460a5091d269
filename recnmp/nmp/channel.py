"""A channel of rank units: packets go in over its buses, ranks execute them, results come back over it.

Deliveries and results share the channel and never overlap; ranks run on their own command decoders in between.
Every packet is delivered in order, and its results are read back in order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.memory import _kernels as memory_kernel
from recnmp.memory.commands import Commands
from recnmp.memory.idle import refresh_idle_ranks
from recnmp.memory.replay import Timeline, make_controllers, make_rules, timeline
from recnmp.nmp import _kernels as kernel
from recnmp.nmp.base import System
from recnmp.nmp.instructions import Instructions


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
    """

    timeline: Timeline
    clocks: NDArray[np.int64]
    return_cycles: NDArray[np.int64]
    hits: int
    reads: int

    @property
    def cycles(self) -> int:
        """Clock at which the last result has left the channel."""
        return int(self.clocks[:, kernel.RETURNED_AT].max(initial=0))

    @property
    def busy_cycles(self) -> dict[str, int]:
        """Clocks of deliveries, configuration writes included, and of results."""
        of_packet = self.clocks[:, kernel.DELIVERED_AT] - self.clocks[:, kernel.HEADER_AT]
        return {"delivery": int(of_packet.sum()), "return": int(self.return_cycles.sum())}


def run_channel(sent: Instructions, system: System, units: Units) -> Channel:
    """Deliver a channel's packets, let its ranks execute them, read the results back."""
    spec, ranks = system.spec, system.ranks_per_channel
    controller = system.rank_controller(units.reorder_window)
    rules = make_rules(spec, controller, has_writes=False)
    cycles = spec.cycles
    return_cycles = sent.returned_bursts * cycles["nBL"] + sent.dimms * cycles.get("nRTRS", 0)
    stream = kernel.Stream(
        sent.packet_start,
        sent.rank,
        sent.units,
        sent.first_burst,
        sent.bank,
        sent.row,
        sent.column,
        sent.filled_by,
        sent.dimms * units.header_bursts_per_dimm * cycles["nBL"],
        return_cycles,
    )
    per_rank = sent.reads_per_rank(ranks)
    start = np.concatenate([[0], np.cumsum(per_rank)])
    room = 4 * int(per_rank.max(initial=0)) + 4096 if system.memory.audit else 0
    while True:
        controllers = make_controllers(rules, controller.refresh, start, turns=ranks)
        work = _empty_work(int(start[-1]), ranks, sent.packets)
        logs = np.zeros((ranks, room, 6), np.int64)
        clocks = np.zeros((sent.packets, kernel.CLOCKS), np.int64)
        held = np.full((ranks, units.fixed.buffers), -1, np.int64)
        given = np.zeros((ranks, 2), np.int64)
        given[:, kernel.VISIBLE] = start[:-1]
        request = np.empty(sent.bursts, np.int64)
        code = kernel.run_channel(
            rules, controllers, work, logs, stream, units.fixed, held, given, request, clocks
        )
        if code != memory_kernel.NO_SPACE:
            break
        room *= 2
    if code != memory_kernel.DONE:
        raise RecnmpError("a rank unit stopped before its last request; please report this configuration")
    commands = tuple(
        Commands.of_log(logs[u, : controllers.scalar[u, memory_kernel.LOGGED]], spec)
        for u in range(ranks if room else 0)
    )
    end = int(clocks[:, kernel.RETURNED_AT].max(initial=0))
    refresh_idle_ranks(controllers, rules, end)
    hits = int(np.count_nonzero(sent.filled_by >= 0))
    done = timeline(controllers, work, commands, end)
    return Channel(done, clocks, return_cycles, hits, sent.bursts - hits)


def _empty_work(requests: int, ranks: int, packets: int) -> memory_kernel.Work:
    """Return room for requests that delivery fills in."""
    wide, narrow = np.empty((3, requests), np.int64), np.empty((4, requests), np.int32)
    wide[2] = -1
    return memory_kernel.Work(
        wide[0],
        narrow[0],
        narrow[1],
        narrow[2],
        np.zeros(requests, np.uint8),
        np.empty(requests, np.uint8),
        narrow[3],
        wide[1],
        wide[2],
        np.zeros((ranks, 2, packets), np.int64),
    )
