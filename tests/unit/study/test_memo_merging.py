"""Clusters under a budget: the worked example, the twin that works with sets, and the rule that ends it."""

import numpy as np
import pytest
from builders import trace_of
from reference.memo_sets import clusters_by_rounds

from recnmp.errors import ConfigError
from recnmp.study.memo.bags import TrainingBags, training_bags
from recnmp.study.memo.layout import memo_tables, rewrite
from recnmp.study.memo.merging import LARGEST_PART, Merges, cut, find_merges

# items 1 to 8 and one that only queries know; five bags of {1, 2, 3}, and so on
TRAIN = [(5, (1, 2, 3)), (3, (1, 2, 5)), (2, (4, 5, 6)), (4, (6, 7, 8)), (1, (1, 8)), (2, (2, 3, 4, 5, 7))]
QUERIES = [(1, 2, 3)] * 2 + [(1, 3, 5, 7), (4, 5, 6, 9)] + [(8,)] * 3 + [(6, 7, 8, 2, 3)]
PARTS = [(1, 2, 3, 4), (5, 6, 7, 8)]
WORKED = {
    1.25: ({(1, 2), (6, 7)}, 11, 19, "3 0 2 2 4 1 6 8"),
    1.5: ({(1, 2, 3), (6, 7)}, 14, 15, "4 0 3 1 3 2 2 5 1 5 8"),
    2.0: ({(1, 2, 3), (5, 6, 7)}, 17, 13, "3 0 3 2 6 1 4 8"),
}


def bags_of(bags, items: int) -> TrainingBags:
    """Training bags of one table with entries 0 to ``items`` - 1, all of which occur."""
    lists = [sorted(bag) for _, bag in bags]
    return TrainingBags(
        np.zeros(items, np.int64),
        np.arange(items),
        np.cumsum([0, *map(len, lists)]),
        np.array([item for bag in lists for item in bag], np.int64),
        np.array([weight for weight, _ in bags], np.int64),
    )


def clusters_of(merges: Merges, count: int, items: int) -> set[tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for item, least in enumerate(merges.clusters(count, items).tolist()):
        found.setdefault(least, []).append(item)
    return {tuple(one) for one in found.values() if len(one) > 1}


def worked(targets):
    """Clusters, rows, accesses and size groups of the worked example, its items counted from 0."""
    train = trace_of([(9, 16)], [(0, [[i - 1 for i in bag] for weight, bag in TRAIN for _ in range(weight)])])
    queries = trace_of([(9, 16)], [(0, [[i - 1 for i in bag] for bag in QUERIES])])
    bags = training_bags(train, (0,))
    merges = find_merges(bags, np.repeat([0, 1], 4), np.full(8, 64), 1e9)
    for count in cut(merges, 9 * 64, targets):
        memo = memo_tables(queries, (0,), bags, merges.clusters(count, 8))
        clusters = {tuple(i + 1 for i in one) for one in clusters_of(merges, count, 8)}
        yield clusters, memo[0], rewrite(queries, memo)


def size_groups(memo) -> str:
    """How many groups of clusters, each group's first place, size and clusters so far, and the end: MERCI's header.

    The item that only queries know, the last of the singles, is in no group.
    """
    told = []
    for size in sorted(set(memo.size.tolist()), reverse=True):
        place = memo.first[np.searchsorted(-memo.size, -size)]
        told.append(f"{place} {size} {np.count_nonzero(memo.size >= size) - (size == 1)}")
    return f"{len(told) + 1} {' '.join(told)} {len(memo.order) - 1}"


@pytest.mark.parametrize("together", [True, False])
def test_the_worked_example_has_its_clusters_memory_and_accesses_tie_rule_included(together):
    targets = list(WORKED)
    made = list(worked(targets)) if together else [next(worked([target])) for target in targets]
    for (clusters, memo, rewritten), (wanted, rows, accesses, groups) in zip(
        made, WORKED.values(), strict=True
    ):
        assert (clusters, memo.entries, rewritten.lookups) == (wanted, rows, accesses)
        assert groups == size_groups(memo)


def test_queries_of_the_worked_example_read_as_often_as_counted_by_hand():
    for (_, _, rewritten), counts in zip(
        worked([1.25, 1.5, 2.0]),
        ([2, 2, 4, 4, 1, 1, 1, 4], [1, 1, 3, 4, 1, 1, 1, 3], [1, 1, 2, 3, 1, 1, 1, 3]),
        strict=True,
    ):
        assert np.bincount(rewritten.bag).tolist() == counts


def test_a_target_beyond_all_merges_that_save_a_read_ends_with_all_of_them():
    ((clusters, memo, rewritten),) = worked([40.0])
    assert clusters == {(1, 2, 3, 4), (5, 6, 7, 8)}
    assert (memo.entries, rewritten.lookups) == (31, 12)


def test_items_that_never_meet_stay_alone_whatever_the_budget():
    bags = bags_of([(9, (0, 1)), (9, (2,))], 3)
    merges = find_merges(bags, np.zeros(3, np.int64), np.full(3, 64), 1e9)
    assert [clusters_of(merges, count, 3) for count in cut(merges, 3 * 64, [9.0])] == [{(0, 1)}]


def test_items_without_a_part_are_in_no_cluster():
    bags = bags_of([(9, (0, 1, 2, 3))], 4)
    merges = find_merges(bags, np.array([0, -1, 0, -1]), np.full(4, 64), 1e9)
    assert clusters_of(merges, len(merges), 4) == {(0, 2)}
    assert len(find_merges(bags, np.full(4, -1), np.full(4, 64), 1e9)) == 0


@pytest.mark.parametrize("seed", range(25))
def test_clusters_equal_those_of_rounds_that_are_thrown_away(seed):
    rng = np.random.default_rng(seed)
    items, n = int(rng.integers(4, 19)), int(rng.integers(3, 40))
    bags = [
        (
            int(rng.integers(1, 9)),
            tuple(rng.choice(items, min(items, int(rng.integers(1, 7))), replace=False).tolist()),
        )
        for _ in range(n)
    ]
    part = rng.integers(0, 3, items)
    targets = sorted(set(rng.choice([1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 9.0, 30.0], 4).tolist()))
    wanted = clusters_by_rounds(bags, [np.flatnonzero(part == p).tolist() for p in range(3)], items, targets)
    merges = find_merges(bags_of(bags, items), part, np.full(items, 1), 2 * max(targets) * items)
    assert [clusters_of(merges, count, items) for count in cut(merges, items, targets)] == wanted


def test_wider_entries_take_more_of_the_budget():
    bags = TrainingBags(
        np.array([0, 0, 1, 1]),
        np.array([0, 1, 0, 1]),
        np.array([0, 2, 4]),
        np.array([0, 1, 2, 3]),
        np.array([5, 4]),
    )
    merges = find_merges(bags, np.array([0, 0, 1, 1]), np.array([64, 64, 256, 256]), 1e9)
    assert merges.ratio.tolist() == [5.0, 4.0]
    assert merges.extra_bytes.tolist() == [64.0, 64.0 + 256.0]


def test_too_large_a_part_is_refused():
    bags = bags_of([(1, (0, 1))], LARGEST_PART + 1)
    with pytest.raises(ConfigError, match="a part has 4,097 items, 4,096 is the most"):
        find_merges(bags, np.zeros(LARGEST_PART + 1, np.int64), np.ones(LARGEST_PART + 1), 1e9)
