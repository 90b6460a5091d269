"""In which order packets reach the channels: what threads send at the same time, and what a scheduler makes of it.

Batches run in rounds, as many at once as there are threads; a round's packets come thread by thread, in turn, or
in random turns, each thread's in the order of its program. A table-aware scheduler then holds a round together
and sends every rank packets of one table one after the other, so that it meets entries again while its cache has
them.

Source: Ke et al., RecNMP, ISCA 2020, table-aware packet scheduling. Not modelled: the time the scheduler takes,
and the limit of its queue, which here holds a round.
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.config.schema import ArrivalConfig


def arrival_order(batch: NDArray[np.int64], arrival: ArrivalConfig) -> NDArray[np.int64]:
    """Return the units of work (packets, bags) in the order of their arrival, shape (P,).

    ``batch`` is that of each unit in program order, shape (P,), not decreasing.
    """
    if arrival.threads == 1 or arrival.order == "batched":
        return np.arange(len(batch))
    number, first = _numbered(batch)
    together, thread = np.divmod(number, arrival.threads)
    turn = np.arange(len(batch)) - first[number]
    if arrival.order == "round_robin":
        return np.lexsort((thread, turn, together))
    drawn = np.random.default_rng(arrival.seed).random(len(batch))
    when = drawn[np.lexsort((drawn, number))]  # a thread's own units stay in order
    return np.lexsort((when, together))


def table_aware(
    order: NDArray[np.int64],
    batch: NDArray[np.int64],
    table: NDArray[np.uint16],
    home: NDArray[np.int64],
    arrival: ArrivalConfig,
) -> NDArray[np.int64]:
    """Return ``order``, shape (P,), with the packets of a round brought together by their tables.

    Packets that one rank executes alone, as page colouring makes them, go to their ranks in turn: every rank gets
    its own tables one after the other, and none waits for another one's.

    ``batch`` and ``table`` are those of each packet in program order, ``home`` the rank that executes all of it,
    -1 where several do, shape (P,).
    """
    together = _numbered(batch)[0] // arrival.threads
    order = order[np.lexsort((table[order], home[order], together[order]))]
    rank, when = home[order], together[order]
    begins = np.flatnonzero(np.diff(rank, prepend=-2).astype(bool) | np.diff(when, prepend=-1).astype(bool))
    lasts = np.diff(begins, append=len(order))
    turn = np.arange(len(order)) - np.repeat(begins, lasts)
    return order[np.lexsort((rank, turn, when))]


def _numbered(batch: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the batches counted from 0, shape (P,), and the first unit of each."""
    _, first, number = np.unique(batch, return_index=True, return_inverse=True)
    return number, first
