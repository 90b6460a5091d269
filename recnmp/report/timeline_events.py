"""Chrome trace events, as Perfetto reads them: named tracks of slices, instants, counters and arrows.

Times are whole picoseconds in the place of the format's microseconds, so that no viewer has to round a clock: what
it calls 1 s is 1 us of the run. Format: "Trace Event Format", the Chromium project.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Track:
    """A track of one process."""

    pid: int
    tid: int


@dataclass
class Events:
    """What is drawn, in memory clocks of ``clock_ps`` between ``start`` and ``end``."""

    clock_ps: int
    start: int
    end: int
    names: list[Event] = field(default_factory=list)
    timed: list[Event] = field(default_factory=list)
    _processes: int = 0
    _tracks: int = 0
    _flows: int = 0

    def process(self, name: str) -> int:
        """Return a new process, shown below those before it."""
        self._processes += 1
        pid = self._processes
        self.names.append({"ph": "M", "pid": pid, "name": "process_name", "args": {"name": name}})
        self.names.append({"ph": "M", "pid": pid, "name": "process_sort_index", "args": {"sort_index": pid}})
        return pid

    def track(self, pid: int, name: str) -> Track:
        """Return a new track of a process, shown below those before it."""
        self._tracks += 1
        tid = self._tracks
        for what, args in (("thread_name", {"name": name}), ("thread_sort_index", {"sort_index": tid})):
            self.names.append({"ph": "M", "pid": pid, "tid": tid, "name": what, "args": args})
        return Track(pid, tid)

    def slice(self, track: Track, name: str, begin: int, end: int, **args: Any) -> None:
        """Draw a slice from clock ``begin`` up to ``end`` as it is."""
        self._add("X", track, name, begin, dur=(end - begin) * self.clock_ps, args=args)

    def span(self, track: Track, name: str, begin: int, end: int, slack: int = 0, **args: Any) -> None:
        """Draw what of a long slice is in the window, ``slack`` clocks beyond it at most; its own clocks as args."""
        shown = max(begin, self.start), min(end, self.end + slack)
        if shown[0] < shown[1]:
            self.slice(track, name, *shown, **args, from_clock=begin, to_clock=end)

    def instant(self, track: Track, name: str, at: int, **args: Any) -> None:
        """Draw a point on a track."""
        self._add("i", track, name, at, s="t", args=args)

    def counter(self, pid: int, name: str, at: int, unit: str, value: float) -> None:
        """Set a process's counter from clock ``at`` on."""
        self._add("C", Track(pid, 0), name, at, args={unit: value})

    def flow(self, name: str, *steps: tuple[Track, int]) -> None:
        """Draw arrows between the slices that lie under ``steps``, (track, clock) each, in order of time."""
        self._flows += 1
        last = len(steps) - 1
        for n, (track, at) in enumerate(steps):
            phase = "s" if n == 0 else "f" if n == last else "t"
            more = {"bp": "e"} if n else {}
            self._add(phase, track, name, at, cat="packet", id=self._flows, **more)

    def within(self, at: int) -> bool:
        """Whether a clock is in the window."""
        return self.start <= at < self.end

    def in_order(self) -> Iterator[Event]:
        """Yield names, then everything by time, what encloses before what it encloses."""
        yield from self.names
        yield from sorted(self.timed, key=lambda event: (event["ts"], -event.get("dur", 0)))

    def _add(self, phase: str, track: Track, name: str, at: int, **more: Any) -> None:
        event = {"ph": phase, "pid": track.pid, "tid": track.tid, "name": name, "ts": int(at) * self.clock_ps}
        if not more.get("args", True):
            del more["args"]
        self.timed.append(event | more)


class Lanes:
    """As many tracks as slices overlap, so that none crosses another."""

    def __init__(self, events: Events, pid: int, name: str) -> None:
        self.events, self.pid, self.name = events, pid, name
        self.free: list[int] = []
        self.tracks: list[Track] = []

    def track_for(self, begin: int, end: int) -> Track:
        """Return a track that is free from ``begin``; ask in the order of ``begin``."""
        for lane, free in enumerate(self.free):
            if free <= begin:
                self.free[lane] = end
                return self.tracks[lane]
        self.free.append(end)
        self.tracks.append(self.events.track(self.pid, f"{self.name} {len(self.free) - 1}"))
        return self.tracks[-1]


def joined(events: Iterable[Event]) -> Iterator[str]:
    """Yield the lines of a JSON array of events."""
    import json

    lead = "[\n"
    for event in events:
        yield lead + json.dumps(event, separators=(",", ":"))
        lead = ",\n"
    yield ("[" if lead == "[\n" else "\n") + "]"
