"""Replaying without holding the requests: any number of them in the memory of one chunk.

The engine stops where it would have to know the request after the last one it has. What is then neither
served nor new, at most the queues' capacity and a request per bank, is renumbered in age order and moved in
front of the next chunk; so the schedule is the one of a single replay, command by command.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.library.dram import DramSpec
from recnmp.memory import _kernels as kernel
from recnmp.memory.replay import (
    ControllerOptions,
    make_controllers,
    make_log,
    make_rules,
    make_work,
    named_counts,
)
from recnmp.memory.replay import totals as counted
from recnmp.memory.requests import Requests

_MANY = 1 << 60
_COLUMNS = kernel.Work._fields[:-1]  # all but what is counted per group


@dataclass
class StreamTotals:
    """What became of a stream of requests on one controller, in clocks of the standard.

    Attributes:
        requests: requests served.
        reads: those that were reads; ``read_latency_cycles`` is the sum of their latencies, from acceptance
            to the last data beat, ``read_latency_max_cycles`` the longest.
        cycles: last data beat of all.
        counts: as ``Timeline.counts``.
    """

    requests: int = 0
    reads: int = 0
    read_latency_cycles: int = 0
    read_latency_max_cycles: int = 0
    cycles: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, accepted: NDArray[np.int64], depart: NDArray[np.int64]) -> None:
        """Count served requests by when they entered and departed."""
        latency = (depart - accepted)[depart >= 0]
        self.requests += len(depart)
        self.reads += len(latency)
        self.read_latency_cycles += int(latency.sum())
        self.read_latency_max_cycles = max(self.read_latency_max_cycles, int(latency.max(initial=0)))


def replay_stream(
    chunks: Iterable[Requests], spec: DramSpec, options: ControllerOptions, *, has_writes: bool
) -> StreamTotals:
    """Run one controller over ``chunks``, each the next requests of one controller in one group.

    Memory stays that of the largest chunk, time is 64 bits wide. ``has_writes`` says whether any chunk may
    write. Raises RecnmpError for a chunk of several controllers, of writes that were not announced, or whose
    arrivals fall behind those of the chunk before it.
    """
    rules = make_rules(spec, options, has_writes)
    controllers = make_controllers(rules, options.refresh, np.zeros(2, np.int64))
    work, log, totals, arrived = make_work(_nothing()), make_log(0), StreamTotals(), 0
    work.served[:, kernel.REMAINING] = _MANY
    for chunk in chunks:
        _check(chunk, has_writes, arrived)
        arrived = int(chunk.arrive[-1]) if len(chunk) else arrived
        work = _append(work, make_work(chunk))
        kernel.advance(rules, controllers, work, log, 0, len(work.row), kernel.MORE_TO_COME)
        waiting = _outstanding(controllers, work.depart)
        served = np.ones(len(work.row), np.bool_)
        served[waiting] = False
        totals.add(work.accepted[served], work.depart[served])
        _renumber(controllers, work.depart, waiting)
        work = work._replace(**{name: getattr(work, name)[waiting] for name in _COLUMNS})
    code = kernel.advance(rules, controllers, work, log, 0, len(work.row), kernel.ALL)
    if code != kernel.DONE:
        raise RecnmpError("the DRAM engine stopped before its last request; please report this configuration")
    totals.add(work.accepted, work.depart)
    totals.cycles = int(work.served[0, kernel.DONE_AT, 0])
    totals.counts = named_counts(counted(controllers))
    return totals


def _nothing() -> Requests:
    empty = np.zeros(0, np.int64)
    narrow = empty.astype(np.int32)
    return Requests(np.zeros(2, np.int64), empty, narrow, narrow, narrow, empty.astype(np.uint8), narrow, 1)


def _check(chunk: Requests, has_writes: bool, arrived: int) -> None:
    if chunk.controllers != 1 or chunk.groups != 1:
        raise RecnmpError("a stream is of one controller and one group")
    if not has_writes and chunk.write.any():
        raise RecnmpError("a stream that was said to only read has a write")
    if len(chunk) and chunk.arrive[0] < arrived:
        raise RecnmpError("a chunk of the stream arrives before the one ahead of it")


def _append(work: kernel.Work, new: kernel.Work) -> kernel.Work:
    columns = {name: np.concatenate([getattr(work, name), getattr(new, name)]) for name in _COLUMNS}
    return work._replace(**columns)


def _outstanding(controllers: kernel.Controller, depart: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the requests that wait in a queue, for their column command or for a read to end with, oldest first."""
    slot = controllers.slot[0]
    waiting = slot[slot[:, kernel.TICKET] >= 0, kernel.REQUEST]
    followers = kernel.FOLLOWED - depart[depart <= kernel.FOLLOWED]
    return np.sort(np.concatenate([waiting, followers]))


def _renumber(controllers: kernel.Controller, depart: NDArray[np.int64], waiting: NDArray[np.int64]) -> None:
    """Give the ``waiting`` requests the numbers 0, 1, 2 ... everywhere in a controller's state and in links."""
    links = depart <= kernel.FOLLOWED
    depart[links] = kernel.FOLLOWED - np.searchsorted(waiting, kernel.FOLLOWED - depart[links])
    slot = controllers.slot[0]
    slot[:, kernel.REQUEST] = np.searchsorted(waiting, slot[:, kernel.REQUEST])
    controllers.scalar[0, kernel.NEXT] = len(waiting)
