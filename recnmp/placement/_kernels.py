"""Kernels of placement: arrays only, allocated by the caller."""

import numpy as np
from numpy.typing import NDArray

from recnmp._accel import jit


@jit
def choose_copies(
    start: NDArray[np.int64],
    unit: NDArray[np.int64],
    preferred: NDArray[np.int64],
    load: NDArray[np.int64],
    total: NDArray[np.int64],
) -> None:
    """Choose the rank of every lookup that has a copy in each, window by window, so that loads are even.

    Window w holds lookups ``start[w] : start[w + 1]``. ``unit`` is the rank of each lookup over all channels;
    where ``preferred`` is not negative, every rank would do and ``unit`` is set. What cannot move and the mean
    load bound from below what the busiest rank must do; a copy is read where it is preferred while that rank is
    below the bound, else where the load is least (of the window, then of all windows before, then the first).
    No window's busiest rank can be made to do less. ``load`` and ``total`` are zeros, one for each rank.
    """
    ranks = len(load)
    for w in range(len(start) - 1):
        load[:] = 0
        bound = -(-(start[w + 1] - start[w]) // ranks)
        for i in range(start[w], start[w + 1]):
            if preferred[i] < 0:
                load[unit[i]] += 1
                bound = max(bound, load[unit[i]])
        for i in range(start[w], start[w + 1]):
            if preferred[i] < 0:
                continue
            chosen = preferred[i]
            if load[chosen] >= bound:
                chosen = 0
                for u in range(1, ranks):
                    if load[u] < load[chosen] or (load[u] == load[chosen] and total[u] < total[chosen]):
                        chosen = u
            unit[i] = chosen
            load[chosen] += 1
        total += load


@jit
def combine(
    first: NDArray[np.int64], of_first: NDArray[np.int32], of_part: NDArray[np.int32], out: NDArray[np.int32]
) -> None:
    """Set ``out`` for part k of item i, at ``first[i] + k``, to ``of_first[i]`` XOR ``of_part[k]``."""
    for i in range(len(of_first)):
        for at in range(first[i], first[i + 1]):
            out[at] = of_first[i] ^ of_part[at - first[i]]
