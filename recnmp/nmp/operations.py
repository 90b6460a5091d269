"""What a run did, counted over the whole run, all channels together; what ranks read, and when."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.memory.activity import RankActivity
from recnmp.nmp.over_time import OverTime

_NO_COUNTS = ("activity", "unit", "rank_lookups", "over_time")


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Operations of one run; bits are those that cross a channel's pins, adds and multiplies are of FP32 elements.

    Attributes:
        activity: what the ranks of every DRAM controller did.
        data_bits: bursts that the host itself reads to gather.
        traffic_bits: bursts of the host's other traffic, which lasts as long as the run.
        instruction_bits: what tells near memory which entries to read.
        configuration_bits: what else it is told: headers, registers, triggers.
        result_bits: sums that the host reads back.
        poll_bits: the host asking whether they are there.
        rank_cache_lookups, rank_cache_fills: bursts looked up in RankCaches, and bursts put there.
        rank_adds: elements that rank units add to their sums, the first of a sum included.
        dimm_adds: elements that DIMMs add across their ranks.
        dequantise_adds, dequantise_multiplies: biases and scales of 8-bit elements.
        weight_multiplies: elements multiplied by their lookup's weight.
        host_adds: elements that the host adds; they take energy of its cores, not of memory.
        unit: file of ``library/energy`` with the power and area of the architecture's processing units.
        rank_lookups: lookups of each rank, shape (C, R) for C channels of R ranks.
        over_time: what was moved when.

    Raises RecnmpError for a count below 0.
    """

    activity: tuple[RankActivity, ...]
    data_bits: int = 0
    traffic_bits: int = 0
    instruction_bits: int = 0
    configuration_bits: int = 0
    result_bits: int = 0
    poll_bits: int = 0
    rank_cache_lookups: int = 0
    rank_cache_fills: int = 0
    rank_adds: int = 0
    dimm_adds: int = 0
    dequantise_adds: int = 0
    dequantise_multiplies: int = 0
    weight_multiplies: int = 0
    host_adds: int = 0
    unit: str | None = None
    rank_lookups: NDArray[np.int64] | None = None
    over_time: OverTime | None = None

    def __post_init__(self) -> None:
        below = [name for name, count in self.counts.items() if count < 0]
        if below:
            raise RecnmpError(f"operations: {', '.join(below)} below 0")

    @property
    def counts(self) -> dict[str, int]:
        """Every count by its name."""
        return {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in _NO_COUNTS
        }

    @property
    def rank_loads(self) -> dict[str, Any]:
        """Lookups of each rank and bursts that it read, other traffic's included, channel by channel."""
        if self.rank_lookups is None:
            return {}
        read = np.concatenate([ranks.reads for ranks in self.activity]).astype(np.int64)
        return {"lookups": self.rank_lookups, "bursts_read": read.reshape(self.rank_lookups.shape)}

    @property
    def activates(self) -> float:
        """ACTs of all ranks."""
        return float(sum(ranks.activates.sum() for ranks in self.activity))

    @property
    def column_commands(self) -> float:
        """RDs and WRs of all ranks, a burst each."""
        return float(sum(ranks.reads.sum() + ranks.writes.sum() for ranks in self.activity))
