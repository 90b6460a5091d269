"""Arrivals at which a front end that offers one request every few clocks gets its requests accepted."""

import numpy as np
from numpy.typing import NDArray

from recnmp.library.dram import DramSpec
from recnmp.memory import _kernels as kernel
from recnmp.memory.replay import ControllerOptions, make_controllers, make_log, make_rules, make_work
from recnmp.memory.requests import Requests

BLOCK = 64  # requests that are done again when one of them is refused


def accepted_every(
    gap: int, requests: Requests, spec: DramSpec, options: ControllerOptions
) -> NDArray[np.int64]:
    """Return the clock at which each request is accepted, shape (L,), when one is offered every ``gap`` clocks.

    As in Ramulator 2.1, whose front end ticks every ``gap`` clocks of its memory: a request that finds its queue full
    is offered again at the next tick, and with it all behind it. Here a request may enter at any clock from its
    arrival on, so the engine runs until one is not accepted when it arrives, puts that one off to the next tick,
    and does the block again. ``requests`` are of one controller.
    """
    n = len(requests)
    rules = make_rules(spec, options, bool(requests.write.any()))
    controllers = make_controllers(rules, options.refresh, requests.start)
    work = make_work(requests)
    work.arrive[:] = np.arange(n) * gap
    done = 0
    while done < n:
        end = min(done + BLOCK, n)
        before = kernel.Controller(*(values.copy() for values in controllers))
        kernel.advance(rules, controllers, work, make_log(0), 0, end, kernel.MORE_TO_COME)
        late = np.flatnonzero(work.accepted[done:end] != work.arrive[done:end])
        if len(late):
            first = done + int(late[0])
            tick = -(-int(work.accepted[first]) // gap)
            work.arrive[first:end] = (tick + np.arange(end - first)) * gap
            controllers = before
        else:
            done = end
            work.arrive[done:] = work.arrive[done - 1] + gap * np.arange(1, n - done + 1)
    return work.arrive
