"""A study of RankCaches from its request to its document."""

from collections.abc import Callable
from typing import Any

from recnmp._registry import plugin
from recnmp.config import Config, config_to_dict
from recnmp.errors import ConfigError
from recnmp.report.energy import PAPER
from recnmp.report.provenance import provenance
from recnmp.study.rankcache.request import FULL, Point, Request
from recnmp.study.runs import Outcome, Run, run_all
from recnmp.trace.storage import read_header
from recnmp.units import BURST_BYTES

FORMAT = "recnmp-rankcache-study-1"
Row = dict[str, Any]


def rankcache_study(
    config: Config, request: Request, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Return what RankCaches are worth on the trace and the memory system of ``config``, ready for JSON.

    The configuration's own RankCache is the one that every axis starts from, one of 128 KiB where it has none. The
    pooled vectors of that run, and of one without a cache, are compared with the model's own.

    Keys:
        format, trace, request, provenance: what was asked of what.
        system: memory, placement, arrival and nmp sections.
        host: the host's gather-reduce of the same trace, as a row of points.
        functional_check: of the configuration's own point, as in a result.
        points: a row for each point; see ``docs/rankcache.md``.

    Raises ConfigError for an architecture without RankCaches, and points that are not possible.
    """
    near = config.nmp.kind
    if near == "host" or ("cache", "rank") in getattr(plugin("nmp", near), "REFUSES", ()):
        raise ConfigError(f"nmp.kind {near} has no RankCaches")
    base = _base(config)
    header = read_header(config.trace.file)
    host = Run.of(config, "host", {"cache.rank": None})
    points = list(request.points(base))
    runs = {point: Run.of(config, near, point.changes()) for _, _, point in points}
    runs |= {bare: Run.of(config, near, bare.changes()) for bare in {p.without_cache() for p in runs}}
    own = Run.of(config, near, base.changes())
    done = run_all([own, host, *runs.values()], request.processes, [own], progress)
    outcomes = {point: done[run] for point, run in runs.items()}
    data, asked = config_to_dict(config), request.document(base)
    system = {name: data[name] for name in ("memory", "placement", "arrival", "nmp")}
    bare = {p.without_cache(): outcomes[p.without_cache()] for p in runs}
    rows = [
        _row({"axis": "none", "step": f"{p.order}, {p.poolings}"}, p, one, done[host], one)
        for p, one in sorted(bare.items(), key=lambda pair: (pair[0].order, pair[0].poolings))
    ]
    rows += [
        _row({"axis": axis, "step": step}, p, outcomes[p], done[host], bare[p.without_cache()])
        for axis, step, p in points
    ]
    return {
        "format": FORMAT,
        "trace": {
            "file": config.trace.file.name,
            "digest": header.digest,
            "tables": len(header.tables),
            "entry_bytes": sorted({table.entry_bytes for table in header.tables}),
            "lookups": done[host].lookups,
        },
        "request": asked,
        "system": system,
        "host": {"ns_per_lookup": done[host].ns / done[host].lookups} | _energy(done[host]),
        "functional_check": done[own].functional_check,
        "points": rows,
        "provenance": provenance(
            {"request": asked, "system": system, "trace": data["trace"]},
            header.digest,
            placement_seed=config.placement.seed,
            arrival_seed=config.arrival.seed,
        ),
    }


def _base(config: Config) -> Point:
    """Return the point that the configuration itself is."""
    cache, options = (
        config.cache.rank,
        config.section(("nmp", "options"), plugin("nmp", config.nmp.kind).Options),
    )
    told = options.model_dump()
    number = told["locality"] == "threshold"
    used = {
        "order": told["scheduling"],
        "threshold": told["locality_threshold"] if number else told["locality"],
        "poolings": told["poolings_per_packet"],
    }
    if cache is None:
        return Point(**used)
    ways = FULL if cache.ways * BURST_BYTES == cache.size_bytes else cache.ways
    return Point(cache.size_bytes, ways, cache.kind, **used)


def _row(head: Row, point: Point, outcome: Outcome, host: Outcome, bare: Outcome) -> Row:
    """Return a point's figures; ``bare`` is the same without a RankCache."""
    details = outcome.details
    return {
        **head,
        **{
            name: str(value) if name in ("ways", "threshold") else value
            for name, value in vars(point).items()
        },
        "ns_per_lookup": outcome.ns / outcome.lookups,
        "time_share": outcome.ns / bare.ns,
        "speedup_over_host": host.ns / outcome.ns,
        "hit_rate": details["cache_hit_rate"] or 0.0,
        "cacheable_share": details["cacheable_share"] or 0.0,
        **{f"{part}_share": share for part, share in details["time_share"].items()},
        "packet_load_imbalance": details["packet_load_imbalance"],
        "profile_ns": details["profile_ns"],
        **_energy(outcome),
        "energy_share": sum(_ledger(outcome, PAPER).values()) / sum(_ledger(bare, PAPER).values()),
    }


def _energy(outcome: Outcome) -> Row:
    """Return energy in nJ per lookup: in all by ledger, and the RankCaches' part of it."""
    paper, each = _ledger(outcome, PAPER), 1e3 * outcome.lookups
    caches = sum(pj for part, pj in paper.items() if part.startswith("rank_cache"))
    idd = _ledger(outcome, "idd")
    return {
        f"{PAPER}_nj_per_lookup": sum(paper.values()) / each,
        "idd_nj_per_lookup": sum(idd.values()) / each if idd else None,
        "rank_cache_nj_per_lookup": caches / each,
    }


def _ledger(outcome: Outcome, name: str) -> dict[str, float]:
    return outcome.energy_pj[name] or {}
