"""Stored times of machines, read from ``library/devices/*.yaml``, and a description of the one at hand."""

import os
import platform
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recnmp._registry import PACKAGE
from recnmp.config import Document
from recnmp.library.model import Interaction, RecModel

MAX_SPREAD = 0.15
"""Largest interquartile range of a part, as a share of its median, that still counts as stable."""

MIN_CPU_SHARE = 0.95
"""Smallest CPU time over wall time and threads that counts as stable: below it something else had the cores,
or the parts are too small for that many threads."""

PARTS = ("bottom_mlp", "interaction", "top_mlp")
"""The dense parts of a model, in the order they run."""

Size = Annotated[int, Field(ge=1)]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PartTiming(_Facts):
    """The time one part of a model takes for one batch."""

    median_ns: float = Field(gt=0)
    iqr_ns: float = Field(ge=0, description="interquartile range of the samples")
    min_ns: float = Field(gt=0)
    repeats: Size = Field(description="timed samples behind these figures")


def instability(parts: Mapping[str, PartTiming], cpu_share: float) -> str:
    """Say why a measurement is not to be trusted to the last digit; empty when it is stable.

    ``cpu_share`` is the process's CPU time over wall time and threads while it was timed.
    """
    reasons = [
        f"{name} spread {part.iqr_ns / part.median_ns:.0%}"
        for name, part in parts.items()
        if part.iqr_ns > MAX_SPREAD * part.median_ns
    ]
    if cpu_share < MIN_CPU_SHARE:
        reasons.append(f"threads on a CPU only {cpu_share:.0%} of the time")
    return ", ".join(reasons)


class BatchTimes(_Facts):
    """The dense parts of one model at one batch size."""

    batch_size: Size
    bottom_mlp: PartTiming
    interaction: PartTiming
    top_mlp: PartTiming
    cpu_share: float = Field(ge=0, description="CPU time over wall time and threads, while measuring")
    stable: bool = Field(description="spread and CPU share within the limits of this module")

    @property
    def parts(self) -> dict[str, PartTiming]:
        """The parts by name, in the order they run."""
        return {name: getattr(self, name) for name in PARTS}

    @model_validator(mode="after")
    def _flag_agrees(self) -> Self:
        why = instability(self.parts, self.cpu_share)
        if self.stable == bool(why):
            raise ValueError(f"stable is {self.stable}, but the figures say: {why or 'within the limits'}")
        return self


class ModelTimes(_Facts):
    """What was measured for one model: its layers, then its times by batch size, smallest first."""

    bottom_mlp: tuple[Size, ...]
    interaction: Interaction
    top_input: Size
    top_mlp: tuple[Size, ...]
    batches: tuple[BatchTimes, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(a.batch_size >= b.batch_size for a, b in pairwise(self.batches)):
            raise ValueError("batches must be listed once each, smallest batch_size first")
        return self

    def fits(self, model: RecModel) -> bool:
        """Whether these times were taken for a model with the layers of ``model``."""
        return all(getattr(self, key) == getattr(model, key) for key in ("top_input", "interaction", *_MLPS))


_MLPS = ("bottom_mlp", "top_mlp")


class Machine(_Facts):
    """The computer that was measured, without anything that names its owner."""

    cpu_model: str
    cores: Size = Field(description="cores the process may run on")
    system: str

    def __str__(self) -> str:
        return f"{self.cpu_model}, {self.cores} core{'s' * (self.cores > 1)}, {self.system}"


class DeviceProfile(_Facts):
    """Measured times of the dense part on one machine, to be replayed without that machine."""

    name: str
    source: str = Field(description="how the figures were obtained")
    note: str = Field("", description="what a reader must know about this machine")
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="day of measurement, UTC")
    machine: Machine
    backend: str = Field(description="library that did the matrix products, with its version")
    threads: Size
    versions: dict[str, str]
    models: dict[str, ModelTimes] = Field(min_length=1, description="by file name in library/models")


def load_device(name: str) -> DeviceProfile:
    """Read ``library/devices/<name>.yaml``; raises ConfigError with file and line for what is wrong in it."""
    return Document.read(PACKAGE / "library" / "devices" / f"{name}.yaml").validate(DeviceProfile)


def available_cores() -> int:
    """Return the cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's own name where the system tells it, else the architecture."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def this_machine() -> Machine:
    """Describe the computer this runs on."""
    return Machine(
        cpu_model=cpu_model(), cores=available_cores(), system=f"{platform.system()} {platform.machine()}"
    )
