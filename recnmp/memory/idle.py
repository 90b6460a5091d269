"""Refreshes of ranks that have nothing left to do while others work on."""

import numpy as np
from numpy.typing import NDArray

from recnmp.memory import _kernels as kernel


def refresh_idle_ranks(controllers: kernel.Controller, rules: kernel.Rules, cycles: int) -> None:
    """Count the refreshes that fall due by clock ``cycles`` while controllers have nothing left to do.

    The first one closes the rank's banks, or those of its set; the few clocks that the commands take are left out,
    and no command is logged.
    """
    rank = controllers.rank
    if rules.sets:
        for u, one in np.ndindex(rank.shape[:2]):
            lanes = controllers.lane[u, one * rules.banks : (one + 1) * rules.banks]
            _refresh_idle_sets(rank[u, one], lanes[:, kernel.ROW].reshape(-1, rules.sets), rules, cycles)
        return
    due = np.maximum((cycles - rank[..., kernel.REFRESH_AT]) // max(rules.refresh_interval, 1) + 1, 0)
    closed = (due > 0) & (rank[..., kernel.OPEN_BANKS] > 0)
    opened_for = rank[..., kernel.REFRESH_AT] - rank[..., kernel.OPEN_SINCE]
    rank[..., kernel.ACTIVE] += np.where(closed, opened_for, 0)
    rank[..., kernel.OPEN_BANKS][closed] = 0
    rank[..., kernel.ISSUED + kernel.PREA] += closed
    rank[..., kernel.ISSUED + kernel.REF] += due
    rank[..., kernel.REFRESH_AT] += due * rules.refresh_interval


def _refresh_idle_sets(
    rank: NDArray[np.int64], rows: NDArray[np.int64], rules: kernel.Rules, cycles: int
) -> None:
    """Refresh one rank's sets in turn; ``rows`` are the open rows by bank group and set, -1 = closed."""
    interval = rules.refresh_interval
    first = rank[kernel.REFRESH_AT] - rank[kernel.OWED] * interval
    due = max(0, (cycles - first) // interval + 1)
    for n in range(min(due, rules.sets)):
        of_set = rows[:, (rank[kernel.TURN] + n) % rules.sets]
        open_banks = np.count_nonzero(of_set >= 0)
        if open_banks:
            of_set[:] = -1
            rank[kernel.ISSUED + kernel.PRESB] += 1
            rank[kernel.OPEN_BANKS] -= open_banks
            if not rank[kernel.OPEN_BANKS]:
                rank[kernel.ACTIVE] += max(0, first + n * interval - rank[kernel.OPEN_SINCE])
    rank[kernel.ISSUED + kernel.REFSB] += due
    rank[kernel.REFRESH_AT] = first + due * interval
    rank[kernel.TURN] = (rank[kernel.TURN] + due) % rules.sets
    rank[kernel.OWED], rank[kernel.HOLDING] = 0, -1
