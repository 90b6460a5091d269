"""The most that memory can deliver to a gather, by closed forms of its standard: over channels, and inside ranks."""

from typing import NamedTuple

from recnmp.config.schema import MemoryConfig
from recnmp.library.dram import COMMANDS, DramSpec

_ACT = COMMANDS.index("ACT")


class MemoryRoofs(NamedTuple):
    """Rates at which entries are read [10^9 bytes/s]: by the host over its channels, and by all ranks for themselves.

    ``rank_share`` is the share of its own data bus that a rank can use, and ``rank_limit`` what limits it.
    """

    host_gb_per_s: float
    near_memory_gb_per_s: float
    rank_share: float
    rank_limit: str


def memory_roofs(spec: DramSpec, memory: MemoryConfig, entry_bytes: int) -> MemoryRoofs:
    """Return what ``memory`` can deliver of entries of ``entry_bytes`` where each opens a row of its own.

    A rank moves a burst every nBL, opens as many rows in a window as nFAW allows and each bank one every nRC, and
    does nothing while it refreshes; the host has all ranks of a channel, but one data bus, which waits only for a
    refresh of all at once. Not counted: turnarounds, conflicts of banks, instructions and results on the way.
    """
    cycles, bursts = spec.cycles, max(1, -(-entry_bytes // spec.organization.burst_bytes.value))
    window, wait = spec.act_window
    row_cycle = int(spec.gaps[_ACT, _ACT, 0])
    moved = bursts * cycles["nBL"]  # clocks of the data bus for each row that is opened
    shares = {
        "data bus": 1.0,
        "nFAW": window * moved / wait if wait else 1.0,
        "nRC": spec.banks_per_rank * moved / row_cycle if row_cycle else 1.0,
    }
    limit = min(shares, key=shares.__getitem__)
    ranks = memory.dimms_per_channel * memory.ranks_per_dimm
    idle = cycles["nRFC"] / cycles["nREFI"]
    rank_works = 1.0 if memory.refresh in ("off", "same_bank") else 1 - idle
    bus_works = rank_works if memory.refresh == "simultaneous" or ranks == 1 else 1.0
    peak = memory.channels * spec.peak_gb_per_s
    return MemoryRoofs(
        host_gb_per_s=peak * min(1.0, ranks * shares[limit]) * bus_works,
        near_memory_gb_per_s=peak * ranks * shares[limit] * rank_works,
        rank_share=shares[limit] * rank_works,
        rank_limit=limit,
    )
