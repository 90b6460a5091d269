"""What every architecture is given and what it answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from recnmp.config.schema import ArrivalConfig, CachesConfig, MemoryConfig
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import DramSpec
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.replay import ControllerOptions
from recnmp.memory.traffic import HostBursts, Served, host_bursts
from recnmp.nmp.operations import Operations
from recnmp.nmp.packet import Packets
from recnmp.nmp.recorded import PacketLog, Reads
from recnmp.placement.place import make_mapping
from recnmp.trace.pooling import Pooled
from recnmp.trace.trace import Trace
from recnmp.units import BURST_BYTES

Ran = TypeVar("Ran")


def need_bursts_of_64_bytes(spec: DramSpec, who: str) -> None:
    """Raise ConfigError, in the name of ``who``, for a standard with bursts of another size."""
    if spec.organization.burst_bytes.value != BURST_BYTES:
        raise ConfigError(
            f"{who} works on bursts of {BURST_BYTES} B, but those of {spec.name} are "
            f"{spec.organization.burst_bytes.value} B"
        )


@dataclass(frozen=True)
class System:
    """The hardware a run shares between host and near memory.

    Raises ConfigError for more ranks than the standard's channels have, for a refresh that it does not have, and
    for caches in front of a standard whose bursts are not their lines.
    """

    spec: DramSpec
    memory: MemoryConfig
    cache: CachesConfig
    arrival: ArrivalConfig = field(default_factory=ArrivalConfig)

    def __post_init__(self) -> None:
        self.spec.check_ranks(self.ranks_per_channel)
        self.spec.check_refresh(self.memory.refresh)
        if self.cache.rank or self.cache.llc:
            need_bursts_of_64_bytes(self.spec, "cache")

    @property
    def ranks_per_channel(self) -> int:
        """Ranks on one channel, over its DIMMs."""
        return self.memory.dimms_per_channel * self.memory.ranks_per_dimm

    def controller(self, ranks: int, read_queue: int) -> ControllerOptions:
        """Return the options of a controller of ``ranks`` ranks under this memory's policies and refresh."""
        memory = self.memory
        return ControllerOptions(
            ranks,
            memory.policy,
            memory.refresh,
            read_queue,
            page_policy=memory.page_policy,
            row_hit_cap=memory.row_hit_cap,
            merge_reads=memory.merge_reads,
        )

    def among_traffic(self, run: Callable[[HostBursts], Ran], end: Callable[[Ran], int], guess: int) -> Ran:
        """Return what ``run`` answers when the host's other traffic lasts to the ``end`` of it, in clocks.

        ``guess`` is where that may be; when it is later, the run is repeated among longer traffic.
        """
        traffic, horizon = self.memory.host_traffic, guess
        if traffic is None:
            return run(Served.none().bursts)
        mapping = make_mapping(self.memory, self.spec)
        while True:
            ran = run(host_bursts(traffic, self.spec, mapping, horizon))
            if end(ran) <= horizon:
                return ran
            horizon = 2 * end(ran)

    def rank_controller(self, window: int) -> ControllerOptions:
        """Return the options of the controller of one rank unit, which holds ``window`` instructions."""
        return replace(self.controller(1, window), hold_slots=True)


class Program(Protocol):
    """An encoded instruction stream that can be executed on real vectors."""

    def pooled(self, trace: Trace, system: System) -> Iterator[Pooled]:
        """Yield the sums of every call, in order, as the instructions themselves make them."""


@dataclass(frozen=True)
class SlsRun:
    """The gather-reduce of a whole trace on one architecture.

    Attributes:
        ns: time of the whole trace, batches back to back.
        memory: figures of the result's ``memory`` section.
        details: figures of the result's ``nmp`` section.
        packets: the instruction stream, for architectures that have one.
        operations: what it did that takes energy.
        commands: issued DRAM commands with the ranks behind each command bus, when the run was recorded.
        reads: the gather's reads at each of these controllers, for architectures that keep them.
        packet_logs: packets on the time axis of each channel, for architectures that keep them.
    """

    ns: float
    memory: dict[str, Any]
    operations: Operations
    details: dict[str, Any] = field(default_factory=dict)
    packets: Packets | Program | None = None
    commands: tuple[tuple[int, Commands], ...] = ()
    reads: tuple[Reads, ...] = ()
    packet_logs: tuple[PacketLog, ...] = ()

    def audit(self, system: "System") -> int | None:
        """Judge every recorded command; returns how many there were, None where none was recorded.

        Raises RecnmpError for the first command that breaks the standard.
        """
        if not system.memory.audit:
            return None
        for ranks, commands in self.commands:
            report = audit(system.spec, ranks, commands, refresh=system.memory.refresh)
            if report.count:
                raise RecnmpError(
                    f"audit: {report.count} DRAM commands break {system.spec.name}: {report.first[0]}"
                )
        return sum(len(commands) for _, commands in self.commands)


def sorted_by(key: NDArray[np.int32], values: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a stable order of ``key`` and where each of its ``values`` starts in it, shape (values + 1,)."""
    order = np.argsort(key, kind="stable")
    return order, np.searchsorted(key[order], np.arange(values + 1))


def load_imbalance(rank: NDArray[np.int32], ranks: int, group: NDArray[np.int64] | None = None) -> float:
    """Return the busiest rank's lookups over the mean rank's; 1 is even, ``ranks`` is all in one.

    ``rank`` of each lookup counts over all channels. With a ``group`` of each lookup, such as its packet, that is
    found within each group and averaged over groups by their lookups.
    """
    if not len(rank):
        return 1.0
    at = rank if group is None else group * ranks + rank
    return imbalance(np.bincount(at, minlength=(int(at.max()) // ranks + 1) * ranks).reshape(-1, ranks))


def imbalance(loads: NDArray[np.int64]) -> float:
    """Return ``load_imbalance`` from the lookups of every group and rank, shape (groups, ranks); 1 for none."""
    return float(loads.max(axis=1).sum() * loads.shape[1] / loads.sum()) if loads.any() else 1.0
