import dataclasses

import numpy as np
import pytest
from builders import DDR4, spec_with

from recnmp._registry import PACKAGE, library_names
from recnmp.config import Document
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import COMMANDS, DramSpec
from recnmp.library.energy import IddCurrents, OperationCosts, load_idd, load_operation_costs
from recnmp.memory.activity import RankActivity, active_cycles_per_rank
from recnmp.memory.commands import Commands
from recnmp.memory.energy import (
    OperationCounts,
    command_energy,
    idd_energy,
    per_operation_energy,
)
from recnmp.memory.replay import ControllerOptions, replay
from recnmp.memory.requests import Requests

IDD = load_idd("ddr4_2400_8gb_x8")
COSTS = load_operation_costs("recnmp_isca20")
CLOCK_NS = 0.833
PARTS = ("act_pre", "read", "write", "refresh", "background_active", "background_idle")
NOTHING = dict.fromkeys(
    ("activates", "column_bits", "off_chip_io_bits", "rank_cache_accesses", "fp32_adds", "fp32_multiplies"), 0
)


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
            at += 1
        for rank in range(ranks):
            active[rank] += bool(open_banks[rank])
    return active


def changed(**values: float) -> IddCurrents:
    document = IDD.model_dump()
    for name, value in values.items():
        document[name]["value"] = value
    return IddCurrents.model_validate(document)


# files


@pytest.mark.parametrize("name", library_names("energy"))
def test_every_file_loads_with_its_sources(name):
    kind = Document.read(PACKAGE / "library" / "energy" / f"{name}.yaml").data["kind"]
    loaded = {"idd": load_idd, "operations": load_operation_costs}[kind](name)
    assert isinstance(loaded, IddCurrents | OperationCosts)


def test_a_file_of_the_other_kind_is_an_error():
    with pytest.raises(ConfigError, match=r"recnmp_isca20\.yaml:1:\d+: kind: .*idd"):
        load_idd("recnmp_isca20")


def document_without(path: str) -> Document:
    data = IDD.model_dump(mode="json")
    section, _, key = path.partition(".")
    del (data[section] if key else data)[key or section]
    return Document.from_data(data, "currents.yaml")


@pytest.mark.parametrize(
    "path", ["idd2n_ma", "vdd_v", "devices_per_rank", "idd0_ma.source", "idd0_ma.certainty"]
)
def test_no_current_and_no_source_has_a_default(path):
    with pytest.raises(ConfigError, match=path):
        document_without(path).validate(IddCurrents)


@pytest.mark.parametrize("name", ["idd2n_ma", "idd4r_ma", "idd4w_ma", "idd5b_ma"])
def test_a_command_that_would_give_energy_back_is_an_error(name):
    with pytest.raises(ValueError, match=f"{name} is (below|above) idd3n_ma"):
        changed(**{name: 44 if name == "idd2n_ma" else 42})


def test_every_constant_of_recnmp_says_that_it_is_recalled():
    quantities = [value for value in COSTS.model_dump().values() if isinstance(value, dict)]
    assert len(quantities) == 6
    assert {quantity["certainty"] for quantity in quantities} == {"recalled, not verified"}


# one command


def test_energies_of_a_command_follow_from_the_currents():
    each = command_energy(IDD, DDR4)
    assert each.act_pre_pj_per_act == pytest.approx(1.2 * (48 * 55 - 43 * 39 - 34 * 16) * 8 * CLOCK_NS)
    assert each.act_pre_pj_per_act == pytest.approx(3351, abs=0.5)
    assert each.read_pj_per_rd == pytest.approx(2943, abs=0.5)
    assert each.write_pj_per_wr == pytest.approx(2559, abs=0.5)
    assert each.refresh_pj_per_ref == pytest.approx(716_761, abs=0.5)
    assert each.background_active_mw_per_rank == pytest.approx(412.8)
    assert each.background_idle_mw_per_rank == pytest.approx(326.4)


def test_as_many_clocks_twice_as_long_take_twice_the_energy_at_the_same_power():
    document = DDR4.model_dump()
    document["tCK_ps"]["value"] *= 2
    slow = DramSpec.model_validate(document)
    activity = RankActivity.of_commands(replayed().commands[0], 2, 40_000)
    fast, slow_energy = idd_energy(activity, IDD, DDR4), idd_energy(activity, changed_rate(1200), slow)
    for part, energy in fast.parts_pj.items():
        assert energy > 0
        assert slow_energy.parts_pj[part] == pytest.approx(2 * energy), part
    assert slow_energy.mean_power_mw == pytest.approx(fast.mean_power_mw)


def changed_rate(rate: int) -> IddCurrents:
    document = IDD.model_dump()
    document["data_rate_mt_per_s"]["value"] = rate
    return IddCurrents.model_validate(document)


def test_currents_of_another_speed_grade_are_an_error():
    with pytest.raises(ConfigError, match="2401 MT/s"):
        command_energy(changed_rate(2666), DDR4)


def test_a_standard_without_a_timing_that_energy_needs_is_an_error():
    document = DDR4.model_dump()
    del document["timings"]["nRAS"]
    document["constraints"] = [row for row in document["constraints"] if "nRAS" not in row["wait"]]
    with pytest.raises(ConfigError, match="nRAS missing"):
        command_energy(IDD, DramSpec.model_validate(document))


def test_an_activation_that_would_give_energy_back_is_an_error():
    with pytest.raises(ConfigError, match="idd0_ma"):
        command_energy(changed(idd0_ma=40), DDR4)


# clocks with an open bank


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
        [COMMANDS.index(name) for name in ("ACT", "PRE", "PREA", "RD", "REF")], n, p=[0.3, 0.4, 0.1, 0.1, 0.1]
    )
    places = rng.integers(0, 3, n), rng.integers(0, 2, n), rng.integers(0, 2, n)
    commands = Commands(np.cumsum(rng.integers(1, 9, n)), code, *places, *np.full((3, n), -1))
    active = active_cycles_per_rank(commands, 3, 4000)
    assert active.tolist() == clock_by_clock(commands, 3, 4000)
    assert 0 < active.min() < active.max() < 4000


def test_no_command_at_all_leaves_every_rank_idle():
    nothing = Commands(*[np.zeros(0)] * 8)
    activity = RankActivity.of_commands(nothing, 4, 100)
    assert activity.idle_cycles.tolist() == [100] * 4
    assert idd_energy(activity, IDD, DDR4).mean_power_mw == pytest.approx(4 * 326.4)


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


# a run


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


def test_the_parts_are_the_whole_by_rank_by_part_and_by_totals():
    timeline = replayed()
    cycles = 40_000
    activity = RankActivity.of_commands(timeline.commands[0], 2, cycles)
    energy = idd_energy(activity, IDD, DDR4)
    assert tuple(energy.parts_pj) == tuple(f"{part}_pj" for part in PARTS)
    assert sum(energy.parts_pj.values()) == pytest.approx(energy.total_pj, rel=1e-12)
    assert energy.total_pj_per_rank.sum() == pytest.approx(energy.total_pj, rel=1e-12)
    spread = RankActivity.of_totals(timeline.counts, 2, cycles, int(activity.active_cycles.sum()))
    assert idd_energy(spread, IDD, DDR4).parts_pj == pytest.approx(energy.parts_pj, rel=1e-12)
    each, n, ns = command_energy(IDD, DDR4), timeline.counts, CLOCK_NS
    by_hand = (
        n["ACT"] * each.act_pre_pj_per_act
        + n["RD"] * each.read_pj_per_rd
        + n["WR"] * each.write_pj_per_wr
        + n["REF"] * each.refresh_pj_per_ref
        + 412.8 * ns * activity.active_cycles.sum()
        + 326.4 * ns * activity.idle_cycles.sum()
    )
    assert energy.total_pj == pytest.approx(by_hand, rel=1e-12)
    assert energy.mean_power_mw == pytest.approx(by_hand / (cycles * ns), rel=1e-12)


@pytest.mark.parametrize("timing", ["nRC", "nRFC", "nBL", "nRAS"])
def test_every_timing_that_energy_names_matters(timing):
    before = idd_energy(RankActivity.of_commands(replayed().commands[0], 2, 40_000), IDD, DDR4)
    longer = spec_with(**{timing: DDR4.cycles[timing] + 1})
    after = idd_energy(RankActivity.of_commands(replayed().commands[0], 2, 40_000), IDD, longer)
    assert (after.total_pj > before.total_pj) == (timing != "nRAS")
    assert after.total_pj != before.total_pj


# the ledger of operations


@pytest.mark.parametrize(
    ("entry_bytes", "host_nj", "near_nj"), [(64, 20.5, 9.3), (128, 39.0, 16.4), (256, 75.8, 30.8)]
)
def test_a_lookup_costs_what_the_papers_constants_say(entry_bytes, host_nj, near_nj):
    """One activation a lookup: 2.1 nJ, 14 pJ a bit to read it, 22 pJ a bit to carry it to the host."""
    bits = entry_bytes * 8
    lookup = NOTHING | {"activates": 1, "column_bits": bits}
    host = per_operation_energy(OperationCounts(**lookup | {"off_chip_io_bits": bits}), COSTS)
    near = per_operation_energy(OperationCounts(**lookup), COSTS)
    assert host.total_pj / 1000 == pytest.approx(host_nj, abs=0.05)
    assert near.total_pj / 1000 == pytest.approx(near_nj, abs=0.05)
    assert 0.54 < 1 - near.total_pj / host.total_pj < 0.60


def test_every_operation_has_its_price_and_the_parts_are_the_whole():
    prices = {"activates": 2100, "column_bits": 14, "off_chip_io_bits": 22, "rank_cache_accesses": 50}
    prices |= {"fp32_adds": 7.89, "fp32_multiplies": 25.2}
    for name, pj in prices.items():
        energy = per_operation_energy(OperationCounts(**NOTHING | {name: 3}), COSTS)
        parts = dataclasses.astuple(energy)
        assert energy.total_pj == sum(parts) == pytest.approx(3 * pj), name
        assert np.count_nonzero(parts) == 1
    everything = per_operation_energy(OperationCounts(**dict.fromkeys(prices, 2)), COSTS)
    assert everything.total_pj == pytest.approx(2 * sum(prices.values()))


def test_a_negative_count_is_an_error():
    with pytest.raises(RecnmpError, match="below 0"):
        per_operation_energy(OperationCounts(**NOTHING | {"fp32_adds": -1}), COSTS)
