"""Batches through a graph of operators on shared resources, event by event."""

from recnmp._accel import helper, inlined, jit

# columns of `ops`
NEEDS, FIRST, SECOND = range(3)  # bits of operators waited for; resources held, the second -1 for none
# columns of `batch`
LANE, SIZE_CLASS, NEXT, DONE = range(4)  # next of the lane, -1 for none; bits of operators that are done
# rows of `lane`
HEAD, FREE_SLOTS = range(2)
# rows of `server`
FREE, QUEUE_HEAD, QUEUE_TAIL = range(3)


@inlined
def _before(time, key, a, b):
    return time[a] < time[b] or (time[a] == time[b] and key[a] < key[b])


@helper
def _push(time, key, count, at, what):
    """Put an event into the heap of ``count`` events."""
    n = count
    time[n], key[n] = at, what
    while n > 0:
        up = (n - 1) // 2
        if not _before(time, key, n, up):
            break
        time[n], time[up] = time[up], time[n]
        key[n], key[up] = key[up], key[n]
        n = up


@helper
def _drop(time, key, count):
    """Take the first event off the heap of ``count`` events."""
    last = count - 1
    time[0], key[0] = time[last], key[last]
    n = 0
    while True:
        least = 2 * n + 1
        if least >= last:
            break
        if least + 1 < last and _before(time, key, least + 1, least):
            least += 1
        if not _before(time, key, least, n):
            break
        time[n], time[least] = time[least], time[n]
        key[n], key[least] = key[least], key[n]
        n = least


@inlined
def _wait(server, queue, resource, what):
    queue[resource, server[QUEUE_TAIL, resource] % queue.shape[1]] = what
    server[QUEUE_TAIL, resource] += 1


@helper
def _admit(lane, batch, ops, server, queue, which, arrived):
    """Let batches of a lane that have arrived into its free slots; their first operators wait for resources."""
    while lane[FREE_SLOTS, which] > 0 and 0 <= lane[HEAD, which] < arrived:
        n = lane[HEAD, which]
        lane[HEAD, which] = batch[n, NEXT]
        lane[FREE_SLOTS, which] -= 1
        for op in range(len(ops)):
            if ops[op, NEEDS] == 0:
                _wait(server, queue, ops[op, FIRST], (n * len(ops) + op) * 2)


@helper
def _complete(server, queue, ops, batch, busy, now, n, op):
    """Give back what an operator held; whatever waited for it alone waits for resources now."""
    for which in range(FIRST, SECOND + 1):
        resource = ops[op, which]
        if resource >= 0:
            server[FREE, resource] += 1
            busy[resource] += now
    batch[n, DONE] |= 1 << op
    for other in range(len(ops)):
        needs = ops[other, NEEDS]
        if needs >> op & 1 and needs & ~batch[n, DONE] == 0:
            _wait(server, queue, ops[other, FIRST], (n * len(ops) + other) * 2)


@helper
def _start(server, queue, ops, batch, ns, busy, time, key, events, now):
    """Give free resources to who has waited longest; returns the number of events then in the heap."""
    for resource in range(server.shape[1]):
        while server[FREE, resource] > 0 and server[QUEUE_HEAD, resource] < server[QUEUE_TAIL, resource]:
            what = queue[resource, server[QUEUE_HEAD, resource] % queue.shape[1]]
            server[QUEUE_HEAD, resource] += 1
            server[FREE, resource] -= 1
            busy[resource] -= now
            n, op = what // 2 // len(ops), what // 2 % len(ops)
            if what % 2 == 0 and ops[op, SECOND] >= 0:
                _wait(server, queue, ops[op, SECOND], what + 1)  # a later resource, so this loop comes to it
                continue
            end = now + ns[batch[n, SIZE_CLASS], op]
            _push(time, key, events, end, n * (len(ops) + 1) + op + 1)
            events += 1
    return events


@jit
def serve(arrival, batch, ops, ns, lane, server, queue, time, key, busy, end):
    """Run all batches; fills ``end`` of every batch and ``busy`` of every resource, times as ``arrival``'s.

    ``arrival`` ascends. Events of one time come in the order of batches, then of operators, an arrival first; who
    waits for a resource gets it first come, first served. ``ns`` (size classes, operators) are times of operators,
    ``time`` and ``key`` hold the heap of operators that run, ``queue`` (resources, operators in flight) those that
    wait. A batch occupies a slot of its lane from its first operator's readiness to its last one's end.
    """
    arrived, events, whole = 0, 0, (1 << len(ops)) - 1
    while arrived < len(arrival) or events > 0:
        is_arrival = arrived < len(arrival) and (
            events == 0
            or arrival[arrived] < time[0]
            or (arrival[arrived] == time[0] and arrived * (len(ops) + 1) < key[0])
        )
        if is_arrival:
            now, which = arrival[arrived], batch[arrived, LANE]
            arrived += 1
            _admit(lane, batch, ops, server, queue, which, arrived)
        else:
            now = time[0]
            n, op = key[0] // (len(ops) + 1), key[0] % (len(ops) + 1) - 1
            _drop(time, key, events)
            events -= 1
            _complete(server, queue, ops, batch, busy, now, n, op)
            if batch[n, DONE] == whole:
                end[n] = now
                lane[FREE_SLOTS, batch[n, LANE]] += 1
                _admit(lane, batch, ops, server, queue, batch[n, LANE], arrived)
        events = _start(server, queue, ops, batch, ns, busy, time, key, events, now)
