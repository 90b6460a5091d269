from dataclasses import replace

import pytest
from builders import placed_on, some_trace, system_of, trace_of

from recnmp.config.schema import ArrivalConfig, CacheConfig
from recnmp.nmp import host, recnmp

HOT = trace_of([(64, 16)], [(0, [[3] * 40, [3, 5] * 20])])
"""Eighty lookups of two entries of one burst each."""


@pytest.mark.parametrize("side", [host, recnmp])
def test_reads_of_one_burst_are_merged_only_when_asked_for_and_counted_apart(side):
    runs = {}
    for merge in (False, True):
        system = system_of(refresh="off", merge_reads=merge)
        runs[merge] = side.run(HOT, placed_on(system, HOT), system, side.Options())
    plain, merged = (runs[merge].memory for merge in (False, True))
    assert (plain["merged"], plain["commands"]["RD"]) == (0, 80)
    assert merged["merged"] + merged["commands"]["RD"] == merged["requests"] == 80
    assert merged["merged"] > 0
    assert runs[True].ns < runs[False].ns


def test_every_policy_of_the_memory_section_reaches_the_controllers():
    asked = {
        "policy": "frfcfs_rowhit", "page_policy": "closed", "row_hit_cap": 3, "refresh": "off",
        "merge_reads": True,
    }  # fmt: skip
    options = system_of(**asked).controller(ranks=4, read_queue=7)
    assert {name: getattr(options, name) for name in asked} == asked
    assert (options.ranks, options.read_queue) == (4, 7)


def test_threads_in_turn_meet_in_the_last_level_cache_what_one_after_the_other_would_lose():
    # a cache of one line; two batches of two bags each read the same two entries
    trace = trace_of([(64, 16)], [(0, [[3], [5]])] * 2, per_batch=1)
    rates = {}
    for order in ("batched", "round_robin"):
        system = system_of(refresh="off", llc=CacheConfig(size_bytes=64, ways=1))
        system = replace(system, arrival=ArrivalConfig(threads=2, order=order))
        run = host.run(trace, placed_on(system, trace), system, host.Options())
        rates[order] = run.memory["llc_hit_rate"], run.memory["requests"]
    assert rates == {"batched": (0.0, 4), "round_robin": (0.5, 2)}


@pytest.mark.parametrize("order", ["batched", "round_robin", "random"])
def test_every_order_of_arrival_reads_every_burst_once(order):
    trace = some_trace(4, per_batch=2)
    system = replace(system_of(channels=2), arrival=ArrivalConfig(threads=3, order=order))
    placed = placed_on(system, trace)
    one, again = (host.run(trace, placed, system, host.Options()) for _ in range(2))
    assert one.memory["requests"] == one.memory["commands"]["RD"] == placed.bursts
    assert (one.ns, one.memory) == (again.ns, again.memory)


def test_a_seed_of_random_turns_changes_the_order_of_reads():
    trace = some_trace(4, per_batch=2)
    placed = placed_on(system_of(), trace)
    found = set()
    for seed in range(4):
        system = replace(system_of(), arrival=ArrivalConfig(threads=3, order="random", seed=seed))
        found.add(host.run(trace, placed, system, host.Options()).memory["cycles"])
    assert len(found) > 1
