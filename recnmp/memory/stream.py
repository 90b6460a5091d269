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
from recnmp.memory.activity import RankActivity
from recnmp.memory.commands import Commands
from recnmp.memory.replay import (
    ControllerOptions,
    make_controllers,
    make_log,
    make_rules,
    make_work,
    named_counts,
    rank_activity,
    totals,
)
from recnmp.memory.requests import Requests

_MANY = 1 << 60
_COLUMNS = kernel.Work._fields[:-1]  # all but what is counted per group
_LEAST_LOG = 4096


@dataclass(frozen=True)
class Served:
    """Requests that were served while a stream ran on, N of them in the order they came.

    Attributes:
        number: number of each in the stream, shape (N,).
        accepted: clock at which it entered its queue, shape (N,).
        depart: clock of its last data beat, -1 for a write, shape (N,).
        commands: the commands issued meanwhile, when recorded; they may be for requests that still wait.
    """

    number: NDArray[np.int64]
    accepted: NDArray[np.int64]
    depart: NDArray[np.int64]
    commands: Commands | None = None


class Stream:
    """One controller that is given its requests chunk by chunk, each of one controller in one group.

    ``has_writes`` says whether any chunk may write; the schedule is the same with a needless True, and slower.
    With ``record`` the issued commands are handed out. Time is 64 bits wide. Raises ConfigError for a standard
    that the engine cannot follow.
    """

    def __init__(
        self, spec: DramSpec, options: ControllerOptions, *, has_writes: bool, record: bool = False
    ) -> None:
        self._spec, self._has_writes = spec, has_writes
        self._rules = make_rules(spec, options, has_writes)
        self._controllers = make_controllers(self._rules, options.refresh, np.zeros(2, np.int64))
        self._work = make_work(_nothing())
        self._work.served[:, kernel.REMAINING] = _MANY
        self._number = np.zeros(0, np.int64)  # of the requests in _work
        self._log = make_log(_LEAST_LOG if record else 0)
        self._arrived = self._fed = 0

    def feed(self, chunk: Requests, number: NDArray[np.int64] | None = None) -> Served:
        """Run until the request after the last of ``chunk`` would have to be known.

        ``number`` numbers the requests of the chunk, rising; by default they are counted through the stream.
        Raises RecnmpError for a chunk of several controllers, of writes that were not announced, or whose
        arrivals fall behind those of the chunk before it.
        """
        _check(chunk, self._has_writes, self._arrived)
        if number is None:
            number = np.arange(self._fed, self._fed + len(chunk))
        self._fed += len(chunk)
        self._arrived = int(chunk.arrive[-1]) if len(chunk) else self._arrived
        self._work = _append(self._work, make_work(chunk))
        self._number = np.concatenate([self._number, number])
        self._advance(kernel.MORE_TO_COME)
        commands = self._take_commands()
        waiting = _outstanding(self._controllers, self._work.depart)
        served = np.ones(len(self._number), np.bool_)
        served[waiting] = False
        work = self._work
        done = Served(self._number[served], work.accepted[served], work.depart[served], commands)
        _renumber(self._controllers, work.depart, waiting)
        self._work = work._replace(**{name: getattr(work, name)[waiting] for name in _COLUMNS})
        self._number = self._number[waiting]
        return done

    def finish(self) -> Served:
        """Run until the last request is served; nothing may be fed after it."""
        if self._advance(kernel.ALL) != kernel.DONE:
            raise RecnmpError("the DRAM engine stopped before its last request; please report this run")
        return Served(self._number, self._work.accepted, self._work.depart, self._take_commands())

    def _advance(self, until: int) -> int:
        code = kernel.NO_SPACE
        while code == kernel.NO_SPACE:
            code = kernel.advance(
                self._rules, self._controllers, self._work, self._log, 0, len(self._number), until
            )
            if code == kernel.NO_SPACE:
                self._log = np.concatenate([self._log, make_log(len(self._log))])
        return int(code)

    def _take_commands(self) -> Commands | None:
        if not len(self._log):
            return None
        log = self._log[: self._controllers.scalar[0, kernel.LOGGED]].copy()
        self._controllers.scalar[0, kernel.LOGGED] = 0
        for_one = log[:, 5] >= 0
        log[for_one, 5] = self._number[log[for_one, 5]]
        return Commands.of_log(log, self._spec)

    @property
    def cycles(self) -> int:
        """Last data beat so far."""
        return int(self._work.served[0, kernel.DONE_AT, 0])

    @property
    def counts(self) -> dict[str, int]:
        """What ``Timeline.counts`` holds, so far."""
        return named_counts(totals(self._controllers))

    def activity(self, cycles: int) -> RankActivity:
        """Return what the ranks did in ``cycles`` clocks; rows stay open after the last command."""
        return rank_activity(self._controllers.rank[0], cycles)


@dataclass
class StreamTotals:
    """What became of a stream of requests, in clocks of the standard.

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

    def add(self, served: Served) -> None:
        """Count served requests by when they entered and departed."""
        latency = (served.depart - served.accepted)[served.depart >= 0]
        self.requests += len(served.depart)
        self.reads += len(latency)
        self.read_latency_cycles += int(latency.sum())
        self.read_latency_max_cycles = max(self.read_latency_max_cycles, int(latency.max(initial=0)))

    @property
    def read_latency_avg_cycles(self) -> float:
        """Mean clocks from acceptance to the last data beat over all reads."""
        return self.read_latency_cycles / self.reads if self.reads else 0.0


def replay_stream(
    chunks: Iterable[Requests], spec: DramSpec, options: ControllerOptions, *, has_writes: bool
) -> StreamTotals:
    """Run one controller over ``chunks`` as a ``Stream`` does, and raise as it does; only totals are kept."""
    stream, found = Stream(spec, options, has_writes=has_writes), StreamTotals()
    for chunk in chunks:
        found.add(stream.feed(chunk))
    found.add(stream.finish())
    found.cycles, found.counts = stream.cycles, stream.counts
    return found


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
