"""What a run moved, step by step of its time: short enough for a result, exact in its sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.library.dram import DramSpec
from recnmp.memory.traffic import Served
from recnmp.nmp import _kernels as kernel
from recnmp.units import cycles_to_ns

MOST_STEPS = 200

Counts = NDArray[np.int64]


class Steps:
    """Equal steps of a run of ``cycles`` clocks, as few clocks each, a power of two, as make ``MOST_STEPS`` or less.

    The last one ends with the run or after it.
    """

    def __init__(self, cycles: int) -> None:
        self._shift = 0
        while cycles > MOST_STEPS << self._shift:
            self._shift += 1
        self.cycles = 1 << self._shift
        self.count = -(-cycles // self.cycles)

    def arrived(self, clock: Counts, amount: NDArray[np.uint8] | None = None) -> Counts:
        """Return what arrived in each step, shape (count,).

        ``clock`` is where the last data beat of each had ended, shape (N,), ``amount`` what came, 1 when not given.
        """
        moved = np.zeros(self.count, np.int64)
        kernel.count_steps(
            clock, np.ones(len(clock), np.uint8) if amount is None else amount, self._shift, moved
        )
        return moved

    def busy(self, begin: Counts, length: Counts) -> Counts:
        """Return the clocks of each step that spans cover, shape (count,); they follow one another in time."""
        edge = np.arange(self.count + 1) << self._shift
        before = np.concatenate([[0], np.cumsum(length)])
        last = np.searchsorted(begin, edge, "right") - 1  # the span that has begun at an edge
        if not len(begin):
            return np.zeros(self.count, np.int64)
        within = np.clip(edge - begin[np.maximum(last, 0)], 0, length[np.maximum(last, 0)])
        covered: Counts = np.diff(np.where(last < 0, 0, before[np.maximum(last, 0)] + within))
        return covered


def traffic_bytes(served: Sequence[Served], cycles: int, steps: Steps, spec: DramSpec) -> Counts | None:
    """Return the bytes of the host's other traffic that passed in each step; None without any, shape (count,)."""
    passed = np.concatenate([one.passed for one in served])
    if not len(passed):
        return None
    in_time = passed[(passed >= 0) & (passed <= cycles)]
    return steps.arrived(np.maximum(in_time, 1)) * spec.organization.burst_bytes.value


@dataclass(frozen=True)
class OverTime:
    """Amounts by step of a run.

    Attributes:
        steps: the steps.
        spec: standard of the memory.
        buses: data buses that carried the data: one per channel, near memory one per rank.
        data_bytes: what the gather read from DRAM, counted where its last beat ended, shape (count,).
        traffic_bytes: bursts of the host's other traffic; None without such traffic.
        channel_cycles: clocks that each use took of the channels' data buses, by its name in ``nmp.time_share``.
    """

    steps: Steps
    spec: DramSpec
    buses: int
    data_bytes: Counts
    traffic_bytes: Counts | None = None
    channel_cycles: Mapping[str, Counts] | None = None

    def figures(self) -> dict[str, object]:
        """Return the ``over_time`` of a result's ``memory`` section."""
        clock_ns = cycles_to_ns(1, self.spec.tCK_ps.value)
        burst_ns = self.spec.cycles["nBL"] * clock_ns
        told: dict[str, object] = {
            "step_cycles": self.steps.cycles,
            "step_ns": self.steps.cycles * clock_ns,
            "peak_gb_per_s": self.buses * self.spec.organization.burst_bytes.value / burst_ns,
            "data_bytes": self.data_bytes,
        }
        if self.traffic_bytes is not None:
            told["traffic_bytes"] = self.traffic_bytes
        return told | ({} if self.channel_cycles is None else {"channel_cycles": self.channel_cycles})
