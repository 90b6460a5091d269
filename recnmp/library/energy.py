"""What DRAM and near-memory units draw, read from ``library/energy/*.yaml``.

A file of ``kind: idd`` holds the supply currents of a DRAM device, one of ``kind: operations`` the energies that
a paper charges for single operations.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recnmp._registry import PACKAGE
from recnmp.config import Document

Certainty = Literal["read at the source", "derived", "recalled, not verified"]
"""How sure a value is; ``derived`` follows from other facts."""


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Quantity(_Facts):
    """A number, where it comes from and how sure it is; its unit ends the name it stands under."""

    value: Annotated[float, Field(gt=0)]
    source: str = Field(min_length=3)
    certainty: Certainty


class Count(_Facts):
    """A whole number, where it comes from and how sure it is."""

    value: Annotated[int, Field(ge=1)]
    source: str = Field(min_length=3)
    certainty: Certainty


class IddCurrents(_Facts):
    """Supply currents of one DRAM device in the operating modes of its data sheet.

    Attributes:
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


class OperationCosts(_Facts):
    """Energies of single operations as a paper charges them.

    Attributes:
        activate_nj: one ACT, taken to be that of a rank with all its devices.
        column_pj_per_bit: reading a bit from an open row, or writing it.
        off_chip_io_pj_per_bit: moving a bit between a DIMM and the host.
        rank_cache_access_pj: one read or write of a RankCache.
        fp32_add_pj: one addition of two FP32 values.
        fp32_multiply_pj: one multiplication of two FP32 values.
    """

    kind: Literal["operations"]
    name: str
    activate_nj: Quantity
    column_pj_per_bit: Quantity
    off_chip_io_pj_per_bit: Quantity
    rank_cache_access_pj: Quantity
    fp32_add_pj: Quantity
    fp32_multiply_pj: Quantity


def load_idd(name: str) -> IddCurrents:
    """Read ``library/energy/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return _read(name).validate(IddCurrents)


def load_operation_costs(name: str) -> OperationCosts:
    """Read ``library/energy/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return _read(name).validate(OperationCosts)


def _read(name: str) -> Document:
    return Document.read(PACKAGE / "library" / "energy" / f"{name}.yaml")
