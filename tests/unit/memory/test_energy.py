import dataclasses

import numpy as np
import pytest
from builders import DDR4, spec_with

from recnmp._registry import library_names
from recnmp.config import Document
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library import energy as library_energy
from recnmp.library.dram import DramSpec, load_standard
from recnmp.library.energy import (
    IddCurrents,
    currents_of,
    load_energy,
    load_idd,
    load_operation_costs,
    load_unit_costs,
)
from recnmp.memory.activity import RankActivity
from recnmp.memory.energy import (
    OperationCounts,
    command_energy,
    energy_section,
    idd_energy,
    per_operation_energy,
)
from recnmp.memory.formats import read_memory_trace
from recnmp.memory.run import replay_trace
from recnmp.memory.setup import Setup, make_requests

IDD = load_idd("ddr4_2400_8gb_x8")
COSTS = load_operation_costs("recnmp_isca20")
CLOCK_NS = 0.833
PARTS = ("act_pre", "read", "write", "refresh", "background_active", "background_idle")
ACTIVITY = RankActivity(
    cycles=40_000,
    activates=np.array([50, 30]),
    reads=np.array([200, 150]),
    writes=np.array([100, 50]),
    refreshes=np.array([4, 3]),
    active_cycles=np.array([36_000, 21_000]),
    idle_cycles=np.array([4_000, 19_000]),
)
NOTHING = dict.fromkeys(
    ("activates", "column_bits", "off_chip_io_bits", "rank_cache_accesses", "fp32_adds", "fp32_multiplies"), 0
)


def changed(**values: float) -> IddCurrents:
    document = IDD.model_dump()
    for name, value in values.items():
        document[name]["value"] = value
    return IddCurrents.model_validate(document)


# files


@pytest.mark.parametrize("name", library_names("energy"))
def test_every_file_loads_with_its_sources(name):
    loaded = load_energy(name)
    assert loaded == {"idd": load_idd, "operations": load_operation_costs, "unit": load_unit_costs}[
        loaded.kind
    ](name)
    assert len(loaded.source) > 40


def test_a_file_of_the_other_kind_is_an_error():
    with pytest.raises(ConfigError, match=r"recnmp_isca20\.yaml:1:\d+: kind: .*idd"):
        load_idd("recnmp_isca20")


def test_a_kind_that_is_none_is_an_error(monkeypatch):
    document = Document.from_data({"kind": "watts"}, "some.yaml")
    monkeypatch.setattr(library_energy, "_read", lambda name: document)
    with pytest.raises(ConfigError, match="unknown kind 'watts'; allowed: idd, operations, unit"):
        load_energy("some")


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


DDR4_STANDARDS = ["ddr4_2133", "ddr4_2400", "ddr4_2666", "ddr4_2933", "ddr4_3200"]
STANDARDS_WITH_CURRENTS = [*DDR4_STANDARDS, "ddr5_4800", "ddr5_5600", "hbm2_2000"]


@pytest.mark.parametrize("standard", STANDARDS_WITH_CURRENTS)
def test_currents_of_a_standard_fit_its_timings_and_data_bus(standard):
    spec, idd = load_standard(standard), currents_of(standard)
    each = command_energy(idd, spec)
    assert each.act_pre_pj_per_act > 0
    # a rank that reads without a gap draws IDD4R: what its reads add to standby over the clocks of a burst
    read_mw = each.read_pj_per_rd / (spec.cycles["nBL"] * spec.tCK_ps.value / 1000)
    drawn_mw = idd.vdd_v.value * idd.idd4r_ma.value * idd.devices_per_rank.value
    assert read_mw + each.background_active_mw_per_rank == pytest.approx(drawn_mw)


@pytest.mark.parametrize("standard", sorted(set(library_names("standards")) - set(STANDARDS_WITH_CURRENTS)))
def test_a_standard_without_currents_is_an_error_that_says_so(standard):
    with pytest.raises(ConfigError, match=f"no supply currents of {standard}, .* there are of ddr4_2133, "):
        currents_of(standard)


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
    document["data_rate_mt_per_s"]["value"] //= 2
    slow = DramSpec.model_validate(document)
    fast, slow_energy = idd_energy(ACTIVITY, IDD, DDR4), idd_energy(ACTIVITY, changed_rate(1200), slow)
    for part, energy in fast.parts_pj.items():
        assert energy > 0
        assert slow_energy.parts_pj[part] == pytest.approx(2 * energy), part
    assert slow_energy.mean_power_mw == pytest.approx(fast.mean_power_mw)


def changed_rate(rate: int) -> IddCurrents:
    document = IDD.model_dump()
    document["data_rate_mt_per_s"]["value"] = rate
    return IddCurrents.model_validate(document)


def test_currents_of_another_speed_grade_are_an_error():
    with pytest.raises(ConfigError, match="2400 MT/s"):
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


# a run


def test_the_parts_are_the_whole_by_rank_by_part_and_by_totals():
    energy = idd_energy(ACTIVITY, IDD, DDR4)
    assert tuple(energy.parts_pj) == tuple(f"{part}_pj" for part in PARTS)
    assert sum(energy.parts_pj.values()) == pytest.approx(energy.total_pj, rel=1e-12)
    assert energy.total_pj_per_rank.sum() == pytest.approx(energy.total_pj, rel=1e-12)
    counts = {"ACT": 80, "RD": 350, "WR": 150, "REF": 7}
    spread = RankActivity.of_totals(counts, 2, 40_000, 36_000 + 21_000)
    assert idd_energy(spread, IDD, DDR4).parts_pj == pytest.approx(energy.parts_pj, rel=1e-12)
    each = command_energy(IDD, DDR4)
    by_hand = (
        80 * each.act_pre_pj_per_act
        + 350 * each.read_pj_per_rd
        + 150 * each.write_pj_per_wr
        + 7 * each.refresh_pj_per_ref
        + 412.8 * CLOCK_NS * (36_000 + 21_000)
        + 326.4 * CLOCK_NS * (4_000 + 19_000)
    )
    assert energy.total_pj == pytest.approx(by_hand, rel=1e-12)
    assert energy.mean_power_mw == pytest.approx(by_hand / (40_000 * CLOCK_NS), rel=1e-12)


@pytest.mark.parametrize("policy", ["frfcfs", "dramsim3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_energy_of_a_replay_is_that_of_its_commands_rank_by_rank(tmp_path, policy, channels):
    setup = Setup(ranks=2, channels=channels, policy=policy, refresh="staggered", mapping="RoBaBgRaCoCh")
    rng = np.random.default_rng(2)
    lines = [
        f"{64 * a:#x} {'WRITE' if a % 3 else 'READ'} {40 * n}\n"
        for n, a in enumerate(rng.integers(0, 1 << 20, 700))
    ]
    (tmp_path / "t").write_text("".join(lines))
    document = replay_trace(tmp_path / "t", "dramsim3", setup).document
    found, cycles = document["energy"], document["cycles"]
    assert document["energy_note"] is None
    trace = read_memory_trace(tmp_path / "t", "dramsim3", setup.spec, setup.memory)
    commands = setup.replay(make_requests(trace, channels)[0], record=True).commands
    each = [idd_energy(RankActivity.of_commands(one, 2, cycles), IDD, DDR4) for one in commands]
    for part in PARTS:
        expected = [getattr(one, f"{part}_pj_per_rank").tolist() for one in each]
        assert found[f"{part}_pj_per_rank"] == [pytest.approx(rank, rel=1e-12) for rank in expected]
        assert found[f"{part}_pj_all_ranks"] == pytest.approx(np.sum(expected), rel=1e-12)
        assert np.min(expected) > 0
    assert found["elapsed_ns"] == pytest.approx(cycles * CLOCK_NS)
    assert found["total_pj_all_ranks"] == pytest.approx(sum(found[f"{part}_pj_all_ranks"] for part in PARTS))
    assert np.sum(found["total_pj_per_rank"]) == pytest.approx(found["total_pj_all_ranks"], rel=1e-12)
    assert np.sum(found["mean_power_mw_per_rank"]) == pytest.approx(found["mean_power_mw_all_ranks"])
    assert found["mean_power_mw_all_ranks"] == pytest.approx(
        found["total_pj_all_ranks"] / found["elapsed_ns"]
    )
    assert found["currents"] == IDD.name


def test_energy_that_is_not_known_says_why():
    nothing = RankActivity.of_totals(dict.fromkeys(("ACT", "RD", "WR", "REF"), 0), 2, 100, 0)
    section, reason = energy_section("lpddr5_6400", load_standard("lpddr5_6400"), [nothing])
    assert section is None
    assert reason.startswith("there are no supply currents of lpddr5_6400, so its energy is not known")
    section, reason = energy_section("ddr4_2400", DDR4, [nothing, nothing])
    assert (reason, np.shape(section["total_pj_per_rank"])) == (None, (2, 2))
    assert section["mean_power_mw_all_ranks"] == pytest.approx(4 * 326.4)


def test_a_run_of_no_time_has_no_power():
    nothing = RankActivity.of_totals(dict.fromkeys(("ACT", "RD", "WR", "REF"), 0), 1, 0, 0)
    section, _ = energy_section("ddr4_2400", DDR4, [nothing])
    assert (section["mean_power_mw_all_ranks"], section["mean_power_mw_per_rank"]) == (0, [[0]])


def test_a_rank_that_does_nothing_draws_its_standby():
    nothing = dict.fromkeys(("ACT", "RD", "WR", "REF"), 0)
    for active, mw in ((0, 326.4), (400, 412.8)):
        energy = idd_energy(RankActivity.of_totals(nothing, 4, 100, active), IDD, DDR4)
        assert energy.mean_power_mw == pytest.approx(4 * mw)


def test_refreshing_sets_of_banks_has_no_energy_yet_and_says_so():
    activity = dataclasses.replace(ACTIVITY, same_bank_refreshes=np.array([0, 1]))
    with pytest.raises(ConfigError, match="does not state what REFsb draws"):
        idd_energy(activity, IDD, DDR4)
    counts = {"ACT": 80, "RD": 350, "WR": 150, "REF": 7, "REFsb": 6}
    assert RankActivity.of_totals(counts, 2, 100, 100).same_bank_refreshes.tolist() == [3, 3]


@pytest.mark.parametrize("timing", ["nRC", "nRFC", "nBL", "nRAS"])
def test_every_timing_that_energy_names_matters(timing):
    before = idd_energy(ACTIVITY, IDD, DDR4)
    longer = spec_with(**{timing: DDR4.cycles[timing] + 1})
    after = idd_energy(ACTIVITY, IDD, longer)
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
