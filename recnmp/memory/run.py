"""A trace of DRAM requests replayed on a memory system, the DRAM engine alone, in the memory of a few chunks.

The trace is read piece by piece, a piece ahead of the channels, which run side by side. Nothing is kept of what
was served but totals, and on disk the logs that are asked for. The policy ``dramsim3`` is the exception: it
holds the whole trace.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recnmp._threads import most_threads
from recnmp.memory.activity import RankActivity
from recnmp.memory.audit import Auditor
from recnmp.memory.dramsim3 import Dramsim3Options
from recnmp.memory.energy import energy_section
from recnmp.memory.formats import MemoryTrace, may_write, read_chunks, read_memory_trace
from recnmp.memory.logs import CommandLog, RequestLog
from recnmp.memory.options import ControllerOptions
from recnmp.memory.ram2bin import ViewerLog
from recnmp.memory.replay import Timeline
from recnmp.memory.requests import Requests
from recnmp.memory.setup import Setup, make_requests
from recnmp.memory.stream import Served, Stream, StreamTotals
from recnmp.units import cycles_to_ns


@dataclass(frozen=True)
class Replayed:
    """What came out of a replay.

    Attributes:
        document: the figures, as plain JSON data.
        first_violations: the first few findings of the audit in words.
    """

    document: dict[str, Any]
    first_violations: tuple[str, ...]


def replay_trace(
    path: Path,
    kind: str,
    setup: Setup,
    *,
    limit: int | None = None,
    judge: bool = False,
    commands: Path | None = None,
    requests: Path | None = None,
    viewer: Path | None = None,
) -> Replayed:
    """Replay the first ``limit`` requests (all when None) of the trace at ``path``.

    Args:
        path: the trace.
        kind: its format, one of ``recnmp.memory.formats.FORMATS``.
        setup: the memory system.
        limit: requests read.
        judge: re-check every command against the published standard.
        commands: CSV file for every command.
        requests: CSV file for every request.
        viewer: RAM2BIN files for Ramulator's viewer, ``<viewer>.ch0.ram2bin`` and so on.

    Raises ConfigError for a trace or a setup that cannot be read or do not fit, OSError for a log that cannot be
    written.
    """
    notes = _Notes(setup, judge, commands, requests, viewer)
    match setup.controller:
        case Dramsim3Options():
            activity = _run_at_once(path, kind, setup, limit, notes)
        case options:
            activity = _run_in_pieces(path, kind, setup, options, limit, notes)
    for log in notes.logs:
        log.write()
    reports = [auditor.report() for auditor in notes.auditors]
    energy, unknown = energy_section(setup.standard, setup.spec, activity)
    document = {"trace": str(path), "trace_sha256": _digest(path), "format": kind} | setup.described
    document |= _figures(notes.totals, setup) | {"energy": energy, "energy_note": unknown}
    document["audit_violations"] = sum(report.count for report in reports) if judge else None
    return Replayed(document, tuple(text for report in reports for text in report.first))


class _Notes:
    """What is kept of a run while it goes on: totals, and what was asked for besides."""

    def __init__(
        self, setup: Setup, judge: bool, commands: Path | None, requests: Path | None, viewer: Path | None
    ) -> None:
        self.totals = StreamTotals()
        self.auditors = [
            Auditor(setup.spec, setup.ranks, refresh=setup.refresh) for _ in range(setup.channels * judge)
        ]
        self.commands = None if commands is None else CommandLog(commands, setup.channels)
        self.requests = None if requests is None else RequestLog(requests)
        self.viewer = None if viewer is None else ViewerLog(viewer, setup.spec, setup.ranks, setup.channels)
        self.logs = [log for log in (self.commands, self.requests, self.viewer) if log is not None]
        self.record = judge or commands is not None or viewer is not None

    def add(self, served: Sequence[Served]) -> None:
        """Take down what each channel did next."""
        for channel, one in enumerate(served):
            self.totals.add(one)
            if one.commands is not None:
                for auditor in self.auditors[channel : channel + 1]:
                    auditor.add(one.commands)
                if self.commands is not None:
                    self.commands.add(channel, one.commands)
                if self.viewer is not None:
                    self.viewer.add_commands(channel, one.commands)
        if self.requests is not None or self.viewer is not None:
            names = ("number", "accepted", "depart")
            number, accepted, depart = (np.concatenate([getattr(one, n) for one in served]) for n in names)
            if self.requests is not None:
                self.requests.add(number, accepted, depart)
            if self.viewer is not None:
                self.viewer.add_requests(number, accepted, depart)


def _run_in_pieces(
    path: Path, kind: str, setup: Setup, options: ControllerOptions, limit: int | None, notes: _Notes
) -> list[RankActivity]:
    """Run the channels side by side as their requests are read; returns what their ranks did."""
    writes = may_write(path, kind, limit)
    spec = setup.spec_with_quirks
    streams = [Stream(spec, options, has_writes=writes, record=notes.record) for _ in range(setup.channels)]
    chunks = read_chunks(path, kind, setup.spec, setup.memory, limit)
    first = 0
    with ThreadPoolExecutor(min(setup.channels, most_threads()) + 1) as pool:
        for chunk in _read_ahead(pool, chunks):
            requests, order = make_requests(chunk, setup.channels)
            parts = [_part(requests, u) for u in range(setup.channels)]
            numbers = np.split(first + order, requests.start[1:-1])
            notes.add(list(pool.map(Stream.feed, streams, parts, numbers)))
            first += len(chunk)
        notes.add(list(pool.map(Stream.finish, streams)))
    totals = notes.totals
    totals.cycles = max(stream.cycles for stream in streams)
    for stream in streams:
        totals.counts = {name: n + totals.counts.get(name, 0) for name, n in stream.counts.items()}
    return [stream.activity(totals.cycles) for stream in streams]


def _read_ahead(pool: ThreadPoolExecutor, chunks: Iterator[MemoryTrace]) -> Iterator[MemoryTrace]:
    """Yield ``chunks``, each read while the one before it is worked on."""
    coming = pool.submit(next, chunks, None)
    while (chunk := coming.result()) is not None:
        coming = pool.submit(next, chunks, None)
        yield chunk


def _part(requests: Requests, u: int) -> Requests:
    """Return the requests of controller ``u`` alone."""
    mine = slice(requests.start[u], requests.start[u + 1])
    names = ("arrive", "lane", "row", "column", "write", "group")
    columns = {name: getattr(requests, name)[mine] for name in names}
    return Requests(np.array([0, mine.stop - mine.start]), **columns, groups=1)


def _run_at_once(
    path: Path, kind: str, setup: Setup, limit: int | None, notes: _Notes
) -> Sequence[RankActivity]:
    """Run the channels over the whole trace; returns what their ranks did."""
    requests, order = make_requests(
        read_memory_trace(path, kind, setup.spec, setup.memory, limit), setup.channels
    )
    timeline = setup.replay(requests, record=notes.record)
    notes.add([_served(timeline, requests, order, u) for u in range(setup.channels)])
    notes.totals.cycles, notes.totals.counts = timeline.cycles, timeline.counts
    return timeline.activity


def _served(timeline: Timeline, requests: Requests, order: np.ndarray[Any, Any], u: int) -> Served:
    """Return what controller ``u`` did, its requests numbered as in the trace."""
    mine = slice(requests.start[u], requests.start[u + 1])
    commands = timeline.commands[u] if timeline.commands else None
    if commands is not None:
        request = np.where(commands.request < 0, -1, order[np.maximum(commands.request, 0)])
        commands = replace(commands, request=request)
    return Served(order[mine], timeline.accepted[mine], timeline.depart[mine], commands)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _figures(totals: StreamTotals, setup: Setup) -> dict[str, Any]:
    nothing = np.zeros(0, np.int64)
    timeline = Timeline(nothing, nothing, nothing, totals.cycles, totals.counts, ())
    tCK_ps, latency = setup.spec.tCK_ps.value, totals.read_latency_avg_cycles
    return timeline.statistics(setup.spec, setup.channels) | {
        "requests": totals.requests,
        "read_latency_avg_cycles": latency,
        "read_latency_max_cycles": totals.read_latency_max_cycles,
        "time_ns": cycles_to_ns(totals.cycles, tCK_ps),
        "read_latency_avg_ns": cycles_to_ns(latency, tCK_ps),
        "reads": totals.reads,
        "writes": totals.requests - totals.reads,
        "forwarded": totals.counts["forwarded"],
        "absorbed": totals.counts["absorbed"],
        "merged": totals.counts["merged"],
    }
