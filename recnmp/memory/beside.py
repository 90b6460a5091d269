"""Replaying requests while the host does other things on the same channels.

The requests of the gather-reduce are all there from the start and wait for room; the host's own come at their own
time and are taken first, each controller's in order of arrival. The run ends when the gather-reduce does.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recnmp._threads import side_by_side
from recnmp.errors import RecnmpError
from recnmp.library.dram import DramSpec
from recnmp.memory import _kernels as kernel
from recnmp.memory.commands import Commands
from recnmp.memory.options import ControllerOptions
from recnmp.memory.replay import Timeline, make_controllers, make_log, make_rules, make_work, timeline
from recnmp.memory.requests import Requests
from recnmp.memory.traffic import HostBursts, Served


def replay_beside(
    requests: Requests,
    others: HostBursts,
    spec: DramSpec,
    options: ControllerOptions,
    *,
    record: bool = False,
) -> tuple[Timeline, Served]:
    """Run every channel's controller until its last request is served, with the host's bursts coming in beside.

    Returns what became of ``requests``, and of ``others``. With ``record`` commands of both are kept.
    """
    channels = requests.controllers
    by_channel = np.argsort(others.channel, kind="stable")
    ends = np.searchsorted(others.channel[by_channel], np.arange(channels + 1))
    rules = make_rules(spec, options, bool(others.write.any()))
    controllers = make_controllers(rules, options.refresh, requests.start)
    controllers.scalar[:, kernel.SIDE] = len(requests) + ends[:-1]
    controllers.scalar[:, kernel.SIDE_END] = len(requests) + ends[1:]
    work = _with_others(make_work(requests), others, by_channel, spec.banks_per_rank)
    room = 4 * int((np.diff(requests.start) + np.diff(ends)).max()) + 4096 if record else 0

    def run(u: int) -> Commands:
        log = make_log(room)
        for group in range(requests.groups):
            end = int(requests.start[u + 1])
            while (code := kernel.advance(rules, controllers, work, log, u, end, group)) == kernel.NO_SPACE:
                log = np.concatenate([log, make_log(len(log))])
            if code != kernel.DONE:
                raise RecnmpError("the DRAM engine stopped before its last request; please report this run")
        return Commands.of_log(log[: controllers.scalar[u, kernel.LOGGED]], spec)

    commands = tuple(side_by_side(run, range(channels)))
    n, groups = len(requests), requests.groups
    done = timeline(controllers, work, commands if record else ())
    taken = np.zeros(len(others), np.bool_)
    for u, end in enumerate(ends[:-1]):
        taken[end : int(controllers.scalar[u, kernel.SIDE]) - n] = True
    # a write has passed the channel when a controller has it; below -1 a read waits together with another
    at = np.where(work.write[n:], work.accepted[n:], np.maximum(work.depart[n:], -1))
    passed = np.empty(len(others), np.int64)
    passed[by_channel] = np.where(taken, at, -1)
    of_requests = replace(
        done,
        accepted=done.accepted[:n],
        depart=done.depart[:n],
        done=done.done[:, :groups],
        cycles=int(done.done[:, :groups].max(initial=0)),
    )
    return of_requests, Served(others, passed)


def _with_others(work: kernel.Work, others: HostBursts, order: NDArray[np.int64], banks: int) -> kernel.Work:
    """Return ``work`` with the host's bursts in ``order`` behind it, in a group of their own."""
    n = len(others)
    theirs = {
        "arrive": others.arrive[order],
        "lane": (others.rank * banks + others.bank)[order],
        "row": others.row[order],
        "column": others.column[order],
        "write": others.write[order],
        "more": np.zeros(n, np.uint8),
        "group": np.full(n, work.served.shape[2], np.int32),
        "accepted": np.zeros(n, np.int64),
        "depart": np.full(n, -1, np.int64),
    }
    columns = {name: np.concatenate([getattr(work, name), values]) for name, values in theirs.items()}
    return work._replace(**columns, served=np.pad(work.served, ((0, 0), (0, 0), (0, 1))))
