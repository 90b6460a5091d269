"""Request streams for the DRAM tests, by name: where (``PLACES``), what (``MIXES``) and when (``ARRIVALS``).

A stream is an int64 array of shape (L, 7): arrive, is_write, rank, bank_group, bank, row, column.
"""

import os

import numpy as np
from numpy.typing import NDArray

from recnmp.memory.requests import Requests

Stream = NDArray[np.int64]
Rng = np.random.Generator

JITTED = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
GROUPS, BANKS, ROWS, COLUMNS = 4, 4, 65536, 128
"""Bank groups of a rank, banks of a group, rows, and bursts of a row, as in DDR4 x8."""


def size(jitted: int, interpreted: int) -> int:
    """How much to do: much when kernels are compiled, little when they run as plain Python."""
    return jitted if JITTED else interpreted


def anywhere(rng: Rng, n: int, ranks: int) -> Stream:
    """Uniform over all ranks, banks, rows and columns, shape (n, 5)."""
    return np.stack([rng.integers(0, limit, n) for limit in (ranks, GROUPS, BANKS, ROWS, COLUMNS)], axis=1)


def stream(rng: Rng, n: int, ranks: int) -> Stream:
    """Consecutive bursts: bank group, column, bank, rank, row from the fastest field to the slowest."""
    burst = np.arange(n) + rng.integers(0, 1 << 20)
    burst, group = np.divmod(burst, GROUPS)
    burst, column = np.divmod(burst, COLUMNS)
    burst, bank = np.divmod(burst, BANKS)
    row, rank = np.divmod(burst, ranks)
    return np.stack([rank, group, bank, row % ROWS, column], axis=1)


def zipf(rng: Rng, n: int, ranks: int) -> Stream:
    """Few popular rows and many rare ones, each somewhere."""
    home = anywhere(rng, 400, ranks)
    picked = home[np.minimum(rng.zipf(1.3, n) - 1, len(home) - 1)]
    picked[:, 4] = rng.integers(0, COLUMNS, n)
    return picked


def conflict(rng: Rng, n: int, ranks: int) -> Stream:
    """One bank of each rank in turn, another row every time."""
    place = np.zeros((n, 5), np.int64)
    place[:, 0] = np.arange(n) % ranks
    place[:, 3] = np.arange(n) // ranks + rng.integers(0, 1000)
    return place


def hits(rng: Rng, n: int, ranks: int) -> Stream:
    """Always the same row of a bank."""
    place = anywhere(rng, n, ranks)
    place[:, 3] = (place[:, 0] * 31 + place[:, 1] * 7 + place[:, 2]) % ROWS
    return place


def vectors(rng: Rng, n: int, ranks: int) -> Stream:
    """Entries of four consecutive bursts, popular and rare ones."""
    place = np.repeat(zipf(rng, n // 4 + 1, ranks), 4, axis=0)[:n]
    place[:, 4] = place[:, 4] // 4 * 4 + np.arange(n) % 4
    return place


PLACES = {
    "random": anywhere,
    "stream": stream,
    "zipf": zipf,
    "conflict": conflict,
    "hits": hits,
    "vectors": vectors,
}
MIXES = {"reads": 0.0, "mixed": 0.3, "writes": 1.0, "echo": 0.6}
"""Share of writes; with ``echo`` half of all requests go where one shortly before went."""
ARRIVALS = ("saturated", "sparse", "bursty")


def arrivals(rng: Rng, n: int, kind: str) -> NDArray[np.int64]:
    """Clocks from which requests are offered, shape (n,): at once, with random gaps, or in clusters."""
    if kind == "saturated":
        return np.zeros(n, np.int64)
    if kind == "sparse":
        return np.cumsum(rng.geometric(1 / 30, n) - 1)
    return np.cumsum(np.where(rng.random(n) < 0.04, rng.integers(1, 900, n), 0))


def traffic(seed: int, n: int, ranks: int, place: str, mix: str, arrival: str) -> Stream:
    """A stream of ``n`` requests, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    where = PLACES[place](rng, n, ranks)
    write = rng.random(n) < MIXES[mix]
    if mix == "echo":
        back = np.minimum(rng.integers(1, 13, n), np.arange(n))
        for i in np.flatnonzero(rng.random(n) < 0.5):
            where[i] = where[i - back[i]]
    return np.column_stack([arrivals(rng, n, arrival), write, where])


def as_requests(*channels: Stream, group: NDArray[np.int64] | None = None, groups: int = GROUPS) -> Requests:
    """One stream for each controller; all requests are of one group unless ``group`` tells.

    A rank has ``groups`` bank groups of four banks.
    """
    start = np.cumsum([0, *map(len, channels)])
    arrive, write, rank, bank_group, bank, row, column = np.concatenate(channels).T
    group = np.zeros(len(row), np.int64) if group is None else group
    return Requests(
        start,
        np.ascontiguousarray(arrive),
        ((rank * groups + bank_group) * BANKS + bank).astype(np.int32),
        row.astype(np.int32),
        column.astype(np.int32),
        write.astype(np.uint8),
        group.astype(np.int32),
        int(group.max(initial=0)) + 1,
    )
