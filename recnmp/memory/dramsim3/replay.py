"""Replaying requests as DRAMsim3 schedules them, for those who published on it.

The rules are those of DRAMsim3 (umd-memsys/DRAMsim3, commit 2981759) with open pages and rank-level refresh.
A request is taken into a transaction line, of reads or of writes, with room or not at all, one per clock. One
request per clock moves on to the command queue of its bank (or rank): of the reads, or once the line of writes
is full, or longer than 8 with all command queues empty, of the writes for as many as there are. Command queues
take turns; of a queue the oldest request goes whose next command is legal. PRE is for the oldest of a bank,
and only when none of its queue hits the open row or that row has served 4. A read to the address of a waiting
write is answered by it a clock later, a second write to it is absorbed, and with ``merge_reads`` a read to
the address of a waiting read is answered by that one's data. While a refresh is due, its rank takes no command
but the PREs and the REF. Two things differ, both where DRAMsim3's own front end never comes to an end: when no
request is left to come and no read in line, the last 8 writes are drained too; and where it would turn on the
spot for ever, this is an error.

Not modelled: closed pages, bank-level refresh, self-refresh, and what ``recnmp.memory.replay`` leaves out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp._threads import side_by_side
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import ALL_BANK_COMMANDS, SAME_BANK_COMMANDS, DramSpec
from recnmp.memory.activity import RankActivity
from recnmp.memory.commands import Commands
from recnmp.memory.dramsim3 import _kernels as kernel
from recnmp.memory.dramsim3.banks import _kernels as banks
from recnmp.memory.replay import Timeline, named_counts
from recnmp.memory.requests import Requests

PER = ("bank", "rank")
REFRESHES = ("off", "staggered")

# commands that the controller can keep waiting after ACT, PRE, RD and WR: in the same bank, in other banks of
# the rank, and in other ranks; RD, WR and REF of another bank are only kept waiting where the table says so
_OWN = ({0, 1, 2, 3, 4}, {0, 4}, {1, 2, 3, 4}, {1, 2, 3, 4})
_COLUMNS = {2, 3}


@dataclass(frozen=True)
class Dramsim3Options:
    """How a controller works; the defaults are DRAMsim3's shipped ones for DDR4.

    Attributes:
        ranks: ranks behind its command bus, R.
        transaction_queue: reads, and writes, it can hold before they move to a command queue.
        command_queue: requests a command queue can hold.
        per: ``bank`` or ``rank``: what has a command queue of its own.
        merge_reads: answer a read with the data of an earlier one to the same address that still waits. It
            saves bursts that other controllers spend, so a result should name it.
        refresh: ``off``, or ``staggered``: rank after rank, evenly over nREFI (a remainder of the division
            by R is dropped, so every rank is due a little early).

    Raises ConfigError for a choice that does not exist, and for fewer than one rank or queue entry.
    """

    ranks: int
    transaction_queue: int = 32
    command_queue: int = 8
    per: str = "bank"
    merge_reads: bool = True
    refresh: str = "staggered"

    def __post_init__(self) -> None:
        if self.per not in PER or self.refresh not in REFRESHES:
            raise ConfigError(
                f"dramsim3: queues per {self.per!r} and refresh {self.refresh!r}: "
                f"allowed are {PER} and {REFRESHES}"
            )
        for name in ("ranks", "transaction_queue", "command_queue"):
            if getattr(self, name) < 1:
                raise ConfigError(f"dramsim3: {name} is {getattr(self, name)}; it must be 1 or more")


def replay_dramsim3(
    requests: Requests, spec: DramSpec, options: Dramsim3Options, *, record: bool = False
) -> Timeline:
    """Run every controller until its last request is served, controllers side by side in threads.

    With ``record`` the issued commands are kept. ``counts`` also has reads ``merged`` with an earlier one.
    Raises ConfigError for a standard the controller cannot follow, and RecnmpError for a request to a rank
    that does not exist and for requests that DRAMsim3 would never finish.
    """
    spec.check_ranks(options.ranks)
    if requests.lane.max(initial=0) >= options.ranks * spec.banks_per_rank:
        raise RecnmpError(f"requests: lane {requests.lane.max()} is beyond the last of {options.ranks} ranks")
    rules = _make_rules(spec, options, bool(requests.write.any()))
    controllers = _make_controllers(rules, requests.start)
    work = _make_work(requests)
    room = 4 * int(np.diff(requests.start).max()) + 4096 if record else 0

    def run(u: int) -> NDArray[np.int64]:
        log = np.zeros((room, 6), np.int64)
        end = int(requests.start[u + 1])
        while (code := kernel.advance(rules, controllers, work, log, u, end)) == kernel.NO_SPACE:
            log = np.concatenate([log, np.zeros_like(log)])
        if code == kernel.STUCK:
            raise RecnmpError(
                f"dramsim3: from clock {controllers.scalar[u, banks.NOW]} on DRAMsim3 makes no progress: a write "
                "to be drained waits for a read of its address, which waits for the drain; use policy frfcfs"
            )
        return log

    logs = side_by_side(run, range(requests.controllers))
    commands = (
        tuple(Commands.of_log(log[: controllers.scalar[u, banks.LOGGED]], spec) for u, log in enumerate(logs))
        if record
        else ()
    )
    totals = controllers.scalar[:, : banks.COUNTS].sum(axis=0)
    counts = named_counts(np.insert(totals, len(ALL_BANK_COMMANDS), [0] * len(SAME_BANK_COMMANDS)))
    accepted, depart = work.fate[:, kernel.ACCEPTED], work.fate[:, kernel.DEPART]
    cycles = int(work.done.max(initial=0))
    activity = tuple(_activity(state, cycles) for state in controllers.rank)
    return Timeline(accepted, depart, work.done, cycles, counts, commands, activity)


def _activity(rank: NDArray[np.int64], cycles: int) -> RankActivity:
    """Return what the ranks of one controller did, from their columns of ``Controller.rank``."""
    issued = [rank[banks.ISSUED + command] for command in (banks.ACT, banks.RD, banks.WR, banks.REF)]
    still_open = np.where(rank[banks.OPEN_BANKS] > 0, cycles - rank[banks.OPEN_SINCE], 0)
    active = rank[banks.ACTIVE] + still_open
    return RankActivity(cycles, *(values.astype(np.float64) for values in (*issued, active, cycles - active)))


def _check(spec: DramSpec) -> None:
    """Raise ConfigError for a constraint that the controller does not space."""
    if spec.bus_cycles.max() > 1:
        raise ConfigError(f"{spec.name}: policy dramsim3 has no rule for commands of several clocks")
    gaps = spec.gaps
    for x, after in enumerate(ALL_BANK_COMMANDS):
        for y, before in enumerate(ALL_BANK_COMMANDS):
            if "PREA" in (after, before):
                continue  # never issued
            columns = x in _COLUMNS and y in _COLUMNS
            whole = after == "REF" or before == "REF"
            wide = (x, y) == (0, 0) or columns or whole
            own = y in _OWN[x] if x < banks.REF else y in (0, banks.REF)
            known = own, wide, wide, columns
            if gaps[x, y, np.logical_not(known)].any():
                raise ConfigError(
                    f"{spec.name}: policy dramsim3 has no rule of this scope: {after} to {before}"
                )


def _make_rules(spec: DramSpec, options: Dramsim3Options, has_writes: bool) -> banks.Rules:
    _check(spec)
    gaps, cycles = spec.gaps, spec.cycles
    group_of = np.arange(spec.banks_per_rank) // spec.organization.banks_per_group.value
    relation = np.where(group_of[:, None] == group_of[None, :], 1, 2)
    np.fill_diagonal(relation, 0)
    window, window_wait = spec.act_window
    return banks.Rules(
        ranks=options.ranks,
        banks=spec.banks_per_rank,
        own=gaps[:, :, 0].copy(),
        wide=np.ascontiguousarray(gaps[:4, :4][:, :, relation]),
        other=gaps[:4, :4, 3].copy(),
        act_window=window,
        act_window_wait=window_wait,
        read_latency=cycles["nCL"] + cycles["nBL"],
        write_latency=cycles["nCWL"] + cycles["nBL"],
        refresh_interval=0 if options.refresh == "off" else cycles["nREFI"] // options.ranks,
        room=options.transaction_queue,
        depth=options.command_queue,
        queue_lanes=1 if options.per == "bank" else spec.banks_per_rank,
        merge_reads=int(options.merge_reads),
        has_writes=int(has_writes),
    )


def _make_controllers(rules: banks.Rules, start: NDArray[np.int64]) -> banks.Controller:
    """Return idle controllers at clock 0, all banks closed; controller u begins with request ``start[u]``."""
    units, lanes = len(start) - 1, rules.ranks * rules.banks
    queues = lanes // rules.queue_lanes
    slots = 2 * rules.room + queues * rules.depth
    scalar = np.zeros((units, banks.SCALARS), np.int64)
    lane = np.zeros((units, banks.LANE_FIELDS, lanes), np.int64)
    rank = np.zeros((units, banks.ACTS + rules.act_window, rules.ranks), np.int64)
    slot = np.zeros((units, slots, banks.SLOT_FIELDS), np.int64)
    scalar[:, banks.NEXT] = start[:-1]
    scalar[:, banks.DUE] = rules.refresh_interval or banks.NEVER
    slot[:, :, banks.NEXT_SLOT] = np.arange(1, slots + 1)
    lane[:, banks.OFF : banks.OFF + 4] = banks.NEVER
    lane[:, [banks.ROW, banks.HEAD, banks.TAIL]] = -1
    rank[:, banks.BEST : banks.BEST + 4] = banks.NEVER
    rank[:, banks.ACTS :] = banks.LONG_AGO
    return banks.Controller(
        scalar,
        lane,
        rank,
        np.zeros((units, 3, queues), np.int64),
        slot,
        np.zeros((units, 4, rules.room), np.int64),
        np.full((units, 4 << slots.bit_length()), -1, np.int64),
    )


def _make_work(requests: Requests) -> kernel.Work:
    columns = (requests.arrive, requests.lane, requests.row, requests.column, requests.write, requests.group)
    fate = np.zeros((len(requests), 3), np.int64)
    fate[:, [kernel.DEPART, kernel.JOINED_NEXT]] = -1
    done = np.zeros((requests.controllers, requests.groups), np.int64)
    return kernel.Work(np.stack(columns, axis=1, dtype=np.int64), fate, done)
