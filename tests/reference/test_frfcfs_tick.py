"""The rules of the twin that recorded runs do not reach, by hand."""

from collections import Counter

import pytest

from recnmp.library.dram import load_standard
from reference.frfcfs_tick import run

SPEC = load_standard("ddr4_2400")


def names(result):
    return [command.name for command in result.commands]


def test_an_idle_closed_bank_answers_after_nrcd_ncl_and_nbl():
    result = run(SPEC, 1, [(5, 0, 0, 1, 2, 3, 4)])
    assert [tuple(command) for command in result.commands] == [
        (6, "ACT", 0, 1, 2, 3, -1, 0),
        (22, "RD", 0, 1, 2, 3, 4, 0),
    ]
    assert (result.arrive, result.depart, result.cycles_drain) == ([5], [42], 42)
    assert (result.row_hits, result.row_misses, result.row_conflicts) == (0, 1, 0)


def test_a_read_of_a_queued_write_returns_one_cycle_later_without_a_command():
    # The first request holds the bank, so the write of another row waits in its queue.
    result = run(SPEC, 1, [(0, 0, 0, 0, 0, 1, 0), (1, 1, 0, 0, 0, 2, 0), (9, 0, 0, 0, 0, 2, 0)])
    assert (result.arrive[2], result.depart[2]) == (9, 10)
    assert Counter(names(result)) == {"ACT": 2, "RD": 1, "PRE": 1, "WR": 1}


def test_a_read_of_another_column_is_not_forwarded():
    result = run(SPEC, 1, [(0, 0, 0, 0, 0, 1, 0), (1, 1, 0, 0, 0, 2, 0), (9, 0, 0, 0, 0, 2, 1)])
    assert Counter(names(result))["RD"] == 2


def test_a_write_to_a_queued_address_is_absorbed():
    result = run(SPEC, 1, [(0, 0, 0, 0, 0, 1, 0), *[(1, 1, 0, 0, 0, 2, 0)] * 5], write_queue=1)
    assert result.arrive == [0, 1, 2, 3, 4, 5]
    assert Counter(names(result))["WR"] == 1


def cycles_of(result, name):
    return [command.cycle for command in result.commands if command.name == name]


def test_a_held_place_is_free_in_the_cycle_of_the_column_command():
    requests = [(0, 0, 0, 0, 0, row, 0) for row in range(4)]
    result = run(SPEC, 1, requests, read_queue=1, hold_slots=True)
    assert result.arrive == [0, *cycles_of(result, "RD")[:3]]


def test_with_one_held_place_reads_are_served_in_order():
    # The second hits the first one's row; the third's bank is idle.
    requests = [(0, 0, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 1, 1), (0, 0, 0, 1, 0, 1, 0), (0, 0, 0, 0, 0, 2, 0)]
    result = run(SPEC, 1, requests, read_queue=1, hold_slots=True)
    assert [(c.name, c.request) for c in result.commands] == [
        ("ACT", 0), ("RD", 0), ("RD", 1), ("ACT", 2), ("RD", 2), ("PRE", 3), ("ACT", 3), ("RD", 3),
    ]  # fmt: skip
    # nCCD_L keeps the second RD back; then each comes in the cycle of the RD before, its ACT one later.
    assert cycles_of(result, "RD")[:3] == [17, 23, 23 + 1 + 16]


def test_a_write_whose_row_is_open_holds_no_place_of_a_read():
    # The write's row is opened at 1, so at 2 it holds the only place for writes but none for reads.
    requests = [(0, 1, 0, 0, 0, 1, 0), (2, 0, 0, 1, 0, 1, 0), (2, 1, 0, 2, 0, 1, 0)]
    result = run(SPEC, 1, requests, read_queue=1, write_queue=1, hold_slots=True)
    assert result.arrive == [0, 2, cycles_of(result, "WR")[0]]


def test_a_merged_read_needs_no_place_even_where_places_are_held():
    requests = [(0, 0, 0, 0, 0, 1, 7), (10, 0, 0, 0, 0, 1, 7), (11, 0, 0, 0, 0, 1, 8)]
    result = run(SPEC, 1, requests, read_queue=1, merge_reads=True, hold_slots=True)
    assert result.arrive == [0, 10, 17]


def test_a_request_of_several_bursts_reads_them_in_turn_and_ends_with_the_last():
    result = run(SPEC, 1, [(0, 0, 0, 1, 2, 3, 4, 5, 9, 6)])
    assert [(c.cycle, c.name, c.column, c.request) for c in result.commands] == [
        (1, "ACT", -1, 0),
        (17, "RD", 4, 0),
        (23, "RD", 5, 0),
        (29, "RD", 9, 0),
        (35, "RD", 6, 0),
    ]
    assert (result.arrive, result.depart, result.cycles_drain) == ([0], [55], 55)
    assert (result.row_hits, result.row_misses, result.row_conflicts) == (3, 1, 0)


@pytest.mark.parametrize("opened", [False, True])
def test_a_request_of_several_bursts_keeps_its_place_until_its_last_one(opened):
    # Its row was opened for it, or for a request before it.
    before = [(0, 0, 0, 0, 0, 1, 0)] * opened
    requests = [*before, (100, 0, 0, 0, 0, 1, 0, 1, 2), (100, 0, 0, 1, 0, 1, 0)]
    result = run(SPEC, 1, requests, read_queue=1, hold_slots=True)
    assert cycles_of(result, "RD")[-4:-1] == ([101, 107, 113] if opened else [117, 123, 129])
    assert result.arrive[-1] == cycles_of(result, "RD")[-2]


def test_a_read_of_another_bank_group_comes_between_bursts_of_an_older_request():
    result = run(SPEC, 1, [(0, 0, 0, 0, 0, 1, 0, 1, 2), (0, 0, 0, 1, 0, 1, 7)])
    reads = [(c.cycle, c.request, c.column) for c in result.commands if c.name == "RD"]
    # The second row is opened at 5, so nRCD ends at 21; nCCD_S moves the next burst from 23 to 25.
    assert reads == [(17, 0, 0), (21, 1, 7), (25, 0, 1), (31, 0, 2)]
    assert result.depart == [51, 41]


def test_every_burst_of_a_request_counts_for_the_cap_and_one_for_the_row_it_met():
    # At the cap the hit lets the older request for row 2 pass, and has its row opened again for the rest.
    hit = (0, 0, 0, 0, 0, 1, 4, 5, 6, 7, 8)
    requests = [(0, 0, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 2, 0), hit]
    result = run(SPEC, 1, requests, row_hit_cap=3)
    assert [(c.name, c.request) for c in result.commands] == [
        ("ACT", 0), ("RD", 0), ("RD", 2), ("RD", 2), ("PRE", 1), ("ACT", 1), ("RD", 1),
        ("PRE", 2), ("ACT", 2), ("RD", 2), ("RD", 2), ("RD", 2),
    ]  # fmt: skip
    assert (result.row_hits, result.row_misses, result.row_conflicts) == (5, 1, 1)


def test_a_row_opened_for_several_bursts_stays_open_for_all_of_them():
    # A younger request for another row of the bank waits, though the cap is reached and nRAS ends at 40.
    requests = [(0, 0, 0, 0, 0, 1, *range(9)), (0, 0, 0, 0, 0, 2, 0)]
    result = run(SPEC, 1, requests, row_hit_cap=1)
    assert names(result) == ["ACT", *["RD"] * 9, "PRE", "ACT", "RD"]
    assert cycles_of(result, "RD")[8] == 17 + 8 * 6


def test_a_refresh_waits_for_bursts_whose_row_was_opened_for_them_but_not_for_a_queued_hit():
    due = SPEC.cycles["nREFI"]
    opened = run(SPEC, 1, [(due - 20, 0, 0, 0, 0, 1, *range(4))])
    hit = run(SPEC, 1, [(9000, 0, 0, 0, 0, 1, 0), (due - 11, 0, 0, 0, 0, 1, *range(4))])
    assert names(opened) == ["ACT", *["RD"] * 4, "PREA"]
    assert sum(cycle > due for cycle in cycles_of(opened, "RD")) == 3
    assert names(hit) == ["ACT", "RD", "RD", "RD", "PREA", "REF", "ACT", "RD", "RD"]
    assert (hit.row_hits, hit.row_misses, hit.row_conflicts) == (4, 1, 0)


def test_reads_of_several_bursts_are_merged_with_the_very_same_before_their_first_rd():
    same = (0, 0, 0, 0, 1, 3, 4, 5)
    requests = [(0, *same), (10, *same), (11, *same[:-1]), (18, *same)]
    result = run(SPEC, 1, requests, merge_reads=True)
    # RD of the first at 17, 23 and 29; then two bursts of the third, and all of the last.
    assert (result.merged, Counter(names(result))["RD"]) == (1, 3 + 2 + 3)
    assert result.depart == [49, 49, 61, 79]


def test_a_full_queue_stops_all_requests_behind_it():
    requests = [(0, 0, 0, 0, 0, row, 0) for row in range(4)] + [(0, 1, 0, 1, 0, 0, 0)]
    result = run(SPEC, 1, requests, read_queue=1)
    activations = [
        command.cycle for command in result.commands if command.name == "ACT" and command.bank_group == 0
    ]
    # A place is free in the cycle in which the request before got its row opened.
    assert result.arrive[:4] == [0, *activations[:3]]
    assert result.arrive[4] == result.arrive[3] + 1


@pytest.mark.parametrize(("policy", "activations"), [("frfcfs", 4), ("frfcfs_rowhit", 3)])
def test_only_row_hit_protection_keeps_a_row_open_for_an_older_hit(policy, activations):
    opens, other_group_read_at_117 = (0, 0, 0, 0, 0, 1, 0), (100, 0, 0, 1, 0, 1, 0)
    # The hit waits for nCCD_S until 121; at 119 the younger conflict could close its row.
    hit, conflict = (117, 0, 0, 0, 0, 1, 1), (118, 0, 0, 0, 0, 2, 0)
    result = run(SPEC, 1, [opens, other_group_read_at_117, hit, conflict], policy=policy)
    assert Counter(names(result))["ACT"] == activations


@pytest.mark.parametrize(("refresh", "first"), [("simultaneous", [9364, 9364]), ("staggered", [4682, 9364])])
def test_an_idle_rank_is_refreshed_when_due(refresh, first):
    result = run(SPEC, 2, [(9400, 0, 0, 0, 0, 0, 0)], refresh=refresh)
    refs = {command.rank: command.cycle for command in reversed(result.commands) if command.name == "REF"}
    assert [refs[0], refs[1] - (refresh == "simultaneous")] == first


def test_a_closed_page_is_closed_once_no_queued_request_hits_it():
    opens, hit, later = (0, 0, 0, 1, 2, 3, 4), (30, 0, 0, 1, 2, 3, 5), (200, 0, 0, 1, 2, 3, 6)
    result = run(SPEC, 1, [opens, hit, later], page_policy="closed")
    # nRAS ends at 40; the hit was read at 31, so its nRTP does too.
    assert [(c.cycle, c.name, c.request) for c in result.commands] == [
        (1, "ACT", 0),
        (17, "RD", 0),
        (31, "RD", 1),
        (40, "PRE", -1),
        (201, "ACT", 2),
        (217, "RD", 2),
    ]
    assert (result.row_hits, result.row_misses, result.row_conflicts) == (1, 2, 0)


def test_closing_a_page_takes_a_cycle_that_no_request_could_use():
    # At 40 the first bank may be closed, and a read of a third one that came at 39 needs its ACT.
    result = run(SPEC, 1, [(0, 0, 0, 0, 0, 1, 0), (39, 0, 0, 2, 0, 1, 0)], page_policy="closed")
    assert [(c.cycle, c.name) for c in result.commands][2:4] == [(40, "ACT"), (41, "PRE")]


@pytest.mark.parametrize(
    ("cap", "order"), [(None, [0, 1, 2, 3, 5, 4]), (5, [0, 1, 2, 3, 5, 4]), (3, [0, 1, 2, 3, 4, 5])]
)
def test_at_the_cap_a_hit_waits_behind_an_older_request_for_another_row(cap, order):
    # Four hits keep nRTP from ending; the last one is younger than the request for row 2.
    hits = [(0, 0, 0, 0, 0, 1, column) for column in range(4)]
    result = run(SPEC, 1, [*hits, (30, 0, 0, 0, 0, 2, 0), (31, 0, 0, 0, 0, 1, 9)], row_hit_cap=cap)
    assert [command.request for command in result.commands if command.name == "RD"] == order


@pytest.mark.parametrize(("cap", "activations"), [(None, 3), (1, 4)])
def test_at_the_cap_an_older_hit_no_longer_keeps_its_row_open(cap, activations):
    opens, other_group_read_at_117 = (0, 0, 0, 0, 0, 1, 0), (100, 0, 0, 1, 0, 1, 0)
    hit, conflict = (117, 0, 0, 0, 0, 1, 1), (118, 0, 0, 0, 0, 2, 0)
    requests = [opens, other_group_read_at_117, hit, conflict]
    result = run(SPEC, 1, requests, policy="frfcfs_rowhit", row_hit_cap=cap)
    assert Counter(names(result))["ACT"] == activations


def test_a_merged_read_ends_with_the_one_that_waited():
    requests = [(0, 0, 0, 0, 0, 1, 7), (0, 0, 0, 0, 0, 1, 7), (10, 0, 0, 0, 0, 1, 7), (17, 0, 0, 0, 0, 1, 7)]
    result = run(SPEC, 1, requests, read_queue=1, merge_reads=True)
    # The last one comes when the RD was issued already.
    assert result.depart == [37, 37, 37, 43]
    assert (result.merged, Counter(names(result))["RD"]) == (2, 2)


def test_without_forwarding_a_read_of_a_queued_write_goes_to_the_dram():
    requests = [(0, 0, 0, 0, 0, 1, 0), (1, 1, 0, 0, 0, 2, 0), (9, 0, 0, 0, 0, 2, 0)]
    result = run(SPEC, 1, requests, forward_writes=False)
    assert result.forwarded == 0
    assert Counter(names(result))["RD"] == 2
