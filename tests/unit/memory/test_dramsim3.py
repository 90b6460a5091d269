"""The policy ``dramsim3`` by hand: what its rules do in small cases, and what it refuses."""

from dataclasses import fields

import numpy as np
import pytest
from builders import DDR4, spec_with
from reference.traffic import as_requests, size, traffic

from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import COMMANDS, DramSpec
from recnmp.memory.activity import RankActivity
from recnmp.memory.commands import Commands
from recnmp.memory.dramsim3 import Dramsim3Options, replay_dramsim3

QUIET = Dramsim3Options(1, refresh="off")


def read(row, column=0, bank=0, arrive=0):
    return (arrive, 0, 0, 0, bank, row, column)


def write(row, column=0, bank=0, arrive=0):
    return (arrive, 1, 0, 0, bank, row, column)


def replay(*requests, options=QUIET, spec=DDR4):
    return replay_dramsim3(as_requests(np.array(requests)), spec, options, record=True)


def issued(timeline):
    commands = timeline.commands[0]
    names = [COMMANDS[command] for command in commands.command]
    return list(zip(commands.cycle.tolist(), names, commands.request.tolist(), strict=True))


def test_an_idle_closed_bank_answers_after_nrcd_ncl_and_nbl():
    timeline = replay(read(3, 4, arrive=5))
    assert issued(timeline) == [(6, "ACT", 0), (22, "RD", 0)]
    assert (timeline.accepted.tolist(), timeline.depart.tolist(), timeline.cycles) == ([5], [42], 42)


def test_reads_of_one_address_share_a_burst_only_when_merging_is_on():
    requests = [read(3, 4), read(3, 4, arrive=7), read(3, 4, arrive=9)]
    merged = replay(*requests)
    assert (merged.counts["RD"], merged.counts["merged"]) == (1, 2)
    assert merged.depart.tolist() == [37, 37, 37]
    each = replay(*requests, options=Dramsim3Options(1, merge_reads=False, refresh="off"))
    assert (each.counts["RD"], each.counts["merged"]) == (3, 0)
    assert each.depart.tolist() == [37, 43, 49]


@pytest.mark.parametrize("refresh", ["off", "staggered"])
@pytest.mark.parametrize("per", ["bank", "rank"])
@pytest.mark.parametrize("arrival", ["saturated", "sparse"])
def test_ranks_count_what_their_log_shows(refresh, per, arrival):
    spec = spec_with(nREFI=900, nRFC=90)
    channels = [traffic(seed, size(900, 100), 2, "zipf", "mixed", arrival) for seed in (1, 2)]
    channels[1] = channels[1][: len(channels[1]) // 3]  # done earlier, its rows stay open
    timeline = replay_dramsim3(
        as_requests(*channels), spec, Dramsim3Options(2, per=per, refresh=refresh), record=True
    )
    assert len(timeline.activity) == 2
    for counted, commands in zip(timeline.activity, timeline.commands, strict=True):
        logged = RankActivity.of_commands(commands, 2, timeline.cycles)
        for field in fields(RankActivity):
            np.testing.assert_array_equal(
                getattr(counted, field.name), getattr(logged, field.name), field.name
            )
        assert counted.idle_cycles.min() > 0


def test_a_read_of_a_waiting_write_returns_one_clock_later_without_a_command():
    timeline = replay(write(3, 4), read(3, 4, arrive=2))
    assert timeline.depart.tolist() == [-1, 3]
    assert (timeline.counts["forwarded"], timeline.counts["RD"]) == (1, 0)


def test_a_second_write_to_a_waiting_address_is_absorbed():
    timeline = replay(write(3, 4), write(3, 4, arrive=9), write(3, 5, arrive=9))
    assert (timeline.counts["absorbed"], timeline.counts["WR"]) == (1, 2)


def test_a_row_that_served_four_is_closed_though_it_is_still_hit():
    # two banks take turns, so between the hits of one there is time to close its row
    both = [read(1, column, bank) for column in range(7) for bank in (0, 1)]
    served = [request for _, name, request in issued(replay(*both[:2], read(2), *both[2:])) if name == "RD"]
    conflict = served.index(2)
    before = [request for request in served[:conflict] if request > 2 and request % 2 == 1]
    assert 3 <= len(before) < 6
    assert replay(*both[:2], read(2), *both[2:]).counts["PRE"] == 2
    assert replay(*both[:2], *both[2:]).counts["PRE"] == 0


def test_eight_writes_wait_for_the_end_of_reads_and_nine_do_not():
    reads = [read(n, bank=1, arrive=400 * n) for n in range(4)]
    for count, waits in ((8, True), (9, False)):
        writes = [write(1, column) for column in range(count)]
        last_read, first_write = 400 * 3, None
        for cycle, name, _ in issued(replay(*writes, *reads)):
            if name == "WR" and first_write is None:
                first_write = cycle
        assert (first_write > last_read) == waits


def test_the_last_writes_are_drained():
    assert replay(*(write(n) for n in range(5))).counts["WR"] == 5


def test_queues_take_turns():
    hits = [read(1, column, bank) for bank in (1, 2) for column in range(3)]
    banks = [request // 3 for _, name, request in issued(replay(*hits)) if name == "RD"]
    assert banks == [0, 1, 0, 1, 0, 1]


def test_a_rank_with_one_queue_serves_the_oldest_first():
    hits = [read(1, column, bank) for bank in (1, 2) for column in range(3)]
    options = Dramsim3Options(1, per="rank", refresh="off")
    order = [request for _, name, request in issued(replay(*hits, options=options)) if name == "RD"]
    assert order == [0, 1, 2, 3, 4, 5]


def test_ranks_are_refreshed_one_after_the_other():
    spec, options = spec_with(nREFI=2000), Dramsim3Options(4)
    commands = replay(read(1), read(2, arrive=4100), options=options, spec=spec).commands[0]
    refreshes = commands.command == COMMANDS.index("REF")
    assert commands.rank[refreshes].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert (np.diff(commands.cycle[refreshes])[1:] == 500).all()


def test_a_schedule_that_never_ends_is_an_error():
    # The second read waits outside the full command queue; when that has room again the write comes first,
    # is held back by the read, and comes first again.
    options = Dramsim3Options(1, transaction_queue=1, command_queue=1, refresh="off")
    with pytest.raises(RecnmpError, match=r"dramsim3: from clock 17 on .* no progress"):
        replay(read(1), read(2), write(2), options=options)


def test_a_recording_grows_with_the_refreshes_of_a_long_pause():
    requests, spec = [read(1), read(2, arrive=20_000_000)], spec_with(nREFI=2000)
    timeline = replay(*requests, options=Dramsim3Options(1), spec=spec)
    refreshes = timeline.commands[0].command == COMMANDS.index("REF")
    assert refreshes.sum() == timeline.counts["REF"] == 20_000_000 // 2000
    assert len(timeline.commands[0]) == sum(timeline.commands[0].counts().values()) == 10_000 + 5


def test_no_requests_take_no_time():
    timeline = replay_dramsim3(as_requests(traffic(1, 0, 1, "random", "reads", "saturated")), DDR4, QUIET)
    assert (timeline.cycles, len(timeline.depart)) == (0, 0)


def test_channels_side_by_side_are_as_each_alone():
    kinds = [("random", "mixed"), ("stream", "reads"), ("hits", "writes"), ("vectors", "mixed")]
    streams = [traffic(n, 60 + 7 * n, 2, *kind, "saturated") for n, kind in enumerate(kinds)]
    together = replay_dramsim3(as_requests(*streams), DDR4, Dramsim3Options(2), record=True)
    alone = [
        replay_dramsim3(as_requests(stream), DDR4, Dramsim3Options(2), record=True) for stream in streams
    ]
    np.testing.assert_array_equal(together.accepted, np.concatenate([one.accepted for one in alone]))
    np.testing.assert_array_equal(together.depart, np.concatenate([one.depart for one in alone]))
    for ours, one in zip(together.commands, alone, strict=True):
        for field in fields(Commands)[:-1]:
            np.testing.assert_array_equal(getattr(ours, field.name), getattr(one.commands[0], field.name))
    assert together.counts == {name: sum(one.counts[name] for one in alone) for name in together.counts}


def test_done_is_the_last_data_beat_of_each_group():
    stream = traffic(2, 60, 1, "random", "mixed", "saturated")
    group = np.arange(60) % 3
    timeline = replay_dramsim3(as_requests(stream, group=group), DDR4, QUIET)
    for g in range(3):
        assert timeline.done[0, g] >= timeline.depart[group == g].max()
    assert timeline.done.max() == timeline.cycles


@pytest.mark.parametrize(
    "wrong",
    [
        {"per": "bank_group"},
        {"refresh": "simultaneous"},
        {"ranks": 0},
        {"transaction_queue": 0},
        {"command_queue": 0},
    ],
)
def test_a_controller_that_cannot_be_is_an_error(wrong):
    with pytest.raises(ConfigError, match=f"dramsim3: .*{next(iter(wrong.values()))}"):
        Dramsim3Options(**{"ranks": 1, **wrong})


def test_a_request_beyond_the_last_rank_is_an_error():
    with pytest.raises(RecnmpError, match="lane 16 is beyond the last of 1 ranks"):
        replay((0, 0, 1, 0, 0, 0, 0))


def test_a_standard_with_a_rule_of_another_scope_is_an_error():
    document = DDR4.model_dump()
    document["constraints"] += ({"scope": "rank", "after": ("PRE",), "before": ("PRE",), "wait": "2"},)
    with pytest.raises(ConfigError, match="no rule of this scope: PRE to PRE"):
        replay(read(1), spec=DramSpec.model_validate(document))
