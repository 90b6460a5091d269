"""Ranks of RecNMP's twin against closed forms: cache, window, and what comes after the last burst."""

from math import ceil

import numpy as np
import pytest
from builders import spec_with, system_of, trace_of

from recnmp.placement.place import PlacedLookups
from reference.recnmp_by_hand import ADDED, READ, N, cycles_of, gather, names, other_rows, reads_of
from reference.recnmp_packets import Settings
from reference.recnmp_tick import run


@pytest.mark.parametrize(("ranks_per_dimm", "adders"), [(1, 1), (2, 2), (4, 3), (8, 4)])
def test_the_dimm_adds_over_its_ranks_in_a_tree(ranks_per_dimm, adders):
    (packet,) = gather([[(0, 0, 5, 3)]], ranks=(1, ranks_per_dimm)).packets
    assert packet.ready_at == packet.delivered_at + READ + 4 + 3 * adders


@pytest.mark.parametrize("dtype", ["fp32", "int8_rowwise"])
@pytest.mark.parametrize("weights", [None, np.random.default_rng(0)])
def test_weights_take_the_multiplier_and_8_bit_entries_take_it_again_and_an_adder(dtype, weights):
    (packet,) = gather([[(0, 0, 5, 3)]], dtypes=(dtype,), weights=weights, multiplier_cycles=9).packets
    multiplied = 9 * (weights is not None)
    dequantised = (9 + 3) * (dtype != "fp32")
    assert packet.ready_at == packet.delivered_at + READ + ADDED + multiplied + dequantised


def test_a_call_of_an_8_bit_table_delays_every_packet_and_an_unused_table_none():
    dtypes = ("fp32", "int8_rowwise")
    both = gather([[(0, 0, 5, 3)], [(0, 1, 5, 3)]], dims=(16, 16), dtypes=dtypes, packets_in_flight=1)
    one = gather([[(0, 0, 5, 3)]], dims=(16, 16), dtypes=dtypes)
    assert [p.ready_at - p.delivered_at - READ - ADDED for p in both.packets] == [4 + 3] * 2
    assert [p.ready_at - p.delivered_at - READ - ADDED for p in one.packets] == [0]


@pytest.mark.parametrize("ways", [None, 4])
def test_a_vector_of_four_bursts_streams_from_its_row(ways):
    channel = gather([[(0, 0, 5, 8)]], dims=(64,), bursts=4, ways=ways, rank_cache_cycles=6)
    assert names(channel) == ["ACT"] + ["RD"] * 4
    (packet,) = channel.packets
    decoding = 6 if ways else 0
    assert packet.ready_at == packet.delivered_at + decoding + READ + 3 * N["nCCD_L"] + ADDED
    assert packet.returned_at - packet.results_at == N["nCL"] + 4 * N["nBL"] + N["nRTRS"]
    # One request, whose bursts are all there with its last one.
    assert [command.column for command in channel.commands[0]] == [-1, 8, 9, 10, 11]
    assert {command.request for command in channel.commands[0]} == {0}
    assert channel.outcomes == [(3, 1, 0)]
    assert channel.depart == [[packet.ready_at - ADDED]]
    assert channel.reads == dict.fromkeys(range(4), packet.ready_at - ADDED)


@pytest.mark.parametrize("bursts", [1, 4])
def test_two_instructions_come_a_clock_and_one_is_accepted(bursts):
    bag = other_rows(8)
    channel = gather([bag], dims=(16 * bursts,), bursts=bursts, header_bursts_per_dimm=0)
    assert channel.packets[0].delivered_at == 4
    assert channel.accepted == [list(range(1, 9))]


@pytest.mark.parametrize("known", [(0,), (3,), (0, 3), (1,), (1, 2), (0, 2), (0, 1, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("decoding", [1, 7])
def test_of_a_vector_known_in_part_only_the_missing_columns_are_read(known, decoding):
    # Single bursts of its row were fetched before; the vector's bursts are numbered after them.
    first = [(0, 0, 5, 8 + column) for column in known]
    channel = gather(
        [first, [(0, 0, 5, 8)]],
        dims=(16, 64),
        bursts=[1] * len(known) + [4],
        ways=8,
        packets_in_flight=1,
        rank_cache_cycles=decoding,
    )
    missing = [column for column in range(4) if column not in known]
    decoded = channel.packets[1].delivered_at + decoding
    end = decoded + 1 + N["nCCD_L"] * (len(missing) - 1) + N["nCL"] + N["nBL"] if missing else decoded
    assert reads_of(channel)[len(known) :] == [(len(known), 8 + column) for column in missing]
    assert channel.hits == {len(known) + column: decoded for column in known}
    assert all(channel.reads[len(known) + column] == end for column in missing)
    assert channel.packets[1].ready_at == end + ADDED
    assert len(channel.accepted[0]) == len(known) + bool(missing)
    assert channel.outcomes == [(len(known) - 1 + len(missing), 1, 0)]


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
    assert len(channel.accepted[0]) == 1


def test_a_hit_on_a_line_still_on_its_way_waits_for_it():
    channel = gather([[(0, 0, 5, 3), (0, 0, 5, 3)]], ways=1)
    (packet,) = channel.packets
    arrived = packet.delivered_at + 1 + READ
    assert (channel.hits, channel.reads) == ({1: arrived}, {0: arrived})
    assert packet.ready_at == arrived + ADDED


@pytest.mark.parametrize("column", range(4))
def test_a_hit_on_any_line_of_a_vector_on_its_way_waits_for_all_of_it(column):
    channel = gather([[(0, 0, 5, 8), (0, 0, 5, 8 + column)]], dims=(64,), bursts=[4, 1], ways=4)
    arrived = channel.packets[0].delivered_at + 1 + READ + 3 * N["nCCD_L"]
    assert channel.reads == dict.fromkeys(range(4), arrived)
    assert channel.hits == {4: arrived}


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


LENGTHS = [4, 1, 2, 1, 3, 4, 1, 1]


def test_a_window_of_one_serves_vectors_of_all_lengths_in_order():
    """Each is accepted with the last RD of the one before, and its ACT comes a clock later."""
    channel = gather([other_rows(8)], dims=(64,), bursts=LENGTHS, reorder_window=1)
    order = [(k, column) for k, bursts in enumerate(LENGTHS) for column in range(bursts)]
    assert reads_of(channel) == order
    last = np.array(cycles_of(channel, "RD"))[np.cumsum(LENGTHS) - 1]
    (accepted,) = channel.accepted
    assert accepted[1:] == last[:-1].tolist()
    assert cycles_of(channel, "ACT") == [clock + 1 for clock in accepted]
    gaps = [1 + N["nRCD"] + (bursts - 1) * N["nCCD_L"] for bursts in LENGTHS]
    assert np.diff(last).tolist() == gaps[1:]


@pytest.mark.parametrize("window", [1, 2, 3, 8])
@pytest.mark.parametrize("lengths", [[1], [4], LENGTHS])
def test_a_window_counts_instructions_of_any_length(window, lengths):
    """Among instructions accepted by a clock, so many wait for their last RD, and whenever one more could."""
    channel = gather([other_rows(16)], dims=(64,), bursts=lengths, reorder_window=window)
    (accepted,) = channel.accepted
    last = {c.request: c.cycle for c in channel.commands[0] if c.name == "RD"}
    for k, clock in enumerate(accepted):
        waiting = sum(last[other] > clock for other in range(k))
        assert waiting < window
        full_before = sum(last[other] > clock - 1 for other in range(k)) >= window
        received = channel.packets[0].instructions_at + ceil((k + 1) / 2)
        assert full_before or clock == max(received, accepted[k - 1] + 1 if k else 0)


def test_a_vector_that_only_dram_has_in_part_takes_one_place():
    # With one place, the second vector comes with the RD of the two columns that the first one lacked.
    known = [(0, 0, 5, 9), (0, 0, 5, 11)]
    channel = gather(
        [known, [(0, 0, 5, 8), (0, 1, 5, 8)]],
        dims=(16, 64),
        bursts=[1, 1, 4, 4],
        ways=16,
        packets_in_flight=1,
        reorder_window=1,
    )
    assert [column for request, column in reads_of(channel) if request == 2] == [8, 10]
    assert channel.accepted[0][3] == cycles_of(channel, "RD")[3]


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
