"""The twin of RecNMP's channel against closed forms, on lookups whose places are chosen by hand."""

from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from builders import DDR4, spec_with, system_of, trace_of

from recnmp.config.schema import CacheConfig
from recnmp.placement.place import PlacedLookups
from reference.recnmp_packets import Settings
from reference.recnmp_tick import run

N = DDR4.cycles
READ = 1 + N["nRCD"] + N["nCL"] + N["nBL"]  # accepted, ACT a clock later, RD, last beat
ADDED = 4 + 3  # stages of the pipeline, and the rank's own adder


def gather(bags, *, dims=(16,), bursts=1, ranks=(1, 1), ways=None, order=None, locality=None, **settings):
    """Run bags of lookups (rank, bank, row, column); packets of one bag each unless told otherwise."""
    places = np.array([place for bag in bags for place in bag], np.int32).reshape(-1, 4)
    each = np.resize(bursts, len(places))
    trace = trace_of(
        [(64, dim) for dim in dims], [(n % len(dims), [[0] * len(bag)]) for n, bag in enumerate(bags)]
    )
    at = np.repeat(np.arange(len(places)), each)
    first = np.concatenate([[0], np.cumsum(each)])
    rank, bank, row, column = places[at].T
    column = column + np.arange(len(at)) - first[at]
    ones = np.ones(len(dims), np.int64)
    placed = PlacedLookups(first, 0 * rank, rank, bank, row, column, ones, ones, 0 * first[1:])
    dimms, ranks_per_dimm = ranks
    system = system_of(
        dimms_per_channel=dimms,
        ranks_per_dimm=ranks_per_dimm,
        refresh="off",
        rank_cache=CacheConfig(size_bytes=ways * 64, ways=ways) if ways else None,
    )
    (channel,) = run(trace, placed, system, Settings(**settings), order, locality)
    return channel


def other_rows(n, banks=16):
    """Lookups in turn over the banks of rank 0, in a row of their own each."""
    return [(0, k % banks, k, 0) for k in range(n)]


def names(channel, rank=0):
    return [command.name for command in channel.commands[rank]]


def cycles_of(channel, name, rank=0):
    return [command.cycle for command in channel.commands[rank] if command.name == name]


def test_one_lookup_pays_header_instruction_read_pipeline_and_result():
    (packet,) = gather([[(0, 0, 5, 3)]]).packets
    start = N["nCWL"] + N["nBL"]
    ready = start + 1 + READ + ADDED  # half a clock of delivery counts as one
    assert packet.clocks == (0, start, start + 1, ready, ready, ready + N["nCL"] + N["nBL"] + N["nRTRS"])


def test_without_header_bursts_no_write_latency_is_paid():
    (packet,) = gather([[(0, 0, 5, 3)]], header_bursts_per_dimm=0).packets
    assert packet.clocks[:4] == (0, 0, 1, 1 + READ + ADDED)


def test_a_packet_on_two_dimms_writes_both_headers_and_waits_for_both_results():
    channel = gather([[(0, 0, 5, 3), (2, 0, 5, 3)]], ranks=(2, 2), header_bursts_per_dimm=2)
    (packet,) = channel.packets
    assert packet.instructions_at == N["nCWL"] + 4 * N["nBL"]
    assert packet.ready_at == packet.delivered_at + READ + ADDED + 3  # one more adder: the DIMM's
    assert packet.returned_at - packet.results_at == N["nCL"] + 2 * (N["nBL"] + N["nRTRS"])
    assert channel.finish == packet.returned_at


@pytest.mark.parametrize(("ranks_per_dimm", "adders"), [(1, 1), (2, 2), (4, 3), (8, 4)])
def test_the_dimm_adds_over_its_ranks_in_a_tree(ranks_per_dimm, adders):
    (packet,) = gather([[(0, 0, 5, 3)]], ranks=(1, ranks_per_dimm)).packets
    assert packet.ready_at == packet.delivered_at + READ + 4 + 3 * adders


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


def test_lookups_without_locality_neither_look_nor_fill():
    a, b = (0, 0, 5, 1), (0, 0, 5, 2)
    # The bypassing third lookup finds nothing; the second one did not drive the first one's line out.
    channel = gather([[a, b, a, a]], ways=1, locality=[True, False, False, True])
    assert (set(channel.reads), set(channel.hits)) == ({0, 1, 2}, {3})


def test_ranks_have_caches_of_their_own():
    assert gather([[(0, 0, 5, 1), (1, 0, 5, 1)]], ways=1, ranks=(1, 2)).hits == {}


def test_the_cache_sees_packets_in_the_order_of_delivery():
    a, b = (0, 0, 5, 1), (0, 0, 5, 2)
    bags = [[a], [b], [a]]
    assert set(gather(bags, ways=1).hits) == set()
    channel = gather(bags, ways=1, order=[2, 0, 1])
    assert [packet.number for packet in channel.packets] == [2, 0, 1]
    assert set(channel.hits) == {0}


def test_a_stream_of_hits_is_delivered_two_instructions_a_clock():
    bags = [[(0, 0, 5, 3)] * 100] * 10
    channel = gather(bags, ways=1, header_bursts_per_dimm=0, packets_in_flight=10)
    assert [packet.delivered_at for packet in channel.packets] == [50 * n for n in range(1, 11)]
    assert channel.delivery == 500


@pytest.mark.parametrize(("per_burst", "clocks"), [(1, 400), (3, 134), (8, 50), (64, 7)])
def test_so_many_instructions_take_the_time_of_a_burst(per_burst, clocks):
    (packet,) = gather([[(0, 0, 5, 3)] * 100], instructions_per_burst=per_burst).packets
    assert packet.delivered_at - packet.instructions_at == clocks


@pytest.mark.parametrize("bursts", [1, 4])
def test_ddr_commands_take_one_clock_each(bursts):
    hits = [(0, 0, 5, 0)] * 10  # ACT once, then RD only
    conflicts = [(0, 0, 6 + k, 0) for k in range(10)]  # PRE, ACT, RD
    again = [(0, 1, 6, 0), (0, 0, 15, 0)]  # another bank's first ACT; the row that was left open
    channel = gather([hits, conflicts, again], dims=(16 * bursts,), bursts=bursts, delivery="ddr_commands")
    took = [packet.delivered_at - packet.instructions_at for packet in channel.packets]
    assert took == [10 * bursts + 1, 10 * bursts + 20, 2 * bursts + 1]


def test_the_host_expects_rows_in_the_order_of_delivery_and_reads_that_hit_too():
    bags = [[(0, 0, 5, 0)], [(0, 0, 6, 0)], [(0, 0, 5, 0)]]
    channel = gather(bags, delivery="ddr_commands", ways=4, order=[0, 2, 1])
    took = [packet.delivered_at - packet.instructions_at for packet in channel.packets]
    assert took == [2, 1, 3]
    assert set(channel.hits) == {2}


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


@pytest.mark.parametrize("buffers", [1, 2, 3])
def test_a_rank_takes_a_packet_more_once_results_have_left_dq(buffers):
    packets = gather([[(0, 0, 5, 3)]] * 5, packets_in_flight=buffers, turnaround_cycles=5).packets
    assert [p.header_at for p in packets[1:buffers]] == [p.delivered_at for p in packets[: buffers - 1]]
    assert packets[buffers].header_at == packets[0].returned_at + 5


def test_packets_of_other_ranks_need_no_buffer_of_this_one():
    channel = gather([[(0, 0, 5, 3)], [(1, 0, 5, 3)]], ranks=(2, 1), packets_in_flight=1)
    one, two = channel.packets
    assert two.header_at == one.delivered_at


def test_the_last_results_follow_one_another_on_dq():
    packets = gather([[(0, 0, 5, 3)]] * 4, packets_in_flight=4, header_bursts_per_dimm=0).packets
    assert packets[0].ready_at > packets[3].delivered_at
    gaps = [after.results_at - before.results_at for before, after in pairwise(packets)]
    assert gaps == [N["nBL"] + N["nRTRS"]] * 3


def test_results_wait_for_the_packet_being_delivered():
    # The first packet is ready while the second, which has a buffer, is on its way.
    channel = gather([[(0, 0, 5, 3)], [(0, 0, 5, 3)] * 400])
    one, two = channel.packets
    assert one.ready_at < two.delivered_at == one.results_at


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
