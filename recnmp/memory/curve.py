"""Bandwidth-latency curves: read latency of one channel against the load that it carries.

Requests come open loop, with exponential gaps, at shares of the most that the channel takes of that traffic; a
read's latency counts from when it was due to its last data beat, waiting for room in the queue included. The
first tenth of each run warms up and is not counted. ``random``: every burst of the memory alike. ``stream``:
consecutive bursts through a mapping that alternates bank groups.

Not modelled: cores that stop when their misses wait (a closed loop), prefetchers, several channels.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recnmp.errors import ConfigError
from recnmp.library.dram import COMMANDS, DramSpec
from recnmp.memory.formats import MemoryTrace
from recnmp.memory.replay import Timeline
from recnmp.memory.setup import Setup, make_requests
from recnmp.placement.place import make_mapping
from recnmp.units import cycles_to_ns, gb_per_s

TRAFFIC = ("random", "stream")
REQUESTS = 40_000
STREAM_MAPPING = "bg_interleaved"

_WARM_UP = 0.1
_ACT, _PRE, _RD = (COMMANDS.index(name) for name in ("ACT", "PRE", "RD"))
_LIGHTEST, _HEAVIEST = 0.02, 0.98  # shares of what the channel takes at most


def measure_curve(
    setup: Setup,
    read_share: float = 1.0,
    points: int = 12,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Return ``points`` loads of each traffic of ``TRAFFIC`` on one channel, as plain JSON data.

    ``read_share`` of the requests, chosen at random, are reads. Raises ConfigError for a share that leaves no
    reads and for fewer than two points.
    """
    if not 0 < read_share <= 1 or points < 2:
        raise ConfigError(f"read share {read_share} must be above 0 and up to 1, points {points} at least 2")
    shares = _LIGHTEST + (_HEAVIEST - _LIGHTEST) * (1 - (1 - np.linspace(0, 1, points)) ** 1.5)
    measured = []
    for traffic in TRAFFIC:
        most = _run(setup, traffic, read_share, 0.0, seed)["gb_per_s"]
        for share in shares:
            if progress is not None:
                progress(f"{traffic} traffic at {share * most:.1f} GB/s")
            offered = share * most
            measured.append({"traffic": traffic, "offered_gb_per_s": offered})
            measured[-1] |= _run(setup, traffic, read_share, offered, seed)
    return setup.described | {
        "mapping": STREAM_MAPPING,
        "read_share": read_share,
        "requests_per_point": REQUESTS,
        "stream_mapping": STREAM_MAPPING,
        "seed": seed,
        "closed_forms": closed_forms(setup.spec, setup.ranks),
        "points": measured,
    }


def closed_forms(spec: DramSpec, ranks: int) -> dict[str, float]:
    """Return what the standard's own numbers promise: latencies of a lone read in ns, rates in GB/s.

    A request takes one clock to enter its queue. ``activate_limit_gb_per_s`` is the rate when every burst opens
    a row: the ACT window (nFAW) of each rank, the data bus of all.
    """
    cycles, peak = spec.cycles, spec.peak_gb_per_s
    row_hit = 1 + cycles["nCL"] + cycles["nBL"]
    window, wait = spec.act_window
    activates = ranks * window * cycles["nBL"] / wait if wait else 1.0
    opened = int(spec.gaps[_ACT, _RD, 0])
    steps = {
        "row_hit_ns": 0,
        "closed_bank_ns": opened,
        "row_conflict_ns": opened + int(spec.gaps[_PRE, _ACT, 0]),
    }
    forms = {name: cycles_to_ns(row_hit + more, spec.tCK_ps.value) for name, more in steps.items()}
    return forms | {"peak_gb_per_s": peak, "activate_limit_gb_per_s": peak * min(1.0, activates)}


def _run(setup: Setup, traffic: str, read_share: float, offered: float, seed: int) -> dict[str, Any]:
    """Replay one load, as fast as it is taken where ``offered`` is 0."""
    trace = make_traffic(setup, traffic, read_share, offered, seed)
    requests, _ = make_requests(trace, 1)
    timeline = setup.replay(requests)
    return _counted(trace, timeline, setup.spec)


def make_traffic(setup: Setup, traffic: str, read_share: float, offered: float, seed: int) -> MemoryTrace:
    """Return ``REQUESTS`` requests at ``offered`` GB/s on average; all are due at once where it is 0."""
    rng = np.random.default_rng([seed, TRAFFIC.index(traffic)])
    spec = setup.spec
    memory = setup.memory.model_copy(update={"mapping": STREAM_MAPPING})
    mapping = make_mapping(memory, spec)
    number = np.arange(REQUESTS)
    burst = number if traffic == "stream" else rng.integers(0, 1 << mapping.bits, REQUESTS)
    write = rng.random(REQUESTS) >= read_share
    gaps = rng.exponential(1.0, REQUESTS)
    gaps /= gaps.mean()  # so that the load is the one asked for
    arrive = np.zeros(REQUESTS, np.int64)
    if offered:
        clocks_per_burst = spec.organization.burst_bytes.value / (offered * spec.tCK_ps.value / 1000)
        arrive = np.floor(np.cumsum(gaps) * clocks_per_burst).astype(np.int64)
    fields = mapping.decode(burst)
    groups, banks = spec.organization.bank_groups.value, spec.organization.banks_per_group.value
    lane = (fields["Ra"] * groups + fields["Bg"]) * banks + fields["Ba"]
    channel, lane, row, column = (
        v.astype(np.int32) for v in (fields["Ch"], lane, fields["Ro"], fields["Co"])
    )
    return MemoryTrace(arrive, channel, lane, row, column, write.astype(np.uint8))


def _counted(trace: MemoryTrace, timeline: Timeline, spec: DramSpec) -> dict[str, Any]:
    """Return the achieved rate, and mean and 99th percentile of the latency of reads, after the warm-up."""
    first = int(len(trace) * _WARM_UP)
    accepted = timeline.accepted[first:]
    clocks = int(accepted[-1] - accepted[0])
    n_bytes = (len(accepted) - 1) * spec.organization.burst_bytes.value
    reads = first + np.flatnonzero(timeline.depart[first:] >= 0)
    tCK_ps = spec.tCK_ps.value
    latency = timeline.depart[reads] - trace.arrive[reads]
    return {
        "gb_per_s": gb_per_s(n_bytes, cycles_to_ns(clocks, tCK_ps)),
        "read_latency_mean_ns": cycles_to_ns(float(latency.mean()), tCK_ps) if len(reads) else None,
        "read_latency_p99_ns": cycles_to_ns(float(np.percentile(latency, 99)), tCK_ps)
        if len(reads)
        else None,
    }


def write_curve(document: dict[str, Any], path: Path) -> None:
    """Write the points of a curve as CSV, one line each."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(document["points"][0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(_rounded(point) for point in document["points"])


def _rounded(point: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in point.items()}
