"""What each mechanism is worth: no cache, then RankCache, table-aware scheduling and hot-entry profiling on top."""

from itertools import pairwise
from typing import Any

from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job, Outcome
from recnmp.reproduce.recnmp_isca20.setup import ALL, STEPS, host, near, peak_gb_per_s, point, traffic
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import Traffic, text_of

_RM1 = "rm1.parquet"
_SHAPES = ("1x2", "4x2")
_PAGES = ("random", "coloured")

_VARIANTS = {**STEPS, "no scheduling": {"cache": ALL["cache"], "locality": "profiled"}}

_BUS = (
    "on 8 ranks instructions, headers and the sums of four DIMMs fill 87 to 94 % of the channel's time, so "
    "what a hit spares a rank hardly shortens the gather"
)
REASONS = {
    "all-8-ranks": "8 instructions per burst cap 64 B vectors at 8 times the channel's peak, headers and "
    "sums at less, and the host here moves 0.90 of that peak, so 8.9 x would be the most with nothing else "
    "on the bus; with 128 B vectors (row below) an instruction brings twice as much",
    "step-rank-cache": f"{_BUS}; on 2 ranks, where ranks are the limit, see the row below",
    "step-scheduling": f"{_BUS}, though hits rise most here",
    "step-profiling": f"{_BUS}; it adds few hits to a scheduled stream, and the first "
    "batch waits for its counting",
    "off-the-roof": "the paper's digest is ambiguous as to what is measured against what; ours is bytes "
    "pooled, hits included, against 8 times the channel's peak, and 64 B vectors alone lose 38 % of that "
    "to nFAW",
    "profiling-cost": "the published value is a bound; counting is done on 18 threads beside the gather of "
    "the batch before; only the first batch waits for it here",
}


def experiment(quick: bool) -> Experiment:
    """Return the experiment; ``quick`` takes shorter traces."""
    jobs: dict[Key, Job] = {}
    for tables in (8, 64):
        load = traffic("skewed", quick, tables)
        for shape in _SHAPES:
            jobs["host", tables, shape] = host(load, shape)
            for pages in _PAGES:
                for step, options in _VARIANTS.items():
                    jobs[tables, shape, pages, step] = near(load, shape, pages, **options)
    jobs["free profiling",] = near(load, "4x2", profile_ns_per_lookup=0.0, **ALL)
    uniform, rm1 = traffic("random", quick, 64), rm1_traffic(quick)
    for name, other, shapes in (("random", uniform, ("4x2",)), ("rm1", rm1, _SHAPES)):
        for shape in shapes:
            jobs["host", name, shape] = host(other, shape)
            for step, options in _VARIANTS.items():
                jobs[name, shape, "random", step] = near(other, shape, **options)
    return Experiment("mechanisms", "Mechanisms step by step", jobs, _measure, REASONS)


def rm1_traffic(quick: bool) -> Traffic:
    """Return the shipped RM1 trace, entries of 128 B, its operators side by side."""
    return Traffic("file", entries=4_000_000, dim=32, calls=2 if quick else 8, file=_RM1)


def _measure(results: Results, values: Values) -> Finding:
    points, speedup = [], {}
    for key, outcome in results.items():
        if key[0] in ("host", "free profiling"):
            continue
        base = results["host", key[0], key[1]]
        speedup[key] = base.ns / outcome.ns
        points.append(point(outcome, base, shape=key[1], pages=key[2], step=key[3]))
    return Finding(
        _ours(results, speedup), points, _chart(results, speedup, values), _remarks(results, speedup)
    )


def _ours(results: Results, speedup: dict[Key, float]) -> dict[str, Ours]:
    names = ("step-rank-cache", "step-scheduling", "step-profiling")
    trace = results[64, "4x2", "random", "base"].trace
    found = {}
    for shape, suffix in (("4x2", ""), ("1x2", "-2-ranks")):
        for name, (before, after) in zip(names, pairwise(STEPS), strict=True):
            taken = results[64, shape, "random", after].ns / results[64, shape, "random", before].ns
            found[f"{name}{suffix}"] = Ours(1 - taken, trace)
    *_, last = STEPS
    best = _best(speedup)
    found["all-8-ranks"] = Ours(speedup[best], results[best].trace)
    best_rm1 = max((("rm1", "4x2", "random", step) for step in _VARIANTS), key=speedup.__getitem__)
    found["all-8-ranks-128"] = Ours(speedup[best_rm1], results[best_rm1].trace)
    done, free = results[64, "4x2", "random", last], results["free profiling",]
    found["profiling-cost"] = Ours(1 - free.ns / done.ns, trace)
    found["off-the-roof"] = Ours(1 - _pooled_gb_per_s(done) / (8 * peak_gb_per_s()), trace)
    hits = done.details["cache_hit_rate"]
    found["hits-against-unlimited"] = Ours(hits / (1 - trace["unique_share"]), trace)
    return found


def _best(speedup: dict[Key, float]) -> Key:
    """Return the fastest of the runs on 8 ranks with 64 B vectors and fitted reuse."""
    runs = [(tables, "4x2", pages, step) for tables in (8, 64) for pages in _PAGES for step in _VARIANTS]
    return max(runs, key=speedup.__getitem__)


def _pooled_gb_per_s(outcome: Outcome) -> float:
    return float(outcome.trace["lookups"] * outcome.trace["entry_bytes"] / outcome.ns)


def _chart(results: Results, speedup: dict[Key, float], values: Values) -> Chart:
    shown: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("2 ranks, 64 tables", (64, "1x2", "random")),
        ("8 ranks, 64 tables", (64, "4x2", "random")),
        ("8 ranks, 8 tables", (8, "4x2", "random")),
        ("8 ranks, 8 tables, coloured", (8, "4x2", "coloured")),
        ("8 ranks, 64 tables, random indices", ("random", "4x2", "random")),
        ("8 ranks, RM1, 128 B", ("rm1", "4x2", "random")),
    )
    series = tuple(Series(name, tuple(speedup[(*key, step)] for step in _VARIANTS)) for name, key in shown)
    published = values.get("all-8-ranks")
    traces = "; ".join(
        text_of(results[name, "4x2", "random", "base"].trace) for name in (64, 8, "random", "rm1")
    )
    return Chart(
        "bars",
        "Speed-up of the gather over the host, mechanism by mechanism",
        "each with those to its left; no scheduling: RankCache and profiling in order of arrival",
        "times the host",
        tuple(variant.replace(" ", "\n").replace("+\n", "+ ", 1) for variant in _VARIANTS),
        series,
        (("published,\nup to", published),) if published else (),
        f"random pages but where named; {traces}",
    )


def _remarks(results: Results, speedup: dict[Key, float]) -> list[str]:
    tables, _, pages, step = best = _best(speedup)
    how = "RankCaches and profiling in order of arrival" if step == "no scheduling" else step
    lines = [
        f"Fastest with 64 B on 8 ranks: {speedup[best]:.2f} x with {tables} tables, {pages} pages, {how}."
    ]
    for key, name in ((64, "64 tables"), ("rm1", "RM1, 128 B")):
        for shape in _SHAPES:
            steps = [results[key, shape, "random", step] for step in STEPS]
            gains = ", ".join(
                f"{step} {1 - after.ns / before.ns:+.1%} latency removed (hits {after.details['cache_hit_rate']:.0%})"
                for step, (before, after) in zip(list(STEPS)[1:], pairwise(steps), strict=True)
            )
            lines.append(f"{name}, {shape}, random pages: {gains}.")
    before, scheduled, profiled = (speedup[8, "4x2", "coloured", step] for step in list(STEPS)[1:])
    alone = speedup[8, "4x2", "coloured", "no scheduling"]
    lines.append(
        "With a colour for every table packets have one rank each, and a scheduler serves the ranks in turn: on 8 "
        f"ranks and 8 tables the speed-up is {before:.2f} x in order of arrival, {scheduled:.2f} x scheduled, "
        f"{profiled:.2f} x with profiling on top, {alone:.2f} x with profiling alone."
    )
    return lines
