"""What the host does besides, for product and twins alike."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recnmp.config.schema import HostTrafficConfig
from recnmp.memory.traffic import HostBursts, host_bursts
from recnmp.placement.place import make_mapping
from reference.frfcfs_tick import Request

TRAFFIC = {
    "gb_per_s": (0.5, 2.0, 6.0, 12.0, 30.0),
    "write_share": (0.0, 0.3, 1.0),
    "pattern": ("random", "stream"),
    "arrivals": ("poisson", "even"),
    "nearby": (False, True),
}
PLACE = ("channel", "rank", "bank", "row", "column")


def picked(choices: dict[str, tuple], *seed: int) -> dict[str, object]:
    """One of every choice."""
    rng = np.random.default_rng(seed)
    return {name: values[rng.integers(len(values))] for name, values in choices.items()}


def bursts_of(number: int, system, cycles: int, gathered: NDArray[np.int64]) -> HostBursts:
    """Bursts that arrive before clock ``cycles``; ``gathered`` (N, 5) are the places that a gather reads.

    With ``nearby`` many reads go where the gather reads or the host wrote shortly before, and writes into its rows;
    nothing that it reads is written.
    """
    choice = picked(TRAFFIC, 31, number)
    nearby = choice.pop("nearby")
    bursts = host_bursts(
        HostTrafficConfig(**choice, seed=number),
        system.spec,
        make_mapping(system.memory, system.spec),
        cycles,
    )
    rng = np.random.default_rng([32, number])
    place = np.stack([getattr(bursts, name) for name in PLACE], axis=1)
    read = {tuple(row) for row in gathered.tolist()}
    for n in np.flatnonzero(rng.random(len(bursts)) < 0.5 * nearby):
        there = gathered[rng.integers(len(gathered))].copy()
        if bursts.write[n]:
            there[4] = rng.integers(system.spec.organization.bursts_per_row.value)
        elif rng.random() < 0.5:
            there = place[max(n - rng.integers(1, 20), 0)]
        if not bursts.write[n] or tuple(there.tolist()) not in read:
            place[n] = there
    if bursts.write.any():  # uniformly random ones may hit what is gathered, too
        place[
            [bool(w) and tuple(row) in read for w, row in zip(bursts.write, place.tolist(), strict=True)], 3
        ] ^= 1
    return replace(bursts, **{name: place[:, k].astype(np.int32) for k, name in enumerate(PLACE)})


def as_request(bursts: HostBursts, n: int, rank: int, banks_of_group: int) -> Request:
    """Burst ``n`` as a request to rank ``rank`` of a controller."""
    place = divmod(int(bursts.bank[n]), banks_of_group)
    return Request(
        int(bursts.arrive[n]), int(bursts.write[n]), rank, *place, int(bursts.row[n]), int(bursts.column[n])
    )
