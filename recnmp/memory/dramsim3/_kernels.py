"""The controller of the policy ``dramsim3``, event-driven: the schedule of a controller that wakes every clock.

A request waits in a transaction line (reads or writes), moves to the command queue of its bank or rank, and
leaves it with its RD or WR. A clock takes at most one request, issues at most one command and then moves at
most one request. A clock on which none of these can happen changes nothing, so the kernel jumps over it.
"""

from typing import NamedTuple

import numpy as np

from recnmp._accel import helper, inlined, jit
from recnmp.memory.dramsim3.banks._kernels import (
    ABSORBED,
    ACT,
    AGE,
    AT,
    DRAIN,
    DUE,
    END,
    FOR,
    FORWARDED,
    FREE,
    HITS,
    ISSUED,
    JOINED,
    LOGGED,
    MOVABLE,
    MOVED,
    NEXT,
    NEXT_PENDING,
    NEXT_SLOT,
    NOW,
    OPEN_BANKS,
    PRE,
    QUEUED,
    RD,
    REF,
    REFRESHES,
    REFRESHING,
    REQUEST,
    ROW,
    SLOT_ROW,
    SLOT_WRITE,
    STATE,
    TURN,
    WAITING,
    WR,
    Controller,
    append,
    close_row,
    command_ready,
    next_in_turn,
    open_row,
    refresh_rank,
    refresh_ready,
    use_row,
)

# Controller.queue and Controller.line
FILL, IN_LINE = 0, 1
SLOTS, QUEUES = 0, 2
# Work.ask and Work.fate
ARRIVE, LANE, REQUEST_ROW, COLUMN, WRITE, GROUP = 0, 1, 2, 3, 4, 5
ACCEPTED, DEPART, JOINED_NEXT = 0, 1, 2

WORTH_DRAINING = 8  # more waiting writes than this are drained when the command queues are empty

DONE, NO_SPACE, STUCK = 0, 1, 2
STILL, CHANGED = 0, 1


class Work(NamedTuple):
    """Requests of all controllers and what becomes of them, L requests in G groups."""

    ask: np.ndarray  # (L, 6)
    fate: np.ndarray  # (L, 3) clock it was accepted; last data beat (-1: write); next read merged with it
    done: np.ndarray  # (U, G) last data beat


@inlined
def _log(rules, c, w, log, t, command, lane, i):
    c.scalar[command] += 1
    c.rank[ISSUED + command, lane // rules.banks] += 1
    if len(log):
        n = c.scalar[LOGGED]
        log[n, 0], log[n, 1], log[n, 2], log[n, 5] = t, command, lane, i
        log[n, 3] = w.ask[i, REQUEST_ROW] if command in (ACT, RD, WR) else -1
        log[n, 4] = w.ask[i, COLUMN] if command >= RD and command <= WR else -1
        c.scalar[LOGGED] = n + 1


@inlined
def _chain(c, w, i):
    """Return where the chain of pending requests with the address of request ``i`` begins."""
    row, column, lane = w.ask[i, REQUEST_ROW], w.ask[i, COLUMN], w.ask[i, LANE]
    return (column ^ (row << 4) ^ (row >> 6) ^ (lane << 2)) & (len(c.pending) - 1)


@inlined
def _find_pending(c, w, i, write):
    """Return the slot of a pending read or write to the address of request ``i``, or -1."""
    slot = c.pending[_chain(c, w, i)]
    while slot >= 0:
        j = c.slot[slot, REQUEST]
        if (
            w.ask[j, REQUEST_ROW] == w.ask[i, REQUEST_ROW]
            and w.ask[j, COLUMN] == w.ask[i, COLUMN]
            and w.ask[j, LANE] == w.ask[i, LANE]
            and w.ask[j, WRITE] == write
        ):
            break
        slot = c.slot[slot, NEXT_PENDING]
    return slot


@inlined
def _release(c, w, slot):
    """Take a slot out of the pending addresses and free it."""
    chain = _chain(c, w, c.slot[slot, REQUEST])
    after = c.slot[slot, NEXT_PENDING]
    other = c.pending[chain]
    if other == slot:
        c.pending[chain] = after
    else:
        while c.slot[other, NEXT_PENDING] != slot:
            other = c.slot[other, NEXT_PENDING]
        c.slot[other, NEXT_PENDING] = after
    c.slot[slot, NEXT_SLOT] = c.scalar[FREE]
    c.scalar[FREE] = slot


@inlined
def _served(c, w, u, i, done, end):
    """Count request ``i`` as served: its last data beat, and the last clock the controller must live to."""
    g = w.ask[i, GROUP]
    w.done[u, g] = max(w.done[u, g], done)
    c.scalar[END] = max(c.scalar[END], end)


@inlined
def _accept(rules, c, w, u, t):
    """Take the next request at clock ``t``; its line has room."""
    s = c.scalar
    i = s[NEXT]
    write = w.ask[i, WRITE]
    s[NEXT] = i + 1
    w.fate[i, ACCEPTED] = t
    if rules.has_writes and _find_pending(c, w, i, 1) >= 0:
        s[ABSORBED if write else FORWARDED] += 1
        w.fate[i, DEPART] = -1 if write else t + 1
        _served(c, w, u, i, t + 1, t + 1)
        return
    if rules.merge_reads and not write:
        slot = _find_pending(c, w, i, 0)
        if slot >= 0:
            s[JOINED] += 1
            first = c.slot[slot, REQUEST]
            w.fate[i, JOINED_NEXT] = w.fate[first, JOINED_NEXT]
            w.fate[first, JOINED_NEXT] = i
            return
    slot = s[FREE]
    s[FREE] = c.slot[slot, NEXT_SLOT]
    chain = _chain(c, w, i)
    c.slot[slot, REQUEST] = i
    c.slot[slot, SLOT_ROW] = w.ask[i, REQUEST_ROW]
    c.slot[slot, SLOT_WRITE] = write
    c.slot[slot, STATE] = 0
    c.slot[slot, NEXT_PENDING] = c.pending[chain]
    c.pending[chain] = slot
    queue = w.ask[i, LANE] // rules.queue_lanes
    c.line[SLOTS + write, s[WAITING + write]] = slot
    c.line[QUEUES + write, s[WAITING + write]] = queue
    s[WAITING + write] += 1
    c.queue[IN_LINE + write, queue] += 1
    s[MOVABLE + write] += c.queue[FILL, queue] < rules.depth


@inlined
def _finish(rules, c, w, u, t, lane, slot):
    """Free a request whose RD or WR is issued, and answer the reads merged with it."""
    s, i = c.scalar, c.slot[slot, REQUEST]
    s[HITS + c.slot[slot, STATE] - 1] += 1
    queue = lane // rules.queue_lanes
    if c.queue[FILL, queue] == rules.depth:
        s[MOVABLE] += c.queue[IN_LINE, queue]
        s[MOVABLE + 1] += c.queue[IN_LINE + 1, queue]
    c.queue[FILL, queue] -= 1
    s[QUEUED] -= 1
    _release(c, w, slot)
    if c.slot[slot, SLOT_WRITE]:
        _served(c, w, u, i, t + rules.write_latency, t)
        return
    done = t + rules.read_latency
    while i >= 0:
        w.fate[i, DEPART] = done
        _served(c, w, u, i, done, done)
        i = w.fate[i, JOINED_NEXT]


@inlined
def _issue(rules, c, w, log, u, t):
    """Issue the next legal command of the queues at clock ``t``."""
    found = next_in_turn(rules, c, t)
    lane, command = found >> 2, found & 3
    slot = c.lane[FOR + command, lane]
    _log(rules, c, w, log, t, command, lane, c.slot[slot, REQUEST])
    c.scalar[TURN] = lane // rules.queue_lanes
    if c.slot[slot, STATE] == 0:
        # 1: its row was open, 2: its bank was closed, 3: another row was open
        c.slot[slot, STATE] = 1 if command >= RD else 2 if command == ACT else 3
    if command == PRE:
        close_row(rules, c, lane, t)
    elif command == ACT:
        open_row(rules, c, lane, t)
    else:
        use_row(rules, c, lane, slot, t)
        _finish(rules, c, w, u, t, lane, slot)


@helper
def _refresh(rules, c, w, log, t):
    """Issue what the first waiting refresh needs at clock ``t``: a PRE for each open bank, then REF."""
    rank = c.scalar[REFRESHING]
    lane = rank * rules.banks
    if c.rank[OPEN_BANKS, rank]:
        while c.lane[ROW, lane] < 0 or c.lane[AT + PRE, lane] > t:
            lane += 1
        _log(rules, c, w, log, t, PRE, lane, -1)
        close_row(rules, c, lane, t)
    else:
        _log(rules, c, w, log, t, REF, lane, -1)
        refresh_rank(rules, c, rank, t)
        c.scalar[REFRESHES] -= 1
        c.scalar[REFRESHING] = (rank + 1) % rules.ranks


@inlined
def _move(rules, c, w, end):
    """Move the first request in line whose command queue has room; tell whether the next clock may differ.

    Reads move unless a line of writes is being drained. A write waits for every read of its address, and
    ends the draining then: where that would begin again at once with nothing else to do, the controller is
    STUCK.
    """
    s = c.scalar
    idle = s[QUEUED] == 0
    full = s[WAITING + 1] >= rules.room or (s[WAITING + 1] > WORTH_DRAINING and idle)
    full = full or (s[NEXT] == end and s[WAITING] == 0)
    if s[DRAIN] == 0 and full:
        s[DRAIN] = s[WAITING + 1]
    q = 1 if s[DRAIN] else 0
    if s[MOVABLE + q] == 0:
        return STILL
    slots, queues = c.line[SLOTS + q], c.line[QUEUES + q]
    k = 0
    while c.queue[FILL, queues[k]] >= rules.depth:
        k += 1
    slot, queue = slots[k], queues[k]
    i = c.slot[slot, REQUEST]
    if q:
        if _find_pending(c, w, i, 0) >= 0:
            s[DRAIN] = 0
            return (STUCK if idle else STILL) if full else CHANGED
        s[DRAIN] -= 1
    s[WAITING + q] -= 1
    for j in range(k, s[WAITING + q]):
        slots[j] = slots[j + 1]
        queues[j] = queues[j + 1]
    s[MOVABLE + q] -= 1
    c.queue[IN_LINE + q, queue] -= 1
    c.queue[FILL, queue] += 1
    if c.queue[FILL, queue] == rules.depth:
        s[MOVABLE] -= c.queue[IN_LINE, queue]
        s[MOVABLE + 1] -= c.queue[IN_LINE + 1, queue]
    s[QUEUED] += 1
    c.slot[slot, AGE] = s[MOVED]
    s[MOVED] += 1
    append(rules, c, w.ask[i, LANE], slot)
    return CHANGED


@jit
def advance(rules, controllers, w, log, u, end):
    """Run controller ``u`` until its requests up to ``end`` are served and their last data beat is over.

    Returns DONE; NO_SPACE when the log is full, to be called again with a longer one; STUCK where the
    schedule would repeat the same clock for ever.
    """
    c = Controller(
        controllers.scalar[u],
        controllers.lane[u],
        controllers.rank[u],
        controllers.queue[u],
        controllers.slot[u],
        controllers.line[u],
        controllers.pending[u],
    )
    s = c.scalar
    ready = command_ready(rules, c)
    while True:
        if len(log) and s[LOGGED] == len(log):
            return NO_SPACE
        t = s[NOW]
        i = s[NEXT]
        if i < end and w.ask[i, ARRIVE] <= t and s[WAITING + w.ask[i, WRITE]] < rules.room:
            _accept(rules, c, w, u, t)
        if s[DUE] <= t:
            s[REFRESHES] += 1
            s[DUE] += rules.refresh_interval
            ready = command_ready(rules, c)
        issued = ready <= t
        if issued:
            if s[REFRESHES] and refresh_ready(rules, c) <= t:
                _refresh(rules, c, w, log, t)
            else:
                _issue(rules, c, w, log, u, t)
        moved = _move(rules, c, w, end)
        if moved == STUCK:
            return STUCK
        if moved == CHANGED or issued:
            ready = command_ready(rules, c)
        event = min(max(ready, t + 1), s[DUE])
        if moved == CHANGED and s[MOVABLE] + s[MOVABLE + 1]:
            event = t + 1
        i = s[NEXT]
        if i < end:
            if s[WAITING + w.ask[i, WRITE]] < rules.room:
                event = min(event, max(w.ask[i, ARRIVE], t + 1))
        elif s[QUEUED] + s[WAITING] + s[WAITING + 1] == 0 and event > s[END]:
            return DONE
        s[NOW] = event
