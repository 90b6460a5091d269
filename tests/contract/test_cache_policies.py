"""What every policy of a simulated cache owes, whichever files the policies' folder holds."""

import numpy as np
import pytest

from recnmp.cache.filter import cache_hits
from recnmp.cache.policy import find_policy, hardware_policies, policy_hits
from recnmp.cache.stream import stream_of
from recnmp.config.schema import CacheConfig

POLICIES = hardware_policies()
SHAPES = [(1, 1), (1, 8), (8, 1), (4, 4), (6, 3)]


def hits(policy: str, line: np.ndarray, sets: int, ways: int) -> np.ndarray:
    """Hits of a cache that is configured so."""
    return cache_hits(line, CacheConfig(kind=policy, size_bytes=64 * sets * ways, ways=ways))


policies = pytest.mark.parametrize("policy", POLICIES)
shapes = pytest.mark.parametrize(("sets", "ways"), SHAPES)


def stream(seed: int = 0, n: int = 600) -> np.ndarray:
    """Hot lines, a scan and strays, so that lines are reused, replaced and never seen again."""
    rng = np.random.default_rng(seed)
    kinds = [rng.zipf(1.3, n) % 97, np.arange(n) % 61, rng.integers(0, 1 << 40, n)]
    return np.choose(rng.choice(3, n, p=[0.6, 0.3, 0.1]), kinds).astype(np.int64)


def most_hits(line: np.ndarray, ways: int) -> int:
    """Hits of the best replacement that knows the future and need not keep a line (Belady, with bypass).

    A line kept until its next use takes one of ``ways`` places for that long; taking the kept spans in order
    of their ends and each where it fits is the most that can be kept at all.
    """
    last: dict[int, int] = {}
    spans = []
    for now, number in enumerate(line.tolist()):
        if number in last:
            spans.append((last[number], now))
        last[number] = now
    free_from = [0] * ways  # each place is used by one span after the other
    kept = 0
    for begin, end in spans:  # already in order of their ends
        fitting = [place for place in range(ways) if free_from[place] <= begin]
        if fitting:
            free_from[max(fitting, key=free_from.__getitem__)] = end
            kept += 1
    return kept


def test_there_is_a_policy():
    assert "lru" in POLICIES


@policies
def test_a_policy_says_what_it_does(policy):
    assert len(find_policy(policy).__doc__) > 40


@policies
@shapes
def test_a_line_never_seen_before_is_no_hit(policy, sets, ways):
    line = stream(1)
    _, first = np.unique(line, return_index=True)
    assert not hits(policy, line, sets, ways)[first].any()


@policies
@shapes
def test_no_policy_holds_more_than_its_lines(policy, sets, ways):
    # more hits than the best use of so many places means more places
    for seed in range(4):
        line = stream(seed)
        hit = hits(policy, line, sets, ways)
        for s in range(sets):
            mine = line % sets == s
            assert hit[mine].sum() <= most_hits(line[mine], ways)


def test_the_bound_is_reached_and_exceeded_where_it_should_be():
    cycle = np.tile(np.arange(3), 10)
    assert most_hits(cycle, 3) == 27
    assert most_hits(cycle, 1) == 9  # one line stays, the other two pass by
    assert most_hits(cycle, 2) == 18
    assert hits("lru", cycle, 1, 3).sum() > most_hits(cycle, 2)


@policies
@shapes
def test_the_same_accesses_hit_alike_and_are_left_alone(policy, sets, ways):
    line = stream(2)
    copy = line.copy()
    one, two = hits(policy, line, sets, ways), hits(policy, line, sets, ways)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(line, copy)
    assert one.dtype == np.bool_
    assert one.shape == line.shape


@policies
@shapes
def test_what_comes_later_does_not_change_what_hit_before(policy, sets, ways):
    line = stream(3)
    np.testing.assert_array_equal(hits(policy, line, sets, ways)[:250], hits(policy, line[:250], sets, ways))


@policies
def test_a_policy_is_chosen_by_its_file_name(policy):
    line = stream(4)
    np.testing.assert_array_equal(hits(policy, line, 4, 4), policy_hits(policy, stream_of(line, 4), 4))


def test_a_policy_s_options_stand_behind_its_name():
    line = stream(5)
    found = {share: hits(f"s3fifo:small_share={share}", line, 1, 16) for share in (0.1, 0.7)}
    for share, hit in found.items():
        options = {"small_share": share}
        np.testing.assert_array_equal(hit, policy_hits("s3fifo", stream_of(line), 16, options))
    assert found[0.1].sum() != found[0.7].sum()


@policies
def test_nothing_asked_is_nothing_hit(policy):
    assert hits(policy, np.zeros(0, np.int64), 4, 4).shape == (0,)
