"""What DRAM timing alone says: vectors of random entries, nothing but ranks in the way."""

from typing import Any

from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job
from recnmp.reproduce.recnmp_isca20.setup import near, peak_gb_per_s, point, ranks_of, traffic
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import text_of

_DIMS = {64: 16, 128: 32, 256: 64}
_SHAPES = ("1x1", "4x2")

IDEAL: dict[str, Any] = {
    "poolings_per_packet": 16,
    "packets_in_flight": 64,
    "reorder_window": 64,
    "dram": {"refresh": "off"},
}
"""As little as possible beside the ranks: no refresh, packets enough that no rank waits, a wide window."""


def experiment(quick: bool) -> Experiment:
    """Return the experiment; ``quick`` takes shorter traces."""
    jobs: dict[Key, Job] = {
        (size, shape): near(traffic("random", quick, dim=dim), shape, "coloured", **IDEAL)
        for size, dim in _DIMS.items()
        for shape in _SHAPES
    }
    return Experiment("laws", "What DRAM timing alone says", jobs, _measure)


def _measure(results: Results, values: Values) -> Finding:
    share = {key: outcome.memory["gb_per_s"] / peak_gb_per_s() for key, outcome in results.items()}
    ours = {
        "law-one-rank-64": Ours(share[64, "1x1"], results[64, "1x1"].trace),
        "law-8-ranks-64": Ours(share[64, "4x2"], results[64, "4x2"].trace),
        "law-8-ranks-128": Ours(share[128, "4x2"], results[128, "4x2"].trace),
        "law-8-ranks-256": Ours(share[256, "4x2"], results[256, "4x2"].trace),
    }
    points = [
        point(outcome, vector_bytes=size, shape=shape, ranks=ranks_of(str(shape)))
        for (size, shape), outcome in results.items()
    ]
    series = (
        Series("ours", tuple(share[size, "4x2"] for size in _DIMS)),
        Series("closed form", tuple(values.get(f"law-8-ranks-{size}") for size in _DIMS)),
    )
    chart = Chart(
        "bars",
        "Eight ranks with nothing else in the way",
        "bytes of a vector",
        "peaks of the channel",
        tuple(str(size) for size in _DIMS),
        series,
        caption=f"no refresh, 64 packets in flight; {text_of(results[64, '4x2'].trace)}",
    )
    return Finding(ours, points, chart)
