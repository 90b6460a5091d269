"""The host's own gather-reduce, timed: PyTorch's embedding bags on this CPU, in tables larger than its caches."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recnmp.errors import ConfigError
from recnmp.library.device import GatherProfile, GatherTimes, PartTiming, instability
from recnmp.library.machine import available_bytes, llc_bytes
from recnmp.mlp.gather_plan import PLACEMENT, GatherPlan, plan_gather
from recnmp.mlp.process import Asked, check_threads, choose_backend
from recnmp.mlp.profiling import today
from recnmp.mlp.timing import part_from_samples
from recnmp.trace.storage import trace_digest
from recnmp.trace.trace import Trace
from recnmp.units import TableDtype, gb_per_s

CACHES_FULL = 4
"""Tables take this many times the last-level cache, unless the model's own are smaller."""

UNKNOWN_LLC = 64 << 20
"""Last-level cache that is assumed where the system does not tell."""


class GatherSamples(NamedTuple):
    """One process's samples: which group of calls, when it began (monotonic clock of the machine), its time [ns].

    ``cpu`` is the CPU time of each [ns], ``cpu_ns`` that of all.
    """

    backend: str
    group: list[int]
    began_ns: list[int]
    ns: list[int]
    cpu_ns: int
    cpu: list[int] = []  # noqa: RUF012  (never changed; those that only keep wall time leave it out)


def time_per_lookup(plan: GatherPlan, group: Sequence[int], ns: Sequence[int]) -> PartTiming | None:
    """Return the time of a lookup: over the groups of a pass, the sum of each one's median, spread and minimum.

    Groups read different tables, so only samples of one group vary by chance. None where a group has no sample.
    """
    of_group: list[list[float]] = [[] for _ in plan.groups]
    for number, sample in zip(group, ns, strict=True):
        of_group[number].append(sample)
    if not all(of_group):
        return None
    timed = [part_from_samples(samples) for samples in of_group]

    def per_lookup(values: Iterator[float]) -> float:
        return round(sum(values) / plan.lookups, 3)

    return PartTiming(
        median_ns=per_lookup(t.median_ns for t in timed),
        iqr_ns=per_lookup(t.iqr_ns for t in timed),
        min_ns=per_lookup(t.min_ns for t in timed),
        repeats=min(t.repeats for t in timed),
    )


def default_table_bytes() -> int:
    """Return the memory for tables by default: four times the last-level cache, at most half of what is free."""
    wanted = CACHES_FULL * (llc_bytes() or UNKNOWN_LLC)
    free = available_bytes()
    return wanted if free is None else min(wanted, free // 2)


def measure_gather(
    trace: Trace,
    *,
    threads: Sequence[int] = (1,),
    dtypes: Sequence[TableDtype] = ("fp32", "int8_rowwise"),
    table_bytes: int | None = None,
    passes: int = 30,
    progress: Callable[[str], object] = str,
) -> GatherProfile:
    """Time the gather-reduce of ``trace`` on this CPU with every number of threads and type of table.

    Each is timed in a fresh process, on tables of ``table_bytes`` in all (by default those of
    `default_table_bytes`), in samples of some 16,000 lookups: `time_per_lookup`. Bags are summed unweighted.
    Raises ConfigError for threads that this machine has no cores for, without PyTorch, for tables that do not
    fit in memory; RecnmpError when a measurement fails.
    """
    budget = table_bytes or default_table_bytes()
    if passes < 3:
        raise ConfigError(f"measure sls: at least 3 passes, got {passes}")
    points, backend = [], ""
    for dtype in dtypes:
        plan = plan_gather(trace, dtype, budget)
        for count in threads:
            progress(f"{dtype} on {count} thread{'s' * (count != 1)}")
            with gathering(plan, count, passes) as process:
                samples = GatherSamples(**process.answer())
            backend = samples.backend
            points.append(_summary(plan, count, samples))
    return GatherProfile(
        date=today(),
        backend=backend,
        trace_digest=trace_digest(trace),
        lookups=trace.lookups,
        bags=trace.bags,
        logical_bytes=sum(table.entries * table.pooled_bytes for table in trace.tables),
        placement=PLACEMENT,
        points=tuple(points),
    )


def _summary(plan: GatherPlan, threads: int, samples: GatherSamples) -> GatherTimes:
    per_lookup = time_per_lookup(plan, samples.group, samples.ns)
    assert per_lookup is not None  # a pass has every group
    share = round(samples.cpu_ns / (sum(samples.ns) * threads), 3)
    return GatherTimes(
        dtype=plan.dtype,
        threads=threads,
        per_lookup=per_lookup,
        gb_per_s=round(gb_per_s(plan.read_bytes, per_lookup.median_ns * plan.lookups), 3),
        table_bytes=plan.table_bytes,
        passes=per_lookup.repeats,
        cpu_share=share,
        stable=not instability({"lookup": per_lookup}, share),
    )


@contextmanager
def gathering(plan: GatherPlan, threads: int, passes: int | None) -> Iterator[Asked]:
    """Give a process that has the tables of ``plan`` and waits for the word to gather.

    It makes ``passes`` passes and answers, or goes on from `Asked.go` until it is asked for its answer
    (``GatherSamples`` by name). Raises ConfigError for threads without cores, and without PyTorch.
    """
    check_threads(threads, "threads")
    choose_backend("torch")
    free = available_bytes()
    if free is not None and plan.table_bytes > 0.9 * free:
        raise ConfigError(
            f"tables of {plan.table_bytes >> 20:,} MiB do not fit in {free >> 20:,} MiB of memory"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.npz"
        _write(plan, file)
        request = {"plan": str(file), "dtype": plan.dtype, "threads": threads, "passes": passes}
        process = Asked("recnmp.mlp.gather_run", request, threads=threads, what="timing the gather-reduce")
        try:
            yield process
        finally:
            process.close()


def _write(plan: GatherPlan, file: Path) -> None:
    calls = plan.calls
    arrays: dict[str, Any] = {
        "tables": np.array([(t.slots, t.dim, t.gap, t.step) for t in plan.tables], np.int64),
        "table": np.array([call.table for call in calls], np.int64),
        "slot": np.concatenate([call.slot for call in calls]),
        "lookups": np.array([len(call.slot) for call in calls], np.int64),
        "offsets": np.concatenate([call.offsets for call in calls]),
        "group": np.repeat(np.arange(len(plan.groups)), [len(group) for group in plan.groups]),
        "ends": np.array([len(call.offsets) for call in calls], np.int64),
    }
    np.savez(file, **arrays)
