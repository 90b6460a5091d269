"""The border between the dense part and everything that uses its time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recnmp.library.device import PARTS, Machine, PartTiming, instability

__all__ = ["PARTS", "MlpTiming", "PartTiming", "part_from_samples"]


def part_from_samples(samples: Sequence[float]) -> PartTiming:
    """Summarise ``samples``, each the time of one call in ns, as median, interquartile range and minimum."""
    low, median, high = np.percentile(samples, [25, 50, 75])
    return PartTiming(
        median_ns=round(float(median), 1),
        iqr_ns=round(float(high - low), 1),
        min_ns=round(float(min(samples)), 1),
        repeats=len(samples),
    )


@dataclass(frozen=True)
class MlpTiming:
    """The dense parts of a model for one batch of ``batch_size`` samples [ns], and how they were obtained.

    ``method`` is ``measured`` for times taken in this run and ``profile`` for stored ones, whose day is
    ``measured_on`` and whose caveats are in ``note``. ``backend`` names the matrix library and its version,
    ``cpu_share`` is CPU time over wall time and threads while measuring. A part is timed over and over, so
    its weights stay in the CPU's caches; a gather that evicts them between batches is not modelled.
    """

    model: str
    batch_size: int
    bottom_mlp: PartTiming
    interaction: PartTiming
    top_mlp: PartTiming
    method: Literal["measured", "profile"]
    backend: str
    threads: int
    machine: Machine
    cpu_share: float
    device: str | None = None
    measured_on: str | None = None
    note: str = ""

    @property
    def parts(self) -> Mapping[str, PartTiming]:
        """The three parts by name, in the order they run."""
        return {name: getattr(self, name) for name in PARTS}

    @property
    def total_ns(self) -> float:
        """Sum of the three medians [ns]: the dense part alone, nothing overlapped."""
        return sum(part.median_ns for part in self.parts.values())

    @property
    def unstable_because(self) -> str:
        """Why the times may be off: parts that vary too much, a CPU that was shared; empty when stable."""
        return instability(self.parts, self.cpu_share)

    @property
    def stable(self) -> bool:
        """Whether every part's spread and the CPU share are within the limits of `recnmp.library.device`."""
        return not self.unstable_because

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, in a fixed order."""
        return {
            "method": self.method,
            "backend": self.backend,
            "threads": self.threads,
            "batch_size": self.batch_size,
            **{name: part.model_dump() for name, part in self.parts.items()},
            "total_ns": self.total_ns,
            "stable": self.stable,
            "unstable_because": self.unstable_because,
            "cpu_share": self.cpu_share,
            "machine": self.machine.model_dump(),
            "device": self.device,
            "measured_on": self.measured_on,
            "note": self.note,
        }
