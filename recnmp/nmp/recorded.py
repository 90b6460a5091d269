"""What a recorded run keeps besides its DRAM commands, so that it can be shown on a time axis.

Clocks are the memory's, counted from the start of the run.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recnmp.nmp import _kernels as kernel

if TYPE_CHECKING:
    from recnmp.nmp.instructions import Instructions


@dataclass(frozen=True)
class Reads:
    """The gather's reads at one controller: clocks of acceptance and of the last data beat, shape (r,)."""

    accepted: NDArray[np.int64]
    depart: NDArray[np.int64]


@dataclass(frozen=True)
class PacketLog:
    """P packets on one channel of R rank units, in the order of delivery.

    Attributes:
        packet: number of each packet in the whole run, shape (P,).
        instructions: instructions of each packet on this channel, shape (P,).
        clocks: columns ``HEADER_AT`` to ``RETURNED_AT`` of the kernels, shape (P, 6).
        header_cycles, return_cycles: clocks on DQ of its configuration writes and of its results, shape (P,).
        used: whether a rank executes instructions of a packet, shape (R, P).
        done: clock of the last data beat of a packet at a rank, 0 where it reads no DRAM, shape (R, P).
        on_data_bus: whether instructions are sent in bursts, over C/A and DQ, and not as commands on C/A alone.
        read_latency: clocks from the command that reads results to their first beat on DQ.
        after_last_burst: clocks of pipeline and adders between the last operand and the sum.
        hits: clock, rank and bursts of each instruction that the RankCache answers, wholly or in part,
            shape (H, 3); None where bursts of the host pass between instructions, whose clocks are not kept then.
        host_passed, host_write: clocks at which the host's own bursts had passed DQ, and which write, shape (M,).
    """

    packet: NDArray[np.int64]
    instructions: NDArray[np.int64]
    clocks: NDArray[np.int64]
    header_cycles: NDArray[np.int64]
    return_cycles: NDArray[np.int64]
    used: NDArray[np.bool_]
    done: NDArray[np.int64]
    on_data_bus: bool
    read_latency: int
    after_last_burst: int
    hits: NDArray[np.int64] | None
    host_passed: NDArray[np.int64]
    host_write: NDArray[np.uint8]


def packet_log(
    sent: "Instructions",
    stream: kernel.Stream,
    fixed: kernel.Fixed,
    clocks: NDArray[np.int64],
    done: NDArray[np.int64],
    traffic: kernel.Traffic,
) -> PacketLog:
    """Return what a channel did with ``sent``; ``clocks`` (P, 6) and ``done`` (R, P) are the kernels' own."""
    of_packet = np.repeat(np.arange(sent.packets), np.diff(sent.packet_start))
    used = np.zeros(done.shape, np.bool_)
    used[sent.rank, of_packet] = True
    return PacketLog(
        sent.packet,
        np.diff(sent.packet_start),
        clocks,
        stream.header_cycles,
        stream.return_cycles,
        used,
        done,
        fixed.window == fixed.burst,
        fixed.read_latency,
        fixed.after_last_burst,
        None if len(traffic.rank) else _hits(sent, fixed, clocks, of_packet),
        traffic.passed,
        traffic.write,
    )


def _hits(
    sent: "Instructions", fixed: kernel.Fixed, clocks: NDArray[np.int64], of_packet: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return clock, rank and bursts of the RankCache's answers, by the kernel's own rule of reception."""
    taken = np.concatenate([[0], np.cumsum(sent.units, dtype=np.int64)])
    within = taken[1:] - taken[sent.packet_start[of_packet]]
    received = clocks[of_packet, kernel.INSTRUCTIONS_AT] + -(-within * fixed.window // fixed.per_window)
    answered = np.concatenate([[0], np.cumsum(sent.filled_by >= 0)])
    bursts = answered[sent.first_burst[1:]] - answered[sent.first_burst[:-1]]
    hit = bursts > 0
    clock, rank = received[hit] + fixed.decode, sent.rank[hit].astype(np.int64)
    return np.stack([clock, rank, bursts[hit]], axis=1)
