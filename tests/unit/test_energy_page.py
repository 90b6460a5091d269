"""The page on energy names every part, and its figures are what comes out."""

import re
from pathlib import Path

import pytest
from builders import placed_on, some_trace, system_of
from reference.traffic import JITTED

from recnmp.config import load_config
from recnmp.config.schema import CacheConfig
from recnmp.library.energy import load_operation_costs, load_unit_costs
from recnmp.nmp import host, recnmp
from recnmp.placement.place import place
from recnmp.report.energy import energy_section
from recnmp.resolve import resolve
from recnmp.simulate import simulate
from recnmp.trace.storage import load_trace

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "energy.md").read_text()
needs_speed = pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")
PROFILE = ["mlp.kind=profile", "mlp.device=xeon_2core_shared_2026", "functional_check=off"]


def test_the_parts_on_the_page_are_those_of_a_result():
    trace, system = some_trace(1), system_of(rank_cache=CacheConfig(size_bytes=4096))
    placed = placed_on(system, trace)
    runs = (one.run(trace, placed, system, one.Options()) for one in (host, recnmp))
    section = energy_section(*runs, trace, system)
    table = PAGE.partition("\n## Parts\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    found = {key for ledger in ("recnmp_isca20", "idd") for key in section[ledger]["nmp"]}
    parts = {key.removesuffix("_uj_per_run") for key in found if not key.startswith("total")}
    assert set(re.findall(r"`(\w+)`", "".join(rows))) == parts


def test_the_prices_on_the_page_are_those_of_the_library():
    costs, unit = load_operation_costs("recnmp_isca20"), load_unit_costs("recnmp_isca20_unit")
    for text in (
        f"{costs.activate_nj.value} nJ, {costs.column_pj_per_bit.value:g} pJ a bit",
        f"{costs.off_chip_io_pj_per_bit.value:g} pJ a bit",
        f"{costs.rank_cache_access_pj.value:g} pJ |",
        f"{costs.fp32_multiply_pj.value} pJ, {costs.fp32_add_pj.value} pJ |",
        f"{unit.area_with_cache_mm2.value} mm2 and {unit.power_with_cache_mw.value} mW",
        f"{unit.area_without_cache_mm2.value} mm2 and {unit.power_without_cache_mw.value} mW",
        f"in {unit.technology_nm.value:g} nm",
    ):
        assert text in " ".join(PAGE.split()), text


@needs_speed
@pytest.mark.parametrize("name", ["rank1", "rank2", "rank4", "rank8"])
def test_the_table_of_ranks_is_what_comes_out(name):
    config = ROOT / "configs" / f"{name}.yaml"
    found, without = (
        simulate(load_config(config, [*PROFILE, *more])).to_dict()["energy"]
        for more in ([], ["cache.rank=null"])
    )
    cells = [f"`{name}`"]
    for ledger in ("recnmp_isca20", "idd"):
        cells += [f"{found[ledger][side]['total_nj_per_lookup']:.2f}" for side in ("host", "nmp")]
        cells += [f"{run[ledger]['saving_percent_against_host']:.1f}%" for run in (found, without)]
    units = found["units"]
    cells += [f"{units['area_mm2_all_units']:.2f}", f"{units['power_mw_all_units']:.1f}"]
    assert f"| {' | '.join(cells)} | {units['energy_nj_per_lookup']:.2f} |" in PAGE


@needs_speed
def test_the_figures_of_axdimm_are_what_comes_out():
    config = load_config(ROOT / "configs" / "axdimm.yaml", ["functional_check=off"])
    parts = resolve(config)
    trace = load_trace(config.trace.file)
    placed = place(trace, config.memory, parts.spec, config.placement)
    base = host.run(trace, placed, parts.system, host.Options())
    near = parts.nmp.run(trace, placed, parts.system, parts.nmp_options)
    found = energy_section(base, near, trace, parts.system)["recnmp_isca20"]
    nj = [f"{found[side]['total_nj_per_lookup']:.1f}" for side in ("host", "nmp")]
    told = f"{nj[0]} nJ a lookup on the host, {nj[1]} near memory, {found['saving_percent_against_host']:.1f} % saved"
    assert told in " ".join(PAGE.split())
