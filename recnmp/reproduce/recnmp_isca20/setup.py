"""What all experiments of the RecNMP paper share: shapes, traffic, jobs and how their outcomes are told.

The paper's memory study has 8 tables of about a million entries of 64 B and up to 80 lookups per bag; its mixes
Comb-8 to Comb-64 interleave as many tables. Here the operators of all tables run side by side, each on a thread of
its own, packets (near memory) or bags (the host) in turn. The host is on random pages always: a colour for every
table would cost it bandwidth, and is a choice of near memory's software.
"""

from collections.abc import Mapping
from typing import Any, Literal

from recnmp.config.schema import (
    ArrivalConfig,
    CacheConfig,
    CachesConfig,
    MemoryConfig,
    PlacementConfig,
    ReplicateConfig,
)
from recnmp.library.dram import load_standard
from recnmp.nmp.recnmp import Options
from recnmp.reproduce.jobs import Job, Outcome
from recnmp.reproduce.traffic import Traffic, trace_columns
from recnmp.units import BURST_BYTES

SHAPES = {"1x1": (1, 1), "1x2": (1, 2), "1x4": (1, 4), "2x2": (2, 2), "4x2": (4, 2)}
"""DIMMs on a channel x ranks of a DIMM."""

PAGES = ("random", "coloured", "page_interleaved", "hot entries copied", "all entries copied")
"""Placements near memory: pages, then copies in every rank of the hottest 1 % of the entries, or of all."""

Indices = Literal["random", "skewed"]


def ranks_of(shape: str) -> int:
    """Return the ranks of a channel."""
    dimms, ranks = SHAPES[shape]
    return dimms * ranks


def memory(shape: str, **options: Any) -> MemoryConfig:
    """Return one channel of DDR4-2400 of this shape; options as in the ``memory`` section."""
    dimms, ranks = SHAPES[shape]
    return MemoryConfig(dimms_per_channel=dimms, ranks_per_dimm=ranks, **options)


def traffic(indices: Indices, quick: bool, tables: int = 8, dim: int = 16) -> Traffic:
    """Return the paper's tables, 0.16 million lookups when ``quick``, else 1.3 million."""
    bags = 2048 if quick else 16384
    calls = {8: 4 if quick else 8, 64: 1 if quick else 2}[tables]
    return Traffic(indices, tables=tables, dim=dim, samples=bags // (tables * calls), calls=calls)


def placement(pages: str, poolings: int = 8) -> PlacementConfig:
    """Return one of ``PAGES``; copies even out packets of so many ``poolings``."""
    match pages:
        case "coloured":
            return PlacementConfig(pages="coloured")
        case "page_interleaved":
            return PlacementConfig(pages="coloured", colours="page_interleaved")
        case "hot entries copied" | "all entries copied":
            share = 1.0 if pages.startswith("all") else 0.01
            return PlacementConfig(replicate=ReplicateConfig(share=share, bags=poolings))
        case _:
            return PlacementConfig()


def in_turn(load: Traffic) -> ArrivalConfig:
    """Return the arrival of operators side by side, a thread for each table."""
    return ArrivalConfig(threads=load.tables, order="round_robin")


def rank_cache(size_bytes: int = 128 << 10) -> CachesConfig:
    """Return RankCaches of this size."""
    return CachesConfig(rank=CacheConfig(size_bytes=size_bytes))


def host(load: Traffic, shape: str, **options: Any) -> Job:
    """Return the baseline's run; options as in the ``memory`` section."""
    return Job(load, "host", memory(shape, **options), arrival=in_turn(load))


def near(
    load: Traffic,
    shape: str,
    pages: str = "random",
    cache: CachesConfig | None = None,
    *,
    dram: Mapping[str, Any] | None = None,
    **options: Any,
) -> Job:
    """Return a run of RecNMP; ``options`` are its own, ``dram`` those of the ``memory`` section."""
    return Job(
        load,
        "recnmp",
        memory(shape, **(dram or {})),
        placement(pages, options.get("poolings_per_packet", 8)),
        cache or CachesConfig(),
        in_turn(load),
        Options(**options),
    )


STEPS: dict[str, dict[str, Any]] = {
    "base": {},
    "+ RankCache": {"cache": rank_cache()},
    "+ table-aware scheduling": {"cache": rank_cache(), "scheduling": "table_aware"},
    "+ hot-entry profiling": {"cache": rank_cache(), "scheduling": "table_aware", "locality": "profiled"},
}
"""Mechanisms, each on top of those before; arguments of ``near``."""

ALL = STEPS["+ hot-entry profiling"]


def peak_gb_per_s() -> float:
    """Return what the data bus of one channel, or of one rank, can move."""
    spec = load_standard(MemoryConfig().standard)
    return BURST_BYTES / (spec.cycles["nBL"] * spec.tCK_ps.value / 1000)


def point(outcome: Outcome, host_outcome: Outcome | None = None, **where: Any) -> dict[str, Any]:
    """Return a run as one flat record: ``where`` first, then what came out, then the trace."""
    details, trace = outcome.details, outcome.trace
    share = details.get("time_share", {})
    return {
        **where,
        "ns_per_lookup": outcome.ns / trace["lookups"],
        "speedup_over_host": None if host_outcome is None else host_outcome.ns / outcome.ns,
        "dram_bandwidth_in_channel_peaks": outcome.memory["gb_per_s"] / peak_gb_per_s(),
        "cache_hit_rate": details.get("cache_hit_rate"),
        "packet_load_imbalance": details.get("packet_load_imbalance"),
        **{f"{part}_share": share.get(part) for part in ("delivery", "return", "waiting")},
        **trace_columns(trace),
    }
