"""The DRAM engine: event-driven FR-FCFS controllers, one command per clock each.

A controller drives the ranks behind one command bus: a host channel has all its ranks, a rank of a
near-memory DIMM has its own decoder and so a controller of its own. The schedule is the one a controller
that wakes up every clock would make: between two events (a command, an arrival, a refresh falling due) every
candidate's earliest legal clock is constant, so the engine jumps to the next event and decides there.

Every lane (bank) offers at most two candidates: a column command and a row command. A candidate's key packs
`ready | class | ticket | kind`, so one minimum over the lanes yields the next command: what is ready first goes
first, requests whose row was opened for them before all others, then the oldest.

What is looked at for every lane at once is 32 bits wide, which doubles the lanes of a vector instruction: times
count from a base that follows the clock, ages are tickets that are dealt out anew now and then. Times are kept
where a key has them, as marks: the greater of two marks and what stands below it make a key.
"""

from typing import NamedTuple

import numpy as np

from recnmp._accel import helper, index, inlined, jit

ACT, PRE, RD, WR, REF, PREA, REFSB, PRESB = 0, 1, 2, 3, 4, 5, 6, 7
COMMAND_KINDS = 8

# Controller.at: marks of the earliest legal ACT, PRE, RD and WR in rows 0 to 3, then
ROW_AT = 4  # mark of the earliest the lane's row command: PRE of an open bank, ACT of a closed one
REFSB_AT = 5  # mark of the earliest REFsb as far as this bank is concerned; only kept with same-bank refresh
CLOSED = 6  # 0, or for an open bank a bias that keeps ACT rules away from ROW_AT
AT_ROWS = 8  # one is idle: controllers that run in threads share no cache line
# Controller.key: keys of a lane's candidates, for reads and for writes
COLUMN_KEY, ROW_KEY = 0, 2
KEY_ROWS = 4
# Controller.lane
ROW = 0
OPENED = 1  # slot of the request the row was opened for, or -1
HEAD, TAIL = 2, 4  # ends of the lane's read and write queue
SERVED = 6  # column commands since the row was opened; only counted with a row-hit cap
LANE_RANK = 7
LANE_FIELDS = 8
# Controller.rank; commands issued from ISSUED on, the latest ACTs of the window from ACTS on
PREA_READY, REF_READY, OPEN_BANKS, OPENED_BANKS, REFRESH_AT, FIFO = 0, 1, 2, 3, 4, 5
OLDEST_ACT, OPEN_SINCE, ACTIVE = 6, 7, 8
# with same-bank refresh: set to be refreshed next; that set while it starts nothing new, or -1; REFsb due so far
TURN, HOLDING, OWED, ISSUED = 9, 10, 11, 12
ACTS = ISSUED + COMMAND_KINDS
MOST_ACTS = 12
RANK_FIELDS = ACTS + MOST_ACTS
# Controller.slot: a queued request, linked in age order within its lane, or one whose row was opened for it
REQUEST, SLOT_ROW, NEXT_SLOT, PREVIOUS_SLOT, FREE_SLOT = 0, 1, 2, 3, 4
TICKET, FIRST, SLOT_LANE = 5, 6, 7
SLOT_FIELDS = 8
# Controller.scalar
HITS, MISSES, CONFLICTS, FORWARDED, ABSORBED, MERGED = 0, 1, 2, 3, 4, 5
NOW, NEXT, WAITING, WRITING, REFRESH_DUE, FIFO_HEAD, FIFO_LEN = 6, 7, 8, 10, 11, 12, 13
FREE, LOGGED, IN_FLIGHT, END, BUS_FREE, OFFERED, BASE, TICKETS = 14, 15, 16, 17, 18, 19, 20, 21
HELD = 22  # reads and, behind them, writes that keep their place though their row was opened for them
# requests that come in beside the visible ones, by their own arrival: next, and behind the last
SIDE, SIDE_END = 24, 25
LIMIT = 26  # label at which to pause
# requests under way at most, 0 for any number; clocks from a request's data to the request so many behind it
MOST, BACK = 27, 28
SCALARS = 32  # some are idle, likewise
COUNTS = 6
# Work.group
REMAINING, DONE_AT = 0, 1

# a key has 31 bits, ready | class | ticket | kind; a mark is the first of them, in clocks since scalar[BASE]
SINCE_SHIFT = 18
QUEUED = 1 << 17  # class bit: below every request whose row was opened for it
TICKET_SHIFT = 2  # tickets are dealt out in the order of arrival
MAX_TICKETS = QUEUED >> TICKET_SHIFT
# kinds: what the candidate is, known before its request is looked up
TO_READ_OR_WRITE, TO_OPEN, TO_CLOSE = 0, 1, 2
KINDS = 3
NO_KEY = (1 << 31) - 1
NO_STANDING = -1  # instead of a key
REBASE_AFTER = 1 << 11
# a command goes no later than this after the clock at which it is chosen, and makes others wait as long again
LONGEST_WAIT = ((NO_KEY >> SINCE_SHIFT) - REBASE_AFTER) // 2 - 16
SHUT = -(1 << 31)  # below every sum with a mark
NEVER = 1 << 60
LONG_AGO = -(1 << 40)
FOLLOWED = -2  # a read that waits departs at FOLLOWED - i where request i is merged into it, at -1 otherwise

DONE, NO_SPACE, STARVED, HUNGRY, PAUSED = 0, 1, 2, 3, 4
ALL, MORE_TO_COME = -1, -2  # instead of a group: run to the end; stop where the next request must be known


class Rules(NamedTuple):
    """A standard and a policy as numbers; B banks of a rank."""

    ranks: int
    banks: int  # of a rank
    own: np.ndarray  # (8, 8) clocks from X to Y in the same bank, or rank for PREA and REF, or set
    apart: np.ndarray  # (8, 8) clocks from X to Y in another set of the same rank
    wide: np.ndarray  # (4, 4, B, B) int32, clocks from X in bank i to Y in bank j of the same rank
    other: np.ndarray  # (4, 4) clocks from X to Y in another rank
    bus: np.ndarray  # (8,) clocks of each command on the command bus
    spaced_pre: int  # PREs of a rank keep a distance
    act_window: int
    act_window_wait: int
    read_latency: int  # RD label to last data beat
    write_latency: int  # WR label to last data beat
    refresh_interval: int  # 0: no refresh
    sets: int  # sets of banks of a rank, refreshed in turn; 0: all banks at once
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
    hold_slots: int  # a request keeps its place in the queue until its column command


class Controller(NamedTuple):
    """State of U controllers (leading axis) or, sliced, of one; N lanes, R ranks, S queue slots.

    Few wide arrays instead of many named ones: numba hands every array of a tuple over field by field.
    """

    scalar: np.ndarray  # (U, SCALARS) int64
    at: np.ndarray  # (U, AT_ROWS, N) int32
    key: np.ndarray  # (U, KEY_ROWS, N) int32
    lane: np.ndarray  # (U, N, LANE_FIELDS) int64
    rank: np.ndarray  # (U, R, RANK_FIELDS) int64
    slot: (
        np.ndarray
    )  # (U, S + N, SLOT_FIELDS) int64; slot S + n is for the request that lane n was opened for
    ticket: np.ndarray  # (U, T) int32, slot of each ticket


class Work(NamedTuple):
    """Requests of all controllers and what becomes of them, L requests in G groups."""

    arrive: np.ndarray  # (L,) int64
    lane: np.ndarray  # (L,) int32, as row, column and group
    row: np.ndarray
    column: np.ndarray
    write: np.ndarray  # (L,) uint8
    more: np.ndarray  # (L,) uint8, bit k: the burst k + 1 columns further on is read, too; cleared as it is
    group: np.ndarray
    accepted: np.ndarray  # (L,) int64, clock at which it entered
    depart: np.ndarray  # (L,) int64, last data beat, -1 for a write
    served: np.ndarray  # (U, 2, G) requests of a group still to be served; its last data beat


@inlined
def controller(controllers, u):
    """Slice controller ``u``, its records one behind the other: so the kernel knows their width."""
    c = controllers
    lane, rank, slot = c.lane[u].reshape(-1), c.rank[u].reshape(-1), c.slot[u].reshape(-1)
    return Controller(c.scalar[u], c.at[u], c.key[u], lane, rank, slot, c.ticket[u])


@inlined
def _slot(slot, field):
    """Return where a field of a slot is in Controller.slot."""
    return index(slot * SLOT_FIELDS + field)


@inlined
def _lane(lane, field):
    """Return where a field of a lane is in Controller.lane."""
    return index(lane * LANE_FIELDS + field)


@inlined
def _rank(rank, field):
    """Return where a field of a rank is in Controller.rank."""
    return index(rank * RANK_FIELDS + field)


@inlined
def _since(c, t):
    """Return label ``t`` in clocks since BASE; what lies further back cannot matter."""
    return max(t - c.scalar[BASE], 0)


@inlined
def _mark(since):
    """Return a clock since BASE as the lanes keep it."""
    return np.int32(since << SINCE_SHIFT)


@inlined
def _later(at, y, lane, t):
    """Let the lane's next ``y`` be at ``t``, in clocks since BASE, or after it."""
    at[y, index(lane)] = max(at[y, index(lane)], _mark(t))


@inlined
def _put(rules, c, log, t, command, lane, rank, row, column, request):
    """Put a command on the bus at label ``t``."""
    c.rank[_rank(rank, ISSUED + command)] += 1
    c.scalar[BUS_FREE] = t + rules.bus[command]
    if len(log):
        entry = log[c.scalar[LOGGED]]
        entry[0], entry[1], entry[2], entry[3], entry[4], entry[5] = t, command, lane, row, column, request
        c.scalar[LOGGED] += 1


@inlined
def _bank_closed(c, rank, banks, t):
    """Count ``banks`` of a rank as closed from label ``t`` on."""
    c.rank[_rank(rank, OPEN_BANKS)] -= banks
    if c.rank[_rank(rank, OPEN_BANKS)] == 0:
        c.rank[_rank(rank, ACTIVE)] += t - c.rank[_rank(rank, OPEN_SINCE)]


@helper
def _rebase(c):
    """Let the lanes' times count from the present clock."""
    by = min(c.scalar[NOW] - c.scalar[BASE], NO_KEY >> SINCE_SHIFT) << SINCE_SHIFT
    c.scalar[BASE] = c.scalar[NOW]
    for y in range(CLOSED):
        for lane in range(c.at.shape[1]):
            c.at[y, lane] = max(c.at[y, lane] - by, 0)


@inlined
def _is_held(rules, c, lane):
    """Tell whether a lane's set waits to be refreshed: of its requests only that it was opened for may go on."""
    return rules.sets and c.rank[_rank(c.lane[_lane(lane, LANE_RANK)], HOLDING)] == lane % rules.sets


@inlined
def _queued(c, slot, kind):
    """Return the key of a queued request that is a candidate for a command of ``kind``, but for its mark."""
    return QUEUED | (c.slot[_slot(slot, TICKET)] << TICKET_SHIFT) | kind


@inlined
def _is_capped(rules, c, lane):
    return c.lane[_lane(lane, ROW)] >= 0 and c.lane[_lane(lane, SERVED)] >= rules.hit_cap


@helper
def _find_capped(rules, c, lane):
    """Recompute the queued candidates of a lane whose row got its share: a queue's oldest request and a conflict."""
    row = c.lane[_lane(lane, ROW)]
    for q in range(1 + rules.has_writes):
        hit, slot = NO_KEY, c.lane[_lane(lane, HEAD + q)]
        if slot >= 0 and c.slot[_slot(slot, SLOT_ROW)] == row:
            hit = _queued(c, slot, TO_READ_OR_WRITE)
        while slot >= 0 and c.slot[_slot(slot, SLOT_ROW)] == row:
            slot = c.slot[_slot(slot, NEXT_SLOT)]
        if c.lane[_lane(lane, OPENED)] < 0 or c.key[COLUMN_KEY + q, lane] >= QUEUED:
            c.key[COLUMN_KEY + q, lane] = hit
        blocked = slot < 0 or c.lane[_lane(lane, OPENED)] >= 0
        c.key[ROW_KEY + q, lane] = NO_KEY if blocked else _queued(c, slot, TO_CLOSE)


@inlined
def _find_candidates(rules, c, lane):
    """Recompute the queued candidates of a lane from its two queues."""
    row, opened = c.lane[_lane(lane, ROW)], c.lane[_lane(lane, OPENED)]
    held = _is_held(rules, c, lane)
    for q in range(1 + rules.has_writes):
        hit, conflict = NO_KEY, NO_KEY
        slot = -1 if held else c.lane[_lane(lane, HEAD + q)]
        if row < 0:
            if slot >= 0:
                conflict = _queued(c, slot, TO_OPEN)
        elif opened >= 0:
            # the row stays open for that request, which comes before all hits
            if c.key[COLUMN_KEY + q, index(lane)] < QUEUED:
                hit = c.slot[_slot(opened, TICKET)] << TICKET_SHIFT
                slot = -1
            while slot >= 0 and c.slot[_slot(slot, SLOT_ROW)] != row:
                slot = c.slot[_slot(slot, NEXT_SLOT)]
            if slot >= 0:
                hit = _queued(c, slot, TO_READ_OR_WRITE)
        else:
            while slot >= 0 and (hit == NO_KEY or conflict == NO_KEY):
                if c.slot[_slot(slot, SLOT_ROW)] == row:
                    if hit == NO_KEY:
                        hit = _queued(c, slot, TO_READ_OR_WRITE)
                elif conflict == NO_KEY:
                    conflict = _queued(c, slot, TO_CLOSE)
                slot = c.slot[_slot(slot, NEXT_SLOT)]
            if rules.protect_hits and hit < conflict:
                conflict = NO_KEY
        c.key[COLUMN_KEY + q, index(lane)] = hit
        c.key[ROW_KEY + q, index(lane)] = conflict
    if rules.hit_cap and not held and _is_capped(rules, c, lane):
        _find_capped(rules, c, lane)


@helper
def _deal_tickets(rules, c):
    """Give the requests at hand the first tickets, in the order of those they have."""
    dealt = 0
    for ticket in range(c.scalar[TICKETS]):
        slot = c.ticket[ticket]
        if c.slot[_slot(slot, TICKET)] == ticket:
            c.slot[_slot(slot, TICKET)] = dealt
            c.ticket[dealt] = slot
            dealt += 1
    c.scalar[TICKETS] = dealt
    for lane in range(c.at.shape[1]):
        _find_candidates(rules, c, lane)


@inlined
def _find_next_hit(rules, c, lane, q, slot):
    """Recompute the candidates of a lane of which a hit was served; ``slot`` is the one behind it in queue ``q``."""
    if rules.protect_hits or rules.hit_cap:
        _find_candidates(rules, c, lane)
    elif c.key[COLUMN_KEY + q, index(lane)] >= QUEUED:
        row = c.lane[_lane(lane, ROW)]
        while slot >= 0 and c.slot[_slot(slot, SLOT_ROW)] != row:
            slot = c.slot[_slot(slot, NEXT_SLOT)]
        c.key[COLUMN_KEY + q, index(lane)] = NO_KEY if slot < 0 else _queued(c, slot, TO_READ_OR_WRITE)


@inlined
def _enqueue(rules, c, w, i, q):
    """Append request ``i`` to its lane's queue and let it stand as a candidate where it is one."""
    if c.scalar[TICKETS] == len(c.ticket):
        _deal_tickets(rules, c)
    lane, asked = w.lane[index(i)], w.row[index(i)]
    n = c.scalar[FREE] - 1
    slot = c.slot[_slot(n, FREE_SLOT)]
    c.scalar[FREE] = n
    c.scalar[WAITING + q] += 1
    ticket = c.scalar[TICKETS]
    c.scalar[TICKETS] = ticket + 1
    c.ticket[ticket] = slot
    last = c.lane[_lane(lane, TAIL + q)]
    c.slot[_slot(slot, REQUEST)] = i
    c.slot[_slot(slot, SLOT_ROW)] = asked
    c.slot[_slot(slot, SLOT_LANE)] = lane
    c.slot[_slot(slot, TICKET)] = ticket
    c.slot[_slot(slot, PREVIOUS_SLOT)] = last
    c.slot[_slot(slot, NEXT_SLOT)] = -1
    c.slot[_slot(slot, FIRST)] = -1
    if last >= 0:
        c.slot[_slot(last, NEXT_SLOT)] = slot
    else:
        c.lane[_lane(lane, HEAD + q)] = slot
    c.lane[_lane(lane, TAIL + q)] = slot
    row = c.lane[_lane(lane, ROW)]
    if _is_held(rules, c, lane):
        pass
    elif rules.hit_cap and _is_capped(rules, c, lane):
        _find_capped(rules, c, lane)
    elif row == asked:
        if c.key[COLUMN_KEY + q, index(lane)] == NO_KEY:
            c.key[COLUMN_KEY + q, index(lane)] = _queued(c, slot, TO_READ_OR_WRITE)
    elif c.key[ROW_KEY + q, index(lane)] == NO_KEY and c.lane[_lane(lane, OPENED)] < 0:
        protected = rules.protect_hits and row >= 0 and c.key[COLUMN_KEY + q, index(lane)] != NO_KEY
        if not protected:
            c.key[ROW_KEY + q, index(lane)] = _queued(c, slot, TO_OPEN if row < 0 else TO_CLOSE)


@inlined
def _dequeue(c, q, lane, slot):
    """Unlink a request from its lane's queue and free its slot."""
    before, after = c.slot[_slot(slot, PREVIOUS_SLOT)], c.slot[_slot(slot, NEXT_SLOT)]
    if before >= 0:
        c.slot[_slot(before, NEXT_SLOT)] = after
    else:
        c.lane[_lane(lane, HEAD + q)] = after
    if after >= 0:
        c.slot[_slot(after, PREVIOUS_SLOT)] = before
    else:
        c.lane[_lane(lane, TAIL + q)] = before
    c.slot[_slot(slot, TICKET)] = -1
    c.slot[_slot(c.scalar[FREE], FREE_SLOT)] = slot
    c.scalar[FREE] += 1
    c.scalar[WAITING + q] -= 1


@helper
def _in_queue(c, w, i, q):
    """Tell whether a request of the same burst as ``i`` waits in queue ``q``."""
    slot = c.lane[_lane(w.lane[i], HEAD + q)]
    while slot >= 0:
        j = c.slot[_slot(slot, REQUEST)]
        if w.row[j] == w.row[i] and w.column[j] == w.column[i]:  # writes are of one burst
            return True
        slot = c.slot[_slot(slot, NEXT_SLOT)]
    return False


@inlined
def _is_forwarded(rules, c, w, i):
    """Tell whether a queued write answers request ``i``."""
    one = w.more[i] == 0  # a queued write holds one burst
    return rules.has_writes and (rules.forward_writes or w.write[i]) and one and _in_queue(c, w, i, 1)


@helper
def _unread(c, w, i):
    """Return the read of the same bursts as ``i``, of which no RD was issued yet; -1 for none, or for a write."""
    if w.write[i]:
        return -1
    lane, row, column = w.lane[i], w.row[i], w.column[i]
    slot, opened = c.lane[_lane(lane, HEAD)], c.lane[_lane(lane, OPENED)]
    j = c.slot[_slot(opened, REQUEST)] if opened >= 0 else -1
    while j < 0 or w.write[j] or w.row[j] != row or w.column[j] != column or w.more[j] != w.more[i]:
        if slot < 0:
            return -1
        j, slot = c.slot[_slot(slot, REQUEST)], c.slot[_slot(slot, NEXT_SLOT)]
    return j


@inlined
def _finish(c, w, u, i, done, end):
    """Count request ``i`` as served: its last data beat, and the last label the controller must live to."""
    g = w.group[index(i)]
    w.served[u, REMAINING, g] -= 1
    w.served[u, DONE_AT, g] = max(w.served[u, DONE_AT, g], done)
    c.scalar[END] = max(c.scalar[END], end)
    most = c.scalar[MOST]
    if most and i + most < len(w.arrive):
        w.arrive[i + most] = done + c.scalar[BACK]


@helper
def _finish_followers(c, w, u, i, done):
    """Finish the reads that were merged into ``i``."""
    i = FOLLOWED - w.depart[i]
    while i >= 0:
        follower = FOLLOWED - w.depart[i]
        w.depart[i] = done
        _finish(c, w, u, i, done, done)
        i = follower


@inlined
def _has_room(rules, c, w, i):
    """Tell whether request ``i`` would be taken: its queue has room, or a waiting request answers it."""
    q = w.write[index(i)]
    return (
        c.scalar[WAITING + q] + c.scalar[HELD + q] < (rules.write_queue if q else rules.read_queue)
        or _is_forwarded(rules, c, w, i)
        or (rules.merge_reads and _unread(c, w, i) >= 0)
    )


@inlined
def _is_idle(c, visible):
    s = c.scalar
    waiting = s[WAITING] + s[WAITING + 1] + s[IN_FLIGHT]
    return s[NEXT] == visible and s[SIDE] == s[SIDE_END] and waiting == 0


@helper
def _merge(c, w, i):
    """Let request ``i`` end with a read of the same burst; return whether there is one."""
    by = _unread(c, w, i)
    if by >= 0:
        c.scalar[MERGED] += 1
        w.depart[i], w.depart[by] = w.depart[by], FOLLOWED - i
    return by >= 0


@inlined
def _accept(rules, c, w, u, t, i):
    """Offer request ``i`` at clock ``t``; return whether it was taken."""
    write = w.write[index(i)]
    if not _has_room(rules, c, w, i):
        return False
    if _is_forwarded(rules, c, w, i):
        c.scalar[ABSORBED if write else FORWARDED] += 1
        w.depart[index(i)] = -1 if write else t + 1
        _finish(c, w, u, i, t + 1, t + 1)
    elif not (rules.merge_reads and _merge(c, w, i)):
        _enqueue(rules, c, w, i, write)
    w.accepted[index(i)] = t
    c.scalar[OFFERED] = t + 1
    return True


@inlined
def _close(rules, c, log, lane, i, t):
    """Issue a PRE at label ``t`` for request ``i``, or for none when -1."""
    rank, at, t_since = c.lane[_lane(lane, LANE_RANK)], c.at, _since(c, t)
    base = rank * rules.banks
    _put(rules, c, log, t, PRE, lane, rank, -1, -1, i)
    c.lane[_lane(lane, ROW)] = -1
    _bank_closed(c, rank, 1, t)
    _later(at, ACT, lane, t_since + rules.own[PRE, ACT])
    at[ROW_AT, index(lane)] = at[ACT, index(lane)]
    at[CLOSED, index(lane)] = 0
    c.rank[_rank(rank, PREA_READY)] = max(c.rank[_rank(rank, PREA_READY)], t + rules.own[PRE, PREA])
    c.rank[_rank(rank, REF_READY)] = max(c.rank[_rank(rank, REF_READY)], t + rules.own[PRE, REF])
    if rules.spaced_pre:
        for j in range(base, base + rules.banks):
            _later(at, PRE, j, t_since + rules.wide[PRE, PRE, lane - base, j - base])
            if c.lane[_lane(j, ROW)] >= 0:
                at[ROW_AT, index(j)] = at[PRE, index(j)]
    if rules.sets:
        _later(at, REFSB_AT, lane, t_since + rules.own[PRE, REFSB])
    _find_candidates(rules, c, lane)


@inlined
def _issue_pre(rules, c, log, slot, t):
    """Issue the PRE that a queued request needs at label ``t``."""
    if c.slot[_slot(slot, FIRST)] < 0:
        c.slot[_slot(slot, FIRST)] = CONFLICTS
    _close(rules, c, log, c.slot[_slot(slot, SLOT_LANE)], c.slot[_slot(slot, REQUEST)], t)


@inlined
def _issue_act(rules, c, w, log, slot, t):
    """Issue the ACT that a queued request needs at label ``t``."""
    lane, i = c.slot[_slot(slot, SLOT_LANE)], c.slot[_slot(slot, REQUEST)]
    rank, row, t_since = c.lane[_lane(lane, LANE_RANK)], c.slot[_slot(slot, SLOT_ROW)], _since(c, t)
    base = rank * rules.banks
    bank = lane - base
    _put(rules, c, log, t, ACT, lane, rank, row, -1, i)
    write = w.write[index(i)]
    opened = rules.read_queue + rules.write_queue + lane
    ticket = c.slot[_slot(slot, TICKET)]
    c.slot[_slot(opened, REQUEST)] = i
    c.slot[_slot(opened, SLOT_ROW)] = row
    c.slot[_slot(opened, SLOT_LANE)] = lane
    c.slot[_slot(opened, TICKET)] = ticket
    c.slot[_slot(opened, FIRST)] = MISSES if c.slot[_slot(slot, FIRST)] < 0 else c.slot[_slot(slot, FIRST)]
    c.ticket[ticket] = opened
    _dequeue(c, write, lane, slot)
    c.lane[_lane(lane, ROW)], c.lane[_lane(lane, OPENED)], c.lane[_lane(lane, SERVED)] = row, opened, 0
    if c.rank[_rank(rank, OPEN_BANKS)] == 0:
        c.rank[_rank(rank, OPEN_SINCE)] = t
    c.rank[_rank(rank, OPEN_BANKS)] += 1
    c.rank[_rank(rank, OPENED_BANKS)] += 1
    c.scalar[IN_FLIGHT] += 1
    c.scalar[HELD + write] += rules.hold_slots
    c.key[COLUMN_KEY + write, index(lane)] = ticket << TICKET_SHIFT
    if rules.has_writes:
        c.key[COLUMN_KEY + 1 - write, index(lane)] = NO_KEY
        _find_candidates(rules, c, lane)
    else:
        c.key[ROW_KEY, index(lane)] = NO_KEY
    oldest = c.rank[_rank(rank, OLDEST_ACT)]
    c.rank[_rank(rank, ACTS + oldest)] = t
    oldest = 0 if oldest + 1 == rules.act_window else oldest + 1
    c.rank[_rank(rank, OLDEST_ACT)] = oldest
    window = _mark(_since(c, c.rank[_rank(rank, ACTS + oldest)] + rules.act_window_wait))
    _later(c.at, PRE, lane, t_since + rules.own[ACT, PRE])
    c.at[ROW_AT, index(lane)] = c.at[PRE, index(lane)]
    c.at[CLOSED, index(lane)] = SHUT
    end = base + rules.banks
    act_at, row_at, closed = c.at[ACT, base:end], c.at[ROW_AT, base:end], c.at[CLOSED, base:end]
    gap = rules.wide[ACT, ACT, bank]
    for j in range(len(act_at)):
        act_at[j] = max(act_at[j], max(window, _mark(t_since + gap[j])))
    for j in range(
        len(act_at)
    ):  # a loop of its own: with two stores in one, its vectors are too long for a rank
        row_at[j] = max(row_at[j], np.int32(act_at[j] + closed[j]))
    _later(c.at, RD, lane, t_since + rules.own[ACT, RD])
    _later(c.at, WR, lane, t_since + rules.own[ACT, WR])
    c.rank[_rank(rank, PREA_READY)] = max(c.rank[_rank(rank, PREA_READY)], t + rules.own[ACT, PREA])
    c.rank[_rank(rank, REF_READY)] = max(c.rank[_rank(rank, REF_READY)], t + rules.own[ACT, REF])
    if rules.sets:
        _later(c.at, REFSB_AT, lane, t_since + rules.own[ACT, REFSB])


@inlined
def _space_columns(rules, c, rank, bank, command, t_since):
    """Keep later column commands away from ``command``, in its rank and in the others."""
    base = rank * rules.banks
    for y in range(RD, RD + 1 + rules.has_writes):
        own = c.at[y, base : base + rules.banks]
        gap = rules.wide[command, y, bank]
        for j in range(len(own)):
            own[j] = max(own[j], _mark(t_since + gap[j]))
        elsewhere = _mark(t_since + rules.other[command, y])
        below, above = c.at[y, :base], c.at[y, base + rules.banks :]
        for j in range(len(below)):
            below[j] = max(below[j], elsewhere)
        for j in range(len(above)):
            above[j] = max(above[j], elsewhere)


@inlined
def _turn_to_next_burst(w, i):
    """Let request ``i`` stand for the bursts it has still to read."""
    step = 1
    while not w.more[i] & step:
        step <<= 1
        w.column[i] += 1
    w.column[i] += 1
    w.more[i] //= step * 2


@inlined
def _issue_column(rules, c, w, log, u, slot, t):
    """Issue a request's RD or WR at label ``t``."""
    lane, i, t_since = c.slot[_slot(slot, SLOT_LANE)], c.slot[_slot(slot, REQUEST)], _since(c, t)
    rank = c.lane[_lane(lane, LANE_RANK)]
    write = w.write[index(i)]
    command = RD + write
    _put(rules, c, log, t, command, lane, rank, c.lane[_lane(lane, ROW)], w.column[index(i)], i)
    first = c.slot[_slot(slot, FIRST)]
    c.scalar[HITS if first < 0 else first] += 1
    if rules.hit_cap:
        c.lane[_lane(lane, SERVED)] += 1
    more = w.more[index(i)] != 0
    if more:
        c.slot[_slot(slot, FIRST)] = HITS
        _turn_to_next_burst(w, i)
        if rules.hit_cap:
            _find_candidates(rules, c, lane)
    elif c.lane[_lane(lane, OPENED)] == slot:
        c.lane[_lane(lane, OPENED)] = -1
        c.slot[_slot(slot, TICKET)] = -1
        c.rank[_rank(rank, OPENED_BANKS)] -= 1
        c.scalar[IN_FLIGHT] -= 1
        c.scalar[HELD + write] -= rules.hold_slots
        _find_candidates(rules, c, lane)
    else:
        behind = c.slot[_slot(slot, NEXT_SLOT)]
        _dequeue(c, write, lane, slot)
        _find_next_hit(rules, c, lane, write, behind)
    _space_columns(rules, c, rank, lane - rank * rules.banks, command, t_since)
    _later(c.at, PRE, lane, t_since + rules.own[command, PRE])
    c.at[ROW_AT, index(lane)] = c.at[PRE, index(lane)]
    c.rank[_rank(rank, PREA_READY)] = max(c.rank[_rank(rank, PREA_READY)], t + rules.own[command, PREA])
    if write:
        w.depart[index(i)] = -1
        _finish(c, w, u, i, t + rules.write_latency, t)
    elif not more:
        done = t + rules.read_latency
        if rules.merge_reads:
            _finish_followers(c, w, u, i, done)
        w.depart[index(i)] = done
        _finish(c, w, u, i, done, done)


@inlined
def _join_refreshes(rules, c, rank):
    """Put a rank at the end of the queue of refreshes."""
    c.rank[_rank((c.scalar[FIFO_HEAD] + c.scalar[FIFO_LEN]) % rules.ranks, FIFO)] = rank
    c.scalar[FIFO_LEN] += 1


@inlined
def _leave_refreshes(rules, c):
    """Take the first rank out of the queue of refreshes."""
    c.scalar[FIFO_HEAD] = (c.scalar[FIFO_HEAD] + 1) % rules.ranks
    c.scalar[FIFO_LEN] -= 1


@helper
def _hold(rules, c, rank, held):
    """Let a rank's set in turn start nothing new from now on, or, when ``held`` is -1, start again what waits."""
    c.rank[_rank(rank, HOLDING)] = held
    for lane in range(rank * rules.banks + c.rank[_rank(rank, TURN)], (rank + 1) * rules.banks, rules.sets):
        _find_candidates(rules, c, lane)


@helper
def _set_ready(rules, c):
    """Return how many banks are open in the set to be refreshed, and the label at which it can go on."""
    rank = c.rank[_rank(c.scalar[FIFO_HEAD], FIFO)]
    state = c.rank[rank * RANK_FIELDS : (rank + 1) * RANK_FIELDS]
    open_banks, close_at, refresh_at = 0, np.int64(0), np.int64(0)
    for lane in range(rank * rules.banks + state[TURN], (rank + 1) * rules.banks, rules.sets):
        if c.lane[_lane(lane, OPENED)] >= 0:
            return 0, NEVER
        open_banks += c.lane[_lane(lane, ROW)] >= 0
        close_at = max(close_at, c.at[PRE, lane])
        refresh_at = max(refresh_at, c.at[REFSB_AT, lane])
    if open_banks:
        return open_banks, c.scalar[BASE] + (close_at >> SINCE_SHIFT)
    latest = state[OLDEST_ACT] - 1 if state[OLDEST_ACT] else rules.act_window - 1
    after_act = state[ACTS + latest] + rules.apart[ACT, REFSB]
    return 0, max(c.scalar[BASE] + (refresh_at >> SINCE_SHIFT), after_act)


@helper
def _issue_to_set(rules, c, log, open_banks, t):
    """Issue PREsb or REFsb to the set to be refreshed, of which ``open_banks`` are open, at label ``t``."""
    rank = c.rank[_rank(c.scalar[FIFO_HEAD], FIFO)]
    base, state = rank * rules.banks, c.rank[rank * RANK_FIELDS : (rank + 1) * RANK_FIELDS]
    turn = state[TURN]
    command = PRESB if open_banks else REFSB
    _put(rules, c, log, t, command, base + turn, rank, -1, -1, -1)
    for lane in range(base, base + rules.banks):
        gap = rules.own[command] if lane % rules.sets == turn else rules.apart[command]
        _later(c.at, ACT, lane, _since(c, t) + gap[ACT])
        _later(c.at, PRE, lane, _since(c, t) + gap[PRE])
        _later(c.at, REFSB_AT, lane, _since(c, t) + gap[REFSB])
        if lane % rules.sets == turn:
            c.lane[_lane(lane, ROW)] = -1
            c.at[CLOSED, lane] = 0
        c.at[ROW_AT, lane] = c.at[PRE if c.lane[_lane(lane, ROW)] >= 0 else ACT, lane]
    if open_banks:
        _bank_closed(c, rank, open_banks, t)
        return
    _leave_refreshes(rules, c)
    _hold(rules, c, rank, -1)
    state[TURN] = (turn + 1) % rules.sets
    state[OWED] -= 1
    if state[OWED]:
        _join_refreshes(rules, c, rank)
        _hold(rules, c, rank, state[TURN])


@helper
def _refresh_head(rules, c, log, t, issue):
    """Return the earliest label at which the first waiting rank can go on; issue it at ``t`` when asked."""
    if rules.sets:
        open_banks, at = _set_ready(rules, c)
        if issue:
            _issue_to_set(rules, c, log, open_banks, t)
        return at
    rank = c.rank[_rank(c.scalar[FIFO_HEAD], FIFO)]
    base, state = rank * rules.banks, c.rank[rank * RANK_FIELDS : (rank + 1) * RANK_FIELDS]
    closing = state[OPEN_BANKS] > 0
    if not issue:
        if closing:
            return NEVER if state[OPENED_BANKS] else state[PREA_READY]
        return state[REF_READY]
    command = PREA if closing else REF
    _put(rules, c, log, t, command, base, rank, -1, -1, -1)
    state[REF_READY] = max(state[REF_READY], t + rules.own[command, REF])
    if closing:
        _bank_closed(c, rank, state[OPEN_BANKS], t)
    for lane in range(base, base + rules.banks):
        _later(c.at, ACT, lane, _since(c, t) + rules.own[command, ACT])
        c.at[ROW_AT, lane] = c.at[ACT, lane]
        if closing:
            c.lane[_lane(lane, ROW)] = -1
            c.at[CLOSED, lane] = 0
            _find_candidates(rules, c, lane)
    if not closing:
        _leave_refreshes(rules, c)
    return t


@helper
def _queue_refreshes(rules, c, now):
    """Put every rank whose refresh falls due by ``now`` into the queue, in rank order.

    Ranks fall due in the same order in every interval, so an entry that waits still is overwritten by its equal.
    """
    due = NEVER
    for rank in range(rules.ranks):
        if c.rank[_rank(rank, REFRESH_AT)] <= now:
            c.rank[_rank(rank, REFRESH_AT)] += rules.refresh_interval
            c.rank[_rank(rank, OWED)] += rules.sets > 0
            if c.rank[_rank(rank, HOLDING)] < 0:
                _join_refreshes(rules, c, rank)
                if rules.sets:
                    _hold(rules, c, rank, c.rank[_rank(rank, TURN)])
        due = min(due, c.rank[_rank(rank, REFRESH_AT)])
    c.scalar[REFRESH_DUE] = due


@inlined
def _key(mark, now, key):
    """Return a candidate's key with the mark at which it is ready, ``now`` or later."""
    return np.int32(max(mark, now) | key)


@inlined
def _select_reads(c, now):
    """Return the least key over all lanes when there are only reads."""
    best = np.int32(NO_KEY)
    column_at, row_at, column_key, row_key = c.at[RD], c.at[ROW_AT], c.key[COLUMN_KEY], c.key[ROW_KEY]
    for b in range(len(column_at)):
        column = _key(column_at[b], now, column_key[b])
        row = _key(row_at[b], now, row_key[b])
        best = min(best, min(column, row))
    return np.int64(best)


@inlined
def _select_mixed(c, now):
    """Return the least keys over all lanes: of the requests whose row was opened, of reads, of writes."""
    opened = reads = writes = np.int32(NO_KEY)
    read_at, write_at, row_at = c.at[RD], c.at[WR], c.at[ROW_AT]
    read_key, write_key = c.key[COLUMN_KEY], c.key[COLUMN_KEY + 1]
    read_row, write_row = c.key[ROW_KEY], c.key[ROW_KEY + 1]
    for b in range(len(row_at)):
        read, write = _key(read_at[b], now, read_key[b]), _key(write_at[b], now, write_key[b])
        reads = min(reads, min(read, _key(row_at[b], now, read_row[b])))
        writes = min(writes, min(write, _key(row_at[b], now, write_row[b])))
        opened_read = read if read_key[b] < QUEUED else np.int32(NO_KEY)
        opened_write = write if write_key[b] < QUEUED else np.int32(NO_KEY)
        opened = min(opened, min(opened_read, opened_write))
    return np.int64(opened), np.int64(reads), np.int64(writes)


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
    since = _since(c, free)
    if not rules.has_writes:
        return _select_reads(c, _mark(since))
    best, reads, writes = _select_mixed(c, _mark(since))
    # direction is only reconsidered on a clock on which no opened request goes
    if best >> SINCE_SHIFT > since:
        _switch_direction(rules, c)
        # of the queue not being served, only a request whose row was opened for it may go
        best = min(best, writes if c.scalar[WRITING] else reads)
    elif now < free:
        _switch_direction(rules, c)
    return best


@inlined
def _join(c, w, standing, free, i):
    """Return the best key at ``free`` where it was ``standing`` before request ``i`` came in."""
    lane, now = w.lane[index(i)], _mark(_since(c, free))
    column = _key(c.at[RD, index(lane)], now, c.key[COLUMN_KEY, index(lane)])
    row = _key(c.at[ROW_AT, index(lane)], now, c.key[ROW_KEY, index(lane)])
    return min(standing, np.int64(min(column, row)))


@helper
def _select_opened(c, free):
    """Return the least key among requests whose row was opened for them; a waiting refresh stops all others."""
    if not c.scalar[IN_FLIGHT]:
        return NO_KEY
    opened, _, _ = _select_mixed(c, _mark(_since(c, free)))
    return opened


@helper
def _keep_acts_away(rules, c, free):
    """Let no ACT from ``free`` on delay a REFsb whose set is closed; return the label from which one would."""
    open_banks, at = _set_ready(rules, c)
    if open_banks or at == NEVER:
        return NEVER
    delaying = at - rules.apart[ACT, REFSB] + 1
    if free < delaying:
        return delaying
    base = c.rank[_rank(c.scalar[FIFO_HEAD], FIFO)] * rules.banks
    for lane in range(base, base + rules.banks):
        _later(c.at, ACT, lane, _since(c, at))
        if c.lane[_lane(lane, ROW)] < 0:
            c.at[ROW_AT, lane] = c.at[ACT, lane]
    return NEVER


@helper
def _decide_beside(rules, c, now, free, head):
    """Return the best key at ``free`` where a set's refresh goes at ``head``: before what is ready then."""
    best = _decide(rules, c, now, free) if head > now else NO_KEY
    return best if c.scalar[BASE] + (best >> SINCE_SHIFT) < head else NO_KEY


@helper
def _select_closing(c, free):
    """Return ``since << 32 | lane`` of the open row that closes first among those no queued request can use."""
    best, now = NEVER, _mark(_since(c, free))
    for b in range(c.at.shape[1]):
        unused = c.key[COLUMN_KEY, b] == NO_KEY and c.key[COLUMN_KEY + 1, b] == NO_KEY
        if unused and c.lane[_lane(b, ROW)] >= 0:
            since = np.int64(max(c.at[ROW_AT, b], now)) >> SINCE_SHIFT
            best = min(best, (since << 32) + b)
    return best


@helper
def _issue_closing(rules, c, log, lane, t):
    """Close a row that no queued request can use."""
    _close(rules, c, log, lane, -1, t)


@jit
def advance(rules, controllers, w, log, u, visible, group):
    """Run controller ``u`` until ``group`` is served, or to the last data beat of all visible requests (ALL).

    Requests from index ``visible`` on do not exist yet. Of those that come in beside them, one that is there goes
    first. Returns DONE; NO_SPACE when the log is full, to be called again with a longer one; STARVED when the
    group waits for requests that are not visible; HUNGRY, for MORE_TO_COME, at the clock at which the request
    after the last visible one might come; PAUSED at the controller's LIMIT.
    """
    c = controller(controllers, u)
    s = c.scalar
    plain = not (rules.has_writes or rules.hit_cap or rules.close_pages or rules.sets)
    standing = NO_STANDING  # the best key when only requests came in since it was chosen
    while group < 0 or w.served[u, REMAINING, group]:
        if len(log) and s[LOGGED] == len(log):
            return NO_SPACE
        now = s[NOW]
        if now - s[BASE] > REBASE_AFTER:
            _rebase(c)
            standing = NO_STANDING
        if now >= s[LIMIT]:
            return PAUSED
        refused, side_refused = False, False
        if s[SIDE] < s[SIDE_END] and w.arrive[index(s[SIDE])] < now and s[OFFERED] != now:
            side_refused = not _accept(rules, c, w, u, now - 1, s[SIDE])
            s[SIDE] += not side_refused
        if s[NEXT] < visible and w.arrive[index(s[NEXT])] < now and s[OFFERED] != now:
            refused = not _accept(rules, c, w, u, now - 1, s[NEXT])
            s[NEXT] += not refused
        if group == MORE_TO_COME and s[NEXT] == visible:
            return HUNGRY
        if s[REFRESH_DUE] <= now:
            _queue_refreshes(rules, c, now)
        head, closing = NEVER, NEVER  # what goes when no request goes: refresh, or PRE of an unused row
        event = min(s[REFRESH_DUE], s[LIMIT])
        free = max(now, s[BUS_FREE])
        if s[FIFO_LEN]:
            head = max(_refresh_head(rules, c, log, free, False), free)
            if rules.sets:
                event = min(event, _keep_acts_away(rules, c, free))
                best = _decide_beside(rules, c, now, free, head)
            else:
                best = _select_opened(c, free)
        elif standing != NO_STANDING:
            best = _join(c, w, standing, free, s[NEXT] - 1)
        else:
            best = _decide(rules, c, now, free)
            if rules.close_pages:
                closing = _select_closing(c, free)
                head = NEVER if closing == NEVER else s[BASE] + (closing >> 32)
        standing = NO_STANDING
        at = NEVER if best == NO_KEY else s[BASE] + (best >> SINCE_SHIFT)
        if s[SIDE] < s[SIDE_END] and not side_refused and _has_room(rules, c, w, s[SIDE]):
            event = min(event, max(w.arrive[index(s[SIDE])], now) + 1)
        if s[NEXT] < visible and not refused and _has_room(rules, c, w, s[NEXT]):
            event = min(event, max(w.arrive[index(s[NEXT])], now) + 1)
        if min(at, head) >= event:
            if event == NEVER or (event > s[END] and _is_idle(c, visible)):
                return DONE if group < 0 else STARVED
            s[NOW] = event
            if plain and s[FIFO_LEN] == 0 and s[TICKETS] < len(c.ticket) and s[SIDE] == s[SIDE_END]:
                standing = best
        elif head < at:
            if head > s[END] and _is_idle(c, visible):
                return DONE if group < 0 else STARVED
            if closing < NEVER:
                _issue_closing(rules, c, log, closing & 0xFFFFFFFF, head)
            else:
                _refresh_head(rules, c, log, head, True)
            s[NOW] = head + 1
        else:
            slot = c.ticket[(best & (QUEUED - 1)) >> TICKET_SHIFT]
            kind = best & KINDS
            if kind == TO_READ_OR_WRITE:
                _issue_column(rules, c, w, log, u, slot, at)
            elif kind == TO_OPEN:
                _issue_act(rules, c, w, log, slot, at)
            else:
                _issue_pre(rules, c, log, slot, at)
            s[NOW] = at + 1
    return DONE
