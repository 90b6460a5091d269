"""What the DRAM engine must do by arithmetic alone, on DDR4-2400.

Clocks: a request accepted at clock t has its first command at t + 1 at the earliest; a command's label is the
clock in which it is on the bus; ``cycles`` is the label of the last RD + nCL + nBL, the end of its burst.
"""

import numpy as np
import pytest
from builders import DDR4
from reference.traffic import COLUMNS, anywhere, as_requests, size

from recnmp.library.dram import COMMANDS
from recnmp.memory.audit import audit
from recnmp.memory.replay import REFRESHES, ControllerOptions, replay

T = DDR4.cycles
BANKS = DDR4.banks_per_rank
DATA = T["nCL"] + T["nBL"]
"""From the label of a RD to the end of its burst."""
CLOSED = T["nRCD"] + DATA
"""From the label of an ACT to the end of the burst it is for."""


def reads(place, arrive=0):
    """Reads at (rank, bank_group, bank, row, column)."""
    place = np.asarray(place)
    return np.column_stack([np.full(len(place), arrive), np.zeros(len(place), int), place])


def over_bank_groups(n):
    """Reads that change bank group every time and row every 4 x 128 bursts."""
    i = np.arange(n)
    banks, rest = i // (4 * COLUMNS), i // 4
    return reads(np.stack([0 * i, i % 4, banks % 4, banks // 4, rest % COLUMNS], axis=1))


def serve(requests, ranks=1, **options):
    """Replay, and let the audit pass judgement."""
    options = {"refresh": "off"} | options
    timeline = replay(as_requests(requests), DDR4, ControllerOptions(ranks, **options), record=True)
    assert audit(DDR4, ranks, timeline.commands[0], refresh=options["refresh"]).first == ()
    return timeline


def labels(timeline, name):
    commands = timeline.commands[0]
    return commands.cycle[commands.command == COMMANDS.index(name)]


def test_nothing_asked_costs_nothing():
    for refresh in REFRESHES:
        timeline = serve(reads(np.zeros((0, 5), int)), refresh=refresh)
        assert timeline.cycles == 0
        assert set(timeline.counts.values()) == {0}
        assert timeline.read_latency_avg_cycles == 0.0


@pytest.mark.parametrize("arrive", [0, 1000])
def test_an_unloaded_read_of_a_closed_bank_takes_nrcd_ncl_and_nbl(arrive):
    timeline = serve(reads([(0, 1, 2, 3, 4)], arrive))
    [act] = labels(timeline, "ACT")
    assert timeline.accepted[0] == arrive
    assert act == arrive + 1
    assert timeline.cycles == timeline.depart[0] == act + CLOSED
    assert CLOSED == 36


def test_an_unloaded_row_hit_takes_ncl_and_nbl():
    requests = reads([(0, 1, 2, 3, 4), (0, 1, 2, 3, 5)])
    requests[1, 0] = 1000
    timeline = serve(requests)
    assert timeline.depart[1] - timeline.accepted[1] == 1 + DATA == 21
    assert timeline.counts["row_hits"] == 1


def test_an_unloaded_row_conflict_takes_nrp_more_than_a_closed_bank():
    requests = reads([(0, 1, 2, 3, 4), (0, 1, 2, 4, 4)])
    requests[1, 0] = 1000
    timeline = serve(requests)
    assert timeline.depart[1] - timeline.accepted[1] == 1 + T["nRP"] + CLOSED == 53
    assert timeline.counts["row_conflicts"] == 1


def test_with_closed_pages_every_unloaded_read_takes_nrcd_ncl_and_nbl():
    n = size(1000, 60)
    place = anywhere(np.random.default_rng(3), n, 2)
    place[::2, 3:] = place[1::2, 3:]
    place[::2, :3] = place[1::2, :3]  # every other read hits or would conflict with the row just read
    requests = reads(place)
    requests[:, 0] = 200 * np.arange(n)
    timeline = serve(requests, ranks=2, page_policy="closed")
    assert np.all(timeline.depart - timeline.accepted == 1 + CLOSED)
    assert timeline.counts["row_misses"] == timeline.counts["ACT"] == timeline.counts["RD"] == n
    assert timeline.counts["PRE"] == n - 1  # the last row is still open when its data are there


def test_with_closed_pages_random_reads_cost_an_act_a_rd_and_a_pre_each():
    n = size(4000, 300)
    place = anywhere(np.random.default_rng(4), n, 1)
    timeline = serve(reads(place), page_policy="closed")
    counts = timeline.counts
    assert counts["ACT"] == n - counts["row_hits"] >= 0.99 * n
    assert counts["ACT"] - BANKS <= counts["PRE"] <= counts["ACT"]
    assert counts["row_conflicts"] < serve(reads(place)).counts["row_conflicts"]


def test_a_stream_of_hits_is_served_a_row_at_a_time_whatever_the_page_policy():
    n = size(20_000, 1200)
    timeline = serve(over_bank_groups(n), page_policy="closed")
    assert timeline.counts["ACT"] <= serve(over_bank_groups(n)).counts["ACT"] + n // (4 * COLUMNS) + 4


@pytest.mark.parametrize("cap", [1, 4, 16])
def test_the_cap_bounds_how_long_hits_keep_another_row_waiting(cap):
    i = np.arange(COLUMNS)
    requests = reads(np.stack([0 * i, 0 * i, 0 * i, 0 * i, i], axis=1))
    requests[1, 5] = 1  # the second oldest wants another row; all others hit the first one
    free, capped = serve(requests), serve(requests, row_hit_cap=cap)
    hits_before = [np.sum(labels(one, "RD") < one.depart[1] - DATA) for one in (free, capped)]
    assert hits_before == [COLUMNS - 1, cap]


def test_merged_reads_show_more_bandwidth_than_the_dram_moves():
    i = np.arange(size(2000, 200))
    requests = reads(np.stack([0 * i, 0 * i, 0 * i, i // 8 % 2, i // 16 % 2], axis=1))
    plain, merged = serve(requests), serve(requests, merge_reads=True)
    assert plain.counts["merged"] == 0
    assert merged.counts["merged"] == len(i) - merged.counts["RD"] > len(i) // 2
    assert merged.cycles < plain.cycles


def test_a_stream_over_bank_groups_fills_the_data_bus():
    n = size(20_000, 1200)
    timeline = serve(over_bank_groups(n))
    # The first burst ends like an unloaded one; from there on one burst follows the other without a gap.
    assert timeline.cycles == 1 + CLOSED + T["nBL"] * (n - 1)
    assert np.all(np.diff(labels(timeline, "RD")) == T["nBL"])


def test_a_stream_within_a_bank_group_is_limited_by_nccd_l():
    n = COLUMNS
    i = np.arange(n)
    timeline = serve(reads(np.stack([0 * i, 0 * i, 0 * i, 0 * i, i], axis=1)))
    assert timeline.cycles == 1 + CLOSED + T["nCCD_L"] * (n - 1)


def test_a_stream_over_two_ranks_pays_the_turnaround_at_every_switch():
    n = 64
    i = np.arange(n)
    timeline = serve(
        reads(np.stack([i % 2, i // 2 % 4, 0 * i, 0 * i, i // 2], axis=1)), ranks=2, read_queue=1
    )
    # With room for one read the controller cannot reorder the ranks' hits.
    steady = np.diff(labels(timeline, "RD"))[16:]
    assert np.all(steady == T["nBL"] + T["nRTRS"])


def test_refresh_takes_its_share_of_a_stream():
    n = size(60_000, 5000)
    requests = over_bank_groups(n)
    requests[:, 4:6] = 0  # always the same four rows, so that no ACT but those after a REF delays a PREA
    timeline = serve(requests, refresh="simultaneous")
    refreshes = len(labels(timeline, "REF"))
    # Around a REF: the last RD, nRTP, PREA, nRP, REF, nRFC, ACT, nRCD, the next RD.
    pause = T["nRTP"] + T["nRP"] + T["nRFC"] + T["nRCD"]
    assert timeline.cycles == 1 + CLOSED + T["nBL"] * (n - 1) + (pause - T["nBL"]) * refreshes
    assert refreshes == timeline.cycles // T["nREFI"] > 1


def test_the_refresh_limited_peak_is_close_to_one_minus_nrfc_over_nrefi():
    n = size(60_000, 12_000)
    timeline = serve(over_bank_groups(n), refresh="simultaneous")
    utilization = n * T["nBL"] / timeline.cycles
    ideal = 1 - T["nRFC"] / T["nREFI"]
    # Closing and reopening the rows costs nRTP + nRP + nRCD - nBL of each nREFI beyond nRFC, 0.4 %.
    assert ideal - 0.006 < utilization < ideal


def test_single_burst_reads_of_ever_new_rows_are_limited_to_four_act_in_nfaw():
    n = size(20_000, 800)
    i = np.arange(n)
    requests = reads(np.stack([0 * i, i % 4, i // 4 % 4, i // BANKS, 0 * i], axis=1))
    timeline = serve(requests)
    act = labels(timeline, "ACT")
    assert len(act) == n
    assert np.all(act[4:] - act[:-4] == T["nFAW"])
    last = act[0] + T["nFAW"] * ((n - 1) // 4) + T["nRRD_S"] * ((n - 1) % 4)
    assert timeline.cycles == last + CLOSED
    assert timeline.cycles == pytest.approx(6.5 * n, abs=50)


@pytest.mark.parametrize("seed", range(size(4, 1)))
def test_random_single_burst_reads_use_the_whole_act_window(seed):
    n = size(50_000, 800)
    place = anywhere(np.random.default_rng(seed), n, 1)
    timeline = serve(reads(place), read_queue=128)
    act = labels(timeline, "ACT")
    assert np.all(act[4:] - act[:-4] >= T["nFAW"])
    # With 128 reads to choose from one can be activated at nearly every chance: 4 / 26 of the clocks, 61.5 %
    # of the bus. Now and then all of them want banks that are still within nRC, hence the tolerance.
    steady = act[n // 10 : -n // 10]
    rate = (len(steady) - 1) / (steady[-1] - steady[0])
    assert rate <= 4 / T["nFAW"] * (1 + 4 / len(steady))
    assert rate == pytest.approx(4 / T["nFAW"], rel=size(2, 20) / 1000)
    assert n * T["nBL"] / timeline.cycles == pytest.approx(0.615, abs=size(1, 30) / 1000)


def test_conflicts_in_one_bank_come_at_nrc():
    n = size(5000, 300)
    i = np.arange(n)
    timeline = serve(reads(np.stack([0 * i, 0 * i, 0 * i, i, 0 * i], axis=1)))
    assert timeline.cycles == 1 + CLOSED + T["nRC"] * (n - 1)
    assert timeline.counts["row_conflicts"] == n - 1


def test_conflicts_in_two_ranks_overlap():
    n = size(2000, 200)
    i = np.arange(n)
    timeline = serve(reads(np.stack([i % 2, 0 * i, 0 * i, i // 2, 0 * i], axis=1)), ranks=2)
    act = labels(timeline, "ACT")
    assert np.all(act[2:] - act[:-2] == T["nRC"])


def test_writes_of_ever_new_rows_of_one_bank_wait_for_write_recovery():
    n = size(1000, 100)
    i = np.arange(n)
    requests = reads(np.stack([0 * i, 0 * i, 0 * i, i, 0 * i], axis=1))
    requests[:, 1] = 1
    timeline = serve(requests)
    per_write = T["nRCD"] + T["nCWL"] + T["nBL"] + T["nWR"] + T["nRP"]
    assert np.all(np.diff(labels(timeline, "ACT")) == per_write)
    assert timeline.cycles == 1 + T["nRCD"] + per_write * (n - 1) + T["nCWL"] + T["nBL"]


@pytest.mark.parametrize(("refresh", "due"), [("simultaneous", [1, 1]), ("staggered", [0.5, 1])])
def test_an_idle_rank_is_refreshed_every_nrefi(refresh, due):
    intervals = 40
    requests = reads([(0, 0, 0, 0, 0)], arrive=intervals * T["nREFI"] + 5000)
    timeline = serve(requests, ranks=2, refresh=refresh)
    commands = timeline.commands[0]
    for rank in range(2):
        at = commands.cycle[(commands.command == COMMANDS.index("REF")) & (commands.rank == rank)]
        first = int(due[rank] * T["nREFI"])
        # Two ranks due in the same clock go one after the other.
        late = rank if refresh == "simultaneous" else 0
        np.testing.assert_array_equal(at, first + late + T["nREFI"] * np.arange(len(at)))
        assert len(at) == intervals + (refresh == "staggered" and rank == 0)
