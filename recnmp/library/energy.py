"""What DRAM and near-memory units draw, read from ``library/energy/*.yaml``.

A file of ``kind: idd`` holds the supply currents of a DRAM device, one of ``kind: operations`` the energies that
a paper charges for single operations, one of ``kind: unit`` power and area of a processing unit near memory.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from recnmp._registry import PACKAGE, library_names
from recnmp.config import Document
from recnmp.errors import ConfigError
from recnmp.library.facts import Count, Facts, Quantity


class IddCurrents(Facts):
    """Supply currents of one DRAM device in the operating modes of its data sheet.

    Attributes:
        standard: file of ``library/standards`` that the device follows.
        source: where the file's values come from; each also has its own.
        data_rate_mt_per_s: speed grade that the currents belong to.
        devices_per_rank: devices that act together; all other figures are per device.
        vdd_v: supply voltage.
        idd0_ma: one bank opened and closed every nRC.
        idd2n_ma: standby with all banks closed.
        idd3n_ma: standby with banks open.
        idd4r_ma: reading without a gap.
        idd4w_ma: writing without a gap.
        idd5b_ma: refreshing all banks without a gap.
    """

    kind: Literal["idd"]
    name: str
    standard: str
    source: str = Field(min_length=20)
    data_rate_mt_per_s: Count
    devices_per_rank: Count
    vdd_v: Quantity
    idd0_ma: Quantity
    idd2n_ma: Quantity
    idd3n_ma: Quantity
    idd4r_ma: Quantity
    idd4w_ma: Quantity
    idd5b_ma: Quantity

    @model_validator(mode="after")
    def _commands_draw_more_than_standby(self) -> Self:
        if self.idd2n_ma.value > self.idd3n_ma.value:
            raise ValueError("idd2n_ma is above idd3n_ma: closed banks would draw more than open ones")
        for name in ("idd4r_ma", "idd4w_ma", "idd5b_ma"):
            if getattr(self, name).value < self.idd3n_ma.value:
                raise ValueError(f"{name} is below idd3n_ma: the command would give energy back")
        return self


class OperationCosts(Facts):
    """Energies of single operations as a paper charges them.

    Attributes:
        standard: file of ``library/standards`` whose memory the paper charges for.
        source: the paper; each value also has its own.
        activate_nj: one ACT, taken to be that of a rank with all its devices.
        column_pj_per_bit: reading a bit from an open row, or writing it.
        off_chip_io_pj_per_bit: moving a bit between a DIMM and the host.
        rank_cache_access_pj: one read or write of a RankCache.
        fp32_add_pj: one addition of two FP32 values.
        fp32_multiply_pj: one multiplication of two FP32 values.
    """

    kind: Literal["operations"]
    name: str
    standard: str
    source: str = Field(min_length=20)
    activate_nj: Quantity
    column_pj_per_bit: Quantity
    off_chip_io_pj_per_bit: Quantity
    rank_cache_access_pj: Quantity
    fp32_add_pj: Quantity
    fp32_multiply_pj: Quantity


class UnitCosts(Facts):
    """Power and area of a processing unit: what the buffer chip of one DIMM gains.

    Attributes:
        source: the paper; each value also has its own.
        area_without_cache_mm2, power_without_cache_mw: of a unit without RankCaches.
        area_with_cache_mm2, power_with_cache_mw: of one with a RankCache for each rank.
        technology_nm, clock_mhz: what it is made of and runs at.
        ranks, rank_cache_bytes: ranks of its DIMM, and the size of each one's RankCache.
    """

    kind: Literal["unit"]
    name: str
    source: str = Field(min_length=20)
    area_without_cache_mm2: Quantity
    power_without_cache_mw: Quantity
    area_with_cache_mm2: Quantity
    power_with_cache_mw: Quantity
    technology_nm: Quantity
    clock_mhz: Quantity
    ranks: Count
    rank_cache_bytes: Count

    def scaled_area_mm2(self, ranks: int, rank_cache_bytes: int) -> float:
        """Return the area of a unit of another size [mm2], an estimate; ``rank_cache_bytes`` is 0 without RankCaches.

        Logic is in proportion to ranks, RankCaches to their bytes. Not modelled: the DIMM's own part, which does not
        shrink with ranks; tags, ways and ports; the periphery that small memories cannot do without.
        """
        cache = self.area_with_cache_mm2.value - self.area_without_cache_mm2.value
        of_bytes = rank_cache_bytes / self.rank_cache_bytes.value
        return ranks / self.ranks.value * (self.area_without_cache_mm2.value + cache * of_bytes)

    @model_validator(mode="after")
    def _caches_are_not_free(self) -> Self:
        for what in ("area_{}_cache_mm2", "power_{}_cache_mw"):
            without, with_cache = (getattr(self, what.format(word)).value for word in ("without", "with"))
            if without >= with_cache:
                raise ValueError(f"{what.format('without')} is not below {what.format('with')}")
        return self


def load_idd(name: str) -> IddCurrents:
    """Read ``library/energy/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return _read(name).validate(IddCurrents)


def currents_of(standard: str) -> IddCurrents:
    """Return the currents of devices of a DRAM standard; raises ConfigError where the library has none."""
    files = [load_energy(name) for name in library_names("energy")]
    known = {file.standard: file for file in files if isinstance(file, IddCurrents)}
    if standard not in known:
        raise ConfigError(
            f"energy: there are no supply currents of {standard}, so its energy is not known; "
            f"there are of {', '.join(sorted(known))}"
        )
    return known[standard]


def load_operation_costs(name: str) -> OperationCosts:
    """Read ``library/energy/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return _read(name).validate(OperationCosts)


def load_unit_costs(name: str) -> UnitCosts:
    """Read ``library/energy/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return _read(name).validate(UnitCosts)


def load_energy(name: str) -> IddCurrents | OperationCosts | UnitCosts:
    """Read ``library/energy/<name>.yaml`` of any kind; raises ConfigError for anything wrong in it."""
    document = _read(name)
    match document.data.get("kind"):
        case "idd":
            return document.validate(IddCurrents)
        case "operations":
            return document.validate(OperationCosts)
        case "unit":
            return document.validate(UnitCosts)
        case kind:
            raise document.error(("kind",), f"unknown kind {kind!r}", ["idd", "operations", "unit"])


def _read(name: str) -> Document:
    return Document.read(PACKAGE / "library" / "energy" / f"{name}.yaml")
