"""RankCaches: each rank's own, LRU, in the order of delivery, and only for what the LocalityBit lets in."""

from collections import OrderedDict

import numpy as np
import pytest
from builders import placed_on, some_trace, system_of

from recnmp.config.schema import CacheConfig
from recnmp.nmp import recnmp
from recnmp.nmp.rank_cache import filled_by

CACHE = CacheConfig(size_bytes=16 * 64, ways=4)


def by_hand(rank, line, cacheable, cache) -> list[int]:
    """Walk through the accesses one by one with a dictionary for every set, oldest line first."""
    sets = cache.size_bytes // 64 // cache.ways
    held: dict[tuple[int, int], OrderedDict[int, int]] = {}
    found = []
    for n, (u, number, may) in enumerate(zip(rank.tolist(), line.tolist(), cacheable.tolist(), strict=True)):
        kept = held.setdefault((u, number % sets), OrderedDict())
        if may and number in kept:
            kept.move_to_end(number)
            found.append(kept[number])
            continue
        found.append(-1)
        if may:
            kept[number] = n
            if len(kept) > cache.ways:
                kept.popitem(last=False)
    return found


def accesses(seed: int, n: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    line = np.where(rng.random(n) < 0.5, rng.integers(0, 12, n), rng.integers(0, 80, n))
    return rng.integers(0, 3, n).astype(np.int32), line, rng.random(n) < 0.7


@pytest.mark.parametrize("ways", [1, 4, 16])
@pytest.mark.parametrize("seed", range(4))
def test_hits_and_who_fetched_their_lines_are_those_of_a_walk_by_hand(seed, ways):
    cache = CacheConfig(size_bytes=16 * 64, ways=ways)
    rank, line, cacheable = accesses(seed)
    assert filled_by(rank, line, cacheable, cache).tolist() == by_hand(rank, line, cacheable, cache)


@pytest.mark.parametrize("seed", range(4))
def test_a_hit_is_fetched_by_an_earlier_read_of_its_line_in_its_rank(seed):
    rank, line, cacheable = accesses(seed)
    found = filled_by(rank, line, cacheable, CACHE)
    hits = np.flatnonzero(found >= 0)
    assert len(hits) > 50
    fetch = found[hits]
    assert (fetch < hits).all()
    assert (found[fetch] == -1).all()
    assert (rank[fetch] == rank[hits]).all()
    assert (line[fetch] == line[hits]).all()
    assert cacheable[hits].all()
    assert cacheable[fetch].all()


def test_without_a_cache_everything_reads_dram():
    rank, line, cacheable = accesses(0)
    assert set(filled_by(rank, line, cacheable, None).tolist()) == {-1}


def test_nothing_cacheable_hits_nothing():
    rank, line, cacheable = accesses(0)
    assert set(filled_by(rank, line, np.zeros_like(cacheable), CACHE).tolist()) == {-1}


def test_no_access_is_no_hit():
    none = np.zeros(0, np.int32)
    assert len(filled_by(none, none.astype(np.int64), none.astype(np.bool_), CACHE)) == 0


def test_a_lookup_that_goes_past_the_cache_neither_fills_nor_refreshes_it():
    cache, rank = CacheConfig(size_bytes=128, ways=2), np.zeros(6, np.int32)
    line = np.array([1, 2, 1, 3, 1, 2])
    kept_fresh = np.ones(6, np.bool_)
    # the third access refreshes line 1, so 3 pushes out 2 ...
    assert filled_by(rank, line, kept_fresh, cache).tolist() == [-1, -1, 0, -1, 0, -1]
    past = np.array([True, True, False, True, True, True])
    # ... unless it goes past the cache: then 3 pushes out 1, which pushes out 2 itself
    assert filled_by(rank, line, past, cache).tolist() == [-1, -1, -1, -1, -1, -1]


@pytest.mark.parametrize("locality", [{}, {"locality": "threshold", "locality_threshold": 2}])
def test_what_hits_is_not_asked_of_dram(locality):
    trace, system = some_trace(5), system_of(rank_cache=CACHE)
    placed = placed_on(system, trace)
    run = recnmp.run(trace, placed, system, recnmp.Options(**locality))
    hits = round(run.details["cache_hit_rate"] * placed.bursts)
    assert hits > 0
    assert run.memory["requests"] == run.memory["commands"]["RD"] == placed.bursts - hits
