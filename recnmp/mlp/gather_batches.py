"""SLS of whole batches, timed on this CPU as one operator: what a model's dense parts stand beside."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from recnmp.errors import ConfigError
from recnmp.library.host_times import Clock, SlsBatch, SlsTimes, tables_of
from recnmp.library.model import RecModel
from recnmp.library.part_timing import PartTiming, instability
from recnmp.mlp.gather import GatherSamples, default_table_bytes, gathering, time_per_lookup
from recnmp.mlp.gather_plan import GatherPlan, PlannedCall, plan_gather
from recnmp.mlp.profiling import today
from recnmp.trace.synthetic import synthetic_trace
from recnmp.units import TableDtype

SAMPLES = 1024
"""Samples of a pass, cut into batches of each size: all sizes look up the same entries in the same order."""


def batches_of_a_pass(batch_size: int) -> int:
    """Return how many batches one pass gathers."""
    return math.ceil(SAMPLES / batch_size)


def in_batches(plan: GatherPlan, batch_size: int) -> GatherPlan:
    """Return ``plan``, a call of all samples for each table, cut into batches, one table after another."""
    calls = []
    for first in range(0, len(plan.calls[0].offsets) - 1, batch_size):
        for call in plan.calls:
            offsets = call.offsets[first : first + batch_size + 1]
            calls.append(PlannedCall(call.table, call.slot[offsets[0] : offsets[-1]], offsets - offsets[0]))
    return replace(plan, calls=tuple(calls))


def measure_sls_batches(
    model: RecModel,
    batches: Sequence[int],
    *,
    threads: int = 1,
    dtype: TableDtype = "fp32",
    clock: Clock = "wall",
    passes: int = 30,
    table_bytes: int | None = None,
    seed: int = 1,
    progress: Callable[[str], object] = str,
) -> SlsTimes:
    """Time SLS over all tables of ``model`` for one batch of each size, by PyTorch's embedding bags.

    Every size is timed in a fresh process, in ``passes`` passes over the model's own synthetic indices, those of the
    same samples whatever the size; a time is a pass's over its batches. So what the framework spends on a call is in
    it, and sizes differ by nothing else but the order of tables. ``clock`` cpu leaves out when other
    work had the core, for one thread. Raises as `recnmp.mlp.gather.measure_gather` does.
    """
    if clock == "cpu" and threads > 1:
        raise ConfigError("clock cpu: that of one thread; allowed here: wall")
    if passes < 3:
        raise ConfigError(f"measure sls: at least 3 passes, got {passes}")
    budget, points, allocated, backend = table_bytes or default_table_bytes(), [], 0, ""
    for size in sorted(set(batches)):
        progress(f"{model.name}: SLS of a batch of {size}")
        of_pass = batches_of_a_pass(size)
        samples_of_pass = synthetic_trace(model, 1, of_pass * size, seed)
        plan = in_batches(plan_gather(samples_of_pass, dtype, budget), size)
        with gathering(plan, threads, passes) as process:
            samples = GatherSamples(**process.answer())
        per_lookup = time_per_lookup(plan, samples.group, samples.cpu if clock == "cpu" else samples.ns)
        assert per_lookup is not None  # a pass has every group
        share = round(samples.cpu_ns / (sum(samples.ns) * threads), 3)
        points.append(_point(size, per_lookup, plan.lookups // of_pass, share))
        allocated, backend = max(allocated, plan.table_bytes), samples.backend
    return SlsTimes(
        date=today(),
        backend=backend,
        dtype=dtype,
        threads=threads,
        clock=clock,
        indices=f"synthetic trace of the model, seed {seed}",
        table_bytes=allocated,
        tables=tables_of(model),
        batches=tuple(points),
    )


def _point(batch_size: int, per_lookup: PartTiming, lookups: int, share: float) -> SlsBatch:
    """Return the time of a batch of so many lookups."""
    sls = PartTiming(
        median_ns=round(per_lookup.median_ns * lookups, 1),
        iqr_ns=round(per_lookup.iqr_ns * lookups, 1),
        min_ns=round(per_lookup.min_ns * lookups, 1),
        repeats=per_lookup.repeats,
    )
    stable = not instability({"sls": sls}, share)
    return SlsBatch(batch_size=batch_size, sls=sls, cpu_share=share, stable=stable)
