"""Stored times of machines, read from ``library/devices/*.yaml``."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from recnmp._registry import PACKAGE
from recnmp.config import Document
from recnmp.config.mapping import names_file
from recnmp.library.host_times import Clock, Roof, SlsTimes
from recnmp.library.machine import Machine
from recnmp.library.model import DENSE_PARTS, RecModel
from recnmp.library.part_timing import (
    CpuShare,
    Day,
    MeasuredFacts,
    PartTiming,
    Size,
    Stable,
    check_stable,
    instability,
)
from recnmp.units import TableDtype

__all__ = ["MeasuredFacts", "PartTiming", "instability"]

TRANSFERS = ("h2d_features", "h2d_pooled")
"""What a GPU needs sent from the host's memory: dense features before the bottom MLP, pooled vectors after SLS."""

PARTS = ("h2d_features", "bottom_mlp", "h2d_pooled", *(p for p in DENSE_PARTS if p != "bottom_mlp"))
"""All parts outside SLS that a model may have on some device, in the order they run."""

ArithmeticDtype = Literal["fp32", "bf16", "int8"]
Parts = dict[str, PartTiming]


def in_order(parts: Mapping[str, PartTiming]) -> Parts:
    """Return ``parts`` in the order they run; raises ValueError for a name that is no part."""
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"unknown part {unknown[0]!r}; allowed: {', '.join(PARTS)}")
    return {name: parts[name] for name in PARTS if name in parts}


class BatchTimes(MeasuredFacts):
    """The dense parts of one model at one batch size, launches included."""

    batch_size: Size
    parts: Parts = Field(min_length=1, description="by name, in the order they run")
    kernel_only: Parts | None = Field(None, description="the same on a GPU by graph replay: no launches")
    cpu_share: CpuShare | None = Field(None, description="absent on a GPU")
    stable: Stable

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_stable(self.parts, self.cpu_share, self.stable)
        for parts in (self.parts, self.kernel_only or {}):
            if list(in_order(parts)) != list(parts):
                raise ValueError(f"parts must be listed in the order {', '.join(in_order(parts))}")
        return self


class ModelTimes(MeasuredFacts):
    """What was measured for one model: its layers, then its times by batch size, smallest first."""

    layers: dict[str, Any] = Field(description="`RecModel.layers` of the model that was measured")
    batches: tuple[BatchTimes, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(a.batch_size >= b.batch_size for a, b in pairwise(self.batches)):
            raise ValueError("batches must be listed once each, smallest batch_size first")
        return self

    def fits(self, model: RecModel) -> bool:
        """Whether these times were taken for a model with the layers of ``model``."""
        return self.layers == model.layers


class GatherTimes(MeasuredFacts):
    """The host's gather-reduce by one number of threads: time of a lookup, rate of the bytes it reads."""

    dtype: TableDtype
    threads: Size
    per_lookup: PartTiming
    gb_per_s: float = Field(gt=0, description="bytes of the entries read over time, 10^9 bytes a second")
    table_bytes: Size = Field(description="allocated for the tables")
    passes: Size = Field(description="times the trace was gone through, other entries each time")
    cpu_share: CpuShare
    stable: Stable

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_stable({"lookup": self.per_lookup}, self.cpu_share, self.stable)
        return self


class GatherProfile(MeasuredFacts):
    """The host's gather-reduce on the indices of one trace."""

    date: Day
    backend: str
    trace_digest: str
    lookups: Size
    bags: Size
    logical_bytes: Size = Field(description="of all tables, as the model has them, in FP32")
    placement: str = Field(description="how the model's tables were put into what was allocated")
    points: tuple[GatherTimes, ...] = Field(min_length=1)


class BesideTimes(MeasuredFacts):
    """Dense parts and a gather, each alone and both at once."""

    batch_size: Size
    gather_threads: Size = Field(description="threads that gather beside the dense part")
    alone: Parts
    beside: Parts = Field(description="the same parts with the gather beside them")
    gather_alone: PartTiming = Field(description="a lookup of the gather")
    gather_beside: PartTiming
    cpu_share: CpuShare

    @model_validator(mode="after")
    def _same_parts(self) -> Self:
        if list(self.alone) != list(self.beside) or list(in_order(self.alone)) != list(self.alone):
            raise ValueError("alone and beside must list the same parts, in the order they run")
        return self

    @property
    def unstable_because(self) -> str:
        """Why the figures may be off: a spread that is too wide, a CPU that was shared; empty when stable."""
        gather = {"gather alone": self.gather_alone, "gather beside": self.gather_beside}
        return instability(self.alone | self.beside | gather, self.cpu_share)

    @property
    def dense_slowdown(self) -> dict[str, float]:
        """Time beside the gather over time alone, by part; noise below 1 counts as 1."""
        return {
            name: max(1.0, part.median_ns / self.alone[name].median_ns) for name, part in self.beside.items()
        }

    @property
    def sls_slowdown(self) -> float:
        """Time of a lookup beside the dense part over that alone; noise below 1 counts as 1."""
        return max(1.0, self.gather_beside.median_ns / self.gather_alone.median_ns)


class Interference(MeasuredFacts):
    """How much a model's dense part and a gather slow each other down on this machine."""

    date: Day
    layers: dict[str, Any]
    gather: str = Field(description="what gathered: indices, table type, bytes of tables")
    points: tuple[BesideTimes, ...] = Field(min_length=1)


class DeviceProfile(MeasuredFacts):
    """Measured times on one machine, to be replayed without that machine."""

    name: str
    source: str = Field(description="how the figures were obtained")
    note: str = Field("", description="what a reader must know about this machine")
    date: Day
    machine: Machine
    device: Literal["cpu", "cuda"] = "cpu"
    dtype: ArithmeticDtype = Field("fp32", description="of weights and activations; int8: weights of MLPs")
    compiled: bool = Field(False, description="by torch.compile")
    clock: Clock = Field(
        "wall", description="of dense parts; cpu: without the time that other work had the core"
    )
    clocks: dict[str, str] = Field(default_factory=dict, description="read, not set, before and after")
    backend: str = Field(description="library that did the matrix products, with its version")
    threads: Size
    versions: dict[str, str]
    models: dict[str, ModelTimes] = Field(
        default_factory=dict, description="dense parts, by file name in library/models"
    )
    sls: dict[str, GatherProfile] = Field(default_factory=dict, description="the host's own gather-reduce")
    sls_batches: dict[str, SlsTimes] = Field(
        default_factory=dict, description="SLS of whole batches, by file name in library/models"
    )
    roof: Roof | None = Field(None, description="the most that computes and that moves, as measured")
    interference: dict[str, Interference] = Field(
        default_factory=dict, description="dense parts beside a gather, by file name in library/models"
    )

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.models or self.sls or self.sls_batches or self.roof or self.interference):
            raise ValueError("must have models, sls, sls_batches, roof or interference")
        return self


def load_device(name: str) -> DeviceProfile:
    """Read ``library/devices/<name>.yaml``, or the YAML file ``name``, as ``mlp.device`` of a configuration does.

    Raises ConfigError with file and line for what is wrong in it.
    """
    return read_profile(Path(name) if names_file(name) else PACKAGE / "library" / "devices" / f"{name}.yaml")


def read_profile(file: Path) -> DeviceProfile:
    """Read a device profile from ``file``; raises ConfigError with file and line for what is wrong in it."""
    return Document.read(file).validate(DeviceProfile)
