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
