"""Co-located models: the same lookups, in tables of each thread's own."""

import numpy as np
import pytest
from builders import placed_on, some_trace, system_of, trace_of

from recnmp.errors import ConfigError
from recnmp.trace.colocation import with_own_tables


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_batch_reads_the_same_entries_in_the_tables_of_its_thread(threads):
    trace = some_trace(2, per_batch=2)
    own = with_own_tables(trace, threads)
    thread = trace.bag_batch[trace.bag] % threads
    np.testing.assert_array_equal(own.table, trace.table + len(trace.tables) * thread)
    np.testing.assert_array_equal(own.entry, trace.entry)
    np.testing.assert_array_equal(own.bag, trace.bag)
    np.testing.assert_array_equal(own.calls.table, trace.calls.table + 3 * (trace.calls.batch % threads))
    np.testing.assert_array_equal(own.calls.first_bag, trace.calls.first_bag)


def test_later_batches_alone_have_the_tables_they_have_in_the_whole():
    trace = some_trace(4, per_batch=2)
    alone, whole = with_own_tables(trace.select(1), 3, 1), with_own_tables(trace, 3).select(1)
    np.testing.assert_array_equal(alone.table, whole.table)
    np.testing.assert_array_equal(alone.calls.table, whole.calls.table)


def test_weights_and_kinds_of_tables_stay():
    trace = some_trace(
        2, dims=(16, 32), weights=np.random.default_rng(0), dtypes=["fp32", "int8_rowwise"], per_batch=2
    )
    own = with_own_tables(trace, 2)
    np.testing.assert_array_equal(own.weight, trace.weight)
    assert [(t.name, t.dim, t.dtype) for t in own.tables] == [
        (f"table{n}@{thread}", dim, dtype)
        for thread in range(2)
        for n, (dim, dtype) in enumerate([(16, "fp32"), (32, "int8_rowwise")])
    ]


def test_bags_that_do_not_start_at_0_are_those_of_their_calls():
    trace = some_trace(2, per_batch=2).select(1)
    own = with_own_tables(trace, 2)
    np.testing.assert_array_equal(
        own.calls.table[np.searchsorted(own.calls.first_bag, own.bag, "right") - 1], own.table
    )


def test_threads_share_no_memory():
    trace = trace_of([(500, 16)], [(0, [list(range(500))])] * 2, per_batch=1)
    system = system_of(dimms_per_channel=2)
    for tables, shared in ((trace, 500), (with_own_tables(trace, 2), 0)):
        placed = placed_on(system, tables)
        at = list(
            zip(
                *(part.tolist() for part in (placed.rank, placed.flat_bank, placed.row, placed.column)),
                strict=True,
            )
        )
        assert len(set(at[:500]) & set(at[500:])) == shared


def test_more_tables_than_a_trace_can_have_are_an_error():
    trace = trace_of([(4, 16)] * 100, [(0, [[1]])])
    with pytest.raises(
        ConfigError, match=r"arrival.tables: 1000 threads with 100 tables each are more than 65536"
    ):
        with_own_tables(trace, 1000)
