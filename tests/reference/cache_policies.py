"""Replacement policies of one set as their papers tell them, with lists and dictionaries; slow.

Each takes ``items``, the accesses in order, and the ``ways``; those that are told more take it by name, one value for
each access but ``profile`` (reads by item). They return a list of hits. Queues and lists have their oldest first.
"""

from collections import Counter, OrderedDict
from itertools import groupby

NEVER = float("inf")


def lru(items, ways):
    cached, hit = OrderedDict(), []
    for x in items:
        hit.append(x in cached)
        cached[x] = None
        cached.move_to_end(x)
        if len(cached) > ways:
            cached.popitem(last=False)
    return hit


def fifo(items, ways):
    queue, hit = [], []
    for x in items:
        hit.append(x in queue)
        if x not in queue:
            queue = [*queue, x][-ways:]
    return hit


def clock(items, ways):
    """FIFO that gives a line which was hit a second chance, at the young end."""
    queue, was_hit, hit = [], set(), []
    for x in items:
        hit.append(x in queue)
        if hit[-1]:
            was_hit.add(x)
            continue
        if len(queue) == ways:
            while queue[0] in was_hit:
                was_hit.remove(queue[0])
                queue.append(queue.pop(0))
            queue.pop(0)
        queue.append(x)
    return hit


def random_replacement(items, ways, draw):
    places, hit = [], []
    for x, at in zip(items, draw, strict=True):
        hit.append(x in places)
        if hit[-1]:
            continue
        if len(places) < ways:
            places.append(x)
        else:
            places[at] = x
    return hit


def lfu(items, ways):
    reads, latest, hit = {}, {}, []
    for now, x in enumerate(items):
        hit.append(x in reads)
        if x not in reads and len(reads) == ways:
            del reads[min(reads, key=lambda line: (reads[line], latest[line]))]
        reads[x] = reads.get(x, 0) + 1
        latest[x] = now
    return hit


def sieve(items, ways):
    queue, visited, hand, hit = [], {}, None, []
    for x in items:
        hit.append(x in visited)
        if x in visited:
            visited[x] = True
            continue
        if len(queue) == ways:
            at = 0 if hand is None else queue.index(hand)
            while visited[queue[at]]:
                visited[queue[at]] = False
                at = (at + 1) % ways
            hand = queue[at + 1] if at + 1 < ways else None
            del visited[queue.pop(at)]
        queue.append(x)
        visited[x] = False
    return hit


def arc(items, ways):
    """Figure 4 of the paper, case by case; the most recent are at the end."""
    t1, t2, b1, b2, p, hit = [], [], [], [], 0.0, []

    def replace(x):
        if t1 and ((x in b2 and len(t1) == p) or len(t1) > p):
            b1.append(t1.pop(0))
        else:
            b2.append(t2.pop(0))

    for x in items:
        hit.append(x in t1 or x in t2)
        if hit[-1]:
            (t1 if x in t1 else t2).remove(x)
            t2.append(x)
        elif x in b1:
            p = min(ways, p + max(len(b2) / len(b1), 1))
            replace(x)
            b1.remove(x)
            t2.append(x)
        elif x in b2:
            p = max(0, p - max(len(b1) / len(b2), 1))
            replace(x)
            b2.remove(x)
            t2.append(x)
        else:
            if len(t1) + len(b1) == ways:
                if len(t1) < ways:
                    b1.pop(0)
                    replace(x)
                else:
                    t1.pop(0)
            elif len(t1) + len(t2) + len(b1) + len(b2) >= ways:
                if len(t1) + len(t2) + len(b1) + len(b2) == 2 * ways:
                    b2.pop(0)
                replace(x)
            t1.append(x)
    return hit


def s3fifo(items, ways, small_share=0.1):
    small_ways = max(1, int(small_share * ways))
    small, main, ghost, freq, hit = [], [], [], {}, []

    def evict():
        while True:
            if len(small) >= small_ways or not main:
                line = small.pop(0)
                if freq[line] > 1:
                    freq[line] = 0
                    main.append(line)
                    continue
                ghost.append(line)
                if len(ghost) > ways - small_ways:
                    ghost.pop(0)
                return
            line = main.pop(0)
            if not freq[line]:
                return
            freq[line] -= 1
            main.append(line)

    for x in items:
        hit.append(x in small or x in main)
        if hit[-1]:
            freq[x] = min(freq[x] + 1, 3)
            continue
        remembered = x in ghost
        if remembered:
            ghost.remove(x)
        if len(small) + len(main) == ways:
            evict()
        freq[x] = 0
        (main if remembered else small).append(x)
    return hit


def w_tinylfu(items, ways, window_share=0.01, protected_share=0.8, sample=10):
    window_ways = min(max(1, round(window_share * ways)), ways)
    main_ways = ways - window_ways
    protected_ways = int(protected_share * main_ways)
    window, probation, protected, count, hit = [], [], [], Counter(), []
    for now, x in enumerate(items, 1):
        if now % (sample * ways) == 0:
            count = Counter({line: reads // 2 for line, reads in count.items()})
        count[x] = min(count[x] + 1, 15)
        hit.append(x in window or x in probation or x in protected)
        if x in window:
            window.remove(x)
            window.append(x)
        elif hit[-1]:
            (probation if x in probation else protected).remove(x)
            protected.append(x)
            if len(protected) > protected_ways:
                probation.append(protected.pop(0))
        else:
            window.append(x)
            if len(window) > window_ways:
                newcomer = window.pop(0)
                if len(probation) + len(protected) < main_ways:
                    probation.append(newcomer)
                elif main_ways:
                    losing = probation or protected
                    if count[newcomer] > count[losing[0]]:
                        losing.pop(0)
                        probation.append(newcomer)
    return hit


def _next_reads(items):
    following, when = [], {}
    for now in range(len(items) - 1, -1, -1):
        following.append(when.get(items[now], NEVER))
        when[items[now]] = now
    return following[::-1]


def belady(items, ways, bypass=False):
    cached, hit = {}, []
    for x, following in zip(items, _next_reads(items), strict=True):
        hit.append(x in cached)
        if x in cached or len(cached) < ways:
            cached[x] = following
            continue
        candidates = {**cached, x: following} if bypass else cached
        goes = max(candidates, key=candidates.__getitem__)
        if goes != x:
            del cached[goes]
            cached[x] = following
    return hit


def belady_bypass(items, ways):
    return belady(items, ways, bypass=True)


def pinned(items, ways, profile):
    hot = sorted((x for x in profile if profile[x]), key=lambda x: (-profile[x], x))[:ways]
    fetched, hit = set(), []
    for x in items:
        hit.append(x in fetched)
        if x in hot:
            fetched.add(x)
    return hit


def locality_bit(items, ways, batch, threshold=2):
    reads = Counter(zip(batch, items, strict=True))
    bit = [reads[key] >= threshold for key in zip(batch, items, strict=True)]
    of_cacheable = iter(lru([x for x, one in zip(items, bit, strict=True) if one], ways))
    return [next(of_cacheable) if one else False for one in bit]


def aggregate_hit(items, ways, sample, flush_at=0.95, flush_share=0.3):
    """Entries of each worth in the order in which they came to have it."""
    samples = [
        [x for x, _ in group] for _, group in groupby(zip(items, sample, strict=True), lambda pair: pair[1])
    ]
    top = max((len(one) for one in samples), default=0)
    full = max(1, -int(-flush_at * ways // 1))
    levels, hit = [[] for _ in range(top + 1)], []
    for one in samples:
        found = [any(x in level for level in levels) for x in one]
        hit += found
        together = sum(found)
        for x in one:
            has = next((k for k, level in enumerate(levels) if x in level), None)
            if has is not None and has >= together:
                continue
            if has is not None:
                levels[has].remove(x)
            elif sum(map(len, levels)) == ways:
                next(level for level in levels if level).pop(0)
            levels[together].append(x)
        if len(levels[top]) >= full:
            del levels[top][: max(1, int(flush_share * len(levels[top])))]
    return hit
