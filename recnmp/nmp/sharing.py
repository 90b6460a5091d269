"""What the gather-reduce and the host's other traffic cost each other: each alone beside both together."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from recnmp.memory.replay import replay
from recnmp.memory.requests import Requests
from recnmp.memory.traffic import Served, host_bursts
from recnmp.nmp.base import SlsRun, System, sorted_by
from recnmp.placement.place import make_mapping


def run_shared(run: Callable[[System], SlsRun], system: System) -> SlsRun:
    """Return ``run`` on ``system``; with other traffic of the host, its costs are among the run's ``memory`` figures.

    ``sls_slowdown`` is the gather-reduce's time over that without the traffic; ``read_latency_alone_avg_ns`` what the
    same traffic meets when nobody gathers.
    """
    shared = run(system)
    if system.memory.host_traffic is None or "host_traffic" not in shared.memory:
        return shared
    alone = run(replace(system, memory=system.memory.model_copy(update={"host_traffic": None})))
    traffic = shared.memory["host_traffic"] | {
        "sls_slowdown": shared.ns / alone.ns,
        **_traffic_alone(system, int(str(shared.memory["cycles"]))),
    }
    return replace(shared, memory=shared.memory | {"host_traffic": traffic})


def _traffic_alone(system: System, cycles: int) -> dict[str, Any]:
    """Return the latencies of the host's traffic until clock ``cycles`` when there is nothing else."""
    spec, memory, ranks = system.spec, system.memory, system.ranks_per_channel
    if memory.host_traffic is None:
        return {}
    bursts = host_bursts(memory.host_traffic, spec, make_mapping(memory, spec), cycles)
    order, start = sorted_by(bursts.channel, memory.channels)
    requests = Requests(
        start,
        bursts.arrive[order],
        (bursts.rank * spec.banks_per_rank + bursts.bank)[order],
        bursts.row[order],
        bursts.column[order],
        bursts.write[order],
        np.zeros(len(bursts), np.int32),
        1,
    )
    timeline = replay(requests, spec, system.controller(ranks, memory.read_queue))
    passed = np.empty_like(order)
    passed[order] = timeline.depart
    figures = Served(bursts, passed).figures(timeline.cycles, spec)["host_traffic"]
    kept = ("read_latency_avg_ns", "read_latency_p95_ns")
    return {name.replace("latency", "latency_alone"): figures[name] for name in kept}
