"""An LRU cache as a textbook has it."""

from collections import OrderedDict


def lru_hits(items, capacity):
    """Hits of a fully associative LRU cache of ``capacity`` items."""
    cached: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for item in items:
        if item in cached:
            hits += 1
            cached.move_to_end(item)
        else:
            if len(cached) == capacity:
                cached.popitem(last=False)
            cached[item] = None
    return hits
