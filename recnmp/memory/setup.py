"""A memory system to replay requests on: a standard, its channels and ranks, and how controllers work.

Channels work independently of one another: each is offered its own requests in order, one per clock, however
full another channel's queue is.
"""

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
from recnmp.memory.dramsim3 import Dramsim3Options, replay_dramsim3
from recnmp.memory.formats import MemoryTrace
from recnmp.memory.options import ALL_REFRESHES, POLICIES, ControllerOptions
from recnmp.memory.replay import Timeline, replay
from recnmp.memory.requests import Requests

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
        known = {field.name for field in fields(self)}
        asked = {f.name: getattr(self, f.name) for f in fields(ControllerOptions) if f.name in known}
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

    @property
    def described(self) -> dict[str, Any]:
        """All of it as plain JSON data; what a policy does not have is None."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return told | {
            "merge_reads": self.merges,
            "command_queue": getattr(self.controller, "command_queue", None),
            "command_queue_per": getattr(self.controller, "per", None),
            "quirks": list(self.quirks),
        }

    def replay(self, requests: Requests, record: bool = False) -> Timeline:
        """Run the controllers over ``requests``; with ``record`` the issued commands are kept."""
        match self.controller:
            case Dramsim3Options() as options:
                return replay_dramsim3(requests, self.spec_with_quirks, options, record=record)
            case options:
                return replay(requests, self.spec_with_quirks, options, record=record)


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
    names = ("arrive", "lane", "row", "column", "write")
    columns = {name: getattr(trace, name)[order] for name in names}
    return Requests(start, **columns, group=np.zeros(len(trace), np.int32), groups=1), order
