import numpy as np
import pytest

from recnmp.errors import ConfigError
from recnmp.trace.trace import Calls, Table, Trace

TABLES = (Table("a", 10, 4), Table("b", 5, 2))


def _calls(table=(0, 1, 0, 1), bags=(2, 1, 2, 1), batch=(0, 0, 1, 1), first=0) -> Calls:
    bags = np.array(bags, np.int64)
    ends = first + np.cumsum(bags)
    pooling = np.zeros(len(bags), np.uint8)
    return Calls(np.array(table, np.uint16), ends - bags, bags, np.array(batch, np.int64), pooling)


def _trace(
    table=(0, 0, 1, 0, 1), bag=(0, 0, 2, 4, 5), entry=(9, 0, 4, 3, 0), weight=None, calls=None
) -> Trace:
    columns = np.array(table, np.uint16), np.array(bag, np.uint32), np.array(entry, np.uint32)
    return Trace(*columns, weight, TABLES, _calls() if calls is None else calls)


def test_a_trace_counts_its_parts():
    trace = _trace()
    assert (trace.lookups, trace.bags, trace.batches, trace.samples) == (5, 6, 2, 4)
    assert trace.bag_table.tolist() == [0, 0, 1, 0, 0, 1]
    assert trace.bag_batch.tolist() == [0, 0, 0, 1, 1, 1]
    assert TABLES[0].entry_bytes == 16


def test_selected_batches_keep_their_bag_numbers():
    second = _trace(weight=np.arange(5, dtype=np.float32)).select(1)
    assert second.bag.tolist() == [4, 5]
    assert second.entry.tolist() == [3, 0]
    assert second.weight.tolist() == [3, 4]
    assert (second.bags, second.batches, second.calls.first_bag.tolist()) == (3, 1, [3, 5])
    assert second.bag_table.tolist() == [0, 0, 1]
    assert _trace().select(0).lookups == 5
    assert _trace().select(0, 1).entry.tolist() == [9, 0, 4]


@pytest.mark.parametrize(("first", "batches"), [(2, None), (0, 3), (1, 2), (5, 1)])
def test_batches_that_a_trace_does_not_have_cannot_be_selected(first, batches):
    with pytest.raises(ConfigError, match="the trace has 2 batches"):
        _trace().select(first, batches)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entry": (9, 0, 4, 3)}, "differ in length"),
        ({"weight": np.ones(4, np.float32)}, "differ in length"),
        ({"bag": (0, 0, 2, 5, 4)}, "not in bag order"),
        ({"bag": (0, 0, 2, 4, 6)}, "bags that no call owns"),
        ({"table": (0, 0, 0, 0, 1)}, "another table than their call's"),
        ({"entry": (9, 0, 5, 3, 0)}, "lookup 2 reads entry 5 of table 'b', which has 5 entries"),
        ({"calls": _calls(batch=(0, 1, 0, 1))}, "in batch order"),
        ({"calls": _calls(table=(), bags=(), batch=())}, "consecutive bags"),
        ({"calls": _calls(table=(0, 1, 0, 2))}, "calls read tables that it does not have"),
        ({"calls": _calls(first=1)}, "bags that no call owns"),
    ],
)
def test_what_is_no_trace_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        _trace(**change)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (("t", 0, 4), "entries and dim are at least 1"),
        (("t", 4, 0), "entries and dim are at least 1"),
        (("t", 4, 4, "fp8"), "dtype 'fp8' is not one of"),
    ],
)
def test_what_is_no_table_is_refused(table, message):
    with pytest.raises(ConfigError, match=f"table 't': {message}"):
        Table(*table)


def test_8_bit_entries_end_with_a_scale_and_a_bias_and_pool_to_fp32():
    table = Table("a", 10, 24, "int8_rowwise")
    assert (table.entry_bytes, table.pooled_bytes) == (32, 96)
    assert (Table("a", 10, 24).entry_bytes, Table("a", 10, 24).pooled_bytes) == (96, 96)


def test_a_trace_can_be_stored_as_another_type():
    trace = _trace(weight=np.arange(5, dtype=np.float32))
    quantised = trace.stored_as("int8_rowwise")
    assert [table.dtype for table in quantised.tables] == ["int8_rowwise", "int8_rowwise"]
    assert [table.entry_bytes for table in quantised.tables] == [12, 10]
    assert quantised.stored_as("fp32").tables == trace.tables
    assert trace.stored_as(None) is trace
    for name in ("table", "bag", "entry", "weight", "calls"):
        assert getattr(quantised, name) is getattr(trace, name)


@pytest.mark.parametrize("dtype", ["int8", "FP32", "", None, ["fp32"]])
def test_a_type_that_no_table_has_is_an_error(dtype):
    with pytest.raises(ConfigError, match=r"table 'a': dtype .* is not one of fp32, int8_rowwise"):
        Table("a", 10, 4, dtype)
