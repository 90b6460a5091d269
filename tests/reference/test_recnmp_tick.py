"""The buses of RecNMP's twin against closed forms: headers, delivery, buffers and results."""

from itertools import pairwise

import pytest

from reference.recnmp_by_hand import ADDED, READ, N, gather


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
