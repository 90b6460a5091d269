"""The host's own gather-reduce: every burst crosses the channel, the cores add.

The baseline of every speed-up. Cores are taken to keep each channel's read queue full (enough threads and
outstanding misses), so time is what DRAM needs; the adds hide behind the reads. With ``cache.llc`` set, bursts
that hit the last-level cache never reach DRAM. Not modelled: limits of cores and miss buffers, private caches,
prefetchers, TLB misses, other traffic.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recnmp.cache.filter import cache_hits
from recnmp.memory.beside import replay_beside
from recnmp.memory.replay import Timeline, replay
from recnmp.memory.requests import Requests
from recnmp.memory.traffic import HostBursts, Served
from recnmp.nmp.base import SlsRun, System, load_imbalance, sorted_by
from recnmp.nmp.operations import Operations
from recnmp.nmp.over_time import OverTime, Steps, traffic_bytes
from recnmp.nmp.recorded import Reads
from recnmp.nmp.scheduling import arrival_order
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import Trace
from recnmp.units import cycles_to_ns

PLUGIN = True


class Options(BaseModel):
    """The host has no options of its own; its memory system is the run's."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def run(trace: Trace, placed: PlacedLookups, system: System, options: Options) -> SlsRun:
    """Gather every lookup of ``trace`` over the memory channels, from original entries where others have copies."""
    placed = placed.original or placed
    memory, spec = system.memory, system.spec
    ranks = system.ranks_per_channel
    requests, hits = reads(trace, placed, system)
    begin = placed.first[:-1]
    rank = placed.channel[begin] * ranks + placed.rank[begin]
    timeline, others = system.among_traffic(
        lambda bursts: _replay(requests, bursts, system),
        lambda run: run[0].cycles,
        guess=len(requests) * spec.cycles["nBL"],
    )
    return SlsRun(
        ns=cycles_to_ns(timeline.cycles, spec.tCK_ps.value),
        operations=_operations(trace, requests, rank, timeline, others, system),
        memory=timeline.statistics(spec, memory.channels)
        | {"merged": timeline.counts["merged"]}
        | others.figures(timeline.cycles, spec)
        | {"rank_load_imbalance": load_imbalance(rank, memory.channels * ranks)}
        | {"llc_hit_rate": hits / placed.bursts if system.cache.llc and placed.bursts else None},
        commands=tuple((ranks, commands) for commands in timeline.commands),
        reads=tuple(
            Reads(timeline.accepted[a:b], timeline.depart[a:b])
            for a, b in pairwise(requests.start if timeline.commands else ())
        ),
    )


def reads(trace: Trace, placed: PlacedLookups, system: System) -> tuple[Requests, int]:
    """Return what the channels are asked to read, all from the start, and how many bursts a cache answers."""
    spec, banks = system.spec, system.spec.banks_per_rank
    bank = (placed.channel * system.ranks_per_channel + placed.rank) * banks + placed.flat_bank
    line = (bank.astype(np.int64) << 32 | placed.row) * spec.organization.bursts_per_row.value + placed.column
    arrived = _arrival(trace, placed, system)
    hit = cache_hits(line[arrived], system.cache.llc)
    missed = arrived[~hit]
    order, start = sorted_by(placed.channel[missed], system.memory.channels)
    burst = missed[order]
    batch = trace.bag_batch[trace.bag - np.uint32(trace.calls.first_bag[0])]
    _, group = np.unique(batch[placed.lookup[burst]], return_inverse=True)
    requests = Requests(
        start,
        np.zeros(len(burst), np.int64),
        (placed.rank * banks + placed.flat_bank)[burst],
        placed.row[burst],
        placed.column[burst],
        np.zeros(len(burst), np.uint8),
        group.astype(np.int32),
        int(group.max(initial=-1)) + 1,
    )
    return requests, int(np.count_nonzero(hit))


def _operations(
    trace: Trace,
    requests: Requests,
    rank: NDArray[np.int32],
    timeline: Timeline,
    others: Served,
    system: System,
) -> Operations:
    """Every burst crosses the channel unless another read brings it; every element is added by the cores.

    ``rank`` of each lookup counts over all channels.
    """
    burst_bits = 8 * system.spec.organization.burst_bytes.value
    shape = system.memory.channels, system.ranks_per_channel
    steps = Steps(timeline.cycles)
    data = steps.arrived(_arrivals(requests, timeline)) * (burst_bits // 8)
    traffic = traffic_bytes([others], timeline.cycles, steps, system.spec)
    elements = np.bincount(trace.table, minlength=len(trace.tables)) @ [table.dim for table in trace.tables]
    return Operations(
        activity=timeline.activity,
        data_bits=(len(requests) - timeline.counts["merged"]) * burst_bits,
        traffic_bits=others.passed_by(timeline.cycles) * burst_bits,
        host_adds=int(elements),
        rank_lookups=np.bincount(rank, minlength=shape[0] * shape[1]).reshape(shape),
        over_time=OverTime(steps, system.spec, shape[0], data, traffic),
    )


def _arrivals(requests: Requests, timeline: Timeline) -> NDArray[np.int64]:
    """Return the clocks at which bursts had crossed their channel; what reads share crosses once."""
    if not timeline.counts["merged"]:
        return timeline.depart
    return np.concatenate([np.unique(timeline.depart[a:b]) for a, b in pairwise(requests.start)])


def _arrival(trace: Trace, placed: PlacedLookups, system: System) -> NDArray[np.int64]:
    """Return the bursts in the order in which threads ask for them, bag by bag, shape (N,)."""
    if system.arrival.threads == 1:
        return np.arange(placed.bursts)
    order = arrival_order(trace.bag_batch, system.arrival)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    bag = trace.bag - np.uint32(trace.calls.first_bag[0])
    return np.argsort(position[bag][placed.lookup], kind="stable")


def _replay(requests: Requests, others: HostBursts, system: System) -> tuple[Timeline, Served]:
    spec, audited = system.spec, system.memory.audit
    controller = system.controller(system.ranks_per_channel, system.memory.read_queue)
    if len(others):
        return replay_beside(requests, others, spec, controller, record=audited)
    return replay(requests, spec, controller, record=audited), Served.none()
