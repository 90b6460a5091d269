"""How strong the host is: speed-ups over a host whose cores keep fewer reads in flight."""

from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job
from recnmp.reproduce.recnmp_isca20.setup import ALL, host, near, peak_gb_per_s, point, traffic
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import text_of

_QUEUES = (1, 2, 4, 8, 16, 32)

REASONS = {
    "host-saturation": "cores and their miss buffers are not modelled: the host's queues are full at any "
    "time, so it is as fast as DRAM allows; the paper measured where latency starts to climb",
    "host-ceiling": "the paper's is what a bandwidth tester measures on a server, with cores, prefetchers "
    "and refresh; ours are random reads from full queues",
}


def experiment(quick: bool) -> Experiment:
    """Return the experiment; ``quick`` takes shorter traces."""
    load = traffic("skewed", quick)
    jobs: dict[Key, Job] = {("host", n): host(load, "4x2", read_queue=n) for n in _QUEUES}
    jobs["base",] = near(load, "4x2", "coloured")
    jobs["all",] = near(load, "4x2", **ALL)
    jobs["one DIMM",] = host(load, "1x2")
    return Experiment("host-strength", "How strong the host is", jobs, _measure, REASONS)


def _measure(results: Results, _: Values) -> Finding:
    points = [
        point(results["host", n], reads_in_flight=n)
        | {f"speedup_{key}": results["host", n].ns / results[key,].ns for key in ("base", "all")}
        for n in _QUEUES
    ]
    share = [outcome["dram_bandwidth_in_channel_peaks"] for outcome in points]
    ours = {
        name: Ours(results["one DIMM",].memory["gb_per_s"] / peak_gb_per_s(), results["one DIMM",].trace)
        for name in ("host-saturation", "host-ceiling")
    }
    series = (
        Series("8 ranks, no cache, coloured", tuple(p["speedup_base"] for p in points)),
        Series("8 ranks, all mechanisms, random pages", tuple(p["speedup_all"] for p in points)),
    )
    chart = Chart(
        "lines",
        "Speed-up over a host that keeps fewer reads in flight",
        "reads the host's controller holds, and the share of the channel's peak that it moves",
        "times the host",
        tuple(f"{n}\n{moved:.0%}" for n, moved in zip(_QUEUES, share, strict=True)),
        series,
        caption=text_of(results["all",].trace),
    )
    near_67 = min(points, key=lambda p: abs(p["dram_bandwidth_in_channel_peaks"] - 0.674))
    remark = (
        f"A host held to {near_67['dram_bandwidth_in_channel_peaks']:.0%} of the peak ({near_67['reads_in_flight']} "
        f"reads in flight) loses by {near_67['speedup_base']:.2f} x to eight ranks without a cache, by "
        f"{near_67['speedup_all']:.2f} x to all mechanisms. This is a sensitivity, not a baseline of any row."
    )
    return Finding(ours, points, chart, [remark])
