"""How much a dense part and a gather on other cores slow each other down, measured on this machine.

The gather runs in a process of its own, on tables larger than the last-level cache. Rounds alternate: dense part
alone, gather alone, both. Only passes of the gather that lie within the time the dense part was timed count, so
that neither is compared with the other's start. What is shared is all the machine shares: caches, memory
channels, and on a virtual machine whatever its neighbours leave.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from recnmp._threads import available_cores
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.device import BesideTimes, Interference, PartTiming
from recnmp.library.model import load_model
from recnmp.mlp.gather import GatherSamples, default_table_bytes, gathering, time_per_lookup
from recnmp.mlp.gather_plan import GatherPlan, plan_gather
from recnmp.mlp.process import How, Point, Samples, sample_in_fresh_process
from recnmp.mlp.profiling import today
from recnmp.mlp.timing import part_from_samples
from recnmp.trace.trace import Trace

PASSES_ALONE = 20
"""Passes of the gather alone in each round."""


class Round(NamedTuple):
    """Samples of one round: dense part alone and beside the gather, the gather alone and beside, by point."""

    alone: list[Samples]
    beside: list[Samples]
    gather_alone: GatherSamples
    gather_beside: list[GatherSamples]


def measure_interference(
    models: Sequence[str],
    batches: Sequence[int],
    trace: Trace,
    gather_name: str,
    *,
    how: How,
    gather_threads: int = 1,
    table_bytes: int | None = None,
    rounds: int = 3,
    progress: Callable[[str], object] = str,
) -> dict[str, Interference]:
    """Time ``models`` at ``batches`` alone and beside ``gather_threads`` threads that gather ``trace`` in FP32.

    ``gather_name`` says in the result what gathered. Raises ConfigError where there are fewer cores than threads
    of both: they would take turns, which is not what this measures; RecnmpError when a measurement fails.
    """
    if how.threads + gather_threads > available_cores():
        raise ConfigError(
            f"measure interference: {how.threads} threads of the dense part and {gather_threads} that gather need as "
            f"many cores, this machine has {available_cores()}"
        )
    plan = plan_gather(trace, "fp32", table_bytes or default_table_bytes())
    sizes = sorted(set(batches))
    measured = {}
    for model in models:
        points = [Point(load_model(model), size) for size in sizes]
        found = []
        for number in range(1, rounds + 1):
            progress(f"{model}: round {number} of {rounds}")
            found.append(_round(points, plan, how, gather_threads))
        measured[model] = Interference(
            date=today(),
            layers=load_model(model).layers,
            gather=f"{gather_name} in FP32, tables of {plan.table_bytes >> 20:,} MiB",
            points=tuple(_points(points, found, plan, gather_threads, how.threads)),
        )
    return measured


def _round(points: Sequence[Point], plan: GatherPlan, how: How, threads: int) -> Round:
    alone = sample_in_fresh_process(points, how)
    with gathering(plan, threads, PASSES_ALONE) as process:
        quiet = GatherSamples(**process.answer())
    with gathering(plan, threads, None) as process:
        process.go()
        beside = sample_in_fresh_process(points, how)
        busy = GatherSamples(**process.answer())
    return Round(alone, beside, quiet, [within(busy, samples) for samples in beside])


def within(gather: GatherSamples, dense: Samples) -> GatherSamples:
    """Return the samples of ``gather`` that began and ended while ``dense`` was timed."""
    start, end = dense.started_ns, dense.started_ns + dense.wall_ns
    rows = zip(gather.group, gather.began_ns, gather.ns, strict=True)
    kept = [row for row in rows if start <= row[1] and row[1] + row[2] <= end]
    group, began, ns = ([row[column] for row in kept] for column in range(3))
    return gather._replace(group=group, began_ns=began, ns=ns)


def _per_lookup(plan: GatherPlan, runs: Sequence[GatherSamples]) -> PartTiming:
    group, ns = ([value for run in runs for value in getattr(run, name)] for name in ("group", "ns"))
    timed = time_per_lookup(plan, group, ns)
    if timed is None:
        raise RecnmpError(
            "measure interference: a pass of the gather takes longer than timing the dense part; replay fewer "
            "batches of the trace, or more repeats"
        )
    return timed


def _points(
    points: Sequence[Point], rounds: Sequence[Round], plan: GatherPlan, threads: int, dense_threads: int
) -> Iterator[BesideTimes]:
    for at, point in enumerate(points):
        yield BesideTimes(
            batch_size=point.batch_size,
            gather_threads=threads,
            alone=_pooled([one.alone[at] for one in rounds]),
            beside=_pooled([one.beside[at] for one in rounds]),
            gather_alone=_per_lookup(plan, [one.gather_alone for one in rounds]),
            gather_beside=_per_lookup(plan, [one.gather_beside[at] for one in rounds]),
            cpu_share=min(
                _cpu_share(run[at], dense_threads) for one in rounds for run in (one.alone, one.beside)
            ),
        )


def _cpu_share(samples: Samples, threads: int) -> float:
    return round(samples.cpu_ns / (samples.wall_ns * threads), 3)


def _pooled(runs: Sequence[Samples]) -> dict[str, PartTiming]:
    return {name: part_from_samples([ns for run in runs for ns in run.parts[name]]) for name in runs[0].parts}
