"""The border between the dense part and everything that uses its time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from recnmp.library.device import (
    PARTS,
    ArithmeticDtype,
    PartTiming,
    in_order,
    instability,
)
from recnmp.library.machine import Machine

__all__ = ["BEFORE_SLS", "PARTS", "MlpTiming", "PartTiming", "part_from_samples"]

BEFORE_SLS = ("h2d_features", "bottom_mlp")
"""Parts that read no pooled vector, so that they may run while memory gathers."""


def part_from_samples(samples: Sequence[float], digits: int = 1) -> PartTiming:
    """Summarise ``samples``, each the time of one call in ns, as median, interquartile range and minimum."""
    low, median, high = np.percentile(samples, [25, 50, 75])
    return PartTiming(
        median_ns=round(float(median), digits),
        iqr_ns=round(float(high - low), digits),
        min_ns=round(float(min(samples)), digits),
        repeats=len(samples),
    )


@dataclass(frozen=True)
class MlpTiming:
    """The dense parts of a model for one batch of ``batch_size`` samples [ns], and how they were obtained.

    ``parts`` are those the model has, by name, in the order they run, and on a GPU the two transfers to it;
    launches are included, ``kernel_only`` is without them. ``method`` is ``measured`` for times taken in this
    run and ``profile`` for stored ones, whose day is ``measured_on`` and whose caveats are in ``note``;
    ``age_days`` is how old they were when they were used. ``backend`` names the library and its version,
    ``clock`` cpu means without the time that other work had the core, ``cpu_share`` is CPU time over wall time
    and threads while measuring, None on a GPU. A part is timed over and over, so its weights stay in the caches.
    ``host_slowdown`` is how many times longer a part takes on a host that gathers for co-located models
    meanwhile, 1 for a part it lacks; ``interference`` says where that comes from, and is empty where it is not
    modelled.
    """

    model: str
    batch_size: int
    parts: Mapping[str, PartTiming]
    method: Literal["measured", "profile"]
    backend: str
    threads: int
    machine: Machine
    cpu_share: float | None
    kernel_only: Mapping[str, PartTiming] | None = None
    device_kind: Literal["cpu", "cuda"] = "cpu"
    dtype: ArithmeticDtype = "fp32"
    compiled: bool = False
    clock: Literal["wall", "cpu"] = "wall"
    device: str | None = None
    measured_on: str | None = None
    age_days: int | None = None
    note: str = ""
    host_slowdown: Mapping[str, float] = field(default_factory=dict)
    interference: str = ""

    def __post_init__(self) -> None:
        """Put the parts into the order they run."""
        object.__setattr__(self, "parts", in_order(self.parts))

    @property
    def total_ns(self) -> float:
        """Sum of the parts' medians [ns]: the dense part alone, nothing overlapped."""
        return sum(part.median_ns for part in self.parts.values())

    @property
    def before_sls_ns(self) -> float:
        """Sum of the medians of parts that need no pooled vector [ns]."""
        return sum(part.median_ns for name, part in self.parts.items() if name in BEFORE_SLS)

    @property
    def spread(self) -> float:
        """Largest interquartile range of a part over its median."""
        return max(part.spread for part in self.parts.values())

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
        kernel_only = {name: part.model_dump() for name, part in (self.kernel_only or {}).items()}
        return {
            "method": self.method,
            "backend": self.backend,
            "threads": self.threads,
            "device_kind": self.device_kind,
            "dtype": self.dtype,
            "compiled": self.compiled,
            "clock": self.clock,
            "batch_size": self.batch_size,
            **{name: part.model_dump() for name, part in self.parts.items()},
            **({"kernel_only": kernel_only} if kernel_only else {}),
            "total_ns": self.total_ns,
            "spread": round(self.spread, 4),
            "stable": self.stable,
            "unstable_because": self.unstable_because,
            "cpu_share": self.cpu_share,
            "machine": self.machine.model_dump(exclude_none=True),
            "device": self.device,
            "measured_on": self.measured_on,
            "age_days": self.age_days,
            "note": self.note,
            "host_slowdown": {name: round(factor, 4) for name, factor in self.host_slowdown.items()},
            "interference": self.interference,
        }
