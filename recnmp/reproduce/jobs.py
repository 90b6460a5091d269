"""Single runs of a reproduction: what is run, what comes out, several processes at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from recnmp._registry import plugin
from recnmp._threads import process_pool
from recnmp.config.schema import ArrivalConfig, CachesConfig, MemoryConfig, PlacementConfig
from recnmp.library.dram import load_standard
from recnmp.library.energy import currents_of, load_operation_costs
from recnmp.nmp.base import SlsRun, System
from recnmp.nmp.energy import by_currents, by_operations
from recnmp.nmp.functional import check
from recnmp.placement.place import PlacedLookups, place
from recnmp.reproduce.traffic import Traffic, label, trace_of


@dataclass(frozen=True)
class Job:
    """One run: traffic on one architecture; equal jobs are run once.

    ``kind`` is an architecture of ``recnmp.nmp`` and ``options`` its options, defaults when None.
    """

    traffic: Traffic
    kind: str
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    placement: PlacementConfig = field(default_factory=PlacementConfig)
    cache: CachesConfig = field(default_factory=CachesConfig)
    arrival: ArrivalConfig = field(default_factory=ArrivalConfig)
    options: BaseModel | None = None


@dataclass(frozen=True)
class Outcome:
    """What a job found.

    Attributes:
        ns: time of the whole trace.
        memory, details: DRAM figures and those of the architecture, as in a result's ``memory`` and ``nmp``.
        trace: the trace's label.
        energy_pj: every part, at the paper's prices (``recnmp_isca20``) and with DRAM by supply currents (``idd``).
        functional_check: whether its instructions pool what the model pools, as in a result; None where that was
            not asked.
    """

    ns: float
    memory: dict[str, Any]
    details: dict[str, Any]
    trace: dict[str, Any]
    energy_pj: dict[str, dict[str, float]]
    functional_check: dict[str, Any] | None = None


def run_job(job: Job, checked: bool = False) -> Outcome:
    """Run one job in this process, functionally ``checked`` or not; raises as the architecture and the check do."""
    system = System(load_standard(job.memory.standard), job.memory, job.cache, job.arrival)
    architecture = plugin("nmp", job.kind)
    trace, placed = trace_of(job.traffic), _placed(job.traffic, job.memory, job.placement)
    run = architecture.run(trace, placed, system, job.options or architecture.Options())
    found = check("on", trace, placed, run, system) if checked else None
    return Outcome(run.ns, run.memory, run.details, _label(job.traffic), _energy(run, system), found)


def one_of_each(jobs: Iterable[Job]) -> set[Job]:
    """Return the first run near memory of every setting: architecture, its options, caches and placement.

    Traces and shapes of memory differ more often, and have no say in what an instruction means.
    """
    first: dict[object, Job] = {}
    for job in jobs:
        if job.kind != "host":
            first.setdefault((job.kind, job.options, job.cache, job.placement), job)
    return set(first.values())


def _energy(run: SlsRun, system: System) -> dict[str, dict[str, float]]:
    costs, spec = load_operation_costs("recnmp_isca20"), system.spec
    idd = currents_of(system.memory.standard)
    return {
        "recnmp_isca20": by_operations(run.operations, costs, spec),
        "idd": by_currents(run.operations, costs, idd, spec, run.ns),
    }


@lru_cache(maxsize=2)
def _placed(traffic: Traffic, memory: MemoryConfig, placement: PlacementConfig) -> PlacedLookups:
    return place(trace_of(traffic), memory, load_standard(memory.standard), placement)


_label = lru_cache(maxsize=8)(label)


def run_jobs(
    jobs: Iterable[Job], processes: int, progress: Callable[[str], object] = str
) -> dict[Job, Outcome]:
    """Run every different job once, ``processes`` at a time; ``progress`` is told how many are done.

    The outcome does not depend on ``processes``. Jobs of one trace and placement go together, so that a process
    makes them once. One run of every setting (``one_of_each``) is checked functionally; raises RecnmpError where it
    pools something else than the model.
    """
    different = list(dict.fromkeys(jobs))
    checked = one_of_each(different)
    outcomes: dict[Job, Outcome] = {}
    groups: dict[tuple[Traffic, MemoryConfig, PlacementConfig], list[Job]] = {}
    for job in different:
        groups.setdefault((job.traffic, job.memory, job.placement), []).append(job)
    parts = sorted(groups.values(), key=lambda part: -len(part))
    if processes == 1:
        for part in parts:
            for job in part:
                outcomes[job] = run_job(job, job in checked)
                progress(f"run {len(outcomes)} of {len(different)}")
        return outcomes
    with process_pool(processes) as pool:
        waiting = {pool.submit(_run_part, part, [job in checked for job in part]): part for part in parts}
        for done in as_completed(waiting):
            outcomes |= zip(waiting[done], done.result(), strict=True)
            progress(f"run {len(outcomes)} of {len(different)}")
    return outcomes


def _run_part(jobs: list[Job], checked: list[bool]) -> list[Outcome]:
    return [run_job(*job) for job in zip(jobs, checked, strict=True)]
