"""Replaying reads of a host that can have only so many under way."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recnmp._threads import side_by_side
from recnmp.errors import RecnmpError
from recnmp.library.dram import DramSpec
from recnmp.memory import _kernels as kernel
from recnmp.memory.options import ControllerOptions
from recnmp.memory.replay import make_controllers, make_log, make_rules, make_work
from recnmp.memory.requests import Requests


def arrivals_outstanding(
    requests: Requests, spec: DramSpec, options: ControllerOptions, *, most: int, back: int
) -> tuple[NDArray[np.int64], int]:
    """Return when each read is asked for, shape (L,), and the clock at which all controllers have their last data.

    ``most`` reads of a controller are under way at a time: from the clock one is asked for to ``back`` clocks
    after its last data beat. Their places are given in order, as a core's reorder buffer does: read i waits for
    read i - ``most``. Raises RecnmpError for writes, and where ``most`` is below 1.
    """
    if requests.write.any() or most < 1:
        raise RecnmpError("at most so many requests under way: reads, one at least")
    rules = make_rules(spec, options, has_writes=False)

    def run(alone: Requests) -> tuple[NDArray[np.int64], int]:
        controllers = make_controllers(rules, options.refresh, alone.start)
        controllers.scalar[:, [kernel.MOST, kernel.BACK]] = most, back
        work = make_work(alone)
        work.arrive[most:] = kernel.NEVER  # until the one before it is back
        if kernel.advance(rules, controllers, work, make_log(0), 0, len(alone), kernel.ALL) != kernel.DONE:
            raise RecnmpError("the DRAM engine stopped before its last request; please report this run")
        return work.arrive, int(work.depart.max(initial=0))

    arrive, end = zip(*side_by_side(run, _one_by_one(requests)), strict=True)
    return np.concatenate(arrive), max(end)


def _one_by_one(requests: Requests) -> Iterator[Requests]:
    """Yield what each controller is asked for."""
    names = ("arrive", "lane", "row", "column", "write", "group")
    for begin, end in zip(requests.start[:-1], requests.start[1:], strict=True):
        columns = {name: getattr(requests, name)[begin:end] for name in names}
        yield replace(requests, start=np.array([0, end - begin]), **columns)
