"""The DRAM engine: event-driven FR-FCFS controllers, one command per clock each.

A controller drives the ranks behind one command bus: a host channel has all its ranks, a rank of a
near-memory DIMM has its own decoder and so a controller of its own. The schedule is the one a controller
that wakes up every clock would make: between two events (a command, an arrival, a refresh falling due) every
candidate's earliest legal clock is constant, so the engine jumps to the next event and decides there.

Every lane (bank) offers at most two candidates: a column command and a row command. A candidate's key packs
`wait | class | age`, so one minimum over the lanes yields the next command: what is ready first goes first,
requests whose row was opened for them before all others, then the oldest.
"""

from typing import NamedTuple

import numpy as np

from recnmp._accel import helper, inlined, jit

ACT, PRE, RD, WR, REF, PREA = 0, 1, 2, 3, 4, 5

# Controller.lane: earliest legal label of ACT, PRE, RD and WR in rows 0 to 3, then
ROW_AT = 4  # earliest legal label of the lane's row command: PRE of an open bank, ACT of a closed one
COLUMN_KEY, ROW_KEY = 5, 7  # keys of the lane's candidates, for reads and for writes
ROW, OPENED = 9, 10  # open row, and the request it was opened for, or -1
HEAD, TAIL = 11, 13  # ends of the lane's read and write queue
CLOSED = 15  # 0, or for an open bank a bias that keeps ACT rules away from ROW_AT
SERVED = 16  # column commands since the row was opened; only counted with a row-hit cap
LANE_FIELDS = 17
# Controller.rank; ACTS is the first of the window's rows
PREA_READY, REF_READY, OPEN_BANKS, OPENED_BANKS, REFRESH_AT, FIFO = 0, 1, 2, 3, 4, 5
ACTS = 6
# Controller.slot: one queued request each, linked in age order within its lane
REQUEST, SLOT_ROW, NEXT_SLOT, PREVIOUS_SLOT, FREE_SLOT = 0, 1, 2, 3, 4
SLOT_FIELDS = 5
# Controller.scalar: commands issued in 0 to 5, then
HITS, MISSES, CONFLICTS, FORWARDED, ABSORBED, MERGED = 6, 7, 8, 9, 10, 11
NOW, NEXT, WAITING, WRITING, REFRESH_DUE, FIFO_HEAD, FIFO_LEN, FREE, LOGGED, IN_FLIGHT, END, BUS_FREE, OFFERED = (
    12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
)  # fmt: skip
SCALARS = 26
COUNTS = 12
# Work.ask, Work.fate and Work.group
ARRIVE, LANE, REQUEST_ROW, COLUMN, WRITE, GROUP = 0, 1, 2, 3, 4, 5
ACCEPTED, DEPART, FIRST = 0, 1, 2
REMAINING, DONE_AT = 0, 1

WAIT_SHIFT = 40
QUEUED = 1 << 39  # class bit: below every request whose row was opened for it
AGE_MASK = QUEUED - 1
NO_KEY = 1 << 62
NEVER = 1 << 60
LONG_AGO = -(1 << 40)
FOLLOWED = -2  # a read that waits has FOLLOWED - i as DEPART where request i is merged into it, -1 otherwise

DONE, NO_SPACE, STARVED, HUNGRY = 0, 1, 2, 3
ALL, MORE_TO_COME = -1, -2  # instead of a group: run to the end; stop where the next request must be known


class Rules(NamedTuple):
    """A standard and a policy as numbers; B banks of a rank."""

    ranks: int
    banks: int  # of a rank
    own: np.ndarray  # (6, 6) clocks from X to Y in the same bank, or rank for PREA and REF
    wide: np.ndarray  # (4, 4, B, B) clocks from X in bank i to Y in bank j of the same rank
    other: np.ndarray  # (4, 4) clocks from X to Y in another rank
    bus: np.ndarray  # (6,) clocks of each command on the command bus
    spaced_pre: int  # PREs of a rank keep a distance
    act_window: int
    act_window_wait: int
    read_latency: int  # RD label to last data beat
    write_latency: int  # WR label to last data beat
    refresh_interval: int  # 0: no refresh
    protect_hits: int  # frfcfs_rowhit: an older hit keeps its row open
    read_queue: int
    write_queue: int
    high: int  # writes above which write mode starts
    low: int  # writes below which it ends
    has_writes: int
    close_pages: int  # rows that no queued request can use are closed
    hit_cap: int  # column commands after which an opened row loses its privileges; 0: no cap
    forward_writes: int  # queued writes answer reads
    merge_reads: int  # waiting reads answer reads


class Controller(NamedTuple):
    """State of U controllers (leading axis) or, sliced, of one; N lanes, R ranks, S queue slots; all int64.

    Few wide arrays instead of many named ones: numba hands every array of a tuple over field by field.
    """

    scalar: np.ndarray  # (U, SCALARS)
    lane: np.ndarray  # (U, LANE_FIELDS, N)
    rank: np.ndarray  # (U, ACTS + window, R)
    slot: np.ndarray  # (U, SLOT_FIELDS, S)


class Work(NamedTuple):
    """Requests of all controllers and what becomes of them, L requests in G groups."""

    ask: np.ndarray  # (L, 6)
    fate: np.ndarray  # (L, 3) clock it was accepted; last data beat (-1: write); first command's row state
    group: np.ndarray  # (U, 2, G) requests still to be served; last data beat


@inlined
def controller(controllers, u):
    """Slice controller ``u``."""
    return Controller(controllers.scalar[u], controllers.lane[u], controllers.rank[u], controllers.slot[u])


@inlined
def _put(rules, c, log, t, command, lane, row, column, request):
    """Put a command on the bus at label ``t``."""
    c.scalar[command] += 1
    c.scalar[BUS_FREE] = t + rules.bus[command]
    if len(log):
        entry = log[c.scalar[LOGGED]]
        entry[0], entry[1], entry[2], entry[3], entry[4], entry[5] = t, command, lane, row, column, request
        c.scalar[LOGGED] += 1


@inlined
def _is_capped(rules, c, lane):
    return c.lane[ROW, lane] >= 0 and c.lane[SERVED, lane] >= rules.hit_cap


@helper
def _find_capped(rules, c, lane):
    """Recompute the queued candidates of a lane whose row got its share: a queue's oldest request and a conflict."""
    row = c.lane[ROW, lane]
    for q in range(1 + rules.has_writes):
        hit, slot = NO_KEY, c.lane[HEAD + q, lane]
        if slot >= 0 and c.slot[SLOT_ROW, slot] == row:
            hit = QUEUED | c.slot[REQUEST, slot]
        while slot >= 0 and c.slot[SLOT_ROW, slot] == row:
            slot = c.slot[NEXT_SLOT, slot]
        if c.lane[OPENED, lane] < 0 or c.lane[COLUMN_KEY + q, lane] >= QUEUED:
            c.lane[COLUMN_KEY + q, lane] = hit
        blocked = slot < 0 or c.lane[OPENED, lane] >= 0
        c.lane[ROW_KEY + q, lane] = NO_KEY if blocked else QUEUED | c.slot[REQUEST, slot]


@inlined
def _find_candidates(rules, c, lane):
    """Recompute the queued candidates of a lane from its two queues."""
    row = c.lane[ROW, lane]
    for q in range(1 + rules.has_writes):
        hit, conflict = NO_KEY, NO_KEY
        slot = c.lane[HEAD + q, lane]
        if row < 0:
            if slot >= 0:
                conflict = QUEUED | c.slot[REQUEST, slot]
        else:
            while slot >= 0 and (hit == NO_KEY or conflict == NO_KEY):
                if c.slot[SLOT_ROW, slot] == row:
                    if hit == NO_KEY:
                        hit = QUEUED | c.slot[REQUEST, slot]
                elif conflict == NO_KEY:
                    conflict = QUEUED | c.slot[REQUEST, slot]
                slot = c.slot[NEXT_SLOT, slot]
            if c.lane[OPENED, lane] >= 0 or (rules.protect_hits and hit < conflict):
                conflict = NO_KEY
        if c.lane[OPENED, lane] >= 0 and c.lane[COLUMN_KEY + q, lane] < QUEUED:
            hit = c.lane[COLUMN_KEY + q, lane]
        c.lane[COLUMN_KEY + q, lane] = hit
        c.lane[ROW_KEY + q, lane] = conflict
    if rules.hit_cap and _is_capped(rules, c, lane):
        _find_capped(rules, c, lane)


@inlined
def _enqueue(rules, c, w, i, q):
    """Append request ``i`` to its lane's queue and let it stand as a candidate where it is one."""
    lane = w.ask[i, LANE]
    n = c.scalar[FREE] - 1
    slot = c.slot[FREE_SLOT, n]
    c.scalar[FREE] = n
    c.scalar[WAITING + q] += 1
    c.slot[REQUEST, slot] = i
    c.slot[SLOT_ROW, slot] = w.ask[i, REQUEST_ROW]
    last = c.lane[TAIL + q, lane]
    c.slot[PREVIOUS_SLOT, slot] = last
    c.slot[NEXT_SLOT, slot] = -1
    if last >= 0:
        c.slot[NEXT_SLOT, last] = slot
    else:
        c.lane[HEAD + q, lane] = slot
    c.lane[TAIL + q, lane] = slot
    row = c.lane[ROW, lane]
    if rules.hit_cap and _is_capped(rules, c, lane):
        _find_capped(rules, c, lane)
    elif row == w.ask[i, REQUEST_ROW]:
        if c.lane[COLUMN_KEY + q, lane] == NO_KEY:
            c.lane[COLUMN_KEY + q, lane] = QUEUED | i
    elif c.lane[ROW_KEY + q, lane] == NO_KEY and c.lane[OPENED, lane] < 0:
        protected = rules.protect_hits and row >= 0 and c.lane[COLUMN_KEY + q, lane] != NO_KEY
        if not protected:
            c.lane[ROW_KEY + q, lane] = QUEUED | i


@inlined
def _dequeue(c, q, lane, i):
    """Unlink request ``i`` from its lane's queue and free its slot."""
    slot = c.lane[HEAD + q, lane]
    while c.slot[REQUEST, slot] != i:
        slot = c.slot[NEXT_SLOT, slot]
    before, after = c.slot[PREVIOUS_SLOT, slot], c.slot[NEXT_SLOT, slot]
    if before >= 0:
        c.slot[NEXT_SLOT, before] = after
    else:
        c.lane[HEAD + q, lane] = after
    if after >= 0:
        c.slot[PREVIOUS_SLOT, after] = before
    else:
        c.lane[TAIL + q, lane] = before
    c.slot[FREE_SLOT, c.scalar[FREE]] = slot
    c.scalar[FREE] += 1
    c.scalar[WAITING + q] -= 1


@helper
def _in_queue(c, w, i, q):
    """Tell whether a request of the same burst as ``i`` waits in queue ``q``."""
    slot = c.lane[HEAD + q, w.ask[i, LANE]]
    while slot >= 0:
        j = c.slot[REQUEST, slot]
        if w.ask[j, REQUEST_ROW] == w.ask[i, REQUEST_ROW] and w.ask[j, COLUMN] == w.ask[i, COLUMN]:
            return True
        slot = c.slot[NEXT_SLOT, slot]
    return False


@inlined
def _is_forwarded(rules, c, w, i):
    """Tell whether a queued write answers request ``i``."""
    return rules.has_writes and (rules.forward_writes or w.ask[i, WRITE]) and _in_queue(c, w, i, 1)


@helper
def _unread(c, w, i):
    """Return the read of the same burst as ``i`` whose RD was not issued yet; -1 for none, or for a write."""
    if w.ask[i, WRITE]:
        return -1
    lane, row, column = w.ask[i, LANE], w.ask[i, REQUEST_ROW], w.ask[i, COLUMN]
    slot, j = c.lane[HEAD, lane], c.lane[OPENED, lane]
    while j < 0 or w.ask[j, WRITE] or w.ask[j, REQUEST_ROW] != row or w.ask[j, COLUMN] != column:
        if slot < 0:
            return -1
        j, slot = c.slot[REQUEST, slot], c.slot[NEXT_SLOT, slot]
    return j


@inlined
def _finish(c, w, u, i, done, end):
    """Count request ``i`` as served: its last data beat, and the last label the controller must live to."""
    g = w.ask[i, GROUP]
    w.group[u, REMAINING, g] -= 1
    w.group[u, DONE_AT, g] = max(w.group[u, DONE_AT, g], done)
    c.scalar[END] = max(c.scalar[END], end)


@helper
def _finish_followers(c, w, u, i, done):
    """Finish the reads that were merged into ``i``."""
    i = FOLLOWED - w.fate[i, DEPART]
    while i >= 0:
        follower = FOLLOWED - w.fate[i, DEPART]
        w.fate[i, DEPART] = done
        _finish(c, w, u, i, done, done)
        i = follower


@inlined
def _has_room(rules, c, w, i):
    """Tell whether request ``i`` would be taken: its queue has room, or a waiting request answers it."""
    q = w.ask[i, WRITE]
    return (
        c.scalar[WAITING + q] < (rules.write_queue if q else rules.read_queue)
        or _is_forwarded(rules, c, w, i)
        or (rules.merge_reads and _unread(c, w, i) >= 0)
    )


@inlined
def _is_idle(c, visible):
    return c.scalar[NEXT] == visible and c.scalar[WAITING] + c.scalar[WAITING + 1] + c.scalar[IN_FLIGHT] == 0


@helper
def _merge(c, w, i):
    """Let request ``i`` end with a read of the same burst; return whether there is one."""
    by = _unread(c, w, i)
    if by >= 0:
        c.scalar[MERGED] += 1
        w.fate[i, DEPART], w.fate[by, DEPART] = w.fate[by, DEPART], FOLLOWED - i
    return by >= 0


@inlined
def _accept(rules, c, w, u, t):
    """Offer the next request at clock ``t``; return whether it was taken."""
    i = c.scalar[NEXT]
    write = w.ask[i, WRITE]
    if not _has_room(rules, c, w, i):
        return False
    if _is_forwarded(rules, c, w, i):
        c.scalar[ABSORBED if write else FORWARDED] += 1
        w.fate[i, DEPART] = -1 if write else t + 1
        _finish(c, w, u, i, t + 1, t + 1)
    elif not (rules.merge_reads and _merge(c, w, i)):
        _enqueue(rules, c, w, i, write)
    w.fate[i, ACCEPTED] = t
    c.scalar[NEXT] = i + 1
    c.scalar[OFFERED] = t + 1
    return True


@inlined
def _close(rules, c, log, lane, i, t):
    """Issue a PRE at label ``t`` for request ``i``, or for none when -1."""
    rank = lane // rules.banks
    base = rank * rules.banks
    _put(rules, c, log, t, PRE, lane, -1, -1, i)
    c.lane[ROW, lane] = -1
    c.rank[OPEN_BANKS, rank] -= 1
    c.lane[ACT, lane] = max(c.lane[ACT, lane], t + rules.own[PRE, ACT])
    c.lane[ROW_AT, lane] = c.lane[ACT, lane]
    c.lane[CLOSED, lane] = 0
    c.rank[PREA_READY, rank] = max(c.rank[PREA_READY, rank], t + rules.own[PRE, PREA])
    c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[PRE, REF])
    if rules.spaced_pre:
        for j in range(base, base + rules.banks):
            c.lane[PRE, j] = max(c.lane[PRE, j], t + rules.wide[PRE, PRE, lane - base, j - base])
            if c.lane[ROW, j] >= 0:
                c.lane[ROW_AT, j] = c.lane[PRE, j]
    _find_candidates(rules, c, lane)


@inlined
def _issue_row(rules, c, w, log, i, t):
    """Issue the ACT or PRE that request ``i`` needs at label ``t``."""
    lane = w.ask[i, LANE]
    rank = lane // rules.banks
    base = rank * rules.banks
    bank = lane - base
    if c.lane[ROW, lane] >= 0:
        if w.fate[i, FIRST] == 0:
            w.fate[i, FIRST] = CONFLICTS
        _close(rules, c, log, lane, i, t)
        return
    _put(rules, c, log, t, ACT, lane, w.ask[i, REQUEST_ROW], -1, i)
    if w.fate[i, FIRST] == 0:
        w.fate[i, FIRST] = MISSES
    c.lane[ROW, lane] = w.ask[i, REQUEST_ROW]
    c.lane[SERVED, lane] = 0
    c.rank[OPEN_BANKS, rank] += 1
    c.lane[OPENED, lane] = i
    c.rank[OPENED_BANKS, rank] += 1
    c.scalar[IN_FLIGHT] += 1
    write = w.ask[i, WRITE]
    _dequeue(c, write, lane, i)
    _find_candidates(rules, c, lane)
    c.lane[COLUMN_KEY + write, lane] = i
    oldest = 0
    for k in range(1, rules.act_window):
        if c.rank[ACTS + k, rank] < c.rank[ACTS + oldest, rank]:
            oldest = k
    c.rank[ACTS + oldest, rank] = t
    for k in range(rules.act_window):
        oldest = k if c.rank[ACTS + k, rank] < c.rank[ACTS + oldest, rank] else oldest
    window = c.rank[ACTS + oldest, rank] + rules.act_window_wait
    c.lane[PRE, lane] = max(c.lane[PRE, lane], t + rules.own[ACT, PRE])
    c.lane[ROW_AT, lane] = c.lane[PRE, lane]
    c.lane[CLOSED, lane] = LONG_AGO
    own = c.lane[:, base : base + rules.banks]
    gap = rules.wide[ACT, ACT, bank]
    for j in range(rules.banks):
        at = max(own[ACT, j], max(window, t + gap[j]))
        own[ACT, j] = at
        own[ROW_AT, j] = max(own[ROW_AT, j], at + own[CLOSED, j])
    c.lane[RD, lane] = max(c.lane[RD, lane], t + rules.own[ACT, RD])
    c.lane[WR, lane] = max(c.lane[WR, lane], t + rules.own[ACT, WR])
    c.rank[PREA_READY, rank] = max(c.rank[PREA_READY, rank], t + rules.own[ACT, PREA])
    c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[ACT, REF])


@inlined
def _issue_column(rules, c, w, log, u, i, t):
    """Issue the RD or WR of request ``i`` at label ``t``."""
    lane = w.ask[i, LANE]
    rank = lane // rules.banks
    base = rank * rules.banks
    bank = lane - base
    write = w.ask[i, WRITE]
    command = WR if write else RD
    _put(rules, c, log, t, command, lane, c.lane[ROW, lane], w.ask[i, COLUMN], i)
    if w.fate[i, FIRST] == 0:
        w.fate[i, FIRST] = HITS
    c.scalar[w.fate[i, FIRST]] += 1
    if c.lane[OPENED, lane] == i:
        c.lane[OPENED, lane] = -1
        c.rank[OPENED_BANKS, rank] -= 1
        c.scalar[IN_FLIGHT] -= 1
    else:
        _dequeue(c, write, lane, i)
    if rules.hit_cap:
        c.lane[SERVED, lane] += 1
    _find_candidates(rules, c, lane)
    for y in range(RD, RD + 1 + rules.has_writes):
        own = c.lane[y, base : base + rules.banks]
        gap = rules.wide[command, y, bank]
        for j in range(rules.banks):
            own[j] = max(own[j], t + gap[j])
        elsewhere = t + rules.other[command, y]
        below, above = c.lane[y, :base], c.lane[y, base + rules.banks :]
        for j in range(len(below)):
            below[j] = max(below[j], elsewhere)
        for j in range(len(above)):
            above[j] = max(above[j], elsewhere)
    c.lane[PRE, lane] = max(c.lane[PRE, lane], t + rules.own[command, PRE])
    c.lane[ROW_AT, lane] = c.lane[PRE, lane]
    c.rank[PREA_READY, rank] = max(c.rank[PREA_READY, rank], t + rules.own[command, PREA])
    if write:
        w.fate[i, DEPART] = -1
        _finish(c, w, u, i, t + rules.write_latency, t)
    else:
        done = t + rules.read_latency
        if rules.merge_reads:
            _finish_followers(c, w, u, i, done)
        w.fate[i, DEPART] = done
        _finish(c, w, u, i, done, done)


@helper
def _refresh_head(rules, c, log, t, issue):
    """Return the earliest label at which the first waiting rank can go on; issue it at ``t`` when asked."""
    rank = c.rank[FIFO, c.scalar[FIFO_HEAD]]
    base = rank * rules.banks
    if c.rank[OPEN_BANKS, rank]:
        if not issue:
            return NEVER if c.rank[OPENED_BANKS, rank] else c.rank[PREA_READY, rank]
        _put(rules, c, log, t, PREA, base, -1, -1, -1)
        c.rank[OPEN_BANKS, rank] = 0
        for lane in range(base, base + rules.banks):
            c.lane[ROW, lane] = -1
            c.lane[ACT, lane] = max(c.lane[ACT, lane], t + rules.own[PREA, ACT])
            c.lane[ROW_AT, lane] = c.lane[ACT, lane]
            c.lane[CLOSED, lane] = 0
            _find_candidates(rules, c, lane)
        c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[PREA, REF])
        return t
    if not issue:
        return c.rank[REF_READY, rank]
    _put(rules, c, log, t, REF, base, -1, -1, -1)
    for lane in range(base, base + rules.banks):
        c.lane[ACT, lane] = max(c.lane[ACT, lane], t + rules.own[REF, ACT])
        c.lane[ROW_AT, lane] = c.lane[ACT, lane]
    c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[REF, REF])
    c.scalar[FIFO_HEAD] = (c.scalar[FIFO_HEAD] + 1) % rules.ranks
    c.scalar[FIFO_LEN] -= 1
    return t


@helper
def _queue_refreshes(rules, c, now):
    """Put every rank whose refresh falls due by ``now`` into the queue, in rank order."""
    due = NEVER
    for rank in range(rules.ranks):
        if c.rank[REFRESH_AT, rank] <= now:
            c.rank[FIFO, (c.scalar[FIFO_HEAD] + c.scalar[FIFO_LEN]) % rules.ranks] = rank
            c.scalar[FIFO_LEN] += 1
            c.rank[REFRESH_AT, rank] += rules.refresh_interval
        due = min(due, c.rank[REFRESH_AT, rank])
    c.scalar[REFRESH_DUE] = due


@inlined
def _select_reads(rules, c, now):
    """Return the least key over all lanes when there are only reads."""
    best = NO_KEY
    lane = c.lane
    for b in range(rules.ranks * rules.banks):
        column = ((max(lane[RD, b], now) - now) << WAIT_SHIFT) + lane[COLUMN_KEY, b]
        row = ((max(lane[ROW_AT, b], now) - now) << WAIT_SHIFT) + lane[ROW_KEY, b]
        best = min(best, min(column, row))
    return best


@helper
def _select_mixed(rules, c, now, q):
    """Return the least key over all lanes; ``q`` is the queue being served."""
    best = NO_KEY
    at, key, row_key = c.lane[RD + q], c.lane[COLUMN_KEY + q], c.lane[ROW_KEY + q]
    other_at, other_key, row_at = c.lane[RD + 1 - q], c.lane[COLUMN_KEY + 1 - q], c.lane[ROW_AT]
    for b in range(rules.ranks * rules.banks):
        column = ((max(at[b], now) - now) << WAIT_SHIFT) + key[b]
        row = ((max(row_at[b], now) - now) << WAIT_SHIFT) + row_key[b]
        # of the queue not being served, only a request whose row was opened for it may go
        opened = ((max(other_at[b], now) - now) << WAIT_SHIFT) + (
            other_key[b] if other_key[b] < QUEUED else NO_KEY
        )
        best = min(best, min(column, min(row, opened)))
    return best


@helper
def _select_opened(rules, c, now):
    """Return the least key among requests whose row was opened for them; a waiting refresh stops all others."""
    best = NO_KEY
    if c.scalar[IN_FLIGHT]:
        for b in range(rules.ranks * rules.banks):
            if c.lane[OPENED, b] >= 0:
                write = c.lane[COLUMN_KEY + 1, b] < QUEUED
                until = c.lane[RD + write, b]
                best = min(best, (max(until - now, 0) << WAIT_SHIFT) + c.lane[OPENED, b])
    return best


@helper
def _select_closing(rules, c, now):
    """Return ``wait | lane`` of the open row that can be closed first among those no queued request can use."""
    best = NO_KEY
    for b in range(rules.ranks * rules.banks):
        unused = c.lane[COLUMN_KEY, b] == NO_KEY and c.lane[COLUMN_KEY + 1, b] == NO_KEY
        if unused and c.lane[ROW, b] >= 0:
            best = min(best, ((max(c.lane[ROW_AT, b], now) - now) << WAIT_SHIFT) + b)
    return best


@helper
def _issue_closing(rules, c, log, lane, t):
    """Close a row that no queued request can use."""
    _close(rules, c, log, lane, -1, t)


@inlined
def _switch_direction(rules, c):
    """Enter or leave write mode by the queues' fill."""
    reads, writes = c.scalar[WAITING], c.scalar[WAITING + 1]
    if c.scalar[WRITING]:
        if writes < rules.low and reads:
            c.scalar[WRITING] = 0
    elif writes > rules.high or not reads:
        c.scalar[WRITING] = 1


@inlined
def _decide(rules, c, now, free):
    """Return the best key at ``free``, the bus taken until then: opened rows, then the queue being served."""
    if not rules.has_writes:
        return _select_reads(rules, c, free)
    best = _select_opened(rules, c, free)
    # direction is only reconsidered on a clock on which no opened request goes
    if best >> WAIT_SHIFT:
        _switch_direction(rules, c)
        best = _select_mixed(rules, c, free, c.scalar[WRITING])
    elif now < free:
        _switch_direction(rules, c)
    return best


@jit
def advance(rules, controllers, w, log, u, visible, group):
    """Run controller ``u`` until ``group`` is served, or to the last data beat of all visible requests (ALL).

    Requests from index ``visible`` on do not exist yet. Returns DONE; NO_SPACE when the log is full, to be
    called again with a longer one; STARVED when the group waits for requests that are not visible; HUNGRY,
    for MORE_TO_COME, at the clock at which the request after the last visible one might come.
    """
    c = controller(controllers, u)
    s = c.scalar
    while group < 0 or w.group[u, REMAINING, group]:
        if len(log) and s[LOGGED] == len(log):
            return NO_SPACE
        now = s[NOW]
        refused = False
        if s[NEXT] < visible and w.ask[s[NEXT], ARRIVE] < now and s[OFFERED] != now:
            refused = not _accept(rules, c, w, u, now - 1)
        if group == MORE_TO_COME and s[NEXT] == visible:
            return HUNGRY
        if s[REFRESH_DUE] <= now:
            _queue_refreshes(rules, c, now)
        head, closing = NEVER, NO_KEY  # what goes when no request goes: refresh, or PRE of an unused row
        free = max(now, s[BUS_FREE])
        if s[FIFO_LEN]:
            best = _select_opened(rules, c, free)
            head = max(_refresh_head(rules, c, log, free, False), free)
        else:
            best = _decide(rules, c, now, free)
            if rules.close_pages:
                closing = _select_closing(rules, c, free)
                head = NEVER if closing == NO_KEY else free + (closing >> WAIT_SHIFT)
        at = NEVER if best >= NO_KEY else free + (best >> WAIT_SHIFT)
        event = s[REFRESH_DUE]
        if s[NEXT] < visible and not refused and _has_room(rules, c, w, s[NEXT]):
            event = min(event, max(w.ask[s[NEXT], ARRIVE], now) + 1)
        if min(at, head) >= event:
            if event == NEVER or (event > s[END] and _is_idle(c, visible)):
                return DONE if group < 0 else STARVED
            s[NOW] = event
        elif head < at:
            if head > s[END] and _is_idle(c, visible):
                return DONE if group < 0 else STARVED
            if closing < NO_KEY:
                _issue_closing(rules, c, log, closing & AGE_MASK, head)
            else:
                _refresh_head(rules, c, log, head, True)
            s[NOW] = head + 1
        else:
            i = best & AGE_MASK
            if (best & QUEUED) and c.lane[ROW, w.ask[i, LANE]] != w.ask[i, REQUEST_ROW]:
                _issue_row(rules, c, w, log, i, at)
            else:
                _issue_column(rules, c, w, log, u, i, at)
            s[NOW] = at + 1
    return DONE
