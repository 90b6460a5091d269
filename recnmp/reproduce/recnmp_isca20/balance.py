"""Load imbalance: where pages and copies put a packet's lookups, and what the busiest rank costs."""

from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job
from recnmp.reproduce.recnmp_isca20.setup import PAGES, host, near, point, traffic
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import text_of

_POOLINGS = (1, 8)

REASONS = {
    "imbalance-cost": "packets in flight average over their neighbours, and when ranks are even "
    "instructions and sums fill 90 % of the channel: little is left to gain; with 128 B vectors (row "
    "below), which take half the instructions per byte, unevenness costs as much as published",
}


def experiment(quick: bool) -> Experiment:
    """Return the experiment; ``quick`` takes shorter traces."""
    jobs: dict[Key, Job] = {}
    for indices in ("skewed", "random"):
        load = traffic(indices, quick)
        jobs["host", indices] = host(load, "4x2")
        for pages in PAGES:
            for n in _POOLINGS:
                jobs[indices, pages, n] = near(load, "4x2", pages, poolings_per_packet=n)
    wide = traffic("skewed", quick, dim=32)
    jobs["host", "128 B"] = host(wide, "4x2")
    for pages in PAGES:
        jobs["128 B", pages, 8] = near(wide, "4x2", pages)
    return Experiment("load-imbalance", "Load imbalance on 8 ranks, no cache", jobs, _measure, REASONS)


def _measure(results: Results, _: Values) -> Finding:
    points = [
        point(outcome, results["host", key[0]], pages=key[1], poolings_per_packet=key[2])
        for key, outcome in results.items()
        if key[0] != "host"
    ]
    uneven, even = (results["skewed", pages, 8] for pages in ("random", "all entries copied"))
    wide = [results["128 B", pages, 8] for pages in ("random", "all entries copied")]
    ours = {
        "imbalance-cost": Ours(uneven.ns / even.ns - 1, uneven.trace),
        "imbalance-cost-128": Ours(wide[0].ns / wide[1].ns - 1, wide[0].trace),
        "imbalance-8-poolings": Ours(uneven.details["packet_load_imbalance"], uneven.trace),
    }
    return Finding(ours, points, _chart(results), _remarks(results))


def _chart(results: Results) -> Chart:
    series = tuple(
        Series(
            f"{'fitted reuse' if indices == 'skewed' else 'random indices'}, {n} per packet",
            tuple(results["host", indices].ns / results[indices, pages, n].ns for pages in PAGES),
        )
        for indices in ("skewed", "random")
        for n in _POOLINGS
    )
    ticks = tuple(
        f"{pages}\nimbalance {results['skewed', pages, 8].details['packet_load_imbalance']:.2f}"
        for pages in PAGES
    )
    return Chart(
        "bars",
        "Speed-up over the host by placement, 8 ranks, no cache",
        "placement near memory; imbalance within a packet of 8 poolings: busiest rank over mean rank",
        "times the host",
        ticks,
        series,
        caption="; ".join(text_of(results["host", name].trace) for name in ("skewed", "random")),
    )


def _remarks(results: Results) -> list[str]:
    one = [results["skewed", pages, 1].ns for pages in ("random", "all entries copied")]
    coloured = results["skewed", "coloured", 8]
    return [
        f"With one pooling per packet random pages cost {one[0] / one[1] - 1:.1%} over perfectly even packets.",
        (
            "A colour for every table puts a packet into one rank "
            f"(imbalance {coloured.details['packet_load_imbalance']:.0f}), yet packets of eight tables in turn "
            "keep all ranks busy, and a packet's sums come from one DIMM instead of four."
        ),
    ]
