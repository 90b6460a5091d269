"""Replacement policies on arrays: one whole kernel each."""

from recnmp._accel import jit


@jit
def lru(line, tags, hit):
    """Mark hits of a set-associative LRU cache; ``tags`` (sets, ways) starts at -1, most recent way first."""
    sets, ways = tags.shape
    for n in range(len(line)):
        s = line[n] % sets
        found = ways - 1
        for way in range(ways):
            if tags[s, way] == line[n]:
                found = way
                hit[n] = True
                break
        for way in range(found, 0, -1):
            tags[s, way] = tags[s, way - 1]
        tags[s, 0] = line[n]
