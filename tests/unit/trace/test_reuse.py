import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import lru

from recnmp.errors import RecnmpError
from recnmp.trace.inspect import lru_hits
from recnmp.trace.reuse import numbering, reuse_statistics
from recnmp.trace.reuse.bags import BagScan, length_percentile
from recnmp.trace.reuse.distance import LruCurve, StackDistances, lru_curve
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.reuse.statistics import read_counts
from recnmp.trace.reuse.zipf import fit_zipf, popularity
from recnmp.trace.synthetic import IndexStream, Reuse
from recnmp.trace.trace import Calls, Table, Trace


def _distances_oracle(items):
    return [
        -1 if item not in items[:n] else len(set(items[n - items[:n][::-1].index(item) : n]))
        for n, item in enumerate(items)
    ]


def _numbered(items):
    return np.unique(items, return_inverse=True)[1].astype(np.int32)


def test_stack_distances_of_a_stream_worked_out_by_hand():
    #                          a  b  c  a  a  b  d  c
    item = np.array([0, 1, 2, 0, 0, 1, 3, 2], np.int32)
    distances = StackDistances(4, watch=[1, 3, 4, 5])
    assert distances.feed(item).tolist() == [-1, -1, -1, 2, 0, 2, -1, 3]
    curve = distances.curve()
    assert [curve.hits(size) for size in range(6)] == [0, 1, 1, 3, 4, 4]
    assert curve.hit_share(3) == 3 / 8
    assert curve.points() == [(1, 1), (2, 1), (3, 3), (4, 4)]
    assert [distances.filled(size) for size in (1, 3, 4, 5)] == [1, 3, 7, None]


@given(st.lists(st.integers(0, 30), max_size=150), st.integers(1, 20))
@settings(deadline=None)
def test_stack_distances_equal_counting_what_lies_between(items, cut):
    item = _numbered(np.array(items, np.int64))
    distances = StackDistances(int(item.max(initial=-1)) + 1)
    pieces = [distances.feed(item[start : start + cut]).tolist() for start in range(0, len(item), cut)]
    assert [distance for piece in pieces for distance in piece] == _distances_oracle(items)


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("zipf", IndexStream(0, 5000, Reuse(0.9, 1, 5000), seed=3).draw(20_000)),
        ("recent", IndexStream(0, 9000, Reuse(0.5, 1, 9000, recency=0.5, window=300), seed=3).draw(20_000)),
        ("uniform", np.random.default_rng(1).integers(0, 700, 20_000)),
        ("in turn", np.arange(20_000) % 777),
        ("one", np.zeros(9000, int)),
        ("all new", np.arange(9000)),
    ],
)
def test_every_cache_size_hits_like_an_ordered_dictionary(kind, items):
    # the time axis has at least 4,096 slots, so the longer streams are compacted many times
    item = _numbered(items)
    curve = lru_curve(item)
    distinct = len(curve.at_distance)
    for capacity in {1, 2, max(1, distinct // 100), max(1, distinct // 3), distinct, distinct + 5}:
        assert curve.hits(capacity) == lru.lru_hits(items.tolist(), capacity), capacity
        assert curve.hits(capacity) == lru_hits(item.astype(np.int64), capacity)
    assert curve.hits(distinct) == len(items) - distinct
    assert dict(curve.points())[distinct] == len(items) - distinct


def test_more_accesses_than_32_bits_count_are_counted_with_64():
    distances = StackDistances(1)
    distances._accesses = (1 << 32) - 2
    distances.feed(np.zeros(5, np.int32))
    assert distances.curve().at_distance.dtype == np.uint64
    assert distances.curve().hits(1) == 4


@pytest.mark.parametrize("most_bits", [1 << 33, 0])
def test_entries_are_numbered_table_by_table(monkeypatch, most_bits):
    monkeypatch.setattr(numbering, "MOST_BITS", most_bits)  # 0: sorted keys instead of bits
    numbers = Numbering([Table("a", 100, 1), Table("b", 7, 1), Table("c", 65, 1)])
    table = np.array([0, 2, 0, 1, 2, 0], np.uint16)
    entry = np.array([99, 64, 3, 0, 0, 99], np.uint32)
    numbers.see(table[:4], entry[:4])
    numbers.see(table[4:], entry[4:])
    numbers.freeze()
    assert numbers.first.tolist() == [0, 2, 3, 5]
    assert numbers.items(table, entry).tolist() == [1, 4, 0, 2, 3, 1]


def test_numbering_refuses_more_entries_than_time_has_slots(monkeypatch):
    numbers = Numbering([Table("a", 64, 1)])
    numbers.see(np.zeros(2, np.uint16), np.array([1, 2], np.uint32))
    monkeypatch.setattr(Numbering, "count", (1 << 30) + 1)
    with pytest.raises(RecnmpError, match=r"1,073,741,825 different entries; the most is 1,073,741,824"):
        numbers.freeze()


def _bags(bags, tables=1, entries=100, cut=None):
    """A scan of (table, entries of the bag) pairs."""
    table = np.concatenate([np.full(len(of), t, np.uint16) for t, of in bags])
    bag = np.concatenate([np.full(len(of), n, np.uint32) for n, (_, of) in enumerate(bags)])
    entry = np.concatenate([np.array(of, np.uint32) for _, of in bags])
    scan = BagScan(tables, tables * entries)
    item = (table.astype(np.int32) * entries + entry).astype(np.int32)
    for start in range(0, len(bag), cut or len(bag)):
        part = slice(start, start + (cut or len(bag)))
        scan.feed(table[part], bag[part], entry[part], item[part])
    n = len(bags)
    calls = Calls(
        np.array([t for t, _ in bags], np.uint16),
        np.arange(n, dtype=np.int64),
        np.ones(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.uint8),
    )
    scan.finish(calls)
    return scan


@pytest.mark.parametrize("cut", [None, 1, 3])
def test_signs_in_bags_are_counted_by_table_however_the_stream_is_cut(cut):
    scan = _bags(
        [
            (0, [5, 7, 9]),  # ascends
            (1, [5]),  # a single lookup tells nothing
            (0, []),
            (0, [5, 7, 9]),  # begins like the last one of table 0, and is the same
            (0, [9, 9]),  # a repeat does not ascend
            (1, [8, 3]),
            (0, [5, 9, 7]),  # begins like the first one, and is another
        ],
        tables=2,
        cut=cut,
    )
    assert scan.bags.tolist() == [4, 2]
    assert scan.long.tolist() == [4, 1]
    assert scan.ascending.tolist() == [2, 0]
    assert scan.ascending_by_chance.tolist() == pytest.approx([3 / 6 + 1 / 2, 1 / 2])
    assert (scan.compared.tolist(), scan.same.tolist()) == ([2, 0], [1, 0])
    assert (scan.following.tolist(), scan.repeated.tolist()) == ([3, 0], [1, 0])
    assert (scan.shortest.tolist(), scan.longest.tolist()) == ([2, 1], [3, 2])
    assert scan.empty.tolist() == [1, 0]
    assert scan.lengths == {3: 3, 1: 1, 0: 1, 2: 2}


def test_percentiles_are_lengths_that_occur():
    scan = _bags([(0, [1] * n) for n in (1, 1, 1, 1, 1, 1, 1, 1, 1, 50)])
    assert [length_percentile(scan.lengths, share) for share in (0.5, 0.9, 0.99)] == [1, 1, 50]
    assert length_percentile(type(scan.lengths)(), 0.5) == 0


def test_counts_of_reads_give_shares_by_bin():
    counts = read_counts(np.array([1, 4, 1, 3, 2], np.uint32))
    assert (counts.lookups, counts.entries, counts.unique_share) == (11, 5, 5 / 11)
    of_lookups = {k: v for k, v in counts.lookups_by_reuse.items() if v}
    assert of_lookups == pytest.approx({"1": 2 / 11, "2": 2 / 11, "3-4": 7 / 11})
    of_entries = {k: v for k, v in counts.entries_by_reuse.items() if v}
    assert of_entries == pytest.approx({"1": 2 / 5, "2": 1 / 5, "3-4": 2 / 5})
    assert counts.same_pairs == 6 + 3 + 1
    assert counts.top_1_percent_share == 4 / 11


def test_popularity_bins_hold_all_lookups():
    for entries in (1, 255, 256, 257, 5000):
        reads = np.sort(np.random.default_rng(entries).integers(1, 50, entries)).astype(np.uint32)
        binned = popularity(reads)
        assert (binned.low[0], binned.high[-1]) == (0, entries)
        assert np.array_equal(binned.low[1:], binned.high[:-1])
        ranked = reads[::-1]
        expected = [ranked[a:b].sum() for a, b in zip(binned.low, binned.high, strict=True)]
        assert binned.lookups.tolist() == expected


@pytest.mark.parametrize(
    ("alpha", "q", "entries"), [(0.8, 0, 2000), (1.2, 0, 500), (0.9, 30, 3000), (1.4, 250, 3700)]
)
def test_a_zipf_law_is_found_again(alpha, q, entries):
    weights = (np.arange(1, entries + 1) + q) ** -alpha
    reads = np.rint(weights / weights.sum() * 1e9).astype(np.int64)
    fit = fit_zipf(popularity(np.sort(reads)), shifted=True)
    assert fit.alpha == pytest.approx(alpha, abs=0.01)
    assert fit.q == pytest.approx(q, abs=0.02 * q + 0.1)
    assert fit.ks < 0.001
    ranks = np.array([1.0, 10.0, 100.0])
    assert fit.share(ranks) * 1e9 == pytest.approx(reads[[0, 9, 99]], rel=0.01)
    plain = fit_zipf(popularity(np.sort(reads)))
    assert plain.q == 0
    assert plain.ks < 0.001 if q == 0 else plain.ks > 0.02


def test_the_plain_fit_has_the_greatest_likelihood():
    reads = np.sort(np.random.default_rng(0).zipf(1.5, 400))
    fit = fit_zipf(popularity(reads))
    ranks = np.arange(1, 401)

    def likelihood(alpha):
        return reads[::-1] @ np.log(ranks**-alpha / (ranks**-alpha).sum())

    assert likelihood(fit.alpha) > max(likelihood(fit.alpha - 0.005), likelihood(fit.alpha + 0.005))


def test_the_distance_of_a_fit_is_the_largest_gap_of_the_cumulative_shares():
    reads = np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 100])
    fit = fit_zipf(popularity(reads))
    law = np.arange(1, 11.0) ** -fit.alpha
    gaps = np.cumsum(law) / law.sum() - np.cumsum(reads[::-1]) / reads.sum()
    assert fit.ks == pytest.approx(np.abs(gaps).max())


def test_nothing_is_fitted_to_a_handful_of_entries():
    assert fit_zipf(popularity(np.arange(1, 10))) is None
    assert fit_zipf(popularity(np.empty(0, np.int64))) is None


def test_equal_popularity_is_alpha_zero():
    fit = fit_zipf(popularity(np.full(1000, 7)), shifted=True)
    assert fit.alpha == pytest.approx(0, abs=1e-6)
    assert fit.ks == pytest.approx(0, abs=1e-9)


def _trace(entries):
    n = len(entries)
    calls = Calls(*(np.array([v], t) for v, t in ((0, "u2"), (0, "i8"), (n, "i8"), (0, "i8"), (0, "u1"))))
    bag = np.arange(n, dtype=np.uint32)
    return Trace(np.zeros(n, np.uint16), bag, entries.astype(np.uint32), None, (Table("t", 500, 8),), calls)


def test_reuse_statistics_label_a_trace():
    entries = IndexStream(0, 500, Reuse(0.9, 0, 500), seed=1).draw(4000)
    found = reuse_statistics(_trace(entries))
    distinct = len(np.unique(entries))
    assert (found.reads.lookups, found.reads.entries) == (4000, distinct)
    assert found.lru.hits(50) == lru.lru_hits(entries.tolist(), 50)
    assert found.document()["lru_hits"] == dict.fromkeys(("1024", "8192", "65536"), 4000 - distinct)
    assert found.document()["zipf"]["alpha"] == pytest.approx(0.9, abs=0.05)
    assert found.label().startswith(
        f"4,000 lookups, {distinct / 40:.1f}% unique, LRU of 1,024 / 8,192 / 65,536"
    )
    assert "Zipf 0.9" in found.label()


def test_a_trace_without_lookups_has_no_reuse():
    found = reuse_statistics(_trace(np.empty(0)))
    assert (found.reads.unique_share, found.lru.hits(10), found.document()["zipf"]) == (0, 0, None)
    assert LruCurve(0, np.empty(0, np.uint32)).points() == [(1, 0)]
