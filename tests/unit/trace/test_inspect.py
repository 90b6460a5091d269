import io
import json
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.trace.inspect import inspect_trace, lru_hits, print_inspection, reuse_histogram
from recnmp.trace.storage import save_trace, trace_digest
from recnmp.trace.synthetic import IndexStream, Reuse
from recnmp.trace.trace import Calls, Table, Trace


def _calls(table, bags, batch):
    table, bags = np.array(table, np.uint16), np.array(bags, np.int64)
    return Calls(
        table, np.cumsum(bags) - bags, bags, np.array(batch, np.int64), np.zeros(len(bags), np.uint8)
    )


def _small() -> Trace:
    # bags of table a: (5 5 6), (); of table b: (5), (7 5), in one batch; then a: (6)
    return Trace(
        np.array([0, 0, 0, 1, 1, 1, 0], np.uint16),
        np.array([0, 0, 0, 2, 3, 3, 4], np.uint32),
        np.array([5, 5, 6, 5, 7, 5, 6], np.uint32),
        None,
        (Table("a", 10, 4), Table("b [bold]", 8, 2), Table("never", 3, 2)),
        _calls([0, 1, 0], [2, 2, 1], [0, 0, 1]),
        {"model": "by hand"},
    )


def _of_entries(entry: np.ndarray, entries: int) -> Trace:
    bag = (np.arange(len(entry)) // 10).astype(np.uint32)
    calls = _calls([0], [int(bag[-1]) + 1], [0])
    table = np.zeros(len(entry), np.uint16)
    return Trace(table, bag, entry.astype(np.uint32), None, (Table("t", entries, 8),), calls)


def _inspect(trace, tmp_path):
    save_trace(trace, tmp_path / "t.parquet")
    return inspect_trace(tmp_path / "t.parquet")


def test_tables_of_8_bit_entries_are_named_as_such(tmp_path):
    info = _inspect(_small().stored_as("int8_rowwise"), tmp_path)
    assert [(table["dtype"], table["entry_bytes"]) for table in info["tables"]] == [
        ("int8_rowwise", 12),
        ("int8_rowwise", 10),
        ("int8_rowwise", 10),
    ]
    printed = io.StringIO()
    print_inspection(info, printed)
    assert printed.getvalue().count("int8_rowwise") == 3
    assert info["digest"] != trace_digest(_small())


def test_a_small_trace_is_described_exactly(tmp_path):
    def fp32(entry_bytes: int) -> dict[str, object]:
        return {"dtype": "fp32", "entry_bytes": entry_bytes}

    info = _inspect(_small(), tmp_path)
    assert (info["lookups"], info["bags"], info["batches"], info["samples"]) == (7, 5, 2, 3)
    assert info["pooling_factor"] == {"min": 0, "mean": 7 / 5, "max": 3}
    assert info["unique_share"] == 4 / 7  # a5 a6 b5 b7
    assert {k: v for k, v in info["reuse_histogram"].items() if v} == {"1": 1 / 7, "2": 6 / 7}
    assert info["tables"] == [
        {"name": "a", "entries": 10, "dim": 4, "lookups": 4, "unique": 2} | fp32(16),
        {"name": "b [bold]", "entries": 8, "dim": 2, "lookups": 3, "unique": 2} | fp32(8),
        {"name": "never", "entries": 3, "dim": 2, "lookups": 0, "unique": 0} | fp32(8),
    ]
    assert info["lru_hits"] == {"1024": 3, "8192": 3, "65536": 3}
    assert info["top_1_percent_share"] == 2 / 7
    assert info["flags"] == ["empty bags: 1", "tables that no lookup reads: 1"]
    assert info["digest"] == trace_digest(_small())
    assert info["meta"] == {"model": "by hand"}
    assert json.loads(json.dumps(info)) == info


def test_a_trace_without_lookups_can_be_inspected(tmp_path):
    empty = np.empty(0)
    calls = _calls([0], [3], [0])
    columns = (empty.astype(np.uint16), empty.astype(np.uint32), empty.astype(np.uint32), None)
    info = _inspect(Trace(*columns, (Table("t", 5, 1),), calls), tmp_path)
    assert (info["lookups"], info["unique_share"], info["lru_hits"]["1024"]) == (0, 0, 0)


def test_reuse_bins_end_at_powers_of_two():
    histogram = reuse_histogram(np.array([1, 2, 3, 4, 5, 32768, 32769]))
    names = list(histogram)
    assert names[:4] == ["1", "2", "3-4", "5-8"]
    assert names[-2:] == ["16385-32768", ">32768"]
    total = 1 + 2 + 3 + 4 + 5 + 32768 + 32769
    assert histogram["3-4"] == pytest.approx(7 / total)
    assert histogram["16385-32768"] == pytest.approx(32768 / total)
    assert histogram[">32768"] == pytest.approx(32769 / total)
    assert sum(histogram.values()) == pytest.approx(1)


def _lru_oracle(items, capacity):
    cached: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for item in items:
        if item in cached:
            hits += 1
            cached.move_to_end(item)
        else:
            if len(cached) == capacity:
                cached.popitem(last=False)
            cached[item] = None
    return hits


@given(st.lists(st.integers(0, 12), max_size=200), st.integers(1, 14))
@settings(deadline=None)
def test_lru_hits_equal_an_ordered_dictionary(items, capacity):
    assert lru_hits(np.array(items, np.int64), capacity) == _lru_oracle(items, capacity)


def test_lru_hits_equal_an_ordered_dictionary_on_a_long_skewed_stream():
    items = IndexStream(0, 5000, Reuse(0.9, 1, 5000), seed=3).draw(20_000)
    for capacity in (1, 100, 1024, 4999):
        assert lru_hits(items, capacity) == _lru_oracle(items.tolist(), capacity)


def test_uniform_indices_are_flagged(tmp_path):
    rng = np.random.default_rng(1)
    assert (
        "uniform indices"
        in _inspect(_of_entries(rng.integers(0, 4_000_000, 3000), 4_000_000), tmp_path)["flags"][0]
    )
    assert "uniform indices" in _inspect(_of_entries(rng.integers(0, 50, 9000), 50), tmp_path)["flags"][0]


def test_skewed_indices_are_not_flagged(tmp_path):
    for entries in (50, 4_000_000):
        stream = IndexStream(0, entries, Reuse(0.6, 1, 200_000), seed=1)
        assert _inspect(_of_entries(stream.draw(3000), entries), tmp_path)["flags"] == []


def test_the_printed_inspection_names_tables_as_they_are_called(tmp_path):
    printed = io.StringIO()
    print_inspection(_inspect(_small(), tmp_path), printed)
    text = printed.getvalue()
    assert "7 lookups in 5 bags of 3 tables; 3 samples in 2 batches" in text
    assert "b [bold]" in text
    assert "0 to 3, mean 1.40" in text
    assert "\x1b" not in text


def test_many_tables_are_counted_instead_of_printed(tmp_path):
    info = _inspect(_small(), tmp_path)
    printed = io.StringIO()
    print_inspection(info | {"tables": info["tables"] * 20}, printed)
    assert "... and 20 more tables" in printed.getvalue()
