"""Copies of hot entries: which, where, who reads them, what they cost."""

import numpy as np
import pytest
from builders import placed_on, some_trace, system_of, trace_of

from recnmp.errors import ConfigError
from recnmp.nmp import functional, host, recnmp
from recnmp.nmp.base import load_imbalance
from recnmp.placement import _kernels as kernel

HOT = [7, 7, 7, 7, 3, 3, 3, 9, 9, 1]
"""Entries of one bag: 7, then 3, then 9 are the hottest."""


def entries_copied(placed, trace):
    """(table, entry) of lookups that read something else than their original."""
    original = placed.original
    begin = placed.first[:-1]
    names = ("channel", "rank", "flat_bank", "row", "column")
    moved = np.any([getattr(placed, n)[begin] != getattr(original, n)[begin] for n in names], axis=0)
    moved |= placed.slot != original.slot
    return {(int(trace.table[i]), int(trace.entry[i])) for i in np.flatnonzero(moved)}


def addresses(placed):
    """Place of every burst and of its slot, one number each."""
    at = placed.channel.astype(np.int64)
    for name, bits in (("rank", 6), ("flat_bank", 6), ("row", 20), ("column", 8)):
        at = at << bits | getattr(placed, name)
    return at << 3 | placed.slot[placed.lookup]


@pytest.mark.parametrize(("entries", "copied"), [(1, {7}), (2, {7, 3}), (3, {7, 3, 9}), (9, {7, 3, 9, 1})])
def test_the_entries_looked_up_most_are_copied(entries, copied):
    trace = trace_of([(100, 16)], [(0, [HOT])])
    placed = placed_on(system_of(), trace, replicate={"entries": entries})
    assert entries_copied(placed, trace) == {(0, e) for e in copied}
    assert placed.replication.entries == len(copied)
    assert placed.replication.lookup_share == np.isin(HOT, list(copied)).mean()


def test_equally_hot_entries_are_taken_in_order_of_table_and_entry():
    trace = trace_of([(100, 16), (100, 16)], [(1, [[5, 2]]), (0, [[8]])])
    placed = placed_on(system_of(), trace, replicate={"entries": 2})
    assert entries_copied(placed, trace) == {(0, 8), (1, 2)}


def test_a_share_is_of_all_entries_of_all_tables():
    trace = trace_of([(150, 16), (50, 16)], [(0, [HOT]), (1, [[3] * 5])])
    placed = placed_on(system_of(), trace, replicate={"share": 0.01})
    assert entries_copied(placed, trace) == {(0, 7), (1, 3)}


def test_all_of_the_tables_are_copied_even_what_the_profile_never_reads():
    whole = trace_of([(128, 16)], [(0, [[1, 2]]), (0, [[100, 101, 2]])], per_batch=1)
    last = whole.select(1)
    train = {"batches": 1}
    placed = placed_on(system_of(), last, whole, replicate={"share": 1}, profile=train)
    assert entries_copied(placed, last) == {(0, 100), (0, 101), (0, 2)}
    assert placed.replication.entries == 128
    assert placed.replication.bytes == 2 * 2 * 4096
    assert placed.replication.table_share == 2
    some = placed_on(system_of(), last, whole, replicate={"entries": 128}, profile=train)
    assert entries_copied(some, last) == {(0, 2)}


def test_the_profile_decides_what_is_hot():
    whole = trace_of([(128, 16)], [(0, [[5, 5, 5, 6]]), (0, [[5, 6, 6, 6]])], per_batch=1)
    last = whole.select(1)
    own = placed_on(system_of(), last, whole, replicate={"entries": 1})
    trained = placed_on(system_of(), last, whole, replicate={"entries": 1}, profile={"batches": 1})
    assert entries_copied(own, last) == {(0, 6)}
    assert entries_copied(trained, last) == {(0, 5)}
    assert trained.replication.lookup_share == 0.25


@pytest.mark.parametrize(
    ("pages", "page_bytes", "mapping"),
    [
        ({"pages": "random"}, 4096, "RoBaBgRaChCo"),
        ({"pages": "random"}, 2 << 20, "RoBaBgRaChCo"),
        ({"pages": "random"}, 4096, "skylake_like"),
        ({"pages": "random"}, 4096, "permuted_banks"),
        ({"pages": "coloured"}, 4096, "RoBaBgRaChCo"),
        ({"pages": "coloured", "colours": "page_interleaved"}, 4096, "RoBaBgRaChCo"),
        ({"pages": "coloured", "colours": "balanced"}, 2 << 20, "RaChRoBaBgCo"),
    ],
)
def test_originals_stay_where_they_are_and_copies_have_addresses_of_their_own(pages, page_bytes, mapping):
    system = system_of(channels=2, dimms_per_channel=2, ranks_per_dimm=2, mapping=mapping)
    trace = some_trace(3, dims=(4, 16, 32))
    options = {**pages, "page_bytes": page_bytes}
    plain = placed_on(system, trace, **options)
    placed = placed_on(system, trace, **options, replicate={"entries": 60})
    for name in ("first", "channel", "rank", "flat_bank", "row", "column", "slot"):
        np.testing.assert_array_equal(getattr(placed.original, name), getattr(plain, name))
    key = trace.table.astype(np.int64) << 32 | trace.entry
    key = (key << 3)[placed.lookup] + (np.arange(placed.bursts) - placed.first[placed.lookup])
    both = np.concatenate([addresses(plain), addresses(placed)])
    pairs = np.unique(np.stack([both, np.concatenate([key, key])]), axis=1)
    assert len(np.unique(both)) == pairs.shape[1]  # no address holds two entries
    ranks = np.unique(placed.channel * 4 + placed.rank)
    assert len(ranks) == 8
    run = recnmp.run(trace, placed, system, recnmp.Options())
    assert functional.compare(trace, placed, run.packets, system)["bit_exact"]


def test_copies_even_out_every_packet():
    system = system_of(dimms_per_channel=4, ranks_per_dimm=2)
    rng = np.random.default_rng(5)
    bags = [[int(e) for e in rng.zipf(1.3, 40) % 2000] for _ in range(64)]
    trace = trace_of([(2000, 32)], [(0, bags)])
    plain, copied = (
        recnmp.run(trace, placed_on(system, trace, replicate=options), system, recnmp.Options()).details
        for options in (None, {"entries": 2000})
    )
    assert plain["packet_load_imbalance"] > 1.1
    assert copied["packet_load_imbalance"] == copied["rank_load_imbalance"] == 1.0


def test_the_host_reads_originals():
    system, trace = system_of(dimms_per_channel=2), some_trace(4)
    runs = [
        host.run(trace, placed_on(system, trace, replicate=options), system, host.Options())
        for options in (None, {"entries": 500})
    ]
    assert runs[0].memory == runs[1].memory
    assert runs[0].ns == runs[1].ns


def test_copies_cost_whole_pages_in_every_rank():
    system = system_of(dimms_per_channel=2, ranks_per_dimm=2)
    trace = trace_of([(1000, 32)], [(0, [list(range(65))])])
    cost = placed_on(system, trace, replicate={"entries": 65}).replication
    assert (cost.copies, cost.bytes) == (4, 4 * 3 * 4096)  # 65 x 128 B are 2.03 pages
    assert cost.table_share == 12 / 32
    # a huge page lies in all ranks: one is enough for all
    huge = placed_on(system, trace, replicate={"entries": 65}, page_bytes=2 << 20).replication
    assert huge.bytes == 2 << 20


def test_copies_that_do_not_fit_beside_the_tables_are_an_error():
    gib = 1 << 30
    for pages in ("random", "coloured"):
        fits = trace_of([(5 * gib // 64, 16), (5 * gib // 64, 16)], [(0, [[0]])])
        placed_on(system_of(), fits, pages=pages, page_bytes=8192, replicate={"entries": 1})
        with pytest.raises(ConfigError, match=r"placement\.replicate: copies need \d+ B in every rank"):
            placed_on(system_of(), fits, pages=pages, page_bytes=8192, replicate={"share": 1})


def test_an_entry_that_lies_in_several_ranks_cannot_be_copied_into_one():
    system = system_of(mapping="RoBaBgCoRa")
    trace = trace_of([(10, 32)], [(0, [[1]])])
    with pytest.raises(
        ConfigError, match="a copy of 128 B must lie in one rank, but RoBaBgCoRa switches ranks"
    ):
        placed_on(system, trace, replicate={"entries": 1})


def test_without_lookups_nothing_is_copied():
    trace = trace_of([(10, 16)], [(0, [[], []])])
    placed = placed_on(system_of(), trace, replicate={"entries": 5})
    assert placed.bursts == 0
    assert (placed.replication.entries, placed.replication.bytes, placed.replication.lookup_share) == (
        0,
        0,
        0,
    )


def chosen(start, unit, preferred, ranks):
    unit = np.array(unit, np.int64)
    load, total = np.zeros((2, ranks), np.int64)
    kernel.choose_copies(np.array(start), unit, np.array(preferred), load, total)
    return unit.tolist()


def test_a_copy_is_read_where_it_is_preferred_unless_that_rank_has_enough():
    assert chosen([0, 4], [0, 0, 0, 0], [1, 1, 1, 0], 2) == [1, 1, 0, 0]


def test_what_cannot_move_is_counted_first():
    assert chosen([0, 4], [0, 0, 1, 1], [-1, 0, -1, -1], 2) == [0, 0, 1, 1]
    assert chosen([0, 4], [0, 1, 1, 1], [1, -1, -1, -1], 2) == [0, 1, 1, 1]


def test_a_window_starts_afresh_and_ties_go_to_the_rank_with_least_to_do_so_far():
    # the second window's copies prefer rank 0, which is full after one; of ranks 1 and 2 the latter did less
    assert chosen([0, 1, 3], [1, 0, 0], [-1, 0, 0], 3) == [1, 0, 2]


def test_imbalance_is_the_busiest_rank_over_the_mean():
    rank = np.array([0, 0, 0, 1], np.int32)
    assert load_imbalance(rank, 2) == 1.5
    assert load_imbalance(rank, 4) == 3.0
    assert load_imbalance(rank, 2, np.array([0, 0, 1, 1])) == 1.5
    assert load_imbalance(np.array([0, 1, 1, 0], np.int32), 2, np.array([0, 0, 3, 3])) == 1.0
    assert load_imbalance(np.zeros(0, np.int32), 8) == 1.0
