"""Replacement policies on arrays: one whole kernel each."""

from recnmp._accel import jit


@jit
def lru(line, tags, hit):
    """Mark hits of a set-associative LRU cache; ``tags`` (sets, ways) starts at -1, most recent way first."""
    sets, ways = tags.shape
    mask = sets - 1 if sets & (sets - 1) == 0 else -1  # a division would take half of the time
    for n in range(len(line)):
        wanted = line[n]
        s = wanted & mask if mask >= 0 else wanted % sets
        moved = tags[s, 0]
        if moved == wanted:
            hit[n] = True
            continue
        tags[s, 0] = wanted
        for way in range(1, ways):  # lines move on by one until the wanted one's place is filled
            here = tags[s, way]
            tags[s, way] = moved
            if here == wanted:
                hit[n] = True
                break
            moved = here
