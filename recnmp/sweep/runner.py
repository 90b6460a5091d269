"""Points run by workers and kept as they end: their traces unpacked first, time and memory counted."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from recnmp.sweep.clusters import Run, workers
from recnmp.sweep.plan import Point
from recnmp.sweep.store import Store
from recnmp.sweep.task import Outcome, Task
from recnmp.sweep.traces import unpack

NOBODY: dict[str, Any] = {"pid": 0, "seconds": 0.0, "peak_memory_bytes": 0}
"""Facts of a point that no worker lived to tell."""


@dataclass(frozen=True)
class Where:
    """Where points are run, as `recnmp.sweep.clusters.workers` takes it."""

    cluster: str = "local"
    workers: int | None = None
    memory_bytes: int | None = None


@dataclass
class Runner:
    """Workers that are up, and what they have done so far."""

    store: Store
    code: str
    shared: bool
    """Traces are unpacked for all workers, not read by this process."""
    workers: Callable[[], int]
    _run: Run
    _began: float
    _started: float | None = None
    _memory: dict[int, int] = field(default_factory=dict)
    points: int = 0
    busy: float = 0.0
    """Seconds that all points took, on all workers together."""
    waited: float = 0.0
    """Wall-clock seconds from the start of the first point to the end of the last one."""

    def run(self, points: Sequence[Point]) -> Iterator[tuple[Outcome, dict[str, Any]]]:
        """Run ``points``, keep each outcome as it comes, and yield it with what its worker says of itself."""
        folder = self._unpacked(points) if self.shared else None
        started = self._started = self._started or time.perf_counter()
        for outcome in self._run([Task(p.key, p.config, p.trace_digest, self.code, folder) for p in points]):
            self.store.save(outcome)
            facts = outcome.worker or NOBODY
            self._memory[facts["pid"]] = facts["peak_memory_bytes"]
            self.points += 1
            self.busy += facts["seconds"]
            self.waited = time.perf_counter() - started
            yield outcome, facts

    def _unpacked(self, points: Sequence[Point]) -> str:
        for digest, file in {point.trace_digest: point.trace_file for point in points}.items():
            unpack(file, digest, self.store.unpacked)
        return str(self.store.unpacked.resolve())

    def timing(self) -> dict[str, Any]:
        """Return what the manifest says of this run."""
        return {
            "points": self.points,
            "workers": self.workers(),
            "seconds_to_start": (self._started or self._began) - self._began,
            "seconds": self.waited,
            "seconds_of_points": self.busy,
            "peak_memory_bytes_of_workers": sorted(filter(None, self._memory.values())),
        }


@contextmanager
def running(store: Store, where: Where, code: str) -> Iterator[Runner]:
    """Yield what runs points ``where`` it was asked, of the version ``code``; unpacked traces go when it ends."""
    began = time.perf_counter()
    try:
        with workers(where.cluster, where.workers, where.memory_bytes) as (run, count):
            yield Runner(store, code, where.cluster != "none", count, run, began)
    finally:
        shutil.rmtree(store.unpacked, ignore_errors=True)  # a killed run's, too
