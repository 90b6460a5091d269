"""What every stored measurement is made of: a time with its spread, and whether it is stable."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_SPREAD = 0.15
"""Largest interquartile range of a part, as a share of its median, that still counts as stable."""

MIN_CPU_SHARE = 0.95
"""Smallest CPU time over wall time and threads that counts as stable: below it something else had the cores,
or the parts are too small for that many threads."""

Size = Annotated[int, Field(ge=1)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="day of measurement, UTC")]


class MeasuredFacts(BaseModel):
    """What was measured, read strictly; nothing in it changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PartTiming(MeasuredFacts):
    """The time one part of a model takes for one batch; of a gather, the time of one lookup."""

    median_ns: float = Field(gt=0)
    iqr_ns: float = Field(ge=0, description="interquartile range of the samples")
    min_ns: float = Field(gt=0)
    repeats: Size = Field(description="timed samples behind these figures")

    @property
    def spread(self) -> float:
        """Interquartile range over median."""
        return self.iqr_ns / self.median_ns


def instability(parts: Mapping[str, PartTiming], cpu_share: float | None) -> str:
    """Say why a measurement is not to be trusted to the last digit; empty when it is stable.

    ``cpu_share`` is the process's CPU time over wall time and threads while it was timed, None where another
    device did the work.
    """
    reasons = [f"{name} spread {part.spread:.0%}" for name, part in parts.items() if part.spread > MAX_SPREAD]
    if cpu_share is not None and cpu_share < MIN_CPU_SHARE:
        reasons.append(f"threads on a CPU only {cpu_share:.0%} of the time")
    return ", ".join(reasons)


def check_stable(parts: Mapping[str, PartTiming], cpu_share: float | None, stable: bool) -> None:
    """Raise ValueError for a flag that the figures contradict."""
    why = instability(parts, cpu_share)
    if stable == bool(why):
        raise ValueError(f"stable is {stable}, but the figures say: {why or 'within the limits'}")


CpuShare = Annotated[float, Field(ge=0, description="CPU time over wall time and threads while measuring")]
Stable = Annotated[bool, Field(description="spread and CPU share within the limits of this module")]
