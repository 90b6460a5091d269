"""Energy of random gathers against arithmetic on the paper's constants: 2.1 nJ an ACT, 14 and 22 pJ a bit."""

import numpy as np
import pytest
from builders import placed_on, system_of, trace_of
from reference.traffic import JITTED

from recnmp.nmp import host, recnmp
from recnmp.report.energy import energy_section

LOOKUPS, POOLING = 4000 if JITTED else 640, 40


def random_gather(entry_bytes: int):
    """Lookups of a large table, no two of one DRAM row."""
    rng = np.random.default_rng(entry_bytes)
    per_page = 4096 // entry_bytes
    page = rng.permutation(1 << 14)[:LOOKUPS]  # a page of 4 KiB is half a row
    entry = page * per_page + rng.integers(0, per_page, LOOKUPS)
    bags = entry.reshape(-1, POOLING).tolist()
    return trace_of([(per_page << 14, entry_bytes // 4)], [(0, bags)])


def section(entry_bytes: int, **memory):
    # rows stay open for what waits for them, and no refresh closes one: an ACT a lookup
    system = system_of(policy="frfcfs_rowhit", refresh="off", page_policy="open", **memory)
    trace = random_gather(entry_bytes)
    placed = placed_on(system, trace)
    runs = (one.run(trace, placed, system, one.Options()) for one in (host, recnmp))
    return energy_section(*runs, trace, system)


@pytest.mark.parametrize(
    ("entry_bytes", "host_nj", "dram_nj"), [(64, 20.5, 9.3), (128, 39.0, 16.4), (256, 75.8, 30.8)]
)
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_random_lookup_costs_what_arithmetic_says(entry_bytes, host_nj, dram_nj, ranks):
    found = section(entry_bytes, dimms_per_channel=2, ranks_per_dimm=ranks)
    acts = {side: found["operations"][side]["activates_per_run"] / LOOKUPS for side in ("host", "nmp")}
    assert acts == pytest.approx({"host": 1, "nmp": 1}, abs=0.01)
    paper = found["recnmp_isca20"]
    assert paper["host"]["total_nj_per_lookup"] == pytest.approx(host_nj, abs=0.08)
    dram = sum(paper["nmp"][f"dram_{part}_uj_per_run"] for part in ("activate", "column")) * 1000 / LOOKUPS
    assert dram == pytest.approx(dram_nj, abs=0.08)


@pytest.mark.parametrize(("entry_bytes", "ideal"), [(64, 0.547), (128, 0.578), (256, 0.594)])
def test_without_a_cache_the_saving_is_the_ideal_less_what_instructions_and_results_take(entry_bytes, ideal):
    found = section(entry_bytes, dimms_per_channel=2)["recnmp_isca20"]
    saved = found["saving_percent_against_host"] / 100
    assert 0.4 < saved < ideal + 0.005 < 0.6
    near = found["nmp"]
    beyond_dram = near["total_uj_per_run"] - sum(
        near[f"dram_{part}_uj_per_run"] for part in ("activate", "column")
    )
    assert saved == pytest.approx(ideal - beyond_dram / found["host"]["total_uj_per_run"], abs=0.004)
    # 79 bits a lookup; a bag's sum from each of two DIMMs; a header for each packet of eight bags and DIMM
    bits = 79 + 2 * 8 * entry_bytes / POOLING + 2 * 512 / (8 * POOLING)
    adds = entry_bytes / 4 * (1 + 2 / POOLING)
    assert beyond_dram * 1e6 / LOOKUPS == pytest.approx(22 * bits + 7.89 * adds, rel=0.01)


def test_more_ranks_on_one_bus_cost_standby_only_in_the_ledger_of_currents():
    one, eight = (section(64, dimms_per_channel=dimms) for dimms in (1, 4))
    prices = [found["recnmp_isca20"]["host"]["total_nj_per_lookup"] for found in (one, eight)]
    assert prices[0] == pytest.approx(prices[1], rel=0.005)
    states = ("dram_background_active_uj_per_run", "dram_background_idle_uj_per_run")
    standby = [sum(found["idd"]["host"][state] for state in states) for found in (one, eight)]
    assert standby[1] > 3 * standby[0]  # four times the ranks, on a bus that is as fast
