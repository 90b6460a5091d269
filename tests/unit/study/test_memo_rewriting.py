"""Memo tables and rewritten bags: places, sums, what other tables keep, and the check that sees errors."""

import dataclasses

import numpy as np
import pytest
from builders import trace_of
from reference.memo_sets import sums_read

from recnmp.errors import ConfigError, RecnmpError
from recnmp.study.memo.bags import known_bags, summed_tables, training_bags
from recnmp.study.memo.checked import check_sums
from recnmp.study.memo.layout import memo_table, rewrite
from recnmp.trace.pooling import pooled_outputs
from recnmp.trace.trace import POOLINGS


def table_of(entries, *clusters):
    member = np.array([item for one in clusters for item in one], np.int64)
    return memo_table(
        entries, member, np.repeat([min(one) for one in clusters], [len(one) for one in clusters])
    )


def test_clusters_come_largest_first_and_single_entries_last():
    memo = table_of(7, (4, 5), (1, 3, 6))
    assert memo.order.tolist() == [1, 3, 6, 4, 5, 0, 2]
    assert memo.row.tolist() == [0, 7, 10, 11, 12]
    assert (memo.entries, memo.clustered) == (12, 5)


def test_the_sum_of_a_mask_stands_at_the_cluster_s_first_place_plus_mask_less_one():
    memo = table_of(7, (4, 5), (1, 3, 6))
    which, entry = memo.members(np.array([0, 4, 6, 9, 10, 11]))
    added = [entry[which == k].tolist() for k in range(6)]
    assert added == [[1], [1, 6], [1, 3, 6], [4, 5], [0], [2]]


def test_the_made_table_holds_every_sum():
    memo = table_of(7, (4, 5), (1, 3, 6))
    values = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    made = memo.sums(values)
    assert made.shape == (12, 5)
    for row in range(12):
        _, entry = memo.members(np.array([row]))
        np.testing.assert_allclose(made[row], values[entry].sum(0), rtol=1e-6, atol=1e-6)


def test_a_bag_reads_one_sum_for_each_cluster_and_each_repetition():
    trace = trace_of([(7, 4)], [(0, [[6, 1, 0], [], [3, 3, 1, 4], [2]])])
    memo = table_of(7, (4, 5), (1, 3, 6))
    made = rewrite(trace, {0: memo})
    assert made.bag.tolist() == [0, 0, 2, 2, 2, 3]
    assert made.entry.tolist() == [4, 10, 2, 1, 7, 11]  # {1, 6} {0}; {1, 3} {3} {4}; {2}
    assert made.tables[0].entries == 12
    assert check_sums(trace, made, {0: memo}) == {"checked_lookups": 8, "checked_bags": 3}


def test_rewritten_bags_equal_those_made_with_sets():
    rng = np.random.default_rng(3)
    bags = [rng.integers(0, 30, rng.integers(0, 12)).tolist() for _ in range(80)]
    clusters = [(0, 4, 9), (1, 2), (10, 11, 12, 13), (20, 29)]
    memo, trace = table_of(30, *clusters), trace_of([(30, 4)], [(0, bags)])
    made = rewrite(trace, {0: memo})
    for n, bag in enumerate(bags):
        entry = made.entry[made.bag == n].astype(np.int64)
        which, added = memo.members(entry)
        assert sorted(tuple(sorted(added[which == k].tolist())) for k in range(len(entry))) == sums_read(
            bag, clusters
        )


def test_pooled_vectors_of_rewritten_bags_equal_plain_ones():
    calls = [(t, [[1, 2, 3], [2, 5], [0]]) for _ in range(2) for t in (0, 1)]
    trace = trace_of([(6, 8), (6, 8)], calls, per_batch=2)
    memo = {t: table_of(6, (1, 2), (3, 5)) for t in (0, 1)}
    made = rewrite(trace, memo)
    values = np.random.default_rng(5).integers(-8, 9, (2, 6, 8)).astype(np.float32)
    tables = [memo[t].sums(values[t]) for t in (0, 1)]
    for n in range(trace.bags):
        plain, new = trace.bag == n, made.bag == n
        t = trace.bag_table[n]
        assert np.array_equal(values[t][trace.entry[plain]].sum(0), tables[t][made.entry[new]].sum(0))


def test_tables_that_are_not_summed_stay_as_they_are():
    trace = trace_of([(9, 4), (9, 4)], [(0, [[1, 2], [2]]), (1, [[8, 3, 8]]), (0, [[2, 1, 1]])])
    pooling = np.array([POOLINGS.index(name) for name in ("sum", "max", "mean")], np.uint8)
    trace = dataclasses.replace(trace, calls=dataclasses.replace(trace.calls, pooling=pooling))
    assert summed_tables(trace) == (0,)
    made = rewrite(trace, {0: table_of(9, (1, 2))})
    assert made.entry[made.table == 1].tolist() == [8, 3, 8]
    assert made.tables[1] == trace.tables[1]
    assert [POOLINGS[p] for p in made.calls.pooling] == ["sum", "max", "sum"]
    assert sum(len(pooled) for _, pooled in pooled_outputs(made)) == trace.bags


def test_a_part_of_a_trace_keeps_its_bag_numbers():
    trace = trace_of([(9, 4)], [(0, [[1, 2]]), (0, [[3, 1, 2]])], per_batch=1).select(1)
    made = rewrite(trace, {0: table_of(9, (1, 2))})
    assert (made.bag.tolist(), made.entry.tolist()) == ([1, 1], [2, 4])


def test_weights_and_8_bit_entries_are_refused():
    weighted = trace_of([(9, 4)], [(0, [[1, 2]])], weights=np.random.default_rng(1))
    with pytest.raises(ConfigError, match="weighted: partial sums cannot be kept"):
        rewrite(weighted, {0: table_of(9, (1, 2))})
    eight = trace_of([(9, 4)], [(0, [[1, 2]])], dtypes=("int8_rowwise",))
    with pytest.raises(ConfigError, match="'table0' is int8_rowwise: its sums would be rounded once more"):
        rewrite(eight, {0: table_of(9, (1, 2))})


def test_a_memo_table_larger_than_any_trace_is_refused():
    with pytest.raises(ConfigError, match=r"a memo table of 8\.59e\+09 entries; 4,294,967,296 is the most"):
        table_of(40, tuple(range(33)))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_wrong_sum_is_seen(place):
    trace, memo = trace_of([(7, 4)], [(0, [[6, 1, 0], [2]])]), table_of(7, (1, 3, 6))
    made = rewrite(trace, {0: memo})
    entry = made.entry.copy()
    entry[place] += 1
    with pytest.raises(RecnmpError, match="memo table 'table0': a bag's sums do not add what the bag reads"):
        check_sums(trace, dataclasses.replace(made, entry=entry), {0: memo})


def test_wrong_values_of_sums_are_seen(monkeypatch):
    trace, memo = trace_of([(7, 4)], [(0, [[6, 1, 0], [2]])]), table_of(7, (1, 3, 6))
    made = rewrite(trace, {0: memo})
    drawn = iter(np.random.default_rng(1).normal(size=(2, 4, 4)).astype(np.float32))
    monkeypatch.setattr("recnmp.study.memo.checked.entry_values", lambda *_: next(drawn))
    with pytest.raises(RecnmpError, match="memoised sums differ from plain ones"):
        check_sums(trace, made, {0: memo})


def test_equal_bags_in_a_row_are_learnt_from_as_one_and_repeated_entries_once():
    trace = trace_of(
        [(9, 4), (9, 4)], [(0, [[5, 1]] * 3 + [[1, 5, 5], [], [1, 5], [7]] + [[1, 2]] * 2), (1, [[1, 2]])]
    )
    bags = training_bags(trace, (0, 1))
    assert bags.entry.tolist() == [1, 2, 5, 7, 1, 2]
    assert bags.weight.tolist() == [5, 1, 2, 1]
    assert [bags.item[a:b].tolist() for a, b in zip(bags.start, bags.start[1:], strict=False)] == [
        [0, 2],
        [3],
        [0, 1],
        [4, 5],
    ]
    assert bags.heat.tolist() == [7, 2, 5, 1, 1, 1]


def test_rare_entries_are_not_learnt_from():
    trace = trace_of([(9, 4)], [(0, [[1, 5, 2], [1, 5], [2, 7], [1]])])
    bags = training_bags(trace, (0,), least=2)
    assert bags.entry.tolist() == [1, 2, 5]
    assert [bags.item[a:b].tolist() for a, b in zip(bags.start, bags.start[1:], strict=False)] == [
        [0, 1, 2],
        [0, 2],
        [1],
        [0],
    ]
    assert training_bags(trace, (0,), least=9).items == 0


def test_bags_that_training_has_are_told_whatever_the_order_of_their_lookups():
    train = trace_of([(9, 4), (9, 4)], [(0, [[1, 5, 2], [3]]), (1, [[4, 6]])])
    judged = trace_of(
        [(9, 4), (9, 4)], [(0, [[5, 2, 1], [3], [1, 5], [1, 5, 2, 2]]), (1, [[6, 4], [5, 1, 2]])]
    )
    assert known_bags(train, judged, (0, 1)) == 2 / 5
    assert known_bags(train, judged, (1,)) == 1 / 2
    assert known_bags(train, trace_of([(9, 4)], [(0, [[1]])]), (0,)) == 0
