"""Rank scaling: speed-up over the host by shape, poolings per packet, pages and trace, no cache."""

from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job
from recnmp.reproduce.recnmp_isca20.setup import host, near, peak_gb_per_s, point, ranks_of, traffic
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import text_of

_SHAPES = ("1x2", "1x4", "2x2", "4x2")
_POOLINGS = (1, 2, 4, 8)
_PAGES = ("coloured", "random")
_IDS = {"1x2": "base-2-ranks", "2x2": "base-4-ranks", "4x2": "base-8-ranks"}

_HOST = (
    "the host here keeps its queues full and moves 0.90 to 0.92 of the channel's peak, while random 64 B "
    "vectors let a rank move 0.615 of its own at most (nFAW), less refresh"
)
REASONS = {
    "base-2-ranks": f"{_HOST}: 2 ranks cannot be above 2 x 0.615 / 0.92 = 1.34; 1.96 needs a host at 0.63",
    "base-4-ranks": f"{_HOST}: 4 ranks cannot be above 4 x 0.615 / 0.91 = 2.7; 3.83 needs a host at 0.64",
    "base-8-ranks": f"{_HOST}: 8 ranks cannot be above 4.92 / 0.90 = 5.5; 7.35 needs a host at 0.67, which is "
    "the recalled load at which the paper's host saturates (experiment host-strength)",
}


def experiment(quick: bool) -> Experiment:
    """Return the experiment; ``quick`` takes shorter traces."""
    jobs: dict[Key, Job] = {}
    for indices in ("skewed", "random"):
        load = traffic(indices, quick)
        for shape in _SHAPES:
            jobs["host", indices, shape] = host(load, shape)
            for pages in _PAGES:
                for poolings in _POOLINGS:
                    jobs[indices, shape, pages, poolings] = near(
                        load, shape, pages, poolings_per_packet=poolings
                    )
    return Experiment("rank-scaling", "Rank scaling without a cache", jobs, _measure, REASONS)


def _measure(results: Results, values: Values) -> Finding:
    points, speedup = [], {}
    for key, outcome in results.items():
        if key[0] == "host":
            continue
        indices, shape, pages, poolings = key
        base = results["host", indices, shape]
        speedup[key] = base.ns / outcome.ns
        where = {
            "shape": shape,
            "ranks": ranks_of(str(shape)),
            "pages": pages,
            "poolings_per_packet": poolings,
        }
        points.append(point(outcome, base, **where))
    found = {
        name: Ours(speedup["skewed", shape, "coloured", 8], results["skewed", shape, "coloured", 8].trace)
        for shape, name in _IDS.items()
    }
    return Finding(found, points, _chart(results, speedup, values), _remarks(results, speedup))


def _chart(results: Results, speedup: dict[Key, float], values: Values) -> Chart:
    def bars(name: str, *rest: str | int, indices: str = "skewed") -> Series:
        return Series(name, tuple(speedup[(indices, shape, *rest)] for shape in _SHAPES))

    series = [bars(f"random pages, {n} per packet", "random", n) for n in _POOLINGS]
    series += [
        bars("coloured, 8", "coloured", 8),
        bars("coloured, 8, random indices", "coloured", 8, indices="random"),
        Series("published (recalled)", tuple(values.get(_IDS.get(s, "")) for s in _SHAPES)),
    ]
    text = "; ".join(text_of(results["host", name, "4x2"].trace) for name in ("skewed", "random"))
    return Chart(
        "bars",
        "Speed-up of the gather over the host by poolings per packet, no cache",
        "DIMMs x ranks of a DIMM, one channel",
        "times the host",
        _SHAPES,
        tuple(series),
        caption=f"coloured: every table in one rank; {text}",
    )


def _remarks(results: Results, speedup: dict[Key, float]) -> list[str]:
    hosts = [results["host", "skewed", shape].memory["gb_per_s"] / peak_gb_per_s() for shape in _SHAPES]
    one, eight = (speedup["skewed", "4x2", "random", n] for n in (1, 8))
    dimms, one_dimm = (speedup["skewed", shape, "random", 8] for shape in ("2x2", "1x4"))
    return [
        f"The host moves {min(hosts):.2f} to {max(hosts):.2f} of its channel's peak.",
        (
            f"On 8 ranks and random pages a packet of 8 poolings gives {eight:.2f} x, one of 1 pooling {one:.2f} x: "
            "headers are shared and ranks even out."
        ),
        (
            f"Four ranks in one DIMM give {one_dimm:.2f} x, in two {dimms:.2f} x: the second DIMM returns sums of "
            "its own, for which the channel of four ranks still has time."
        ),
        (
            "Without a cache reuse is of next to no use: fitted reuse and random indices differ by "
            f"{abs(speedup['skewed', '4x2', 'coloured', 8] / speedup['random', '4x2', 'coloured', 8] - 1):.1%} "
            "on 8 ranks."
        ),
    ]
