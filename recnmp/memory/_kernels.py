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

from recnmp._accel import jit

ACT, PRE, RD, WR, REF, PREA = 0, 1, 2, 3, 4, 5
SAME_BANK, OTHER_RANK = 0, 3

# rows of Controller.key: candidates of each lane
OPENED_READ, OPENED_WRITE, HIT_READ, HIT_WRITE, ROW_READ, ROW_WRITE = 0, 1, 2, 3, 4, 5

WAIT_SHIFT = 40
QUEUED = 1 << 39  # class bit: below every request whose row was opened for it
AGE_MASK = QUEUED - 1
NO_KEY = 1 << 62
NEVER = 1 << 60

# indices of Controller.scalar
NOW, NEXT, WRITING, REFRESH_DUE, FIFO_HEAD, FIFO_LEN, FREE, LOGGED, OPENED, END = range(10)
N_SCALARS = 10
# indices of Controller.count, after the six commands
HITS, MISSES, CONFLICTS, FORWARDED, ABSORBED = 6, 7, 8, 9, 10
N_COUNTS = 11

DONE, NO_SPACE, STARVED = 0, 1, 2


class Rules(NamedTuple):
    """A standard and a policy as numbers; shapes: B banks of a rank, W window."""

    ranks: int
    banks: int  # of a rank
    own: np.ndarray  # (6, 6) clocks from X to Y in the same bank, or rank for PREA and REF
    wide: np.ndarray  # (4, 4, B, B) clocks from X in bank i to Y in bank j of the same rank
    other: np.ndarray  # (4, 4) clocks from X to Y in another rank
    act_window: int
    act_window_wait: int
    read_latency: int  # RD label to last data beat
    write_latency: int  # WR label to last data beat
    refresh_interval: int  # 0: no refresh
    protect_hits: int  # frfcfs_rowhit: an older hit keeps its row open
    queue: np.ndarray  # (2,) capacity of the read and the write queue
    high: int  # writes above which write mode starts
    low: int  # writes below which it ends
    has_writes: int


class Controller(NamedTuple):
    """State of U controllers (leading axis) or, sliced, of one; N lanes, R ranks, S queue slots."""

    scalar: np.ndarray  # (U, N_SCALARS)
    count: np.ndarray  # (U, N_COUNTS)
    waiting: np.ndarray  # (U, 2) requests in the read and the write queue
    ready: np.ndarray  # (U, 4, N) earliest legal label of ACT, PRE, RD, WR
    rank_ready: np.ndarray  # (U, 2, R) of PREA and REF
    row: np.ndarray  # (U, N) open row or -1
    key: np.ndarray  # (U, 6, N) candidates
    opened: np.ndarray  # (U, N) request the row was opened for, or -1
    open_banks: np.ndarray  # (U, R)
    opened_of_rank: np.ndarray  # (U, R)
    acts: np.ndarray  # (U, R, W) labels of the last ACTs
    refresh_at: np.ndarray  # (U, R)
    fifo: np.ndarray  # (U, F) ranks waiting for refresh
    head: np.ndarray  # (U, 2, N) oldest slot of each lane's read and write queue, or -1
    tail: np.ndarray  # (U, 2, N)
    slot_request: np.ndarray  # (U, S)
    slot_row: np.ndarray  # (U, S)
    slot_next: np.ndarray  # (U, S)
    slot_previous: np.ndarray  # (U, S)
    free: np.ndarray  # (U, S) stack of free slots


class Work(NamedTuple):
    """Requests of all controllers and what becomes of them, L requests."""

    arrive: np.ndarray  # (L,) clock from which a request may be offered
    lane: np.ndarray  # (L,) rank * banks + bank within the controller
    row: np.ndarray  # (L,)
    column: np.ndarray  # (L,)
    write: np.ndarray  # (L,)
    group: np.ndarray  # (L,) what the request's completion counts for
    accepted: np.ndarray  # (L,) out: clock at which the controller took it
    depart: np.ndarray  # (L,) out: last data beat, -1 for writes
    first: np.ndarray  # (L,) out: 0, or HITS, MISSES, CONFLICTS by its first command
    remaining: np.ndarray  # (U, G) requests of a group still to be served
    done: np.ndarray  # (U, G) out: last data beat of a group


class Log(NamedTuple):
    """Issued commands of one controller, room for M (0: not recorded)."""

    cycle: np.ndarray
    command: np.ndarray
    lane: np.ndarray
    row: np.ndarray
    column: np.ndarray
    request: np.ndarray


@jit
def view(c, u):
    """Slice controller ``u``."""
    return Controller(
        c.scalar[u], c.count[u], c.waiting[u], c.ready[u], c.rank_ready[u], c.row[u], c.key[u], c.opened[u],
        c.open_banks[u], c.opened_of_rank[u], c.acts[u], c.refresh_at[u], c.fifo[u], c.head[u], c.tail[u],
        c.slot_request[u], c.slot_row[u], c.slot_next[u], c.slot_previous[u], c.free[u],
    )  # fmt: skip


@jit
def _log(c, log, t, command, lane, row, column, request):
    c.count[command] += 1
    if log.cycle.shape[0]:
        n = c.scalar[LOGGED]
        log.cycle[n] = t
        log.command[n] = command
        log.lane[n] = lane
        log.row[n] = row
        log.column[n] = column
        log.request[n] = request
        c.scalar[LOGGED] = n + 1


@jit
def _find_candidates(rules, c, lane):
    """Recompute the queued candidates of a lane from its two queues."""
    row = c.row[lane]
    for q in range(1 + rules.has_writes):
        hit, conflict = NO_KEY, NO_KEY
        slot = c.head[q, lane]
        if row < 0:
            if slot >= 0:
                conflict = QUEUED | c.slot_request[slot]
        else:
            while slot >= 0 and (hit == NO_KEY or conflict == NO_KEY):
                if c.slot_row[slot] == row:
                    if hit == NO_KEY:
                        hit = QUEUED | c.slot_request[slot]
                elif conflict == NO_KEY:
                    conflict = QUEUED | c.slot_request[slot]
                slot = c.slot_next[slot]
            if c.opened[lane] >= 0 or (rules.protect_hits and hit < conflict):
                conflict = NO_KEY
        c.key[HIT_READ + q, lane] = hit
        c.key[ROW_READ + q, lane] = conflict


@jit
def _enqueue(rules, c, w, i, q):
    """Append request ``i`` to its lane's queue and let it stand as a candidate where it is one."""
    lane = w.lane[i]
    n = c.scalar[FREE] - 1
    slot = c.free[n]
    c.scalar[FREE] = n
    c.waiting[q] += 1
    c.slot_request[slot] = i
    c.slot_row[slot] = w.row[i]
    last = c.tail[q, lane]
    c.slot_previous[slot] = last
    c.slot_next[slot] = -1
    if last >= 0:
        c.slot_next[last] = slot
    else:
        c.head[q, lane] = slot
    c.tail[q, lane] = slot
    row = c.row[lane]
    if row == w.row[i]:
        if c.key[HIT_READ + q, lane] == NO_KEY:
            c.key[HIT_READ + q, lane] = QUEUED | i
    elif c.key[ROW_READ + q, lane] == NO_KEY and c.opened[lane] < 0:
        if not (rules.protect_hits and row >= 0 and c.key[HIT_READ + q, lane] != NO_KEY):
            c.key[ROW_READ + q, lane] = QUEUED | i


@jit
def _dequeue(c, q, lane, i):
    """Unlink request ``i`` from its lane's queue and free its slot."""
    slot = c.head[q, lane]
    while c.slot_request[slot] != i:
        slot = c.slot_next[slot]
    before, after = c.slot_previous[slot], c.slot_next[slot]
    if before >= 0:
        c.slot_next[before] = after
    else:
        c.head[q, lane] = after
    if after >= 0:
        c.slot_previous[after] = before
    else:
        c.tail[q, lane] = before
    c.free[c.scalar[FREE]] = slot
    c.scalar[FREE] += 1
    c.waiting[q] -= 1


@jit
def _in_write_queue(c, w, i):
    slot = c.head[1, w.lane[i]]
    while slot >= 0:
        j = c.slot_request[slot]
        if w.row[j] == w.row[i] and w.column[j] == w.column[i]:
            return True
        slot = c.slot_next[slot]
    return False


@jit
def _finish(c, w, u, i, done, end):
    """Count request ``i`` as served: its last data beat, and the last label the controller must live to."""
    g = w.group[i]
    w.remaining[u, g] -= 1
    w.done[u, g] = max(w.done[u, g], done)
    c.scalar[END] = max(c.scalar[END], end)


@jit
def _has_room(rules, c, w, i):
    """Tell whether request ``i`` would be taken: its queue has room, or a queued write answers it."""
    q = w.write[i]
    return c.waiting[q] < rules.queue[q] or (rules.has_writes and _in_write_queue(c, w, i))


@jit
def _is_idle(c, visible):
    return c.scalar[NEXT] == visible and c.waiting[0] + c.waiting[1] + c.scalar[OPENED] == 0


@jit
def _accept(rules, c, w, u, t):
    """Offer the next request at clock ``t``; return whether it was taken."""
    i = c.scalar[NEXT]
    write = w.write[i]
    if not _has_room(rules, c, w, i):
        return False
    if rules.has_writes and _in_write_queue(c, w, i):
        c.count[ABSORBED if write else FORWARDED] += 1
        w.depart[i] = -1 if write else t + 1
        _finish(c, w, u, i, t + 1, t + 1)
    else:
        _enqueue(rules, c, w, i, write)
    w.accepted[i] = t
    c.scalar[NEXT] = i + 1
    return True


@jit
def _issue_row(rules, c, w, log, i, t):
    """Issue the ACT or PRE that request ``i`` needs at label ``t``."""
    lane = w.lane[i]
    rank = lane // rules.banks
    base = rank * rules.banks
    bank = lane - base
    if c.row[lane] >= 0:
        _log(c, log, t, PRE, lane, c.row[lane], -1, i)
        if w.first[i] == 0:
            w.first[i] = CONFLICTS
        c.row[lane] = -1
        c.open_banks[rank] -= 1
        c.ready[ACT, lane] = max(c.ready[ACT, lane], t + rules.own[PRE, ACT])
        c.rank_ready[1, rank] = max(c.rank_ready[1, rank], t + rules.own[PRE, REF])
        _find_candidates(rules, c, lane)
        return
    _log(c, log, t, ACT, lane, w.row[i], -1, i)
    if w.first[i] == 0:
        w.first[i] = MISSES
    c.row[lane] = w.row[i]
    c.open_banks[rank] += 1
    c.opened[lane] = i
    c.opened_of_rank[rank] += 1
    c.scalar[OPENED] += 1
    write = w.write[i]
    _dequeue(c, write, lane, i)
    c.key[OPENED_READ + write, lane] = i
    _find_candidates(rules, c, lane)
    oldest = 0
    for k in range(1, rules.act_window):
        if c.acts[rank, k] < c.acts[rank, oldest]:
            oldest = k
    c.acts[rank, oldest] = t
    for k in range(rules.act_window):
        oldest = k if c.acts[rank, k] < c.acts[rank, oldest] else oldest
    window = c.acts[rank, oldest] + rules.act_window_wait
    for j in range(rules.banks):
        c.ready[ACT, base + j] = max(c.ready[ACT, base + j], max(window, t + rules.wide[ACT, ACT, bank, j]))
    c.ready[RD, lane] = max(c.ready[RD, lane], t + rules.own[ACT, RD])
    c.ready[WR, lane] = max(c.ready[WR, lane], t + rules.own[ACT, WR])
    c.ready[PRE, lane] = max(c.ready[PRE, lane], t + rules.own[ACT, PRE])
    c.rank_ready[0, rank] = max(c.rank_ready[0, rank], t + rules.own[ACT, PREA])
    c.rank_ready[1, rank] = max(c.rank_ready[1, rank], t + rules.own[ACT, REF])


@jit
def _issue_column(rules, c, w, log, u, i, t):
    """Issue the RD or WR of request ``i`` at label ``t``."""
    lane = w.lane[i]
    rank = lane // rules.banks
    base = rank * rules.banks
    bank = lane - base
    write = w.write[i]
    command = WR if write else RD
    _log(c, log, t, command, lane, c.row[lane], w.column[i], i)
    if w.first[i] == 0:
        w.first[i] = HITS
    c.count[w.first[i]] += 1
    if c.opened[lane] == i:
        c.opened[lane] = -1
        c.opened_of_rank[rank] -= 1
        c.scalar[OPENED] -= 1
        c.key[OPENED_READ + write, lane] = NO_KEY
    else:
        _dequeue(c, write, lane, i)
    _find_candidates(rules, c, lane)
    for y in range(RD, RD + 1 + rules.has_writes):
        for j in range(rules.banks):
            c.ready[y, base + j] = max(c.ready[y, base + j], t + rules.wide[command, y, bank, j])
        elsewhere = t + rules.other[command, y]
        for j in range(base):
            c.ready[y, j] = max(c.ready[y, j], elsewhere)
        for j in range(base + rules.banks, rules.ranks * rules.banks):
            c.ready[y, j] = max(c.ready[y, j], elsewhere)
    c.ready[PRE, lane] = max(c.ready[PRE, lane], t + rules.own[command, PRE])
    c.rank_ready[0, rank] = max(c.rank_ready[0, rank], t + rules.own[command, PREA])
    if write:
        w.depart[i] = -1
        _finish(c, w, u, i, t + rules.write_latency, t)
    else:
        w.depart[i] = t + rules.read_latency
        _finish(c, w, u, i, t + rules.read_latency, t + rules.read_latency)


@jit
def _refresh_head(rules, c, log, t, issue):
    """Return the earliest label at which the first waiting rank can go on; issue it at ``t`` when asked."""
    rank = c.fifo[c.scalar[FIFO_HEAD]]
    base = rank * rules.banks
    if c.open_banks[rank]:
        if not issue:
            return NEVER if c.opened_of_rank[rank] else c.rank_ready[0, rank]
        _log(c, log, t, PREA, base, -1, -1, -1)
        c.open_banks[rank] = 0
        for lane in range(base, base + rules.banks):
            c.row[lane] = -1
            c.ready[ACT, lane] = max(c.ready[ACT, lane], t + rules.own[PREA, ACT])
            _find_candidates(rules, c, lane)
        c.rank_ready[1, rank] = max(c.rank_ready[1, rank], t + rules.own[PREA, REF])
        return t
    if not issue:
        return c.rank_ready[1, rank]
    _log(c, log, t, REF, base, -1, -1, -1)
    for lane in range(base, base + rules.banks):
        c.ready[ACT, lane] = max(c.ready[ACT, lane], t + rules.own[REF, ACT])
    c.rank_ready[1, rank] = max(c.rank_ready[1, rank], t + rules.own[REF, REF])
    c.scalar[FIFO_HEAD] = (c.scalar[FIFO_HEAD] + 1) % c.fifo.shape[0]
    c.scalar[FIFO_LEN] -= 1
    return t


@jit
def _queue_refreshes(rules, c, now):
    """Put every rank whose refresh falls due by ``now`` into the queue, in rank order."""
    due = NEVER
    for rank in range(rules.ranks):
        if c.refresh_at[rank] <= now:
            c.fifo[(c.scalar[FIFO_HEAD] + c.scalar[FIFO_LEN]) % c.fifo.shape[0]] = rank
            c.scalar[FIFO_LEN] += 1
            c.refresh_at[rank] += rules.refresh_interval
        due = min(due, c.refresh_at[rank])
    c.scalar[REFRESH_DUE] = due


@jit
def _select_reads(rules, c, now):
    """Return the least key over all lanes when there are only reads."""
    best = NO_KEY
    ready, row, key = c.ready, c.row, c.key
    for b in range(rules.ranks * rules.banks):
        column = max(ready[RD, b] - now, 0) << WAIT_SHIFT
        best = min(best, column + min(key[OPENED_READ, b], key[HIT_READ, b]))
        until = ready[PRE, b] if row[b] >= 0 else ready[ACT, b]
        best = min(best, (max(until - now, 0) << WAIT_SHIFT) + key[ROW_READ, b])
    return best


@jit
def _select_mixed(rules, c, now, q):
    """Return the least key over all lanes; ``q`` is the queue being served."""
    best = NO_KEY
    ready, row, key = c.ready, c.row, c.key
    for b in range(rules.ranks * rules.banks):
        read = max(ready[RD, b] - now, 0) << WAIT_SHIFT
        write = max(ready[WR, b] - now, 0) << WAIT_SHIFT
        best = min(best, read + key[OPENED_READ, b])
        best = min(best, write + key[OPENED_WRITE, b])
        best = min(best, (write if q else read) + key[HIT_READ + q, b])
        until = ready[PRE, b] if row[b] >= 0 else ready[ACT, b]
        best = min(best, (max(until - now, 0) << WAIT_SHIFT) + key[ROW_READ + q, b])
    return best


@jit
def _select_opened(rules, c, now):
    """Return the least key among requests whose row was opened for them; a waiting refresh stops all others."""
    best = NO_KEY
    if c.scalar[OPENED]:
        for b in range(rules.ranks * rules.banks):
            if c.opened[b] >= 0:
                write = c.key[OPENED_WRITE, b] != NO_KEY
                until = c.ready[WR if write else RD, b]
                best = min(best, (max(until - now, 0) << WAIT_SHIFT) + c.opened[b])
    return best


@jit
def _switch_direction(rules, c):
    """Enter or leave write mode by the queues' fill."""
    reads, writes = c.waiting[0], c.waiting[1]
    if c.scalar[WRITING]:
        if writes < rules.low and reads:
            c.scalar[WRITING] = 0
    elif writes > rules.high or not reads:
        c.scalar[WRITING] = 1


@jit
def _decide(rules, c, now):
    """Return the best key at ``now`` by the policy's order: opened rows, then the queue being served."""
    if not rules.has_writes:
        return _select_reads(rules, c, now)
    best = _select_opened(rules, c, now)
    if best >> WAIT_SHIFT:
        # direction is only reconsidered on a clock on which no opened request goes
        _switch_direction(rules, c)
        best = _select_mixed(rules, c, now, c.scalar[WRITING])
    return best


@jit
def advance(rules, controllers, w, log, u, visible, group):
    """Run controller ``u`` until ``group`` is served (all visible requests and the last data beat when -1).

    Requests from index ``visible`` on do not exist yet. Returns DONE; NO_SPACE when the log is full, to be
    called again with a longer one; STARVED when the group waits for requests that are not visible.
    """
    c = view(controllers, u)
    s = c.scalar
    while group < 0 or w.remaining[u, group]:
        if log.cycle.shape[0] and s[LOGGED] == log.cycle.shape[0]:
            return NO_SPACE
        now = s[NOW]
        refused = False
        if s[NEXT] < visible and w.arrive[s[NEXT]] < now:
            refused = not _accept(rules, c, w, u, now - 1)
        if s[REFRESH_DUE] <= now:
            _queue_refreshes(rules, c, now)
        head = NEVER
        if s[FIFO_LEN]:
            best = _select_opened(rules, c, now)
            head = max(_refresh_head(rules, c, log, now, False), now)
        else:
            best = _decide(rules, c, now)
        at = NEVER if best >= NO_KEY else now + (best >> WAIT_SHIFT)
        event = s[REFRESH_DUE]
        if s[NEXT] < visible and not refused and _has_room(rules, c, w, s[NEXT]):
            event = min(event, max(w.arrive[s[NEXT]], now) + 1)
        if min(at, head) >= event:
            if event == NEVER or (event > s[END] and _is_idle(c, visible)):
                return DONE if group < 0 else STARVED
            s[NOW] = event
        elif head < at:
            if head > s[END] and _is_idle(c, visible):
                return DONE if group < 0 else STARVED
            _refresh_head(rules, c, log, head, True)
            s[NOW] = head + 1
        else:
            i = best & AGE_MASK
            if (best & QUEUED) and c.row[w.lane[i]] != w.row[i]:
                _issue_row(rules, c, w, log, i, at)
            else:
                _issue_column(rules, c, w, log, u, i, at)
            s[NOW] = at + 1
    return DONE
