"""The host's gather-reduce as ever more of a real processor limits or helps it: what a speed-up is over.

Each rung is a simulation of the same lookups. Queues that are always full are the bound of DRAM; a last-level cache
answers what it has in no time; cores with so many misses under way each no longer keep the queues full.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from recnmp.config import Config
from recnmp.config.schema import CacheConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.library.host import HostCpu, load_host
from recnmp.memory.outstanding import arrivals_outstanding
from recnmp.memory.replay import replay
from recnmp.memory.requests import Requests
from recnmp.nmp.base import System
from recnmp.nmp.host import reads
from recnmp.placement.place import PlacedLookups, place
from recnmp.trace.trace import Trace
from recnmp.units import cycles_to_ns


@dataclass(frozen=True)
class Rung:
    """One way to gather on the host: its name, the time of all batches [ns] and what it takes into account."""

    name: str
    ns: float
    how: str


def host_ladder(
    trace: Trace,
    placed: PlacedLookups,
    system: System,
    cpu: HostCpu,
    cores: int | None,
    own_ns: float | None = None,
) -> Iterator[Rung]:
    """Yield the rungs from the bound of DRAM to ``cores`` of ``cpu`` (None: all of them) behind its last-level cache.

    The cache is the system's where it has one, else the processor's. ``own_ns`` is the time of the system's own host
    where that has been simulated: the rung it stands on is not simulated again. Reads under way are shared out
    evenly to the channels. Not modelled: private caches, prefetchers, TLB misses, the time of hits and adds, other
    traffic.
    """
    placed = placed.original or placed
    spec, cores = system.spec, cores or cpu.cores.value
    controller = system.controller(system.ranks_per_channel, system.memory.read_queue)
    own = CacheConfig(kind="lru", size_bytes=cpu.llc_bytes, ways=cpu.llc_ways.value)
    llc = system.cache.llc or own
    bare = replace(system, cache=system.cache.model_copy(update={"llc": None}))
    cached = replace(system, cache=system.cache.model_copy(update={"llc": llc}))

    def ns(cycles: float) -> float:
        return cycles_to_ns(cycles, spec.tCK_ps.value)

    def full_queues(requests: Requests, *, own: bool) -> float:
        if own and own_ns is not None:
            return own_ns
        return ns(replay(requests, spec, controller).cycles)

    every, _ = reads(trace, placed, bare)
    bound = full_queues(every, own=system.cache.llc is None)
    yield Rung("dram_bound", bound, "no cache, read queues always full")
    missed, hits = reads(trace, placed, cached)
    size = f"{llc.size_bytes / 2**20:.4g} MiB, {llc.ways} ways"
    yield Rung(
        "llc_filtered",
        full_queues(missed, own=system.cache.llc is not None),
        f"a last-level cache of {size} answers {hits / max(placed.bursts, 1):.1%} of the bursts",
    )
    most = max(1, cores * cpu.misses_per_core.value // system.memory.channels)
    outside = cpu.outside_dram_ns.value
    back = round(outside * 1000 / spec.tCK_ps.value)
    _, end = arrivals_outstanding(missed, spec, controller, most=most, back=back)
    yield Rung(
        "misses_under_way",
        ns(end),
        f"behind that cache, {cores} core{'s' * (cores > 1)} x {cpu.misses_per_core.value} misses of {cpu.name}, "
        f"{outside:g} ns of each outside DRAM",
    )


def ladder_on(config: Config, trace: Trace, cores: int) -> list[Rung]:
    """Return the rungs of any ``trace`` on the memory, caches and processor that ``config`` describes.

    Raises ConfigError without a processor (``host.cpu: null``) and for more cores than it has.
    """
    if config.host.cpu is None:
        raise config.error(("host", "cpu"), "null: there is no processor to simulate")
    cpu = load_host(config.host.cpu)
    if cores > cpu.cores.value:
        raise ConfigError(f"{cpu.name} has {cpu.cores.value} cores, not {cores}")
    system = System(load_standard(config.memory.standard), config.memory, config.cache, config.arrival)
    placed = place(trace, config.memory, system.spec, config.placement)
    return list(host_ladder(trace, placed, system, cpu, cores))
