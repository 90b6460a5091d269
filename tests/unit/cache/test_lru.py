"""Least recently used against an ordered dictionary per set."""

from collections import OrderedDict

import numpy as np
import pytest

from recnmp.cache.filter import cache_hits
from recnmp.cache.lru import hits
from recnmp.config.schema import CacheConfig


def plain(line: np.ndarray, sets: int, ways: int) -> list[bool]:
    stored = [OrderedDict() for _ in range(sets)]
    found = []
    for number in line.tolist():
        lines = stored[number % sets]
        found.append(number in lines)
        lines[number] = None
        lines.move_to_end(number)
        if len(lines) > ways:
            lines.popitem(last=False)
    return found


def streams(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {
        "uniform": rng.integers(0, 300, n),
        "zipf": rng.zipf(1.2, n) % 100_003,
        "far apart": rng.integers(0, 40, n) << 40,
        "scan": np.arange(n) % 130,
    }


@pytest.mark.parametrize(("sets", "ways"), [(1, 1), (1, 128), (64, 1), (16, 4), (12, 5), (512, 4)])
@pytest.mark.parametrize("kind", ["uniform", "zipf", "far apart", "scan"])
def test_hits_are_those_of_an_ordered_dictionary_per_set(kind, sets, ways):
    line = streams(np.random.default_rng(sets + ways), 3000)[kind]
    assert hits(line, sets, ways).tolist() == plain(line, sets, ways)


def test_the_line_unused_for_longest_leaves():
    #          fill     hit 1  3 replaces 2, the older one
    line = np.array([1, 2, 1, 3, 1, 2])
    assert hits(line, 1, 2).tolist() == [False, False, True, False, True, False]


@pytest.mark.parametrize("lines", [7, 8, 9])
def test_a_cycle_hits_always_when_it_fits_and_never_when_it_is_one_line_too_long(lines):
    line = np.tile(np.arange(lines), 20)
    assert int(hits(line, 1, 8).sum()) == (19 * lines if lines <= 8 else 0)


def test_low_bits_of_a_line_select_its_set():
    assert hits(np.array([0, 4, 0, 4]), 4, 1).tolist() == [False, False, False, False]
    assert hits(np.array([0, 5, 0, 5]), 4, 1).tolist() == [False, False, True, True]


def test_no_access_is_no_hit():
    assert hits(np.zeros(0, np.int64), 4, 2).shape == (0,)


def test_without_a_cache_nothing_hits():
    assert not cache_hits(np.array([3, 3, 3]), None).any()


def test_a_configured_cache_has_the_lines_of_its_size():
    line = np.tile(np.arange(16), 2)
    cache = CacheConfig(size_bytes=16 * 64, ways=4)
    assert cache_hits(line, cache).tolist() == [False] * 16 + [True] * 16
    half = CacheConfig(size_bytes=8 * 64, ways=8)
    assert not cache_hits(line, half).any()
