"""LocalityBits: counted in the batch, set by threshold, chosen by table and batch, paid for by the host."""

from collections import Counter

import numpy as np
import pytest
from builders import placed_on, some_trace, system_of, trace_of
from pydantic import ValidationError

from recnmp.cache.filter import cache_hits
from recnmp.config.schema import CacheConfig
from recnmp.errors import ConfigError
from recnmp.nmp import recnmp
from recnmp.nmp.locality import THRESHOLDS, best_bits, counts_in_batch
from recnmp.nmp.packet import decode
from recnmp.units import cycles_to_ns

CACHE = CacheConfig(size_bytes=8 * 64, ways=2)


def reads(trace) -> list[tuple[int, int, int]]:
    """Batch, table and entry of every lookup."""
    batch = trace.bag_batch[trace.bag - trace.calls.first_bag[0].astype(np.uint32)]
    return list(zip(batch.tolist(), trace.table.tolist(), trace.entry.tolist(), strict=True))


def run(trace, *, cache=CACHE, **options):
    system = system_of(ranks_per_dimm=1, rank_cache=cache)
    return recnmp.run(trace, placed_on(system, trace), system, recnmp.Options(**options))


def bits_sent(result) -> list[int]:
    return decode(result.packets.words)["locality"].astype(int).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_entries_are_counted_by_batch_and_table(seed):
    trace = some_trace(seed, per_batch=3).select(1)  # bags do not start at 0
    times = Counter(reads(trace))
    count, group = counts_in_batch(trace)
    assert count.tolist() == [times[read] for read in reads(trace)]
    groups = {(batch, table) for batch, table, _ in reads(trace)}
    assert sorted(set(group.tolist())) == list(range(len(groups)))
    assert len({(g, *read[:2]) for g, read in zip(group.tolist(), reads(trace), strict=True)}) == len(groups)


@pytest.mark.parametrize("threshold", [1, 2, 3, 1000])
def test_the_instructions_of_entries_read_often_enough_have_the_bit(threshold):
    trace = some_trace(1, per_batch=3)
    times = Counter(reads(trace))
    result = run(trace, locality="threshold", locality_threshold=threshold)
    expected = [int(times[read] >= threshold) for read in reads(trace)]
    assert bits_sent(result) == expected
    assert result.details["cacheable_share"] == np.mean(expected)
    assert result.details["profile"] == {"threshold": threshold}


def test_all_have_the_bit_with_a_cache_and_none_without():
    trace = some_trace(1)
    assert set(bits_sent(run(trace))) == {1}
    without = run(trace, cache=None)
    assert set(bits_sent(without)) == {0}
    assert (without.details["cacheable_share"], without.details["profile"]) == (None, None)


@pytest.mark.parametrize("seed", range(4))
def test_the_profile_takes_the_smallest_of_the_best_thresholds_for_each_tables_batch(seed):
    trace = some_trace(seed, dims=(16, 32), per_batch=2)
    width = np.array([1, 2])  # bursts of an entry
    bits, taken = best_bits(trace, width, CACHE)
    count, group = counts_in_batch(trace)
    expected = dict.fromkeys(THRESHOLDS, 0)
    for one in range(int(group.max()) + 1):
        mine = group == one
        bursts = int(width[trace.table[mine][0]])
        hits = []
        for threshold in THRESHOLDS:
            hot = trace.entry[mine][count[mine] >= threshold].astype(np.int64)
            hits.append(
                int(
                    cache_hits(
                        np.repeat(hot * bursts, bursts) + np.tile(np.arange(bursts), len(hot)), CACHE
                    ).sum()
                )
            )
        best = THRESHOLDS[int(np.argmax(hits))]  # the first of the largest
        expected[best] += 1
        assert bits[mine].tolist() == (count[mine] >= best).tolist()
    assert taken == expected


def test_the_profile_keeps_out_what_would_push_hot_entries_out():
    # one hot entry between others that are read once each, in a cache of two lines
    bag = [e for n in range(20) for e in (3, 100 + 2 * n, 101 + 2 * n)]
    trace, cache = trace_of([(1000, 16)], [(0, [bag])]), CacheConfig(size_bytes=128, ways=2)
    plain, profiled = run(trace, cache=cache), run(trace, cache=cache, locality="profiled")
    assert plain.details["cache_hit_rate"] == 0
    assert profiled.details["cache_hit_rate"] == pytest.approx(19 / 60)
    assert profiled.details["profile"] == {"thresholds": {"2": 1}}
    assert profiled.memory["commands"]["RD"] == 41


def test_with_one_batch_in_a_whole_cache_the_profile_hits_no_less_than_any_threshold():
    rng = np.random.default_rng(2)
    bag = np.where(rng.random(400) < 0.6, rng.integers(0, 20, 400), rng.integers(0, 900, 400)).tolist()
    trace, cache = trace_of([(1000, 16)], [(0, [bag])]), CacheConfig(size_bytes=8 * 64, ways=8)
    hits = [
        run(trace, cache=cache, locality="threshold", locality_threshold=t).details["cache_hit_rate"]
        for t in THRESHOLDS
    ]
    assert run(trace, cache=cache, locality="profiled").details["cache_hit_rate"] == max(hits) > hits[0]


def test_the_first_batch_waits_for_its_counts_and_the_others_are_counted_meanwhile():
    trace = some_trace(1, per_batch=3)  # two batches
    free = run(trace, locality="profiled", profile_ns_per_lookup=0.0)
    paid = run(trace, locality="profiled", profile_ns_per_lookup=4.0, profile_threads=2)
    assert paid.details["profile_ns"] == trace.lookups * 4.0 / 2
    assert paid.memory == free.memory
    assert paid.ns - free.ns == pytest.approx(paid.details["profile_ns"] / 2)


def test_counting_that_takes_longer_than_memory_is_what_takes_the_time():
    trace = some_trace(1, per_batch=3)
    slow = run(trace, locality="profiled", profile_ns_per_lookup=1000.0, profile_threads=1)
    counting = trace.lookups * 1000.0
    assert counting > cycles_to_ns(slow.memory["cycles"], 833)
    assert slow.ns == pytest.approx(counting * 1.5)


def test_what_is_not_counted_costs_nothing():
    assert run(some_trace(1)).details["profile_ns"] == 0


@pytest.mark.parametrize(
    "locality", [{"locality": "profiled"}, {"locality": "threshold", "locality_threshold": 2}]
)
def test_a_locality_without_a_cache_is_an_error(locality):
    with pytest.raises(ConfigError, match=f"nmp.options.locality: {locality['locality']} is for a RankCache"):
        run(some_trace(1), cache=None, **locality)


@pytest.mark.parametrize(
    "wrong",
    [
        {"locality": "threshold"},
        {"locality_threshold": 2},
        {"locality": "threshold", "locality_threshold": 0},
        {"locality": "profiled", "locality_threshold": 2},
    ],
)
def test_a_threshold_and_its_number_belong_together(wrong):
    with pytest.raises(ValidationError, match="locality_threshold"):
        recnmp.Options(**wrong)
