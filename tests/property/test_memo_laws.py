"""What must hold for memo tables whatever the bags: sums stay what they were, budgets are kept, more memory helps."""

import numba
import numpy as np
from builders import trace_of
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.memo_sets import clusters_by_rounds, sums_read

from recnmp.study.memo.bags import training_bags
from recnmp.study.memo.checked import check_sums
from recnmp.study.memo.layout import memo_tables, rewrite
from recnmp.study.memo.merging import cut, find_merges
from recnmp.study.memo.partition import partition

ITEMS = 18
TARGETS = (1.2, 1.5, 2.0, 4.0, 9.0, 50.0)

some = settings(deadline=None, max_examples=20 if numba.config.DISABLE_JIT else 60, derandomize=True)
bags_of_one_table = st.lists(
    st.lists(st.integers(0, 5) | st.integers(0, ITEMS - 1), max_size=9), min_size=1, max_size=14
)


def learn(train, part_size):
    bags = training_bags(train, (0, 1))
    part = partition(bags, "greedy", part_size)
    widths = np.array([table.entry_bytes for table in train.tables])[bags.table]
    base = sum(table.entries * table.entry_bytes for table in train.tables)
    return bags, part, find_merges(bags, part, widths, 100 * base), base


def two_tables(one, two):
    return trace_of([(ITEMS, 4), (ITEMS, 8)], [(0, one), (1, two)])


@some
@given(
    bags_of_one_table, bags_of_one_table, bags_of_one_table, bags_of_one_table, st.sampled_from([3, 6, ITEMS])
)
def test_sums_stay_budgets_hold_and_memory_never_costs_a_read(one, two, three, four, part_size):
    train, judged = two_tables(one, two), two_tables(three, four)
    bags, _, merges, base = learn(train, part_size)
    assert np.all(np.diff(merges.ratio) <= 0)
    values = np.random.default_rng(0).integers(-99, 100, (2, ITEMS, 3)).astype(np.float32)
    reads, counts = [judged.lookups], cut(merges, base, TARGETS)
    assert counts == sorted(counts)
    for target, count in zip(TARGETS, counts, strict=True):
        memo = memo_tables(judged, (0, 1), bags, merges.clusters(count, bags.items))
        made = rewrite(judged, memo)
        check_sums(judged, made, memo)
        tables = [memo[t].sums(values[t]) for t in (0, 1)]
        for bag in range(judged.bags):
            t, plain, new = judged.bag_table[bag], judged.bag == bag, made.bag == bag
            assert np.array_equal(values[t][judged.entry[plain]].sum(0), tables[t][made.entry[new]].sum(0))
        used = sum(one.entries * judged.tables[t].entry_bytes for t, one in memo.items())
        assert used == base + (merges.extra_bytes[count - 1] if count else 0)
        assert used < 1.05 * target * base
        reads.append(made.lookups)
    assert reads == sorted(reads, reverse=True)


@some
@given(bags_of_one_table, bags_of_one_table, st.sampled_from([4, 7]))
def test_clusters_and_reads_are_those_made_with_sets(train, judged, part_size):
    train, judged = two_tables(train, [[]]), two_tables(judged, [[]])
    bags, part, merges, _ = learn(train, part_size)
    plain = [
        (int(w), set(bags.item[a:b].tolist()))
        for w, a, b in zip(bags.weight, bags.start, bags.start[1:], strict=False)
    ]
    parts = [np.flatnonzero(part == p).tolist() for p in np.unique(part)]
    wanted = clusters_by_rounds(plain, parts, ITEMS, TARGETS)
    single = merges.__class__(
        merges.into, merges.taken, merges.ratio, merges.extra_bytes / train.tables[0].entry_bytes
    )
    for clusters, count in zip(wanted, cut(single, ITEMS, TARGETS), strict=True):
        memo = memo_tables(judged, (0,), bags, merges.clusters(count, bags.items))
        entries = {tuple(bags.entry[list(one)].tolist()) for one in clusters}
        made = rewrite(judged, memo)
        for bag in range(judged.bags):
            entry = made.entry[made.bag == bag].astype(np.int64)
            which, added = memo[0].members(entry)
            found = sorted(tuple(sorted(added[which == k].tolist())) for k in range(len(entry)))
            assert found == sums_read(judged.entry[judged.bag == bag].tolist(), entries)
