"""The result's ``energy`` section: two ledgers, what they counted, and the published power and area of the units."""

from collections.abc import Callable, Sequence
from typing import Any

from recnmp.errors import ConfigError
from recnmp.library.energy import (
    IddCurrents,
    OperationCosts,
    UnitCosts,
    currents_of,
    load_operation_costs,
    load_unit_costs,
)
from recnmp.library.facts import Sourced
from recnmp.memory.energy import command_energy
from recnmp.nmp.base import SlsRun, System
from recnmp.nmp.energy import LOGIC, by_currents, by_operations
from recnmp.nmp.operations import Operations
from recnmp.trace.trace import Trace

PAPER = "recnmp_isca20"
COVERS = (
    "DRAM, the channel's data pins, instructions and results near memory, RankCaches, adders, multipliers"
)
NOT_COUNTED = (
    "cores and caches of the host, its adds among them; C/A bits of its DDR commands; pins between DRAM and a "
    "DIMM's buffer; controllers; leakage of the units"
)
SHARED = "the host's other traffic is in both sides, as much of it as each lasts, so that nothing is told by lookup"
_SURE = ("read at the source", "derived", "recalled, not verified")

Parts = dict[str, float]


def energy_section(host: SlsRun, near: SlsRun | None, trace: Trace, system: System) -> dict[str, Any]:
    """Return what the gather-reduce of a whole trace took on both sides, as plain JSON data.

    A ledger whose constants the library does not have is null, and its note says why.
    """
    costs, spec = load_operation_costs(PAPER), system.spec
    idd, idd_note = _currents(system)
    units, units_note = _units(near, costs, trace, system)

    shared = system.memory.host_traffic is not None

    def paper(run: SlsRun) -> Parts:
        return by_operations(run.operations, costs, spec)

    def data_sheet(run: SlsRun) -> Parts:
        assert idd is not None
        return by_currents(run.operations, costs, idd, spec, run.ns)

    notes = [_other_memory(costs, system), SHARED if shared else None]
    note = {"note": "; ".join(filter(None, notes)) or None}
    return {
        "covers": COVERS,
        "not_counted": NOT_COUNTED,
        "operations": {"host": _counted(host.operations), "nmp": near and _counted(near.operations)},
        PAPER: _ledger(paper, host, near, trace, shared) | _constants(costs, costs) | note,
        "idd": idd and _ledger(data_sheet, host, near, trace, shared) | _constants(idd, costs) | note,
        "idd_note": idd_note,
        "units": units,
        "units_note": units_note,
    }


def _currents(system: System) -> tuple[IddCurrents | None, str | None]:
    """Return the currents of the run's memory, or None and the reason why they are not known."""
    try:
        idd = currents_of(system.memory.standard)
        command_energy(idd, system.spec)
    except ConfigError as error:
        return None, str(error).removeprefix("energy: ")
    return idd, None


def _ledger(
    price: Callable[[SlsRun], Parts], host: SlsRun, near: SlsRun | None, trace: Trace, shared: bool
) -> dict[str, Any]:
    """Return both sides' parts over the run and totals, and what near memory saves.

    ``shared``: both runs have other traffic in them, each as much as it lasts, so shares of it mean nothing.
    """
    host_parts, near_parts = price(host), price(near) if near else None
    total = sum(host_parts.values())
    saved = 100 * (1 - sum(near_parts.values()) / total) if near_parts and total and not shared else None
    return {
        "host": _side(host_parts, trace, shared),
        "nmp": near_parts and _side(near_parts, trace, shared),
        "saving_percent_against_host": saved,
    }


def _side(parts: Parts, trace: Trace, shared: bool) -> dict[str, float | None]:
    each = {f"{name}_uj_per_run": pj / 1e6 for name, pj in parts.items()}
    totals = _totals(sum(parts.values()), "total", trace)
    return each | {name: None if shared and "per_run" not in name else pj for name, pj in totals.items()}


def _totals(pj: float, name: str, trace: Trace) -> dict[str, float | None]:
    return {
        f"{name}_uj_per_run": pj / 1e6,
        f"{name}_nj_per_lookup": pj / 1e3 / trace.lookups if trace.lookups else None,
        f"{name}_uj_per_sample": pj / 1e6 / trace.samples if trace.samples else None,
    }


def _counted(done: Operations) -> dict[str, float]:
    commands = {"activates": done.activates, "column_commands": done.column_commands}
    return {f"{name}_per_run": count for name, count in (commands | done.counts).items()}


def _units(
    near: SlsRun | None, prices: OperationCosts, trace: Trace, system: System
) -> tuple[dict[str, Any] | None, str | None]:
    """Return power and area of all units, or None and the reason why that is not known."""
    if near is None:
        return None, "nothing runs near memory"
    if near.operations.unit is None:
        return None, "power and area of this architecture's units are not known to the library"
    costs = load_unit_costs(near.operations.unit)
    cache = system.cache.rank
    power = costs.power_with_cache_mw if cache else costs.power_without_cache_mw
    area = costs.area_with_cache_mm2 if cache else costs.area_without_cache_mm2
    units = system.memory.channels * system.memory.dimms_per_channel
    scaled = costs.scaled_area_mm2(system.memory.ranks_per_dimm, cache.size_bytes if cache else 0)
    named = {"constants": costs.name, "certainty": _least_sure([power, area])}
    figures = {
        "units": units,
        "area_mm2_per_unit": area.value,
        "area_mm2_all_units": units * area.value,
        "area_scaled_mm2_all_units": units * scaled,
        "power_mw_per_unit": power.value,
        "power_mw_all_units": units * power.value,
    }
    energy = _totals(units * power.value * near.ns, "energy", trace)  # mW * ns = pJ
    parts = by_operations(near.operations, prices, system.spec)
    energy["same_by_operations_uj_per_run"] = sum(parts[part] for part in LOGIC) / 1e6
    return named | figures | energy | {"note": _other_unit(costs, system)}, None


def _other_unit(costs: UnitCosts, system: System) -> str | None:
    """Say how the run's units differ from those that the constants are of."""
    differs = []
    ranks, cache = system.memory.ranks_per_dimm, system.cache.rank
    if ranks != costs.ranks.value:
        differs.append(f"{costs.ranks.value} ranks, here {ranks}")
    if cache and cache.size_bytes != costs.rank_cache_bytes.value:
        differs.append(f"RankCaches of {costs.rank_cache_bytes.value} B, here {cache.size_bytes} B")
    return f"of a unit with {' and '.join(differs)}; not scaled" if differs else None


def _other_memory(costs: OperationCosts, system: System) -> str | None:
    """Say so where the paper's prices are of another memory than the run's."""
    if costs.standard.partition("_")[0] == system.memory.standard.partition("_")[0]:
        return None
    return f"they are of {costs.standard}, not of {system.memory.standard}"


def _constants(dram: IddCurrents | OperationCosts, others: OperationCosts) -> dict[str, str]:
    """Return where a ledger's constants are from and how sure the least sure of them is."""
    named: dict[str, str] = {}
    for what, facts in (("dram", dram), ("io_and_logic", others)):
        quantities = [value for _, value in facts if isinstance(value, Sourced)]
        named |= {f"{what}_constants": facts.name, f"{what}_certainty": _least_sure(quantities)}
    return named


def _least_sure(quantities: Sequence[Sourced[Any]]) -> str:
    return max((quantity.certainty for quantity in quantities), key=_SURE.index)
