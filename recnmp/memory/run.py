"""One memory system replaying one trace of DRAM requests: the DRAM engine alone.

Channels work independently of one another: each is offered its own requests in order, one per clock, however
full another channel's queue is.
"""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp._registry import did_you_mean, library_names
from recnmp.config.mapping import read_mapping
from recnmp.config.schema import MemoryConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec, load_standard
from recnmp.memory.audit import audit
from recnmp.memory.dramsim3 import Dramsim3Options, replay_dramsim3
from recnmp.memory.formats import MemoryTrace, read_memory_trace
from recnmp.memory.options import ALL_REFRESHES, POLICIES, ControllerOptions
from recnmp.memory.replay import Timeline, replay
from recnmp.memory.requests import Requests
from recnmp.units import cycles_to_ns

DRAMSIM3 = "dramsim3"
ALL_POLICIES = (*POLICIES, DRAMSIM3)

QUIRKS = ("ramulator-rd-wr-gap",)
"""Departures from a standard that can be asked for. ``ramulator-rd-wr-gap``: a WR may follow a RD of another rank
after nBL + nRTRS clocks as in Ramulator 2.1, though their bursts can then overlap on the data bus."""

_LARGEST = 1024


@dataclass(frozen=True)
class Setup:
    """A memory system and how its controllers work.

    Attributes:
        standard: a file of ``library/standards``.
        ranks: ranks of a channel, R, a power of two.
        channels: channels, a power of two.
        mapping: a bit order, a file of ``library/mappings``, or a YAML file's path.
        policy: how a controller picks the next command: one of ``ALL_POLICIES``.
        refresh: ``off``, ``simultaneous``, ``staggered`` or, where the standard has it, ``same_bank``; ``dramsim3``
            has ``off`` and ``staggered``.
        read_queue: reads that a controller can hold.
        write_queue: writes that a controller can hold; as many as reads for ``dramsim3``.
        page_policy: ``open`` or ``closed``.
        row_hit_cap: column commands after which a row no longer stays open for hits; None: no cap.
        forward_writes: queued writes answer reads of the same burst.
        merge_reads: waiting reads answer reads of the same burst; None: as the policy has it, which is not to
            but for ``dramsim3``.
        command_queue: requests in a command queue of ``dramsim3``; None: 8, and for the others, which have none.
        command_queue_per: ``bank`` or ``rank``, what has such a queue; None: bank.
        quirks: names of ``QUIRKS``.

    Raises ConfigError for names and sizes that cannot be, more ranks than the standard has among them.
    """

    standard: str = "ddr4_2400"
    ranks: int = 1
    channels: int = 1
    mapping: str = "RoBaBgRaCoCh"
    policy: str = "frfcfs"
    refresh: str = "simultaneous"
    read_queue: int = 32
    write_queue: int = 32
    page_policy: str = "open"
    row_hit_cap: int | None = None
    forward_writes: bool = True
    merge_reads: bool | None = None
    command_queue: int | None = None
    command_queue_per: str | None = None
    quirks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what the parts behind would not name as clearly."""
        choices = {
            "standard": library_names("standards"),
            "policy": list(ALL_POLICIES),
            "refresh": list(ALL_REFRESHES),
            "quirk": list(QUIRKS),
        }
        asked = [("standard", self.standard), ("policy", self.policy), ("refresh", self.refresh)]
        for what, name in [*asked, *(("quirk", quirk) for quirk in self.quirks)]:
            if name not in choices[what]:
                hint = did_you_mean(name, choices[what])
                raise ConfigError(f"{what} {name!r} is not one of {', '.join(choices[what])}{hint}")
        for name in ("ranks", "channels"):
            value = getattr(self, name)
            if not 1 <= value <= _LARGEST or value & (value - 1):
                raise ConfigError(f"{name} is {value}; it must be a power of two from 1 to {_LARGEST}")
        self.spec.check_ranks(self.ranks)
        self.spec.check_refresh(self.refresh)
        _ = self.controller

    @cached_property
    def spec(self) -> DramSpec:
        """The standard as published."""
        return load_standard(self.standard)

    @cached_property
    def spec_with_quirks(self) -> DramSpec:
        """The standard as the engine is to follow it."""
        return with_colliding_writes(self.spec) if self.quirks else self.spec

    @property
    def memory(self) -> MemoryConfig:
        """The memory system as placement knows it."""
        mapping = read_mapping(self.mapping, Path())
        return MemoryConfig(channels=self.channels, ranks_per_dimm=self.ranks, mapping=mapping)

    @property
    def merges(self) -> bool:
        """Whether waiting reads answer reads of the same burst."""
        return self.policy == DRAMSIM3 if self.merge_reads is None else self.merge_reads

    @property
    def controller(self) -> ControllerOptions | Dramsim3Options:
        """The controllers' options; raises ConfigError for one that the policy does not have."""
        if self.policy == DRAMSIM3:
            return self._dramsim3()
        for name in ("command_queue", "command_queue_per"):
            if getattr(self, name) is not None:
                raise ConfigError(f"{name}: policy {self.policy} has no command queues; {DRAMSIM3} has")
        asked = {field.name: getattr(self, field.name) for field in fields(ControllerOptions)}
        return ControllerOptions(**asked | {"merge_reads": self.merges})

    def _dramsim3(self) -> Dramsim3Options:
        fixed = {
            "page_policy": "open",
            "row_hit_cap": None,
            "forward_writes": True,
            "write_queue": self.read_queue,
        }
        for name, value in fixed.items():
            if getattr(self, name) != value:
                raise ConfigError(f"{name}: policy {DRAMSIM3} only has {value}, got {getattr(self, name)}")
        queue, per = self.command_queue or 8, self.command_queue_per or "bank"
        return Dramsim3Options(self.ranks, self.read_queue, queue, per, self.merges, self.refresh)

    def replay(self, requests: Requests, record: bool = False) -> Timeline:
        """Run the controllers over ``requests``; with ``record`` the issued commands are kept."""
        match self.controller:
            case Dramsim3Options() as options:
                return replay_dramsim3(requests, self.spec_with_quirks, options, record=record)
            case options:
                return replay(requests, self.spec_with_quirks, options, record=record)


@dataclass(frozen=True)
class Replayed:
    """A trace and what became of it.

    Attributes:
        trace: the requests in the order of the file, L of them.
        order: number in the trace of each request of ``timeline``, shape (L,).
        timeline: what the controllers did, one controller per channel.
        document: the figures, as plain JSON data.
        first_violations: the first few findings of the audit in words.
    """

    trace: MemoryTrace
    order: NDArray[np.int64]
    timeline: Timeline
    document: dict[str, Any]
    first_violations: tuple[str, ...]


def with_colliding_writes(spec: DramSpec) -> DramSpec:
    """Return ``spec`` with Ramulator 2.1's gap from RD to a WR of another rank, nBL + nRTRS.

    Raises ConfigError for a standard that states no such gap.
    """
    document = spec.model_dump()
    rows = [
        row
        for row in document["constraints"]
        if (row["scope"], tuple(row["after"]), tuple(row["before"])) == ("other_rank", ("RD",), ("WR",))
    ]
    if not rows or "nRTRS" not in spec.cycles:
        raise ConfigError(f"quirk {QUIRKS[0]!r} means nothing for {spec.name}")
    for row in rows:
        row["wait"] = "nBL + nRTRS"
    return DramSpec.model_validate(document)


def make_requests(trace: MemoryTrace, channels: int) -> tuple[Requests, NDArray[np.int64]]:
    """Return the trace sorted by channel, and the number in the trace of each request, shape (L,)."""
    order = np.argsort(trace.channel, kind="stable")
    start = np.searchsorted(trace.channel[order], np.arange(channels + 1))
    requests = Requests(
        start,
        trace.arrive[order],
        trace.lane[order],
        trace.row[order],
        trace.column[order],
        trace.write[order],
        np.zeros(len(trace), np.int32),
        1,
    )
    return requests, order


def replay_trace(
    path: Path,
    kind: str,
    setup: Setup,
    *,
    limit: int | None = None,
    judge: bool = False,
    record: bool = False,
) -> Replayed:
    """Replay the first ``limit`` requests (all when None) of the trace at ``path``.

    Args:
        path: the trace.
        kind: its format, one of ``recnmp.memory.formats.FORMATS``.
        setup: the memory system.
        limit: requests read.
        judge: re-check every command against the published standard.
        record: keep the commands in the timeline, which judging does anyway.

    Raises ConfigError for a trace or a setup that cannot be read or do not fit.
    """
    trace = read_memory_trace(path, kind, setup.spec, setup.memory, limit)
    requests, order = make_requests(trace, setup.channels)
    timeline = setup.replay(requests, record=record or judge)
    reports = [
        audit(setup.spec, setup.ranks, commands, refresh=setup.refresh)
        for commands in (timeline.commands if judge else ())
    ]
    first = tuple(text for report in reports for text in report.first)
    document = _described(path, kind, setup) | _figures(trace, timeline, setup)
    document["audit_violations"] = sum(report.count for report in reports) if judge else None
    return Replayed(trace, order, timeline, document, first)


def _described(path: Path, kind: str, setup: Setup) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "trace": str(path),
        "trace_sha256": digest,
        "format": kind,
        "standard": setup.standard,
        "channels": setup.channels,
        "ranks": setup.ranks,
        "mapping": setup.mapping,
        "policy": setup.policy,
        "refresh": setup.refresh,
        "read_queue": setup.read_queue,
        "write_queue": setup.write_queue,
        "page_policy": setup.page_policy,
        "row_hit_cap": setup.row_hit_cap,
        "forward_writes": setup.forward_writes,
        "merge_reads": setup.merges,
        "command_queue": getattr(setup.controller, "command_queue", None),
        "command_queue_per": getattr(setup.controller, "per", None),
        "quirks": list(setup.quirks),
    }


def _figures(trace: MemoryTrace, timeline: Timeline, setup: Setup) -> dict[str, Any]:
    writes = int(np.count_nonzero(trace.write))
    figures = timeline.statistics(setup.spec, setup.channels)
    tCK_ps = setup.spec.tCK_ps.value
    return figures | {
        "time_ns": cycles_to_ns(timeline.cycles, tCK_ps),
        "read_latency_avg_ns": cycles_to_ns(timeline.read_latency_avg_cycles, tCK_ps),
        "reads": len(trace) - writes,
        "writes": writes,
        "forwarded": timeline.counts["forwarded"],
        "absorbed": timeline.counts["absorbed"],
        "merged": timeline.counts["merged"],
    }
