"""Energy of DRAM, by the supply currents of its data sheet or by a paper's energies of single operations.

The first is the data-sheet method in the form DRAMsim3 gives it: every clock draws the standby current of its
rank's state, and every command adds what it draws beyond standby. V * mA * ns = pJ, so clocks become
nanoseconds before they are multiplied.

Not modelled: power-down and self-refresh (a rank without open banks stays at IDD2N), on-die termination and I/O
drivers, VPP, temperature, data patterns, same-bank refresh (no source for IDD5C). A PRE has no energy of its
own, it is part of its ACT. A refreshing rank stands by with all banks closed, and its refresh adds
IDD5B - IDD3N over nRFC.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import DramSpec
from recnmp.library.energy import IddCurrents, OperationCosts, currents_of
from recnmp.memory.activity import Floats, RankActivity


@dataclass(frozen=True)
class CommandEnergy:
    """What one command adds to standby, and standby itself; scope: one rank, all its devices.

    ``act_pre_pj_per_act`` is an ACT and the PRE that follows it.
    """

    act_pre_pj_per_act: float
    read_pj_per_rd: float
    write_pj_per_wr: float
    refresh_pj_per_ref: float
    background_active_mw_per_rank: float
    background_idle_mw_per_rank: float


def command_energy(idd: IddCurrents, spec: DramSpec) -> CommandEnergy:
    """Return the energies of a standard's commands for devices that draw ``idd``.

    ACT and PRE: IDD0 over nRC, less the standby it contains (IDD3N over nRAS, IDD2N over nRP). RD, WR: IDD4
    less IDD3N over nBL. REF: IDD5B less IDD3N over nRFC. Raises ConfigError when the currents are those of
    another data rate, a timing is missing, or an activation would draw less than standby.
    """
    missing = [name for name in ("nRAS", "nRC") if name not in spec.cycles]
    rate = spec.data_rate_mt_per_s.value
    if missing or idd.data_rate_mt_per_s.value != rate:
        why = f"{', '.join(missing)} missing" if missing else f"{rate} MT/s"
        raise ConfigError(f"energy: currents of {idd.name!r} do not fit the standard {spec.name!r}: {why}")
    n, clock_ns = spec.cycles, spec.tCK_ps.value / 1000
    volts = idd.vdd_v.value * idd.devices_per_rank.value
    idd2n, idd3n = idd.idd2n_ma.value, idd.idd3n_ma.value
    act_ma_cycles = idd.idd0_ma.value * n["nRC"] - idd3n * n["nRAS"] - idd2n * n["nRP"]
    if act_ma_cycles < 0:
        raise ConfigError(f"energy: idd0_ma of {idd.name!r} is below standby: activations would give energy")
    return CommandEnergy(
        act_pre_pj_per_act=volts * act_ma_cycles * clock_ns,
        read_pj_per_rd=volts * (idd.idd4r_ma.value - idd3n) * n["nBL"] * clock_ns,
        write_pj_per_wr=volts * (idd.idd4w_ma.value - idd3n) * n["nBL"] * clock_ns,
        refresh_pj_per_ref=volts * (idd.idd5b_ma.value - idd3n) * n["nRFC"] * clock_ns,
        background_active_mw_per_rank=volts * idd3n,
        background_idle_mw_per_rank=volts * idd2n,
    )


@dataclass(frozen=True)
class DramEnergy:
    """Energy of R ranks over ``elapsed_ns``, part by part, arrays of shape (R,); the parts are all there is."""

    elapsed_ns: float
    act_pre_pj_per_rank: Floats
    read_pj_per_rank: Floats
    write_pj_per_rank: Floats
    refresh_pj_per_rank: Floats
    background_active_pj_per_rank: Floats
    background_idle_pj_per_rank: Floats

    @property
    def total_pj_per_rank(self) -> Floats:
        """All parts of each rank, shape (R,)."""
        total: Floats = np.sum([getattr(self, field.name) for field in fields(self)[1:]], axis=0)
        return total

    @property
    def parts_pj(self) -> dict[str, float]:
        """Every part summed over ranks: ``act_pre_pj``, ``read_pj`` and so on."""
        names = [field.name for field in fields(self)[1:]]
        return {name.removesuffix("_per_rank"): float(getattr(self, name).sum()) for name in names}

    @property
    def total_pj(self) -> float:
        """All parts of all ranks."""
        return sum(self.parts_pj.values())

    @property
    def mean_power_mw(self) -> float:
        """Power of all ranks together, averaged over the time; 0 for no time at all."""
        return self.total_pj / self.elapsed_ns if self.elapsed_ns else 0.0


def idd_energy(activity: RankActivity, idd: IddCurrents, spec: DramSpec) -> DramEnergy:
    """Return what ranks of devices with the currents ``idd`` drew; raises ConfigError as ``command_energy``.

    A REF counts in full even where the counted clocks end before it does. ConfigError, too, where a set of banks was
    refreshed by itself.
    """
    if np.any(activity.same_bank_refreshes):
        raise ConfigError(f"energy: {idd.name!r} does not state what REFsb draws; refresh all banks instead")
    each = command_energy(idd, spec)
    clock_ns = spec.tCK_ps.value / 1000
    return DramEnergy(
        elapsed_ns=activity.cycles * clock_ns,
        act_pre_pj_per_rank=activity.activates * each.act_pre_pj_per_act,
        read_pj_per_rank=activity.reads * each.read_pj_per_rd,
        write_pj_per_rank=activity.writes * each.write_pj_per_wr,
        refresh_pj_per_rank=activity.refreshes * each.refresh_pj_per_ref,
        background_active_pj_per_rank=activity.active_cycles * clock_ns * each.background_active_mw_per_rank,
        background_idle_pj_per_rank=activity.idle_cycles * clock_ns * each.background_idle_mw_per_rank,
    )


COVERED = "the DRAM devices' supply VDD; not their I/O drivers, termination, VPP, nor the controllers"
"""What ``energy_section`` counts."""


def energy_section(
    standard: str, spec: DramSpec, activity: Sequence[RankActivity]
) -> tuple[dict[str, Any] | None, str | None]:
    """Return what the ranks of U channels drew as plain JSON data, or None and the reason why that is not known.

    Every part and the total are there over ``all_ranks`` and ``per_rank``, the latter as lists by channel of
    lists by rank. ``activity`` are the channels' ranks over the same clocks.
    """
    try:
        idd = currents_of(standard)
        whole = [
            np.concatenate([getattr(one, field.name) for one in activity])
            for field in fields(activity[0])[1:]
        ]
        energy = idd_energy(RankActivity(activity[0].cycles, *whole), idd, spec)
    except ConfigError as error:
        return None, str(error).removeprefix("energy: ")
    ns, total = energy.elapsed_ns, energy.total_pj_per_rank
    per_rank = {field.name: getattr(energy, field.name) for field in fields(energy)[1:]}
    per_rank |= {
        "total_pj_per_rank": total,
        "mean_power_mw_per_rank": total / ns if ns else np.zeros_like(total),
    }
    section = {"currents": idd.name, "covers": COVERED, "elapsed_ns": ns}
    section |= {f"{name}_all_ranks": value for name, value in energy.parts_pj.items()}
    section |= {"total_pj_all_ranks": energy.total_pj, "mean_power_mw_all_ranks": energy.mean_power_mw}
    channels = len(activity)
    return section | {name: values.reshape(channels, -1).tolist() for name, values in per_rank.items()}, None


@dataclass(frozen=True, kw_only=True)
class OperationCounts:
    """How often each operation of the per-operation ledger happened; bits count every bit moved."""

    activates: float = 0
    column_bits: float = 0
    off_chip_io_bits: float = 0
    rank_cache_accesses: float = 0
    fp32_adds: float = 0
    fp32_multiplies: float = 0


@dataclass(frozen=True)
class OperationEnergy:
    """Energy by kind of operation; the parts are all there is."""

    activate_pj: float
    column_pj: float
    off_chip_io_pj: float
    rank_cache_pj: float
    fp32_add_pj: float
    fp32_multiply_pj: float

    @property
    def total_pj(self) -> float:
        """All parts."""
        return sum(float(getattr(self, field.name)) for field in fields(self))


def per_operation_energy(counts: OperationCounts, costs: OperationCosts) -> OperationEnergy:
    """Return energy as RecNMP (ISCA 2020) accounts for it: a fixed price for every operation.

    Not modelled here besides: background and refresh, precharges apart from activations, instruction delivery
    unless its bits are among ``off_chip_io_bits``, leakage of caches and units. Raises RecnmpError for a
    negative count.
    """
    if any(getattr(counts, field.name) < 0 for field in fields(counts)):
        raise RecnmpError(f"energy: a count is below 0: {counts}")
    return OperationEnergy(
        activate_pj=counts.activates * costs.activate_nj.value * 1000,
        column_pj=counts.column_bits * costs.column_pj_per_bit.value,
        off_chip_io_pj=counts.off_chip_io_bits * costs.off_chip_io_pj_per_bit.value,
        rank_cache_pj=counts.rank_cache_accesses * costs.rank_cache_access_pj.value,
        fp32_add_pj=counts.fp32_adds * costs.fp32_add_pj.value,
        fp32_multiply_pj=counts.fp32_multiplies * costs.fp32_multiply_pj.value,
    )
