"""The controller of the policy ``dramsim3``, event-driven: the schedule of a controller that wakes every clock.

A request waits in a transaction line (reads or writes), moves to the command queue of its bank or rank, and
leaves it with its RD or WR. A clock takes at most one request, issues at most one command and then moves at
most one request. A clock on which none of these can happen changes nothing, so the kernel jumps over it.

Every lane (bank) offers at most one request per command: the ACT or PRE that its oldest queued request
needs, the RD and the WR of the oldest that hit its open row. A rank keeps the earliest clock of each command
over its lanes, and the clocks that rules across banks or ranks demand, so only the rank of a command is
looked through again.
"""

from typing import NamedTuple

import numpy as np

from recnmp._accel import helper, inlined, jit

ACT, PRE, RD, WR, REF = 0, 1, 2, 3, 4

# Controller.lane: by command ACT to WR its earliest clock by the rules, a bias of NEVER where no request
# needs it, and the slot of the request that does; then the lane's state
AT, OFF, FOR = 0, 4, 8
ROW, SERVED, HEAD, TAIL = 12, 13, 14, 15
LANE_FIELDS = 16
# Controller.rank: by command its earliest clock over the lanes, and a bound for all lanes; ACTS is the first
# row of the window's
BEST, FLOOR, REF_READY, OPEN_BANKS, ACTS = 0, 4, 8, 9, 10
# Controller.queue: requests in each command queue, and reads and writes in line for it
FILL, IN_LINE = 0, 1
QUEUE_FIELDS = 3
# Controller.slot: one request that needs a command of its own each
REQUEST, NEXT_SLOT, AGE, MERGED, NEXT_PENDING, FREE_SLOT, STATE = 0, 1, 2, 3, 4, 5, 6
SLOT_FIELDS = 7
# Controller.scalar: commands issued in 0 to 5, then
HITS, MISSES, CONFLICTS, FORWARDED, ABSORBED, JOINED = 6, 7, 8, 9, 10, 11
COUNTS = 12
NOW, NEXT, WAITING, MOVABLE, DRAIN, TURN, DUE, REFRESHES, REFRESHING = 12, 13, 14, 16, 18, 19, 20, 21, 22
MOVED, FREE, LOGGED, END, QUEUED = 23, 24, 25, 26, 27
SCALARS = 28
# Work.ask, Work.fate and Work.done
ARRIVE, LANE, REQUEST_ROW, COLUMN, WRITE, GROUP = 0, 1, 2, 3, 4, 5
ACCEPTED, DEPART, JOINED_BEFORE = 0, 1, 2

CAS_CAP = 4  # column commands after which a row no longer keeps a conflict from closing it
WORTH_DRAINING = 8  # more waiting writes than this are drained when the command queues are empty
NEVER = 1 << 60
LONG_AGO = -(1 << 40)

DONE, NO_SPACE, STUCK = 0, 1, 2
STILL, CHANGED = 0, 1


class Rules(NamedTuple):
    """A standard and a controller as numbers; B banks of a rank."""

    ranks: int
    banks: int  # of a rank
    own: np.ndarray  # (6, 6) clocks from X to Y in the same bank, or rank for REF
    wide: np.ndarray  # (4, 4, B, B) clocks from X in bank i to Y in bank j of the same rank
    other: np.ndarray  # (4, 4) clocks from X to Y in another rank
    act_window: int
    act_window_wait: int
    read_latency: int  # RD label to last data beat
    write_latency: int  # WR label to last data beat
    refresh_interval: int  # between the refreshes of one rank and the next, 0: no refresh
    room: int  # reads, and writes, in line
    depth: int  # requests in a command queue
    queue_lanes: int  # lanes that share a command queue
    merge_reads: int
    has_writes: int


class Controller(NamedTuple):
    """State of U controllers (leading axis) or, sliced, of one; N lanes, R ranks, Q queues, S slots; int64."""

    scalar: np.ndarray  # (U, SCALARS)
    lane: np.ndarray  # (U, LANE_FIELDS, N)
    rank: np.ndarray  # (U, ACTS + window, R)
    queue: np.ndarray  # (U, QUEUE_FIELDS, Q)
    slot: np.ndarray  # (U, SLOT_FIELDS, S)
    line: np.ndarray  # (U, 2, room) slots of waiting reads and writes, oldest first
    pending: np.ndarray  # (U, a power of two) first slot of each chain of pending addresses


class Work(NamedTuple):
    """Requests of all controllers and what becomes of them, L requests in G groups."""

    ask: np.ndarray  # (L, 6)
    fate: np.ndarray  # (L, 3) clock it was accepted; last data beat (-1: write); read merged before it
    done: np.ndarray  # (U, G) last data beat


@inlined
def _log(c, w, log, t, command, lane, i):
    c.scalar[command] += 1
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
        j = c.slot[REQUEST, slot]
        if (
            w.ask[j, REQUEST_ROW] == w.ask[i, REQUEST_ROW]
            and w.ask[j, COLUMN] == w.ask[i, COLUMN]
            and w.ask[j, LANE] == w.ask[i, LANE]
            and w.ask[j, WRITE] == write
        ):
            break
        slot = c.slot[NEXT_PENDING, slot]
    return slot


@inlined
def _release(c, w, slot):
    """Take a slot out of the pending addresses and free it."""
    chain = _chain(c, w, c.slot[REQUEST, slot])
    after = c.slot[NEXT_PENDING, slot]
    other = c.pending[chain]
    if other == slot:
        c.pending[chain] = after
    else:
        while c.slot[NEXT_PENDING, other] != slot:
            other = c.slot[NEXT_PENDING, other]
        c.slot[NEXT_PENDING, other] = after
    c.slot[FREE_SLOT, c.scalar[FREE]] = slot
    c.scalar[FREE] += 1


@inlined
def _served(c, w, u, i, done, end):
    """Count request ``i`` as served: its last data beat, and the last clock the controller must live to."""
    g = w.ask[i, GROUP]
    w.done[u, g] = max(w.done[u, g], done)
    c.scalar[END] = max(c.scalar[END], end)


@inlined
def _accept(rules, c, w, u, t):
    """Take the next request at clock ``t``; its line has room."""
    i = c.scalar[NEXT]
    write = w.ask[i, WRITE]
    c.scalar[NEXT] = i + 1
    w.fate[i, ACCEPTED] = t
    if rules.has_writes and _find_pending(c, w, i, 1) >= 0:
        c.scalar[ABSORBED if write else FORWARDED] += 1
        w.fate[i, DEPART] = -1 if write else t + 1
        _served(c, w, u, i, t + 1, t + 1)
        return
    if rules.merge_reads and not write:
        slot = _find_pending(c, w, i, 0)
        if slot >= 0:
            c.scalar[JOINED] += 1
            w.fate[i, JOINED_BEFORE] = c.slot[MERGED, slot]
            c.slot[MERGED, slot] = i
            return
    n = c.scalar[FREE] - 1
    slot = c.slot[FREE_SLOT, n]
    c.scalar[FREE] = n
    chain = _chain(c, w, i)
    c.slot[REQUEST, slot] = i
    c.slot[MERGED, slot] = -1
    c.slot[STATE, slot] = 0
    c.slot[NEXT_PENDING, slot] = c.pending[chain]
    c.pending[chain] = slot
    c.line[write, c.scalar[WAITING + write]] = slot
    c.scalar[WAITING + write] += 1
    queue = w.ask[i, LANE] // rules.queue_lanes
    c.queue[IN_LINE + write, queue] += 1
    c.scalar[MOVABLE + write] += c.queue[FILL, queue] < rules.depth


@inlined
def _find_candidates(c, w, lane):
    """Recompute which requests of a lane need which command."""
    for y in range(4):
        c.lane[OFF + y, lane] = NEVER
    head, row = c.lane[HEAD, lane], c.lane[ROW, lane]
    if head < 0:
        return
    if row < 0:
        c.lane[OFF + ACT, lane] = 0
        c.lane[FOR + ACT, lane] = head
        return
    slot, hit = head, False
    while slot >= 0:
        i = c.slot[REQUEST, slot]
        if w.ask[i, REQUEST_ROW] == row:
            hit = True
            y = RD + w.ask[i, WRITE]
            if c.lane[OFF + y, lane]:
                c.lane[OFF + y, lane] = 0
                c.lane[FOR + y, lane] = slot
        slot = c.slot[NEXT_SLOT, slot]
    if w.ask[c.slot[REQUEST, head], REQUEST_ROW] != row and (not hit or c.lane[SERVED, lane] >= CAS_CAP):
        c.lane[OFF + PRE, lane] = 0
        c.lane[FOR + PRE, lane] = head


@inlined
def _look_through(rules, c, rank):
    """Recompute a rank's earliest clock of each command over its lanes."""
    base = rank * rules.banks
    for y in range(3 + rules.has_writes):
        at, off = c.lane[AT + y, base : base + rules.banks], c.lane[OFF + y, base : base + rules.banks]
        best = NEVER
        for j in range(rules.banks):
            best = min(best, max(at[j], off[j]))
        c.rank[BEST + y, rank] = best


@inlined
def _rank_ready(rules, c, rank):
    """Return the earliest clock at which a command of the rank's queues is legal."""
    ready = NEVER
    for y in range(3 + rules.has_writes):
        ready = min(ready, max(c.rank[BEST + y, rank], c.rank[FLOOR + y, rank]))
    return ready


@inlined
def _refresh_ready(rules, c):
    """Return the earliest clock at which the first waiting refresh can go on."""
    rank = c.scalar[REFRESHING]
    if c.rank[OPEN_BANKS, rank] == 0:
        return c.rank[REF_READY, rank]
    ready = NEVER
    for lane in range(rank * rules.banks, (rank + 1) * rules.banks):
        if c.lane[ROW, lane] >= 0:
            ready = min(ready, c.lane[AT + PRE, lane])
    return ready


@inlined
def _command_ready(rules, c):
    """Return the earliest clock at which any command is legal."""
    frozen, ready = -1, NEVER
    if c.scalar[REFRESHES]:
        frozen, ready = c.scalar[REFRESHING], _refresh_ready(rules, c)
    for rank in range(rules.ranks):
        if rank != frozen:
            ready = min(ready, _rank_ready(rules, c, rank))
    return ready


@inlined
def _oldest(acts):
    oldest = 0
    for k in range(1, len(acts)):
        oldest = k if acts[k] < acts[oldest] else oldest
    return oldest


@inlined
def _delay(rules, c, lane, command, t):
    """Let ``command`` in ``lane`` at clock ``t`` hold back later commands by the standard's rules."""
    rank = lane // rules.banks
    base = rank * rules.banks
    bank = lane - base
    for y in range(3 + rules.has_writes):
        at = c.lane[AT + y, base : base + rules.banks]
        if command == PRE or (command == ACT and y != ACT) or (command >= RD and y < RD):
            at[bank] = max(at[bank], t + rules.own[command, y])
        else:
            gap = rules.wide[command, y, bank]
            for j in range(rules.banks):
                at[j] = max(at[j], t + gap[j])
            if command != ACT:
                floor, elsewhere = c.rank[FLOOR + y], t + rules.other[command, y]
                for r in range(rules.ranks):
                    floor[r] = max(floor[r], elsewhere if r != rank else floor[r])
    c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[command, REF])
    if command == ACT:
        acts = c.rank[ACTS:, rank]
        acts[_oldest(acts)] = t
        c.rank[FLOOR + ACT, rank] = acts[_oldest(acts)] + rules.act_window_wait


@inlined
def _select(rules, c, rank, first, last, t):
    """Return ``lane * 4 + command`` of the oldest legal request of the first queue that has one, or -1.

    Looks at the lanes of a rank from ``first`` up to before ``last``.
    """
    best, age = -1, NEVER
    for lane in range(first, last):
        for y in range(3 + rules.has_writes):
            if max(c.lane[AT + y, lane], c.rank[FLOOR + y, rank]) <= t and c.lane[OFF + y, lane] == 0:
                own_age = c.slot[AGE, c.lane[FOR + y, lane]]
                if own_age < age:
                    best, age = lane * 4 + y, own_age
        if best >= 0 and (lane + 1) % rules.queue_lanes == 0:
            break
    return best


@inlined
def _next_in_turn(rules, c, t):
    """Return ``lane * 4 + command`` of the next legal request, queue after queue from the one last served."""
    frozen = c.scalar[REFRESHING] if c.scalar[REFRESHES] else -1
    lanes = rules.ranks * rules.banks
    start = (c.scalar[TURN] + 1) * rules.queue_lanes % lanes
    rank = start // rules.banks
    for k in range(rules.ranks + 1):
        if rank != frozen and _rank_ready(rules, c, rank) <= t:
            base = rank * rules.banks
            first = start if k == 0 else base
            last = start if k == rules.ranks else base + rules.banks
            found = _select(rules, c, rank, first, last, t)
            if found >= 0:
                return found
        rank = rank + 1 if rank + 1 < rules.ranks else 0
    return -1


@inlined
def _finish(rules, c, w, u, t, lane, slot):
    """Take a request whose RD or WR is issued out of its queue; answer the reads merged with it."""
    i = c.slot[REQUEST, slot]
    c.scalar[HITS + max(c.slot[STATE, slot] - 1, 0)] += 1
    before, at = -1, c.lane[HEAD, lane]
    while at != slot:
        before, at = at, c.slot[NEXT_SLOT, at]
    after = c.slot[NEXT_SLOT, slot]
    if before >= 0:
        c.slot[NEXT_SLOT, before] = after
    else:
        c.lane[HEAD, lane] = after
    if after < 0:
        c.lane[TAIL, lane] = before
    queue = lane // rules.queue_lanes
    if c.queue[FILL, queue] == rules.depth:
        c.scalar[MOVABLE] += c.queue[IN_LINE, queue]
        c.scalar[MOVABLE + 1] += c.queue[IN_LINE + 1, queue]
    c.queue[FILL, queue] -= 1
    c.scalar[QUEUED] -= 1
    _release(c, w, slot)
    if w.ask[i, WRITE]:
        _served(c, w, u, i, t + rules.write_latency, t)
        return
    done = t + rules.read_latency
    w.fate[i, DEPART] = done
    _served(c, w, u, i, done, done)
    i = c.slot[MERGED, slot]
    while i >= 0:
        w.fate[i, DEPART] = done
        _served(c, w, u, i, done, done)
        i = w.fate[i, JOINED_BEFORE]


@inlined
def _close(rules, c, lane, t):
    """Close the row of a lane."""
    c.lane[ROW, lane] = -1
    c.lane[SERVED, lane] = 0
    c.rank[OPEN_BANKS, lane // rules.banks] -= 1
    _delay(rules, c, lane, PRE, t)


@inlined
def _issue(rules, c, w, log, u, t):
    """Issue the next legal command of the queues at clock ``t``."""
    found = _next_in_turn(rules, c, t)
    lane, command = found >> 2, found & 3
    slot = c.lane[FOR + command, lane]
    i = c.slot[REQUEST, slot]
    _log(c, w, log, t, command, lane, i)
    c.scalar[TURN] = lane // rules.queue_lanes
    if c.slot[STATE, slot] == 0:
        # 1: its row was open, 2: its bank was closed, 3: another row was open
        c.slot[STATE, slot] = 1 if command >= RD else 2 if command == ACT else 3
    if command == PRE:
        _close(rules, c, lane, t)
    elif command == ACT:
        c.lane[ROW, lane] = w.ask[i, REQUEST_ROW]
        c.rank[OPEN_BANKS, lane // rules.banks] += 1
        _delay(rules, c, lane, ACT, t)
    else:
        c.lane[SERVED, lane] += 1
        _finish(rules, c, w, u, t, lane, slot)
        _delay(rules, c, lane, command, t)
    _find_candidates(c, w, lane)
    _look_through(rules, c, lane // rules.banks)


@helper
def _refresh(rules, c, w, log, t):
    """Issue what the first waiting refresh needs at clock ``t``: a PRE for each open bank, then REF."""
    rank = c.scalar[REFRESHING]
    base = rank * rules.banks
    if c.rank[OPEN_BANKS, rank]:
        lane = base
        while c.lane[ROW, lane] < 0 or c.lane[AT + PRE, lane] > t:
            lane += 1
        _log(c, w, log, t, PRE, lane, -1)
        _close(rules, c, lane, t)
        _find_candidates(c, w, lane)
    else:
        _log(c, w, log, t, REF, base, -1)
        at = c.lane[AT + ACT]
        for lane in range(base, base + rules.banks):
            at[lane] = max(at[lane], t + rules.own[REF, ACT])
        c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[REF, REF])
        c.scalar[REFRESHES] -= 1
        c.scalar[REFRESHING] = (rank + 1) % rules.ranks
    _look_through(rules, c, rank)


@inlined
def _move(rules, c, w, end):
    """Move the first request in line whose command queue has room; tell whether another may follow at once.

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
    line = c.line[q]
    k = 0
    while c.queue[FILL, w.ask[c.slot[REQUEST, line[k]], LANE] // rules.queue_lanes] >= rules.depth:
        k += 1
    slot = line[k]
    i = c.slot[REQUEST, slot]
    if q:
        if _find_pending(c, w, i, 0) >= 0:
            s[DRAIN] = 0
            return (STUCK if idle else STILL) if full else CHANGED
        s[DRAIN] -= 1
    s[WAITING + q] -= 1
    for j in range(k, s[WAITING + q]):
        line[j] = line[j + 1]
    _enqueue(rules, c, w, slot, i, q)
    return CHANGED


@inlined
def _enqueue(rules, c, w, slot, i, q):
    """Append a request that was in line to its command queue."""
    s = c.scalar
    lane = w.ask[i, LANE]
    queue = lane // rules.queue_lanes
    s[MOVABLE + q] -= 1
    c.queue[IN_LINE + q, queue] -= 1
    c.queue[FILL, queue] += 1
    if c.queue[FILL, queue] == rules.depth:
        s[MOVABLE] -= c.queue[IN_LINE, queue]
        s[MOVABLE + 1] -= c.queue[IN_LINE + 1, queue]
    s[QUEUED] += 1
    c.slot[AGE, slot] = s[MOVED]
    s[MOVED] += 1
    c.slot[NEXT_SLOT, slot] = -1
    if c.lane[HEAD, lane] < 0:
        c.lane[HEAD, lane] = slot
    else:
        c.slot[NEXT_SLOT, c.lane[TAIL, lane]] = slot
    c.lane[TAIL, lane] = slot
    _find_candidates(c, w, lane)
    _look_through(rules, c, lane // rules.banks)


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
    ready = _command_ready(rules, c)
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
            ready = _command_ready(rules, c)
        issued = ready <= t
        if issued:
            if s[REFRESHES] and _refresh_ready(rules, c) <= t:
                _refresh(rules, c, w, log, t)
            else:
                _issue(rules, c, w, log, u, t)
        moved = _move(rules, c, w, end)
        if moved == STUCK:
            return STUCK
        if moved == CHANGED or issued:
            ready = _command_ready(rules, c)
        event = min(max(ready, t + 1), s[DUE])
        if moved == CHANGED:
            event = t + 1
        i = s[NEXT]
        if i < end:
            if s[WAITING + w.ask[i, WRITE]] < rules.room:
                event = min(event, max(w.ask[i, ARRIVE], t + 1))
        elif s[QUEUED] + s[WAITING] + s[WAITING + 1] == 0 and event > s[END]:
            return DONE
        s[NOW] = event
