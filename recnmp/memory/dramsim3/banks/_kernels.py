"""Banks and ranks: which queued request needs which command, and the earliest clock of each.

Every lane (bank) offers at most one request per command: the ACT or PRE that its oldest queued request
needs, and the RD and the WR of the oldest that hit its open row. A rank keeps the earliest clock of each
command over its lanes, and a bound by rules across ranks, so that a decision looks at lanes only where it
finds something.
"""

from typing import NamedTuple

import numpy as np

from recnmp._accel import helper, inlined

ACT, PRE, RD, WR, REF = 0, 1, 2, 3, 4

# Controller.lane: by command ACT to WR its earliest clock by the rules, a bias of NEVER where no request
# needs it, and the slot of the request that does; then the lane's state
AT, OFF, FOR = 0, 4, 8
ROW, SERVED, HEAD, TAIL = 12, 13, 14, 15
LANE_FIELDS = 16
# Controller.rank: by command its earliest clock over the lanes, and a bound for all lanes; commands issued;
# clocks with a bank open up to the last time that all were closed, and when the first was opened since; ACTS is
# the first row of the window's
BEST, FLOOR, REF_READY, OPEN_BANKS, ISSUED, ACTIVE, OPEN_SINCE, ACTS = 0, 4, 8, 9, 10, 16, 17, 18
# Controller.slot: one request that needs a command of its own each, linked in age order within its lane;
# free slots are linked too
REQUEST, SLOT_ROW, SLOT_WRITE, NEXT_SLOT, AGE, NEXT_PENDING, STATE = 0, 1, 2, 3, 4, 5, 6
SLOT_FIELDS = 8  # a cache line
# Controller.scalar: commands issued in 0 to 5, then
HITS, MISSES, CONFLICTS, FORWARDED, ABSORBED, JOINED = 6, 7, 8, 9, 10, 11
COUNTS = 12
NOW, NEXT, WAITING, MOVABLE, DRAIN, TURN, DUE, REFRESHES, REFRESHING = 12, 13, 14, 16, 18, 19, 20, 21, 22
MOVED, FREE, LOGGED, END, QUEUED = 23, 24, 25, 26, 27
SCALARS = 28

CAS_CAP = 4  # column commands after which a row no longer keeps a conflict from closing it
NEVER = 1 << 60
LONG_AGO = -(1 << 40)


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
    queue: np.ndarray  # (U, 3, Q) requests in each command queue; reads and writes in line for it
    slot: np.ndarray  # (U, S, SLOT_FIELDS)
    line: np.ndarray  # (U, 4, room) slots of the reads and writes in line, oldest first; their queues
    pending: np.ndarray  # (U, a power of two) first slot of each chain of pending addresses


@inlined
def _look_through(rules, c, rank, y):
    """Recompute a rank's earliest clock of command ``y`` over its lanes."""
    base = rank * rules.banks
    at, off = c.lane[AT + y, base : base + rules.banks], c.lane[OFF + y, base : base + rules.banks]
    best = NEVER
    for j in range(rules.banks):
        best = min(best, max(at[j], off[j]))
    c.rank[BEST + y, rank] = best


@inlined
def _delay_all(rules, c, rank, y, gap, t):
    """Hold back command ``y`` in all lanes of a rank, by a wait for each since ``t``."""
    base = rank * rules.banks
    at, off = c.lane[AT + y, base : base + rules.banks], c.lane[OFF + y, base : base + rules.banks]
    best = NEVER
    for j in range(rules.banks):
        at[j] = max(at[j], t + gap[j])
        best = min(best, max(at[j], off[j]))
    c.rank[BEST + y, rank] = best


@inlined
def _need(c, rank, lane, y, slot):
    """Let the request in ``slot`` be the one of its lane that needs command ``y``."""
    c.lane[OFF + y, lane] = 0
    c.lane[FOR + y, lane] = slot
    c.rank[BEST + y, rank] = min(c.rank[BEST + y, rank], c.lane[AT + y, lane])


@inlined
def _need_no_more(rules, c, rank, lane, y):
    """Let no request of a lane need command ``y``."""
    if c.lane[OFF + y, lane] == 0:
        c.lane[OFF + y, lane] = NEVER
        _look_through(rules, c, rank, y)


@inlined
def _find_hits(rules, c, lane):
    """Find the oldest read and the oldest write that hit the open row; return whether there is one."""
    c.lane[OFF + RD, lane] = c.lane[OFF + WR, lane] = NEVER
    row, slot, found = c.lane[ROW, lane], c.lane[HEAD, lane], False
    while slot >= 0:
        if c.slot[slot, SLOT_ROW] == row:
            y = RD + c.slot[slot, SLOT_WRITE]
            if c.lane[OFF + y, lane]:
                c.lane[OFF + y, lane] = 0
                c.lane[FOR + y, lane] = slot
                if found or not rules.has_writes:
                    return True
                found = True
        slot = c.slot[slot, NEXT_SLOT]
    return found


@inlined
def append(rules, c, lane, slot):
    """Append a request to the queued ones of a lane."""
    rank = lane // rules.banks
    row, asked = c.lane[ROW, lane], c.slot[slot, SLOT_ROW]
    y = RD + c.slot[slot, SLOT_WRITE]
    c.slot[slot, NEXT_SLOT] = -1
    if c.lane[HEAD, lane] < 0:
        c.lane[HEAD, lane] = slot
        _need(c, rank, lane, ACT if row < 0 else y if row == asked else PRE, slot)
    else:
        c.slot[c.lane[TAIL, lane], NEXT_SLOT] = slot
        if row == asked and c.lane[OFF + y, lane]:
            _need(c, rank, lane, y, slot)
            if c.lane[SERVED, lane] < CAS_CAP:
                _need_no_more(rules, c, rank, lane, PRE)
    c.lane[TAIL, lane] = slot


@inlined
def _unlink(c, lane, slot):
    """Take a request out of the queued ones of its lane."""
    before, at = -1, c.lane[HEAD, lane]
    while at != slot:
        before, at = at, c.slot[at, NEXT_SLOT]
    after = c.slot[slot, NEXT_SLOT]
    if before >= 0:
        c.slot[before, NEXT_SLOT] = after
    else:
        c.lane[HEAD, lane] = after
    if after < 0:
        c.lane[TAIL, lane] = before


@inlined
def close_row(rules, c, lane, t):
    """Follow a PRE of ``lane`` at clock ``t``."""
    rank = lane // rules.banks
    c.lane[ROW, lane] = -1
    c.lane[SERVED, lane] = 0
    c.rank[OPEN_BANKS, rank] -= 1
    if c.rank[OPEN_BANKS, rank] == 0:
        c.rank[ACTIVE, rank] += t - c.rank[OPEN_SINCE, rank]
    c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[PRE, REF])
    c.lane[AT + ACT, lane] = max(c.lane[AT + ACT, lane], t + rules.own[PRE, ACT])
    for y in range(PRE, WR + 1):
        _need_no_more(rules, c, rank, lane, y)
    if c.lane[HEAD, lane] >= 0:
        _need(c, rank, lane, ACT, c.lane[HEAD, lane])


@inlined
def _oldest(acts):
    oldest = 0
    for k in range(1, len(acts)):
        oldest = k if acts[k] < acts[oldest] else oldest
    return oldest


@inlined
def open_row(rules, c, lane, t):
    """Follow the ACT of ``lane`` at clock ``t`` for its oldest request."""
    rank = lane // rules.banks
    c.lane[ROW, lane] = c.slot[c.lane[HEAD, lane], SLOT_ROW]
    if c.rank[OPEN_BANKS, rank] == 0:
        c.rank[OPEN_SINCE, rank] = t
    c.rank[OPEN_BANKS, rank] += 1
    c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[ACT, REF])
    for y in range(PRE, WR + 1):
        c.lane[AT + y, lane] = max(c.lane[AT + y, lane], t + rules.own[ACT, y])
    c.lane[OFF + ACT, lane] = NEVER
    _delay_all(rules, c, rank, ACT, rules.wide[ACT, ACT, lane - rank * rules.banks], t)
    _find_hits(rules, c, lane)
    for y in (RD, WR):
        c.rank[BEST + y, rank] = min(c.rank[BEST + y, rank], max(c.lane[AT + y, lane], c.lane[OFF + y, lane]))
    acts = c.rank[ACTS:, rank]
    acts[_oldest(acts)] = t
    c.rank[FLOOR + ACT, rank] = acts[_oldest(acts)] + rules.act_window_wait


@inlined
def use_row(rules, c, lane, slot, t):
    """Follow the RD or WR at clock ``t`` of the request in ``slot``, which leaves its lane."""
    rank = lane // rules.banks
    command = RD + c.slot[slot, SLOT_WRITE]
    c.lane[SERVED, lane] += 1
    _unlink(c, lane, slot)
    hit = _find_hits(rules, c, lane)
    for y in range(RD, RD + 1 + rules.has_writes):
        _delay_all(rules, c, rank, y, rules.wide[command, y, lane - rank * rules.banks], t)
        floor, elsewhere = c.rank[FLOOR + y], t + rules.other[command, y]
        kept = floor[rank]
        for r in range(rules.ranks):
            floor[r] = max(floor[r], elsewhere)
        floor[rank] = kept
    c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[command, REF])
    c.lane[AT + PRE, lane] = max(c.lane[AT + PRE, lane], t + rules.own[command, PRE])
    head = c.lane[HEAD, lane]
    conflict = head >= 0 and c.slot[head, SLOT_ROW] != c.lane[ROW, lane]
    if conflict and (not hit or c.lane[SERVED, lane] >= CAS_CAP):
        if c.lane[OFF + PRE, lane]:
            _need(c, rank, lane, PRE, head)
        else:
            _look_through(rules, c, rank, PRE)
    else:
        _need_no_more(rules, c, rank, lane, PRE)


@helper
def refresh_rank(rules, c, rank, t):
    """Follow a REF of ``rank`` at clock ``t``."""
    at = c.lane[AT + ACT, rank * rules.banks : (rank + 1) * rules.banks]
    for j in range(rules.banks):
        at[j] = max(at[j], t + rules.own[REF, ACT])
    _look_through(rules, c, rank, ACT)
    c.rank[REF_READY, rank] = max(c.rank[REF_READY, rank], t + rules.own[REF, REF])


@helper
def refresh_ready(rules, c):
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
def _rank_ready(c, rank):
    """Return the earliest clock at which a command of the rank's queues is legal."""
    ready = max(c.rank[BEST, rank], c.rank[FLOOR, rank])
    for y in range(1, 4):
        ready = min(ready, max(c.rank[BEST + y, rank], c.rank[FLOOR + y, rank]))
    return ready


@inlined
def command_ready(rules, c):
    """Return the earliest clock at which any command is legal; a rank that waits for REF takes no other."""
    frozen, ready = -1, NEVER
    if c.scalar[REFRESHES]:
        frozen, ready = c.scalar[REFRESHING], refresh_ready(rules, c)
    for rank in range(rules.ranks):
        if rank != frozen:
            ready = min(ready, _rank_ready(c, rank))
    return ready


@inlined
def _next_lane(rules, c, rank, start, t):
    """Return ``turn * 4 + command`` of the rank's first legal request in turn, lanes counted from ``start``."""
    base, lanes = rank * rules.banks, rules.ranks * rules.banks
    best = NEVER
    for y in range(4):
        if max(c.rank[BEST + y, rank], c.rank[FLOOR + y, rank]) <= t:
            at, off = c.lane[AT + y, base : base + rules.banks], c.lane[OFF + y, base : base + rules.banks]
            for j in range(rules.banks):
                turn = base + j - start
                turn += lanes if turn < 0 else 0
                best = min(best, turn * 4 + y if max(at[j], off[j]) <= t else NEVER)
    return best


@inlined
def _oldest_in_rank(rules, c, rank, t):
    """Return ``lane * 4 + command`` of the rank's oldest legal request."""
    best, age = -1, NEVER
    for y in range(4):
        if max(c.rank[BEST + y, rank], c.rank[FLOOR + y, rank]) <= t:
            for lane in range(rank * rules.banks, (rank + 1) * rules.banks):
                if max(c.lane[AT + y, lane], c.lane[OFF + y, lane]) <= t:
                    own_age = c.slot[c.lane[FOR + y, lane], AGE]
                    if own_age < age:
                        best, age = lane * 4 + y, own_age
    return best


@inlined
def next_in_turn(rules, c, t):
    """Return ``lane * 4 + command`` of the next legal request, queue after queue from the one last served."""
    frozen = c.scalar[REFRESHING] if c.scalar[REFRESHES] else -1
    lanes = rules.ranks * rules.banks
    start = (c.scalar[TURN] + 1) * rules.queue_lanes
    start -= lanes if start == lanes else 0
    rank = start // rules.banks
    best = NEVER
    for k in range(rules.ranks):
        if rank != frozen and _rank_ready(c, rank) <= t:
            if rules.queue_lanes > 1:
                return _oldest_in_rank(rules, c, rank, t)
            best = min(best, _next_lane(rules, c, rank, start, t))
            if k or best < 4 * rules.banks:
                break
        rank = rank + 1 if rank + 1 < rules.ranks else 0
    lane, command = (start + (best >> 2)) % lanes, best & 3
    if command == RD and max(c.lane[AT + WR, lane], c.lane[OFF + WR, lane], c.rank[FLOOR + WR, rank]) <= t:
        # both may go: the older one does
        write, read = c.lane[FOR + WR, lane], c.lane[FOR + RD, lane]
        command = WR if c.slot[write, AGE] < c.slot[read, AGE] else RD
    return lane * 4 + command
