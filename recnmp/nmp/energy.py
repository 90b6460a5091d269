"""What a run's operations take: part by part, in two ledgers that are never mixed.

One charges a fixed price for every operation, as RecNMP's paper does; time costs nothing in it. The other takes
DRAM from the supply currents of its data sheet, standby over the whole run included, so that a slower run pays more.
Channel, RankCaches and adders have the paper's prices in both.

Not modelled: cores and caches of the host, its own adds among them; the C/A bits of its DDR commands; pins between
DRAM devices and a DIMM's buffer; memory controllers; leakage and clocks of rank units (their published power has a
line of its own); buffers for instructions and sums.
"""

from dataclasses import fields
from math import ceil

import numpy as np

from recnmp.library.dram import DramSpec
from recnmp.library.energy import IddCurrents, OperationCosts
from recnmp.memory.activity import RankActivity
from recnmp.memory.energy import OperationCounts, idd_energy, per_operation_energy
from recnmp.nmp.operations import Operations

CHANNEL = {
    "io_data": "data_bits",
    "io_host_traffic": "traffic_bits",
    "io_instructions": "instruction_bits",
    "io_configuration": "configuration_bits",
    "io_results": "result_bits",
    "io_polls": "poll_bits",
}
"""Parts of the energy at a channel's pins and the bits that each counts."""

CACHES = {"rank_cache_lookups": "rank_cache_lookups", "rank_cache_fills": "rank_cache_fills"}
ADDS = {"rank_adds": "rank_adds", "dimm_adds": "dimm_adds", "dequantise_adds": "dequantise_adds"}
MULTIPLIES = {name: name for name in ("dequantise_multiplies", "weight_multiplies")}
LOGIC = (*CACHES, *ADDS, *MULTIPLIES)
"""Parts that the units near memory take; their published power is another view of the same energy."""

_PRICED = (
    ("off_chip_io_bits", CHANNEL),
    ("rank_cache_accesses", CACHES),
    ("fp32_adds", ADDS),
    ("fp32_multiplies", MULTIPLIES),
)


def by_operations(done: Operations, costs: OperationCosts, spec: DramSpec) -> dict[str, float]:
    """Return the energy of every part [pJ], DRAM's at the prices of an ACT and of a bit read or written."""
    bits = done.column_commands * 8 * spec.organization.burst_bytes.value
    dram = {
        "dram_activate": per_operation_energy(OperationCounts(activates=done.activates), costs).total_pj,
        "dram_column": per_operation_energy(OperationCounts(column_bits=bits), costs).total_pj,
    }
    return dram | _beyond_dram(done, costs)


def by_currents(
    done: Operations, costs: OperationCosts, idd: IddCurrents, spec: DramSpec, ns: float
) -> dict[str, float]:
    """Return the energy of every part [pJ], DRAM's by supply currents over the ``ns`` of the run.

    A rank that is done earlier stands by with its banks closed. Raises ConfigError as ``command_energy``.
    """
    energy = idd_energy(_whole_run(done, spec, ns), idd, spec)
    dram = {f"dram_{name.removesuffix('_pj')}": pj for name, pj in energy.parts_pj.items()}
    return dram | _beyond_dram(done, costs)


def _beyond_dram(done: Operations, costs: OperationCosts) -> dict[str, float]:
    return {
        part: per_operation_energy(OperationCounts(**{kind: done.counts[count]}), costs).total_pj
        for kind, parts in _PRICED
        for part, count in parts.items()
    }


def _whole_run(done: Operations, spec: DramSpec, ns: float) -> RankActivity:
    """Return all ranks over the clocks of ``ns``."""
    tolerated = 1e-6  # clocks, for the rounding of times
    cycles = max(ceil(ns * 1000 / spec.tCK_ps.value - tolerated), *(one.cycles for one in done.activity), 0)
    each = [one.standing_by_until(cycles) for one in done.activity]
    parts = (np.concatenate([getattr(one, field.name) for one in each]) for field in fields(RankActivity)[1:])
    return RankActivity(cycles, *parts)
