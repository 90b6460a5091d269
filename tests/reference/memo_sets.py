"""MERCI's clusters and rewritten bags with sets and tuples, round by round as its program goes; slow.

Every round works on a copy of all parts, and is thrown away where it takes too much. Written from the description of
the behaviour alone: nothing here knows that ratios never rise within a part.
"""

from itertools import combinations


class Parts:
    """Clusters of each part with the bags that touch them: ``{(1, 2): {0, 3}}`` for every part."""

    def __init__(self, bags, parts):
        self.weight = [weight for weight, _ in bags]
        self.parts = [
            {(item,): {n for n, (_, bag) in enumerate(bags) if item in bag} for item in part}
            for part in parts
        ]

    def copy(self):
        other = object.__new__(Parts)
        other.weight, other.parts = self.weight, [dict(part) for part in self.parts]
        return other

    def extra(self):
        return sum(2 ** len(one) - 1 - len(one) for part in self.parts for one in part)

    def best(self, part):
        """The highest ratio of a part with its pair; of equal ones the first in the order of clusters."""
        found = (0.0, None)
        for a, b in combinations(sorted(part), 2):
            benefit = sum(self.weight[n] for n in part[a] & part[b])
            ratio = benefit / (2 ** (len(a) + len(b)) - 2 ** len(a) - 2 ** len(b) + 1)
            if ratio > found[0]:
                found = (ratio, (a, b))
        return found

    def merge(self, part, pair):
        part[tuple(sorted(pair[0] + pair[1]))] = part.pop(pair[0]) | part.pop(pair[1])

    def round(self, threshold):
        for part in self.parts:
            while (found := self.best(part))[0] > threshold:
                self.merge(part, found[1])


def clusters_by_rounds(bags, parts, base, targets):
    """The clusters of two items or more for every target, as a set of tuples; ``bags`` are (weight, items)."""
    state, threshold, told = Parts(bags, parts), 10000.0, []
    for ratio in targets:
        target, step = ratio * base, threshold / 5
        while True:
            tried = state.copy()
            tried.round(threshold)
            if base + tried.extra() >= 1.05 * target:
                step /= 2
                if step < 0.001:
                    break
                threshold += step
                continue
            state = tried
            nothing_left = all(state.best(part)[1] is None for part in state.parts)
            if base + state.extra() >= 0.95 * target or nothing_left:
                break
            threshold -= step
            if threshold <= step * 1e-9:
                step /= 2
                threshold = step
        while abs(base + state.extra() - target) >= 0.1 * target:
            ratio, pair, part = max(
                ((*state.best(part), part) for part in state.parts),
                key=lambda found: found[0],
                default=(0, None, None),
            )
            tried = state.copy()
            if pair is None:
                break
            tried.merge(tried.parts[state.parts.index(part)], pair)
            if base + tried.extra() > target:
                break
            state = tried
        told.append({one for part in state.parts for one in part if len(one) > 1})
    return told


def sums_read(bag, clusters):
    """The sums that a bag reads, each as a tuple of items; an item that it reads twice is in two of them."""
    home = {item: one for one in clusters for item in one}
    read = []
    left = list(bag)
    while left:
        once, again = set(), []
        for item in left:
            (again.append if item in once else once.add)(item)
        touched = {}
        for item in once:
            touched.setdefault(home.get(item, (item,)), []).append(item)
        read += [tuple(sorted(items)) for items in touched.values()]
        left = again
    return sorted(read)
