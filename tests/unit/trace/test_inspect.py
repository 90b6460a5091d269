import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import lru

from recnmp.errors import ConfigError
from recnmp.report.style import SUFFIXES
from recnmp.report.trace_page import plot_inspection
from recnmp.trace.inspect import inspect_trace, lru_hits, print_inspection, reuse_histogram
from recnmp.trace.storage import iter_chunks, read_header, save_trace, trace_digest
from recnmp.trace.survey import survey
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


def _inspect(trace, tmp_path, cache_bytes=None):
    save_trace(trace, tmp_path / "t.parquet")
    return inspect_trace(tmp_path / "t.parquet", cache_bytes)


def _raised(info):
    return {check["name"] for check in info["checks"] if check["raised"]}


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
    info = _inspect(_small(), tmp_path)
    assert (info["lookups"], info["bags"], info["batches"], info["samples"]) == (7, 5, 2, 3)
    # bags of 3, 0, 1, 2, 1 lookups
    assert info["pooling_factor"] == {"min": 0, "mean": 7 / 5, "max": 3, "p50": 1, "p90": 3, "p99": 3}
    assert info["pooling_histogram"] == {"0": 0.2, "1": 0.4, "2": 0.2, "3-4": 0.2}
    assert info["unique_share"] == 4 / 7  # a5 a6 b5 b7
    assert {k: v for k, v in info["reuse_histogram"].items() if v} == {"1": 1 / 7, "2": 6 / 7}
    assert {k: v for k, v in info["entry_histogram"].items() if v} == {"1": 1 / 4, "2": 3 / 4}
    assert info["popularity"] == {"rank": [1, 2, 3, 4], "lookups": [2, 2, 2, 1]}
    assert info["zipf"] is None
    kept = ("name", "entries", "dim", "dtype", "entry_bytes", "lookups", "unique")
    assert [tuple(table[key] for key in kept) for table in info["tables"]] == [
        ("a", 10, 4, "fp32", 16, 4, 2),
        ("b [bold]", 8, 2, "fp32", 8, 3, 2),
        ("never", 3, 2, "fp32", 8, 0, 0),
    ]
    assert [table["pooling_factor"] for table in info["tables"]] == [
        {"min": 0, "mean": 4 / 3, "max": 3},
        {"min": 1, "mean": 3 / 2, "max": 2},
        {"min": 0, "mean": 0, "max": 0},
    ]
    assert [table["lru_hits"]["1024"] for table in info["tables"]] == [2, 1, 0]
    assert info["tables"][0]["miss_ratio_curve"] == {"entries": [1, 2], "miss_ratio": [0.5, 0.5]}
    assert info["lru_hits"] == {"1024": 3, "8192": 3, "65536": 3}
    assert info["lru_filled_after"] == {"1024": None, "8192": None, "65536": None}
    # a5 a5 a6 b5 b7 b5 a6: distances 0, 1 and 2
    assert info["miss_ratio_curve"]["entries"] == [1, 2, 3, 4]
    assert info["miss_ratio_curve"]["miss_ratio"] == pytest.approx([6 / 7, 5 / 7, 4 / 7, 4 / 7])
    assert info["top_1_percent_share"] == 2 / 7
    assert info["table_skew"] == {
        "busiest_over_mean": 12 / 7,
        "busiest_tenth_share": 4 / 7,
        "gini": pytest.approx(8 / 21),
        "unique_share_min": 1 / 2,
        "unique_share_median": pytest.approx(7 / 12),
        "unique_share_max": 2 / 3,
    }
    assert info["flags"] == ["empty bags: 1", "tables that no lookup reads: 1"]
    assert all(check["value"] is None and not check["raised"] for check in info["checks"])
    assert (info["cache"], info["weighted"]) == (None, False)
    assert info["digest"] == trace_digest(_small())
    assert info["meta"] == {"model": "by hand"}
    assert json.loads(json.dumps(info)) == info


def test_a_trace_without_lookups_can_be_inspected(tmp_path):
    empty = np.empty(0)
    calls = _calls([0], [3], [0])
    columns = (empty.astype(np.uint16), empty.astype(np.uint32), empty.astype(np.uint32), None)
    info = _inspect(Trace(*columns, (Table("t", 5, 1),), calls), tmp_path)
    assert (info["lookups"], info["unique_share"], info["lru_hits"]["1024"]) == (0, 0, 0)
    assert info["pooling_factor"] == {"min": 0, "mean": 0, "max": 0, "p50": 0, "p90": 0, "p99": 0}
    plot_inspection(info, tmp_path / "empty.svg", "empty")
    with_cache = inspect_trace(tmp_path / "t.parquet", cache_bytes=4096)
    assert with_cache["cache"] is None


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


@given(st.lists(st.integers(0, 12), max_size=200), st.integers(1, 14))
@settings(deadline=None)
def test_lru_hits_equal_an_ordered_dictionary(items, capacity):
    assert lru_hits(np.array(items, np.int64), capacity) == lru.lru_hits(items, capacity)


def test_lru_hits_equal_an_ordered_dictionary_on_a_long_skewed_stream():
    items = IndexStream(0, 5000, Reuse(0.9, 1, 5000), seed=3).draw(20_000)
    for capacity in (1, 100, 1024, 4999):
        assert lru_hits(items, capacity) == lru.lru_hits(items.tolist(), capacity)


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


def test_where_a_trace_comes_from_is_told_in_words(tmp_path):
    info = _inspect(_of_entries(np.zeros(1, np.int64), 1), tmp_path)
    printed = io.StringIO()
    meta = {"source": "a paper. Long.", "files": ["a.csv", "b.csv"], "options": {"dim": 4}, "empty": {}}
    print_inspection(info | {"meta": meta}, printed)
    text = printed.getvalue()
    assert "1 lookup in 1 bag of 1 table; 1 sample in 1 batch\n" in text
    assert "made from       files a.csv, b.csv, options dim=4, source a paper. Long.\n" in text


def test_many_tables_are_counted_instead_of_printed(tmp_path):
    info = _inspect(_small(), tmp_path)
    printed = io.StringIO()
    print_inspection(info | {"tables": info["tables"] * 20}, printed)
    assert "... and 20 more tables" in printed.getvalue()


def test_memory_does_not_grow_with_how_the_file_is_cut(tmp_path, monkeypatch):
    stream = IndexStream(0, 4000, Reuse(0.8, 1, 4000), seed=2).draw(7000)
    whole = _inspect(_of_entries(stream, 4000), tmp_path)
    cut = lambda path, verify: iter_chunks(path, 333, verify)  # noqa: E731
    monkeypatch.setattr("recnmp.trace.inspect.iter_chunks", cut)
    assert inspect_trace(tmp_path / "t.parquet") == whole


def test_order_is_compared_on_the_first_lookups_only(tmp_path, monkeypatch):
    monkeypatch.setattr("recnmp.trace.survey.WINDOW", 100)
    items = np.r_[np.repeat(np.arange(10), 10), np.arange(3000)]
    order = _inspect(_of_entries(items, 4000), tmp_path)["order"]
    assert order["lookups"] == 100
    assert order["hit_share"]["1024"] == order["shuffled_hit_share"]["1024"] == 0.9


def test_shuffling_shows_what_the_order_is_worth(tmp_path):
    entries = np.repeat(
        np.random.default_rng(0).permutation(20_000), 2
    )  # every entry twice, one after the other
    order = _inspect(_of_entries(entries, 20_000), tmp_path)["order"]
    assert order["hit_share"]["1024"] == 0.5
    # a pair lies within 1,024 entries of a shuffled stream of 40,000 about 2 * 1024 / 40000 of the time
    assert order["shuffled_hit_share"]["1024"] == pytest.approx(0.5 * 0.051, rel=0.15)


def test_a_cache_under_study_is_told_in_entries_of_mean_size(tmp_path):
    info = _inspect(_small(), tmp_path, 24)  # a5 a6 of 16 B, b5 b7 of 8 B: 48 B for four
    assert info["cache"] == {
        "bytes": 24,
        "entries": 2,
        "footprint_bytes": 48,
        "hits": 2,
        "hit_share": 2 / 7,
        "filled_after": 3,
    }
    assert _raised(info) == {"warm-up"}
    with pytest.raises(ConfigError, match=r"t.parquet: a cache of 10 bytes cannot hold an entry"):
        inspect_trace(tmp_path / "t.parquet", 10)


def test_a_trace_shorter_than_the_cache_is_flagged_and_a_long_one_is_not(tmp_path):
    stream = IndexStream(0, 50_000, Reuse(0.9, 1, 50_000), seed=2).draw(30_000)
    never = _inspect(_of_entries(stream, 50_000), tmp_path, 32 * 50_000)
    assert _raised(never) == {"too short for the cache", "warm-up"}
    assert never["cache"]["filled_after"] is None
    values = {check["name"]: check["value"] for check in never["checks"]}
    assert values["warm-up"] == 1
    assert values["too short for the cache"] == pytest.approx(never["unique_share"] * 30_000 / 50_000)
    soon = inspect_trace(tmp_path / "t.parquet", 32 * 500)
    assert _raised(soon) == set()
    assert 500 <= soon["cache"]["filled_after"] < 3000


def test_a_file_whose_lookups_no_table_has_is_refused(tmp_path):
    trace = _of_entries(np.arange(100), 100)
    save_trace(trace, tmp_path / "t.parquet")
    smaller = (Table("t", 50, 8),)
    header = read_header(tmp_path / "t.parquet")
    with pytest.raises(ConfigError, match=r"entry 50 of table 't', which has 50"):
        survey(smaller, header.calls, lambda verify: iter_chunks(tmp_path / "t.parquet", verify=verify))


def test_a_damaged_file_is_refused_by_name(tmp_path):
    save_trace(_small(), tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(ConfigError, match=r"^\S*t\.parquet: "):
        inspect_trace(tmp_path / "t.parquet")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_page_is_the_same_for_the_same_trace(tmp_path, suffix):
    stream = IndexStream(0, 4000, Reuse(0.8, 1, 4000), seed=2).draw(3000)
    info = _inspect(_of_entries(stream, 4000), tmp_path, 32 * 100)
    for name in ("a", "b"):
        plot_inspection(info, tmp_path / f"{name}{suffix}", "t.parquet")
    page = (tmp_path / f"a{suffix}").read_bytes()
    assert page == (tmp_path / f"b{suffix}").read_bytes()
    assert len(page) > 10_000


def test_a_page_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"a figure ends in .svg or .png or .pdf"):
        plot_inspection({}, tmp_path / "page.gif", "t")


def test_progress_tells_the_pass_and_the_lookups(tmp_path):
    save_trace(_small(), tmp_path / "t.parquet")
    told: list[str] = []
    inspect_trace(tmp_path / "t.parquet", progress=told.append)
    assert told == [
        f"{what}: 7 lookups" for what in ("numbering", "counting", "each table's cache", "one cache")
    ]
