"""Replaying requests through DRAM controllers: the friendly side of the engine.

What a controller does is in ``recnmp.memory.options``.

Not modelled: power-down, temperature, ECC, command-bus signal integrity.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp._threads import side_by_side
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import COMMANDS, SAME_BANK, DramSpec
from recnmp.memory import _kernels as kernel
from recnmp.memory.activity import RankActivity
from recnmp.memory.commands import Commands
from recnmp.memory.options import PAGE_POLICIES, POLICIES, REFRESHES, ControllerOptions
from recnmp.memory.requests import Requests
from recnmp.memory.rules import make_rules
from recnmp.units import cycles_to_ns, gb_per_s

__all__ = [
    "PAGE_POLICIES",
    "POLICIES",
    "REFRESHES",
    "ControllerOptions",
    "Timeline",
    "make_controllers",
    "make_log",
    "make_rules",
    "make_work",
    "named_counts",
    "rank_activity",
    "replay",
    "timeline",
    "totals",
]


CACHE_LINES = 128  # bytes; processors fetch two lines of 64 B together


@dataclass(frozen=True)
class Timeline:
    """What became of the requests of U controllers, in clocks of the standard.

    Attributes:
        accepted: clock at which each request entered its queue, shape (L,).
        depart: clock of its last data beat, -1 for writes, shape (L,).
        done: clock of the last data beat of each group at each controller, 0 where it has none, shape (U, G).
        cycles: last data beat of all.
        counts: commands by name, ``row_hits``, ``row_misses``, ``row_conflicts`` (state of the bank when a
            request's first command is issued), reads ``forwarded`` from and writes ``absorbed`` by queued writes,
            reads ``merged`` into waiting ones.
        commands: issued commands of each controller, when recorded.
        activity: what the ranks of each controller did in ``cycles`` clocks.
    """

    accepted: NDArray[np.int64]
    depart: NDArray[np.int64]
    done: NDArray[np.int64]
    cycles: int
    counts: dict[str, int]
    commands: tuple[Commands, ...]
    activity: tuple[RankActivity, ...] = ()

    @property
    def read_latency_avg_cycles(self) -> float:
        """Mean clocks from acceptance to the last data beat over all reads."""
        reads = np.count_nonzero(self.depart >= 0)
        waited = self.depart - self.accepted
        if reads < len(waited):
            waited = waited[self.depart >= 0]
        return float(waited.sum() / reads) if reads else 0.0

    def statistics(self, spec: DramSpec, buses: int) -> dict[str, object]:
        """Return the figures of a result's ``memory`` section; ``buses`` data buses carried the bursts."""
        bursts = self.counts["RD"] + self.counts["WR"]
        ns = cycles_to_ns(self.cycles, spec.tCK_ps.value)
        return {
            "cycles": self.cycles,
            "requests": len(self.depart),
            "row_hits": self.counts["row_hits"],
            "row_misses": self.counts["row_misses"],
            "row_conflicts": self.counts["row_conflicts"],
            "commands": {name: self.counts[name] for name in spec.commands},
            "gb_per_s": gb_per_s(bursts * spec.organization.burst_bytes.value, ns),
            "bus_utilization": bursts * spec.cycles["nBL"] / (self.cycles * buses) if self.cycles else 0.0,
            "read_latency_avg_cycles": self.read_latency_avg_cycles,
        }


def make_controllers(
    rules: kernel.Rules, refresh: str, start: NDArray[np.int64], turns: int | None = None
) -> kernel.Controller:
    """Return idle controllers at clock 0, all banks closed; controller u begins with request ``start[u]``.

    Staggered refreshes, those of sets of banks among them, take ``turns`` within an interval, rank by rank over
    the controllers; by default every controller's ranks share an interval among themselves.
    """
    units, ranks, lanes = len(start) - 1, rules.ranks, rules.ranks * rules.banks
    queued = rules.read_queue + rules.write_queue
    scalar = _zeros((units, kernel.SCALARS), np.int64)
    at = _zeros((units, kernel.AT_ROWS, lanes), np.int32)
    key = _zeros((units, kernel.KEY_ROWS, lanes), np.int32)
    lane = _zeros((units, lanes, kernel.LANE_FIELDS), np.int64)
    rank = _zeros((units, ranks, kernel.RANK_FIELDS), np.int64)
    slot = _zeros((units, queued + lanes, kernel.SLOT_FIELDS), np.int64)
    ticket = _zeros((units, _tickets(queued + lanes)), np.int32)
    key[:] = kernel.NO_KEY
    scalar[:, kernel.NOW] = 1
    scalar[:, kernel.LIMIT] = kernel.NEVER
    scalar[:, kernel.NEXT] = start[:-1]
    scalar[:, kernel.FREE] = queued
    slot[:, :, kernel.TICKET] = -1
    slot[:, :queued, kernel.FREE_SLOT] = np.arange(queued)
    lane[:, :, : kernel.SERVED] = -1
    lane[:, :, kernel.LANE_RANK] = np.arange(lanes) // rules.banks
    interval = rules.refresh_interval
    due = np.full((units, ranks), interval or kernel.NEVER, np.int64)
    if interval and refresh in ("staggered", SAME_BANK):
        turns = turns or ranks
        due = interval // turns * (1 + np.arange(units * ranks).reshape(units, ranks) % turns)
    rank[:, :, kernel.REFRESH_AT] = due
    rank[:, :, kernel.HOLDING] = -1
    rank[:, :, kernel.ACTS :] = kernel.LONG_AGO
    scalar[:, kernel.REFRESH_DUE] = due.min(axis=1)
    return kernel.Controller(scalar, at, key, lane, rank, slot, ticket)


def _zeros(shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    """Return zeros that begin with a cache line, so that what threads write lies in lines of their own."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + CACHE_LINES, np.uint8)
    begin = -raw.ctypes.data % CACHE_LINES
    return raw[begin : begin + size].view(dtype).reshape(shape)


def _tickets(slots: int) -> int:
    """Return how many tickets a controller deals out in turn: so many that dealing anew costs little."""
    tickets = max(2048, 4 * slots)
    if tickets > kernel.MAX_TICKETS:
        raise ConfigError(f"a controller with {slots} queue entries and banks is beyond the engine's tickets")
    return tickets


def make_work(requests: Requests) -> kernel.Work:
    """Return the requests, as they are where the kernel can read them so, beside what becomes of them."""
    n, per_group = len(requests), requests.per_group
    narrow = (requests.lane, requests.row, requests.column)
    lane, row, column = (np.require(values, np.int32, ["C", "W"]) for values in narrow)
    return kernel.Work(
        np.array(requests.arrive, np.int64),  # a copy: delivery moves arrivals
        lane,
        row,
        column,
        np.require(requests.write, np.uint8, ["C", "W"]),
        np.zeros(n, np.uint8),
        np.require(requests.group, np.int32, ["C", "W"]),
        np.zeros(n, np.int64),
        np.full(n, -1, np.int64),
        np.stack([per_group, np.zeros_like(per_group)], axis=1),
    )


def make_log(room: int) -> NDArray[np.int64]:
    """Return room for the commands of one controller: cycle, command, lane, row, column, request."""
    return np.zeros((room, 6), np.int64)


def replay(
    requests: Requests, spec: DramSpec, options: ControllerOptions, *, record: bool = False
) -> Timeline:
    """Run every controller until its last request is served, controllers side by side in threads.

    With ``record`` the issued commands are kept. Raises ConfigError for a standard the engine cannot follow,
    and RecnmpError for a request to a rank that does not exist.
    """
    if requests.lane.max(initial=0) >= options.ranks * spec.banks_per_rank:
        raise RecnmpError(f"requests: lane {requests.lane.max()} is beyond the last of {options.ranks} ranks")
    rules = make_rules(spec, options, bool(requests.write.any()))
    controllers = make_controllers(rules, options.refresh, requests.start)
    work = make_work(requests)
    room = 4 * int(np.diff(requests.start).max()) + 4096 if record else 0

    def run(u: int) -> NDArray[np.int64]:
        log = make_log(room)
        end = int(requests.start[u + 1])
        while (code := kernel.advance(rules, controllers, work, log, u, end, kernel.ALL)) == kernel.NO_SPACE:
            log = np.concatenate([log, make_log(len(log))])
        if code != kernel.DONE:
            raise RecnmpError("the DRAM engine stopped before its last request; please report this run")
        return log

    logs = side_by_side(run, range(requests.controllers))
    commands = (
        tuple(
            Commands.of_log(log[: controllers.scalar[u, kernel.LOGGED]], spec) for u, log in enumerate(logs)
        )
        if record
        else ()
    )
    return timeline(controllers, work, commands)


def timeline(
    controllers: kernel.Controller,
    work: kernel.Work,
    commands: tuple[Commands, ...] = (),
    cycles: int = 0,
) -> Timeline:
    """Gather what the controllers did by clock ``cycles``, or by the last data beat where that is later."""
    done = work.served[:, kernel.DONE_AT]
    counts = named_counts(totals(controllers))
    cycles = max(cycles, int(done.max(initial=0)))
    activity = tuple(rank_activity(state, cycles) for state in controllers.rank)
    return Timeline(work.accepted, work.depart, done, cycles, counts, commands, activity)


def rank_activity(rank: NDArray[np.int64], cycles: int) -> RankActivity:
    """Return what the ranks of one controller did, from their rows of ``Controller.rank``."""
    commands = (kernel.ACT, kernel.RD, kernel.WR, kernel.REF, kernel.REFSB)
    *issued, of_sets = (rank[:, kernel.ISSUED + command] for command in commands)
    since_last_open = np.where(rank[:, kernel.OPEN_BANKS] > 0, cycles - rank[:, kernel.OPEN_SINCE], 0)
    active = rank[:, kernel.ACTIVE] + since_last_open
    figures = (*issued, active, cycles - active, of_sets)
    return RankActivity(cycles, *(values.astype(np.float64) for values in figures))


def totals(controllers: kernel.Controller) -> NDArray[np.int64]:
    """Return what ``named_counts`` names, over all controllers, shape (14,)."""
    issued = controllers.rank[:, :, kernel.ISSUED : kernel.ACTS].sum(axis=(0, 1))
    return np.concatenate([issued, controllers.scalar[:, : kernel.COUNTS].sum(axis=0)])


def named_counts(totals: NDArray[np.int64]) -> dict[str, int]:
    """Return ``Timeline.counts`` from the counters of a kernel, shape (14,), the commands' first."""
    names = (*COMMANDS, "row_hits", "row_misses", "row_conflicts", "forwarded", "absorbed", "merged")
    return {name: int(total) for name, total in zip(names, totals, strict=True)}
