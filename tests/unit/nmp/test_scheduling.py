"""Orders of arrival and table-aware scheduling: nothing is lost, threads keep their programs, rounds their places."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from builders import placed_on, some_trace, system_of, trace_of
from pydantic import ValidationError

from recnmp.config.schema import ArrivalConfig, CacheConfig
from recnmp.nmp import functional, recnmp
from recnmp.nmp.scheduling import arrival_order, table_aware

ORDERS = ["batched", "round_robin", "random"]


def some_batches(seed: int) -> np.ndarray:
    """Batches of 1 to 9 units, whose numbers neither start at 0 nor follow one another."""
    rng = np.random.default_rng(seed)
    return np.repeat(3 + 2 * np.arange(7), rng.integers(1, 10, 7))


def arrival_of(threads: int, order: str, seed: int = 1) -> ArrivalConfig:
    return ArrivalConfig(threads=threads, order=order, seed=seed)


def rounds_of(batch: np.ndarray, threads: int) -> np.ndarray:
    return np.unique(batch, return_inverse=True)[1] // threads


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threads", [2, 3, 16])
@pytest.mark.parametrize("order", ORDERS)
def test_every_unit_arrives_once_and_a_threads_own_in_order(order, threads, seed):
    batch = some_batches(seed)
    arrived = arrival_order(batch, arrival_of(threads, order, seed))
    assert sorted(arrived.tolist()) == list(range(len(batch)))
    for one in np.unique(batch):
        own = arrived[batch[arrived] == one]
        assert (np.diff(own) > 0).all()
    assert (np.diff(rounds_of(batch, threads)[arrived]) >= 0).all()


def test_one_thread_and_batched_threads_keep_the_order_of_the_program():
    batch = some_batches(0)
    for arrival in (ArrivalConfig(), arrival_of(4, "batched")):
        assert arrival_order(batch, arrival).tolist() == list(range(len(batch)))


def test_round_robin_deals_one_of_each_thread_and_passes_over_those_that_are_through():
    batch = np.array([0, 0, 0, 1, 2, 2, 3, 3])
    assert arrival_order(batch, arrival_of(3, "round_robin")).tolist() == [0, 3, 4, 1, 5, 2, 6, 7]


def test_random_turns_follow_the_seed():
    batch = some_batches(1)
    one, again, other = (arrival_order(batch, arrival_of(7, "random", seed)).tolist() for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_every_interleaving_of_two_threads_is_as_likely():
    batch = np.array([0, 0, 1, 1])
    found = Counter(tuple(batch[arrival_order(batch, arrival_of(2, "random", s))]) for s in range(1200))
    assert len(found) == 6
    assert all(150 <= times <= 250 for times in found.values())  # 200 each, but for chance


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("threads", [2, 4])
def test_a_table_aware_round_is_sorted_by_table_and_each_table_by_arrival(order, threads, seed):
    batch = some_batches(seed)
    table = np.random.default_rng(seed).integers(0, 4, len(batch)).astype(np.uint16)
    arrival = arrival_of(threads, order, seed)
    arrived = arrival_order(batch, arrival)
    scheduled = table_aware(arrived, batch, table, np.full(len(batch), -1), arrival)
    rounds = rounds_of(batch, threads)
    key = [(int(rounds[p]), int(table[p])) for p in arrived]
    assert scheduled.tolist() == [
        p for _, p in sorted(zip(key, arrived.tolist(), strict=True), key=lambda x: x[0])
    ]


def test_a_program_that_goes_by_table_is_not_changed():
    batch, table = np.repeat([0, 1], 6), np.tile(np.repeat([0, 1, 2], 2), 2).astype(np.uint16)
    arrived = arrival_order(batch, ArrivalConfig())
    assert table_aware(arrived, batch, table, np.full(12, -1), ArrivalConfig()).tolist() == list(range(12))


def test_packets_of_a_table_meet_in_the_cache_what_another_thread_brought():
    # a cache of one line; two batches read one entry of each of two tables
    trace = trace_of([(64, 16), (64, 16)], [(0, [[5]]), (1, [[9]])] * 2, per_batch=2)
    system = system_of(ranks_per_dimm=1, rank_cache=CacheConfig(size_bytes=64, ways=1))
    system = replace(system, arrival=arrival_of(2, "batched"))
    placed = placed_on(system, trace)
    hits = {
        scheduling: recnmp.run(trace, placed, system, recnmp.Options(scheduling=scheduling)).details[
            "cache_hit_rate"
        ]
        for scheduling in ("arrival", "table_aware")
    }
    assert hits == {"arrival": 0.0, "table_aware": 0.5}


@pytest.mark.parametrize("scheduling", ["arrival", "table_aware"])
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_pools_the_same_vectors_from_the_same_instructions(order, scheduling):
    trace = some_trace(3, per_batch=1)
    system = system_of(channels=2, dimms_per_channel=2)
    placed, options = placed_on(system, trace), recnmp.Options(scheduling=scheduling)
    plain = recnmp.run(trace, placed, system, recnmp.Options())
    run = recnmp.run(trace, placed, replace(system, arrival=arrival_of(3, order)), options)
    assert functional.compare(trace, placed, run.packets, system)["bit_exact"]
    assert run.memory["requests"] == plain.memory["requests"]
    # the words are the same but for the flags, which follow the order of delivery
    flags = np.uint64(0b111 << (72 - 64))
    ours, theirs = run.packets.words, plain.packets.words
    np.testing.assert_array_equal(ours[:, 0], theirs[:, 0])
    np.testing.assert_array_equal(ours[:, 1] & ~flags, theirs[:, 1] & ~flags)


@pytest.mark.parametrize("wrong", [{"order": "random"}, {"order": "round_robin"}, {"tables": "separate"}])
def test_an_order_of_one_thread_is_refused(wrong):
    with pytest.raises(ValidationError, match="for several threads; threads is 1"):
        ArrivalConfig(**wrong)


def test_packets_of_one_rank_each_go_to_their_ranks_in_turn_table_by_table():
    batch = np.zeros(12, np.int64)
    table = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2, 3, 3, 3], np.uint16)
    home = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2, 0, 0, 0])  # table 3 is at rank 0, too
    scheduled = table_aware(np.arange(12), batch, table, home, ArrivalConfig())
    assert home[scheduled].tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0]
    for rank in range(3):
        mine = scheduled[home[scheduled] == rank]
        assert table[mine].tolist() == sorted(table[mine])


def test_ranks_take_turns_within_a_round_only():
    batch = np.repeat([0, 1], 4)
    table, home = np.array([0, 0, 1, 1] * 2, np.uint16), np.array([0, 0, 1, 1] * 2)
    scheduled = table_aware(np.arange(8), batch, table, home, ArrivalConfig())
    assert scheduled.tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
