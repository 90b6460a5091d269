"""What must hold wherever tables and copies are put."""

import itertools

import numba
import numpy as np
from builders import placed_on, system_of, trace_of
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.nmp import functional, recnmp
from recnmp.nmp.packet import packet_of_bags
from recnmp.placement.colours import balanced_colours

ENTRIES = 1500
POOLINGS = 4

some = settings(deadline=None, max_examples=5 if numba.config.DISABLE_JIT else 80, derandomize=True)
many = settings(deadline=None, max_examples=200, derandomize=True)

bags = st.lists(st.lists(st.integers(0, 20) | st.integers(0, ENTRIES - 1), max_size=12), max_size=12)
traces = st.builds(
    lambda dims, calls: trace_of(
        [(ENTRIES, dim) for dim in dims], [(n % len(dims), one) for n, one in enumerate(calls)], per_batch=2
    ),
    st.lists(st.sampled_from([4, 16, 32, 64]), min_size=1, max_size=3),
    st.lists(bags, min_size=2, max_size=5),
)
XOR = {"order": "RoBaBgRaChCo", "xor": {"Ra0": ["Ro0", "Ba1"], "Ch0": ["Ro1"], "Bg0": ["Ro2", "Co6"]}}
# tops: ranks and channels by the highest bits, so that a huge page lies in one of them
systems = st.builds(
    lambda channels, dimms, ranks, mapping: system_of(
        channels=channels, dimms_per_channel=dimms, ranks_per_dimm=ranks, mapping=mapping
    ),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 4]),
    st.sampled_from([1, 2]),
    st.sampled_from(["RaChRoBaBgCo", XOR]),
)
replicate = st.none() | st.builds(
    lambda size, n: {**size, "bags": n},
    st.builds(lambda n: {"entries": n}, st.integers(1, 3000))
    | st.builds(lambda share: {"share": share}, st.sampled_from([0.0005, 0.1, 1.0])),
    st.just(POOLINGS),
)
placements = st.builds(
    lambda pages, copies, seed, trained: {
        **pages,
        "replicate": copies,
        "seed": seed,
        "profile": {"batches": 1} if trained and (copies or pages.get("colours") == "balanced") else None,
    },
    st.sampled_from(
        [
            {"pages": "random"},
            {"pages": "random", "page_bytes": 2 << 20},
            {"pages": "coloured"},
            {"pages": "coloured", "colours": "balanced"},
            {"pages": "coloured", "colours": "page_interleaved"},
        ]
    ),
    replicate,
    st.integers(0, 3),
    st.booleans(),
)


def places(placed):
    """A number for each burst's place in memory and, for small entries, its slot in it."""
    at = placed.channel.astype(np.int64)
    for name, bits in (("rank", 6), ("flat_bank", 6), ("row", 20), ("column", 8)):
        at = at << bits | getattr(placed, name)
    return at << 4 | placed.slot[placed.lookup]


@some
@given(traces, systems, placements)
def test_every_entry_has_one_address_and_copies_have_one_more_in_each_rank(trace, system, placement):
    placed = placed_on(system, trace, **placement)
    original = placed.original or placed
    part = np.arange(placed.bursts) - placed.first[placed.lookup]
    entry = (trace.table.astype(np.int64) << 32 | trace.entry)[placed.lookup] << 4 | part
    at = places(original)
    held = np.unique(np.stack([at, entry]), axis=1)
    assert held.shape[1] == len(np.unique(at)) == len(np.unique(entry))
    both = np.concatenate([at, places(placed)])
    held = np.unique(np.stack([both, np.concatenate([entry, entry])]), axis=1)
    assert held.shape[1] == len(np.unique(both))
    # of an entry there is no more than its original and a copy in each rank
    ranks = system.memory.channels * system.ranks_per_channel
    per_rank = np.unique(np.stack([entry, placed.channel * 64 + placed.rank, places(placed)]), axis=1)
    moved = places(placed) != at
    assert len(np.unique(per_rank[:2], axis=1).T) == per_rank.shape[1]
    assert not np.isin(entry[moved], entry[~moved]).any()
    if placed.replication:
        assert placed.replication.copies == ranks
        by_lookup = moved[placed.first[:-1]].mean() if trace.lookups else 0.0
        assert placed.replication.lookup_share == by_lookup


@some
@given(traces, systems, placements)
def test_every_burst_is_read_whatever_the_placement_and_pooled_right(trace, system, placement):
    placed = placed_on(system, trace, **placement)
    plain = placed_on(system, trace)
    np.testing.assert_array_equal(placed.first, plain.first)
    run = recnmp.run(trace, placed, system, recnmp.Options(poolings_per_packet=POOLINGS))
    assert run.memory["requests"] == placed.bursts
    assert functional.compare(trace, placed, run.packets, system)["bit_exact"]


@some
@given(traces, systems, placements)
def test_no_choice_of_copies_makes_a_packets_busiest_rank_do_less(trace, system, placement):
    placed = placed_on(system, trace, **placement)
    if not placed.original:
        return
    ranks = system.memory.channels * system.ranks_per_channel
    packet, _ = packet_of_bags(trace, POOLINGS)
    of_lookup = packet[trace.bag.astype(np.int64) - int(trace.calls.first_bag[0])]
    begin = placed.first[:-1]
    unit = placed.channel[begin] * system.ranks_per_channel + placed.rank[begin]
    stays = places(placed)[begin] == places(placed.original)[begin]
    packets = int(packet.max(initial=-1)) + 1
    loads, fixed = (
        np.bincount(of_lookup[which] * ranks + unit[which], minlength=packets * ranks).reshape(-1, ranks)
        for which in (slice(None), stays)
    )
    least = np.maximum(fixed.max(axis=1), -(-loads.sum(axis=1) // ranks))
    np.testing.assert_array_equal(loads.max(axis=1), least)


@some
@given(traces, systems, placements)
def test_the_same_placement_twice_is_the_same(trace, system, placement):
    one, two = (placed_on(system, trace, **placement) for _ in range(2))
    np.testing.assert_array_equal(places(one), places(two))
    assert one.replication == two.replication


@many
@given(st.lists(st.integers(0, 60), min_size=1, max_size=7), st.integers(1, 3))
def test_balanced_tables_load_the_busiest_rank_within_the_known_bound_of_the_best_there_is(lookups, ranks):
    loads = np.array(lookups)

    def busiest(colour):
        return np.bincount(colour, weights=loads, minlength=ranks).max()

    found = busiest(balanced_colours(loads, np.ones_like(loads), ranks, 100))
    best = min(busiest(colour) for colour in itertools.product(range(ranks), repeat=len(loads)))
    bound = 4 / 3 - 1 / (3 * ranks)
    assert best <= found <= bound * best + 1e-9
    assert found <= bound * busiest(np.arange(len(loads)) % ranks) + 1e-9
