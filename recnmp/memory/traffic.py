"""Ordinary reads and writes of the host that share the memory with the gather-reduce.

Arrivals are a Poisson process at the asked rate over all channels, or come in even steps; addresses are uniformly
random bursts of the whole memory, or follow one another from a random one on. What is read or written does not
matter, only where it lies: nothing is checked against the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.config.schema import HostTrafficConfig
from recnmp.library.dram import DramSpec
from recnmp.placement.mapping import Mapping
from recnmp.units import cycles_to_ns, gb_per_s


@dataclass(frozen=True)
class HostBursts:
    """Bursts in order of arrival, M of them; all arrays of shape (M,).

    ``arrive`` is a clock of the memory, ``rank`` counts within the channel, ``bank`` within the rank.
    """

    arrive: NDArray[np.int64]
    channel: NDArray[np.int32]
    rank: NDArray[np.int32]
    bank: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    write: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.arrive)

    def of_channel(self, channel: int) -> "HostBursts":
        """Return the bursts of one channel."""
        mine = self.channel == channel
        return HostBursts(*(getattr(self, name)[mine] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Served:
    """What became of the host's bursts: ``passed`` is the clock at which each had passed DQ, -1 for not yet, (M,)."""

    bursts: HostBursts
    passed: NDArray[np.int64]

    @classmethod
    def none(cls) -> "Served":
        """Return no bursts at all."""
        wide, narrow, kind = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint8)
        return cls(HostBursts(wide, narrow, narrow, narrow, narrow, narrow, kind), wide)

    @classmethod
    def joined(cls, parts: Sequence["Served"]) -> "Served":
        """Return all parts, such as those of several channels, in the order of arrival."""
        names = HostBursts.__dataclass_fields__
        columns = {n: np.concatenate([getattr(part.bursts, n) for part in parts]) for n in names}
        order = np.argsort(columns["arrive"], kind="stable")
        passed = np.concatenate([part.passed for part in parts])
        return cls(HostBursts(**{name: values[order] for name, values in columns.items()}), passed[order])

    def figures(self, end: int, spec: DramSpec) -> dict[str, dict[str, Any]]:
        """Return what the host's traffic met until clock ``end``; nothing without traffic.

        Latencies are from arrival to the last beat on the channel; ``bursts_waiting`` are those that arrived and
        were not served, so that where they are many the latencies say too little.
        """
        if not len(self.bursts):
            return {}
        latency = self.reads(end)
        passed = self.passed_by(end)
        arrived = int(np.searchsorted(self.bursts.arrive, end))
        ns = cycles_to_ns(end, spec.tCK_ps.value)
        clock_ns = cycles_to_ns(1, spec.tCK_ps.value)
        traffic = {
            "bursts": passed,
            "bursts_waiting": arrived - passed,
            "gb_per_s": gb_per_s(passed * spec.organization.burst_bytes.value, ns),
            "read_latency_avg_ns": float(latency.mean()) * clock_ns if len(latency) else None,
            "read_latency_p95_ns": float(np.percentile(latency, 95)) * clock_ns if len(latency) else None,
        }
        return {"host_traffic": traffic}

    def passed_by(self, end: int) -> int:
        """Return how many bursts had passed by clock ``end``."""
        return int(np.count_nonzero((self.passed >= 0) & (self.passed <= end)))

    def reads(self, end: int) -> NDArray[np.int64]:
        """Return the clocks from arrival to last beat of the reads served by clock ``end``."""
        of_interest = (self.passed >= 0) & (self.passed <= end) & (self.bursts.write == 0)
        latency: NDArray[np.int64] = (self.passed - self.bursts.arrive)[of_interest]
        return latency


def host_bursts(traffic: HostTrafficConfig, spec: DramSpec, mapping: Mapping, cycles: int) -> HostBursts:
    """Return the host's bursts that arrive before clock ``cycles``; longer traffic begins with shorter one."""
    org = spec.organization
    ns_per_burst = org.burst_bytes.value / traffic.gb_per_s
    gap = ns_per_burst / cycles_to_ns(1, spec.tCK_ps.value)
    arrivals, places, kinds = (np.random.default_rng([traffic.seed, n]) for n in range(3))
    expected = int(cycles / gap * 1.2) + 64
    steps = arrivals.exponential(gap, expected) if traffic.arrivals == "poisson" else np.full(expected, gap)
    arrive = np.cumsum(steps).astype(np.int64)
    arrive = arrive[arrive < cycles]
    n = len(arrive)
    everywhere = 1 << mapping.bits
    burst = places.integers(0, everywhere, n if traffic.pattern == "random" else 1)
    if traffic.pattern == "stream":
        burst = (burst + np.arange(n)) % everywhere
    fields = mapping.decode(burst)
    bank = fields["Bg"] * org.banks_per_group.value + fields["Ba"]
    where = {
        "channel": fields["Ch"],
        "rank": fields["Ra"],
        "bank": bank,
        "row": fields["Ro"],
        "column": fields["Co"],
    }
    narrow = {name: values.astype(np.int32) for name, values in where.items()}
    return HostBursts(arrive, **narrow, write=(kinds.random(n) < traffic.write_share).astype(np.uint8))
