"""What else a device profile holds of a CPU: SLS of whole batches as one operator, and the machine's own roofs."""

from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from recnmp.library.model import RecModel
from recnmp.library.part_timing import CpuShare, Day, MeasuredFacts, PartTiming, Size, Stable, check_stable
from recnmp.units import TableDtype

Clock = Literal["wall", "cpu"]


class SlsBatch(MeasuredFacts):
    """SLS over all tables of a model for one batch, calls of the framework included."""

    batch_size: Size
    sls: PartTiming
    cpu_share: CpuShare
    stable: Stable

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_stable({"sls": self.sls}, self.cpu_share, self.stable)
        return self


class SlsTimes(MeasuredFacts):
    """SLS of one model by batch size, smallest first: what stands beside the times of its dense parts."""

    date: Day
    backend: str
    dtype: TableDtype
    threads: Size
    clock: Clock
    indices: str = Field(description="whose entries were looked up")
    table_bytes: Size = Field(description="allocated for the tables, at most")
    tables: tuple[dict[str, Any], ...] = Field(description="`tables_of` the model that was measured")
    batches: tuple[SlsBatch, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(a.batch_size >= b.batch_size for a, b in pairwise(self.batches)):
            raise ValueError("batches must be listed once each, smallest batch_size first")
        return self

    def fits(self, model: RecModel) -> bool:
        """Whether these times were taken for the tables of ``model``."""
        return self.tables == tables_of(model)


def tables_of(model: RecModel) -> tuple[dict[str, Any], ...]:
    """Return all that the time of a model's SLS depends on, as plain data; the type is stated apart."""
    return tuple(group.model_dump(exclude={"dtype"}) for group in model.tables)


class Roof(MeasuredFacts):
    """The most that one machine computes and moves: a large matrix product, and copies in DRAM and in cache.

    ``gemm`` is the time of an FP32 product of two square matrices of ``gemm_size``; ``dram_copy`` and
    ``cache_copy`` those of copying so many bytes, of which each byte is read once and written once
    (that DRAM also reads what is overwritten is not counted, as STREAM does not).
    """

    date: Day
    backend: str
    threads: Size
    clock: Clock
    gemm_size: Size
    gemm: PartTiming
    dram_copy_bytes: Size
    dram_copy: PartTiming
    cache_copy_bytes: Size
    cache_copy: PartTiming
    cpu_share: CpuShare
    stable: Stable

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_stable(self.parts, self.cpu_share, self.stable)
        return self

    @property
    def parts(self) -> dict[str, PartTiming]:
        """The three times by name."""
        return {"gemm": self.gemm, "dram_copy": self.dram_copy, "cache_copy": self.cache_copy}

    @property
    def gflop_per_s(self) -> float:
        """Rate of the product, multiplications and additions counted apart."""
        return 2 * self.gemm_size**3 / self.gemm.median_ns

    @property
    def dram_gb_per_s(self) -> float:
        """Bytes read and written in DRAM, 10^9 a second."""
        return 2 * self.dram_copy_bytes / self.dram_copy.median_ns

    @property
    def cache_gb_per_s(self) -> float:
        """Bytes read and written in cache, 10^9 a second."""
        return 2 * self.cache_copy_bytes / self.cache_copy.median_ns
