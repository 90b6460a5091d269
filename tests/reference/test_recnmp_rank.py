"""Ranks of RecNMP's twin against closed forms: cache, window, and what comes after the last burst."""

from math import ceil

import numpy as np
import pytest
from builders import spec_with, system_of, trace_of

from recnmp.placement.place import PlacedLookups
from reference.recnmp_by_hand import ADDED, READ, N, cycles_of, gather, names, other_rows
from reference.recnmp_packets import Settings
from reference.recnmp_tick import run


@pytest.mark.parametrize(("ranks_per_dimm", "adders"), [(1, 1), (2, 2), (4, 3), (8, 4)])
def test_the_dimm_adds_over_its_ranks_in_a_tree(ranks_per_dimm, adders):
    (packet,) = gather([[(0, 0, 5, 3)]], ranks=(1, ranks_per_dimm)).packets
    assert packet.ready_at == packet.delivered_at + READ + 4 + 3 * adders


@pytest.mark.parametrize("dtype", ["fp32", "int8_rowwise"])
@pytest.mark.parametrize("weights", [None, np.random.default_rng(0)])
def test_weights_and_scales_take_the_multiplier(dtype, weights):
    (packet,) = gather([[(0, 0, 5, 3)]], dtype=dtype, weights=weights, multiplier_cycles=9).packets
    multiplies = weights is not None or dtype != "fp32"
    assert packet.ready_at == packet.delivered_at + READ + ADDED + 9 * multiplies


@pytest.mark.parametrize("ways", [None, 4])
def test_a_vector_of_four_bursts_streams_from_its_row(ways):
    channel = gather([[(0, 0, 5, 8)]], dims=(64,), bursts=4, ways=ways, rank_cache_cycles=6)
    assert names(channel) == ["ACT"] + ["RD"] * 4
    (packet,) = channel.packets
    decoding = 6 if ways else 0
    assert packet.ready_at == packet.delivered_at + decoding + READ + 3 * N["nCCD_L"] + ADDED
    assert packet.returned_at - packet.results_at == N["nCL"] + 4 * N["nBL"] + N["nRTRS"]


@pytest.mark.parametrize("n", [1, 8, 33])
def test_a_packet_of_hits_is_ready_when_its_last_instruction_was_looked_up(n):
    fetch, hits = [(0, 0, 5, 3)], [(0, 0, 5, 3)] * n
    channel = gather([fetch, hits], ways=1, rank_cache_cycles=7, packets_in_flight=1)
    one, two = channel.packets
    assert two.header_at == one.returned_at + 2
    assert two.delivered_at - two.instructions_at == ceil(n / 2)
    assert two.ready_at == two.delivered_at + 7 + ADDED
    assert names(channel) == ["ACT", "RD"]
    assert len(channel.hits) == n


def test_a_hit_on_a_line_still_on_its_way_waits_for_it():
    channel = gather([[(0, 0, 5, 3), (0, 0, 5, 3)]], ways=1)
    (packet,) = channel.packets
    arrived = packet.delivered_at + 1 + READ
    assert (channel.hits, channel.reads) == ({1: arrived}, {0: arrived})
    assert packet.ready_at == arrived + ADDED


def test_the_least_recently_used_line_of_a_set_leaves():
    a, b, c = [(0, 0, 5, column) for column in (1, 2, 3)]
    assert set(gather([[a, b, a, c, a, b]], ways=2).hits) == {2, 4}


def test_a_hit_names_the_latest_read_of_its_line():
    a, b = (0, 0, 5, 1), (0, 0, 5, 2)
    channel = gather([[a, b, a, a]], ways=1)
    assert set(channel.reads) == {0, 1, 2}
    assert channel.hits == {3: channel.reads[2]}


@pytest.mark.parametrize(
    ("lookups", "locality", "hits"),
    [("aa", (1, 0), set()), ("aa", (0, 1), set()), ("aba", (1, 0, 1), {2}), ("aba", (1, 1, 1), set())],
)
def test_lookups_without_locality_neither_look_nor_fill(lookups, locality, hits):
    bag = [(0, 0, 5, "ab".index(name)) for name in lookups]
    assert set(gather([bag], ways=1, locality=locality).hits) == hits


def test_ranks_have_caches_of_their_own():
    assert gather([[(0, 0, 5, 1), (1, 0, 5, 1)]], ways=1, ranks=(1, 2)).hits == {}


def test_the_cache_sees_packets_in_the_order_of_delivery():
    a, b = (0, 0, 5, 1), (0, 0, 5, 2)
    bags = [[a], [b], [a]]
    assert set(gather(bags, ways=1).hits) == set()
    channel = gather(bags, ways=1, order=[2, 0, 1])
    assert [packet.number for packet in channel.packets] == [2, 0, 1]
    assert set(channel.hits) == {0}


def test_in_order_reads_of_idle_banks_come_one_activation_after_another():
    channel = gather([other_rows(16)], reorder_window=1)
    reads = cycles_of(channel, "RD")
    assert np.diff(reads).tolist() == [1 + N["nRCD"]] * 15
    assert [command.request for command in channel.commands[0] if command.name == "RD"] == list(range(16))


def test_in_order_reads_of_one_bank_take_nrc_each():
    channel = gather([other_rows(9, banks=1)], reorder_window=1)
    assert np.diff(cycles_of(channel, "RD")).tolist() == [N["nRC"]] * 8


def test_a_wide_window_is_limited_by_four_activations():
    channel = gather([other_rows(64)], reorder_window=32)
    activations = np.array(cycles_of(channel, "ACT"))
    assert (activations[4:] - activations[:-4]).min() == N["nFAW"]
    # Once the window has banks to choose from, nothing else limits.
    assert activations[-1] - activations[15] == N["nFAW"] * 12


def test_a_window_counts_whole_vectors_of_the_longest_kind():
    # Two places: the second lookup's row is opened while the first one's RD still waits.
    one = gather([[(0, 0, 1, 0), (0, 1, 1, 0)]], reorder_window=1)
    two = gather([[(0, 0, 1, 0), (0, 1, 1, 0)], [(0, 2, 1, 0)]], bursts=[1, 1, 2], reorder_window=1)
    assert names(one) == ["ACT", "RD"] * 2
    assert names(two)[:3] == ["ACT", "ACT", "RD"]


def test_staggered_refreshes_of_a_channels_ranks_are_spread():
    spec = spec_with(nREFI=600, nRFC=90)
    system = system_of(spec=spec, dimms_per_channel=2, ranks_per_dimm=1, refresh="staggered")
    trace = trace_of([(64, 16)], [(0, [[0] * 900])])
    rank = np.arange(900, dtype=np.int32) % 2
    zero = np.zeros(900, np.int32)
    one = np.ones(1, np.int64)
    placed = PlacedLookups(np.arange(901), zero, rank, zero, zero, zero, one, one, zero.astype(np.int64))
    (channel,) = run(trace, placed, system, Settings(delivery="ddr_commands"))
    dues = [cycles_of(channel, "REF", rank)[0] for rank in (0, 1)]
    assert [due // 100 for due in dues] == [3, 6]
