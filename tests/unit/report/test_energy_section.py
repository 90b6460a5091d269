"""The energy section: ledgers, totals, savings, units, and what is not known."""

from dataclasses import replace

import pytest
from builders import placed_on, some_trace, system_of, trace_of

from recnmp.config.schema import CacheConfig
from recnmp.library.dram import load_standard
from recnmp.library.energy import UnitCosts, currents_of, load_unit_costs
from recnmp.nmp import axdimm, host, recnmp
from recnmp.report.energy import energy_section

CACHE = CacheConfig(size_bytes=128 << 10)


def section(system, trace=None, module=recnmp, **changes):
    trace = trace or some_trace(3)
    placed = placed_on(system, trace)
    base = host.run(trace, placed, system, host.Options())
    near = module and replace(module.run(trace, placed, system, module.Options()), **changes)
    return energy_section(base, near, trace, system)


def on(standard: str, **memory):
    return system_of(spec=load_standard(standard), standard=standard, **memory)


def test_totals_are_of_run_lookup_and_sample_and_savings_are_of_the_hosts():
    trace = some_trace(3)
    found = section(system_of(), trace)
    for ledger in (found["recnmp_isca20"], found["idd"]):
        for side in ("host", "nmp"):
            run = ledger[side]["total_uj_per_run"]
            assert ledger[side]["total_nj_per_lookup"] == pytest.approx(run * 1000 / trace.lookups)
            assert ledger[side]["total_uj_per_sample"] == pytest.approx(run / trace.samples)
        host_uj, near_uj = (ledger[side]["total_uj_per_run"] for side in ("host", "nmp"))
        assert ledger["saving_percent_against_host"] == pytest.approx(100 * (host_uj - near_uj) / host_uj)


def test_ledgers_differ_in_dram_only():
    found = section(system_of())
    for side in ("host", "nmp"):
        paper, idd = (
            {
                part: uj
                for part, uj in found[ledger][side].items()
                if "dram" not in part and "total" not in part
            }
            for ledger in ("recnmp_isca20", "idd")
        )
        assert paper == idd


def test_time_costs_standby_in_the_ledger_of_currents_and_nothing_in_the_other():
    system = system_of(channels=2, dimms_per_channel=2)
    trace = some_trace(3)
    as_it_is = section(system, trace)
    run = recnmp.run(trace, placed_on(system, trace), system, recnmp.Options())
    clocks = 5000
    later = section(system, trace, ns=run.ns + clocks * 0.833)
    assert later["recnmp_isca20"] == as_it_is["recnmp_isca20"]
    before, after = (one["idd"]["nmp"] for one in (as_it_is, later))
    idd = currents_of("ddr4_2400")
    mw = 2 * 4 * idd.vdd_v.value * idd.idd2n_ma.value * idd.devices_per_rank.value
    part = "dram_background_idle_uj_per_run"
    assert after[part] - before[part] == pytest.approx(mw * clocks * 0.833 / 1e6)
    assert after["total_uj_per_run"] - before["total_uj_per_run"] == pytest.approx(after[part] - before[part])


def test_a_side_that_does_not_run_is_null():
    found = section(system_of(), module=None)
    assert found["operations"]["nmp"] is None
    for ledger in (found["recnmp_isca20"], found["idd"]):
        assert (ledger["nmp"], ledger["saving_percent_against_host"]) == (None, None)
    assert (found["units"], found["units_note"]) == (None, "nothing runs near memory")


def test_a_standard_without_currents_has_one_ledger_and_says_why():
    found = section(on("hbm3_6400", ranks_per_dimm=1), module=None)
    assert found["idd"] is None
    assert found["idd_note"].startswith("there are no supply currents of hbm3_6400")
    assert found["recnmp_isca20"]["host"]["total_uj_per_run"] > 0
    assert found["recnmp_isca20"]["note"] == "they are of ddr4_2400, not of hbm3_6400"


def test_prices_of_another_memory_are_told_in_both_ledgers():
    found = section(on("hbm2_2000", ranks_per_dimm=1), module=None)
    assert found["idd_note"] is None
    for ledger in (found["recnmp_isca20"], found["idd"]):
        assert ledger["note"] == "they are of ddr4_2400, not of hbm2_2000"
    assert section(on("ddr4_3200"))["recnmp_isca20"]["note"] is None


@pytest.mark.parametrize("module", [recnmp, None])
def test_other_traffic_is_paid_on_both_sides_and_nothing_is_told_by_lookup(module):
    system = system_of(dimms_per_channel=2, host_traffic={"gb_per_s": 2.0})
    found = section(system, module=module)
    for ledger in (found["recnmp_isca20"], found["idd"]):
        assert "other traffic" in ledger["note"]
        assert ledger["saving_percent_against_host"] is None
        for side in ("host", "nmp") if module else ("host",):
            assert ledger[side]["io_host_traffic_uj_per_run"] > 0
            assert ledger[side]["total_uj_per_run"] > 0
            assert (ledger[side]["total_nj_per_lookup"], ledger[side]["total_uj_per_sample"]) == (None, None)


def test_bursts_of_other_traffic_are_told_from_those_of_the_gather():
    trace = some_trace(3)
    quiet, busy = system_of(), system_of(host_traffic={"gb_per_s": 2.0, "write_share": 0})
    for module in (host, recnmp):
        alone, shared = (
            module.run(trace, placed_on(system, trace), system, module.Options()) for system in (quiet, busy)
        )
        assert alone.operations.traffic_bits == 0
        assert shared.operations.data_bits == alone.operations.data_bits
        assert shared.operations.traffic_bits == 512 * shared.memory["host_traffic"]["bursts"] > 0


def test_constants_say_where_they_are_from_and_how_sure_they_are():
    found = section(system_of())
    for ledger in ("recnmp_isca20", "idd"):
        assert found[ledger]["io_and_logic_constants"] == "RecNMP (ISCA 2020)"
        assert found[ledger]["io_and_logic_certainty"] == "recalled, not verified"
    assert found["recnmp_isca20"]["dram_certainty"] == "recalled, not verified"
    assert found["idd"]["dram_certainty"] == "derived"
    assert found["idd"]["dram_constants"].startswith("DDR4-2400")


@pytest.mark.parametrize(("cache", "mm2", "mw"), [(None, 0.34, 151.3), (CACHE, 0.54, 184.2)])
def test_every_dimm_has_a_unit_whose_power_and_area_belong_together(cache, mm2, mw):
    trace, system = some_trace(3), system_of(channels=2, dimms_per_channel=4, rank_cache=cache)
    run = recnmp.run(trace, placed_on(system, trace), system, recnmp.Options())
    units = section(system, trace)["units"]
    assert units["units"] == 8
    assert (units["area_mm2_per_unit"], units["power_mw_per_unit"]) == (mm2, mw)
    assert units["area_mm2_all_units"] == pytest.approx(8 * mm2)
    assert units["energy_uj_per_run"] == pytest.approx(8 * mw * run.ns / 1e6)
    assert (units["note"], units["certainty"]) == (None, "recalled, not verified")


def test_the_units_energy_by_operations_is_that_of_caches_adders_and_multipliers():
    found = section(system_of(dimms_per_channel=2, rank_cache=CACHE))
    ledger = found["recnmp_isca20"]["nmp"]
    logic = [uj for part, uj in ledger.items() if part.startswith("rank_cache") or "adds" in part]
    logic += [uj for part, uj in ledger.items() if "multiplies" in part]
    assert len(logic) == 7
    assert found["units"]["same_by_operations_uj_per_run"] == pytest.approx(sum(logic))


def test_units_of_another_size_are_not_scaled_and_that_is_told():
    small = CacheConfig(size_bytes=4096)
    note = section(system_of(ranks_per_dimm=1, rank_cache=small))["units"]["note"]
    assert note == "of a unit with 2 ranks, here 1 and RankCaches of 131072 B, here 4096 B; not scaled"


@pytest.mark.parametrize(
    ("ranks", "cache", "mm2"),
    [(2, None, 0.34), (2, 131072, 0.54), (1, None, 0.17), (4, 4 * 131072, 2 * 1.14)],
)
def test_the_scaled_area_follows_ranks_and_bytes_of_rank_caches(ranks, cache, mm2):
    system = system_of(ranks_per_dimm=ranks, rank_cache=cache and CacheConfig(size_bytes=cache))
    assert section(system)["units"]["area_scaled_mm2_all_units"] == pytest.approx(mm2)


def test_units_that_are_not_known_say_so():
    found = section(system_of(), trace_of([(1000, 16)], [(0, [[7, 9]])]), axdimm)
    assert found["units"] is None
    assert "not known" in found["units_note"]
    assert found["recnmp_isca20"]["nmp"]["io_polls_uj_per_run"] > 0


def test_a_trace_without_lookups_takes_nothing_but_has_a_section():
    found = section(system_of(), trace_of([(10, 16)], [(0, [[], []])]))
    for ledger in (found["recnmp_isca20"], found["idd"]):
        assert ledger["host"]["total_uj_per_run"] == ledger["nmp"]["total_uj_per_run"] == 0
        assert (ledger["host"]["total_nj_per_lookup"], ledger["saving_percent_against_host"]) == (None, None)


def test_a_unit_whose_cache_is_free_is_an_error():
    document = load_unit_costs("recnmp_isca20_unit").model_dump()
    document["power_without_cache_mw"]["value"] = 184.2
    with pytest.raises(ValueError, match="power_without_cache_mw is not below power_with_cache_mw"):
        UnitCosts.model_validate(document)
