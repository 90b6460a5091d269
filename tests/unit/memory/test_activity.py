import dataclasses

import numpy as np
import pytest
from builders import DDR4

from recnmp.errors import RecnmpError
from recnmp.library.dram import COMMANDS
from recnmp.memory.activity import RankActivity, active_cycles_per_rank
from recnmp.memory.commands import Commands
from recnmp.memory.replay import ControllerOptions, replay
from recnmp.memory.requests import Requests


def issued(*rows: tuple[int, str, int, int, int]) -> Commands:
    """Commands from (cycle, name, rank, bank group, bank)."""
    cycle, name, rank, group, bank = zip(*rows, strict=True)
    nothing = [-1] * len(rows)
    return Commands(cycle, [COMMANDS.index(n) for n in name], rank, group, bank, nothing, nothing, nothing)


def replayed(ranks: int = 2, refresh: str = "staggered"):
    """A recorded run of sparse reads and writes, several refreshes long."""
    rng = np.random.default_rng(3)
    n = 500
    requests = Requests(
        start=np.array([0, n]),
        arrive=np.arange(n) * 60,
        lane=rng.integers(0, ranks * DDR4.banks_per_rank, n).astype(np.int32) // 5 * 5,
        row=rng.integers(0, 3, n).astype(np.int32),
        column=rng.integers(0, 128, n).astype(np.int32),
        write=(rng.random(n) < 0.3).astype(np.uint8),
        group=np.zeros(n, np.int32),
        groups=1,
    )
    return replay(requests, DDR4, ControllerOptions(ranks, refresh=refresh), record=True)


def clock_by_clock(commands: Commands, ranks: int, cycles: int) -> list[int]:
    """The states of every clock, looked at one by one."""
    open_banks: list[set] = [set() for _ in range(ranks)]
    active = [0] * ranks
    at = 0
    for clock in range(cycles):
        while at < len(commands) and commands.cycle[at] == clock:
            name, rank = COMMANDS[commands.command[at]], commands.rank[at]
            bank = commands.bank_group[at], commands.bank[at]
            if name == "ACT":
                open_banks[rank].add(bank)
            elif name == "PRE":
                open_banks[rank].discard(bank)
            elif name == "PREA":
                open_banks[rank].clear()
            elif name == "PREsb":
                open_banks[rank] -= {place for place in open_banks[rank] if place[1] == bank[1]}
            at += 1
        for rank in range(ranks):
            active[rank] += bool(open_banks[rank])
    return active


def test_a_clock_has_the_state_after_its_command():
    commands = issued((3, "ACT", 0, 1, 2), (7, "RD", 0, 1, 2), (10, "PRE", 0, 1, 2))
    assert active_cycles_per_rank(commands, 1, 20).tolist() == [7]


def test_a_rank_is_active_until_its_last_bank_closes():
    commands = issued(
        (0, "ACT", 0, 0, 0),
        (4, "ACT", 0, 3, 3),
        (6, "ACT", 1, 0, 0),
        (8, "PRE", 0, 0, 0),
        (9, "PRE", 0, 3, 3),
    )
    assert active_cycles_per_rank(commands, 3, 12).tolist() == [9, 6, 0]


def test_one_precharge_of_all_banks_counts_like_one_of_each():
    commands = issued((0, "ACT", 0, 0, 0), (4, "ACT", 0, 1, 0), (9, "PREA", 0, -1, -1), (30, "ACT", 0, 1, 0))
    assert active_cycles_per_rank(commands, 1, 35).tolist() == [9 + 5]


def test_a_precharge_of_a_set_closes_the_banks_of_its_number():
    opened = [(0, "ACT", 0, 0, 1), (4, "ACT", 0, 7, 1), (8, "ACT", 0, 7, 2)]
    commands = issued(*opened, (9, "PREsb", 0, -1, 1), (12, "PRE", 0, 7, 2), (30, "ACT", 0, 7, 1))
    assert active_cycles_per_rank(commands, 1, 35).tolist() == [12 + 5]
    refreshed = issued(*opened, (9, "PREsb", 0, -1, 1), (12, "PREsb", 0, -1, 2), (20, "REFsb", 0, -1, 1))
    activity = RankActivity.of_commands(refreshed, 2, 35)
    assert (activity.active_cycles.tolist(), activity.same_bank_refreshes.tolist()) == ([12, 0], [1, 0])


def test_precharging_a_closed_bank_changes_nothing():
    commands = issued(
        (0, "PREA", 0, -1, -1),
        (1, "PRE", 0, 0, 1),
        (2, "ACT", 0, 0, 0),
        (5, "PRE", 0, 0, 1),
        (9, "PRE", 0, 0, 0),
    )
    assert active_cycles_per_rank(commands, 1, 20).tolist() == [7]


@pytest.mark.parametrize("refresh", ["off", "simultaneous", "staggered"])
def test_the_clocks_are_those_counted_one_by_one(refresh):
    commands = replayed(refresh=refresh).commands[0]
    cycles = int(commands.cycle[-1]) + 5
    assert active_cycles_per_rank(commands, 2, cycles).tolist() == clock_by_clock(commands, 2, cycles)


def test_random_commands_legal_or_not_count_as_one_by_one():
    rng = np.random.default_rng(11)
    n = 400
    code = rng.choice(
        [COMMANDS.index(name) for name in ("ACT", "PRE", "PREA", "RD", "PREsb")],
        n,
        p=[0.4, 0.3, 0.1, 0.1, 0.1],
    )
    places = rng.integers(0, 3, n), rng.integers(0, 2, n), rng.integers(0, 2, n)
    commands = Commands(np.cumsum(rng.integers(1, 9, n)), code, *places, *np.full((3, n), -1))
    active = active_cycles_per_rank(commands, 3, 4000)
    assert active.tolist() == clock_by_clock(commands, 3, 4000)
    assert 0 < active.min() < active.max() < 4000


def test_no_command_at_all_leaves_every_rank_idle():
    activity = RankActivity.of_commands(Commands(*[np.zeros(0)] * 8), 4, 100)
    assert activity.idle_cycles.tolist() == [100] * 4
    assert not activity.activates.any()


@pytest.mark.parametrize(
    ("ranks", "cycles", "message"), [(1, 3, "outside the 3 clocks"), (1, 9, "none of 1")]
)
def test_commands_that_cannot_be_counted_are_an_error(ranks, cycles, message):
    with pytest.raises(RecnmpError, match=message):
        active_cycles_per_rank(issued((3, "ACT", 1, 0, 0)), ranks, cycles)


def test_states_that_do_not_make_up_the_time_are_an_error():
    activity = RankActivity.of_commands(replayed().commands[0], 2, 40_000)
    with pytest.raises(RecnmpError, match="do not make up 40000"):
        dataclasses.replace(activity, idle_cycles=activity.idle_cycles + 1)
    with pytest.raises(RecnmpError, match="reads must be"):
        dataclasses.replace(activity, reads=-activity.reads)
    with pytest.raises(RecnmpError, match="idle_cycles must be"):
        RankActivity.of_totals(dict.fromkeys(COMMANDS, 0), 2, 100, 201)


def test_commands_of_the_ranks_are_those_of_the_run():
    timeline = replayed()
    activity = RankActivity.of_commands(timeline.commands[0], 2, 40_000)
    counted = {
        "ACT": activity.activates,
        "RD": activity.reads,
        "WR": activity.writes,
        "REF": activity.refreshes,
    }
    for name, each in counted.items():
        assert each.sum() == timeline.counts[name] > 0
        assert each.shape == (2,)


@pytest.mark.parametrize("refresh", ["off", "simultaneous", "staggered"])
def test_the_engine_counts_what_its_log_shows(refresh):
    timeline = replayed(refresh=refresh)
    (counted,) = timeline.activity
    logged = RankActivity.of_commands(timeline.commands[0], 2, timeline.cycles)
    for field in dataclasses.fields(RankActivity):
        np.testing.assert_array_equal(getattr(counted, field.name), getattr(logged, field.name), field.name)
