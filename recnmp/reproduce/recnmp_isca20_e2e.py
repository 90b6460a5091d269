"""RecNMP (ISCA 2020) end to end: four models by batch size, one batch in flight and four cores' worth of them."""

from functools import cache
from itertools import pairwise
from typing import Any

from recnmp.config.schema import ArrivalConfig
from recnmp.config.serving import ServingConfig
from recnmp.library.device import DeviceProfile, load_device
from recnmp.library.model import load_model
from recnmp.mlp.profile import time_from_profile
from recnmp.nmp.recnmp import Options
from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job
from recnmp.reproduce.recnmp_isca20.setup import ALL, memory, point
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import Traffic, text_of
from recnmp.serving.end_to_end import EndToEnd
from recnmp.serving.served import Served

PLUGIN = True

MODELS = {
    "RM1-small": "recnmp_rm1_small",
    "RM1-large": "recnmp_rm1_large",
    "RM2-small": "recnmp_rm2_small",
    "RM2-large": "recnmp_rm2_large",
}
"""In the order in which the paper's gain; library models of 8, 12, 24 and 64 tables."""

BATCHES = (8, 16, 32, 64, 128, 256)
CORES = 4
"""Cores in front of a channel: the paper's socket has 18 and four channels."""

_DEVICE = "xeon_2core_shared_2026"
_HEAVIEST = "RM2-large"
_KNEE = (_HEAVIEST, 64)
_BOUND = 3
"""Latency bound of the load test, in times of the host's own query."""

ABOUT = (
    "the models of `recnmp list models` that stand for the paper's: its numbers of tables, a million entries of "
    "64 B and 80 lookups per bag, but layer sizes of DeepRecSys, since its own are not public. Indices have the "
    "reuse that Meta published for production-like tables. One channel of DDR4-2400 with four DIMMs of two ranks, "
    "all of RecNMP's mechanisms; the host's queues are full and it has no cache. Dense parts are those of a stored "
    f"profile ({_DEVICE}), one core each. Two ways: one batch in flight (latency), and {CORES} cores in front of "
    "the channel that each have a batch (throughput, by the simulation of queries; gathers of four batches "
    "interleaved)."
)

_SHARE = (
    "the host here gathers at its channel's full rate even for 8 samples, where a core of the paper's waits for its "
    "misses, and layer sizes are not the paper's, so dense layers weigh more in a small batch here"
)
REASONS = {
    "most": "four cores with a batch each are bound by memory on both sides here, so throughput gains all that the "
    "gather gains; the paper's gathers gain more than its models do, so their dense parts, whose layer sizes are not "
    "public, hold them back",
    "least": "recalled with little certainty; ours is one batch of 8 samples in flight, of which SLS is a fifth at "
    "the channel's full rate; larger batches and several cores gain more (table of all points)",
    "order": "gathers of all models gain alike; models differ by how much of the time gathers are",
    "batch-effect": "a step where the dense part grows faster with the batch than the gather does",
    **{f"share-{name.lower()}": _SHARE for name in MODELS},
    **{f"{name.lower()}-batch-8": f"{_SHARE}; the gather gains less than 9.8 x, too" for name in MODELS},
}


def experiments(quick: bool) -> list[Experiment]:
    """Return the one experiment; ``quick`` takes four batches of each size, else at least 1.3 million lookups."""
    options = {key: value for key, value in ALL.items() if key != "cache"}
    jobs: dict[Key, Job] = {}
    for name, model in MODELS.items():
        tables = load_model(model).n_tables
        for batch in BATCHES:
            calls = CORES if quick else max(CORES, 16384 // (tables * batch * CORES) * CORES)
            load = Traffic("skewed", tables=tables, samples=batch, calls=calls, parallel=False)
            for cores in (1, CORES):
                arrival = _arrival(cores)
                jobs["host", name, batch, cores] = Job(load, "host", memory("4x2"), arrival=arrival)
                jobs["nmp", name, batch, cores] = Job(
                    load,
                    "recnmp",
                    memory("4x2"),
                    cache=ALL["cache"],
                    arrival=arrival,
                    options=Options(**options),
                )
    return [Experiment("by-batch", "End to end by batch size", jobs, _measure, REASONS)]


@cache
def _device() -> DeviceProfile:
    return load_device(_DEVICE)


def _arrival(cores: int) -> ArrivalConfig:
    return ArrivalConfig(threads=cores, order="round_robin") if cores > 1 else ArrivalConfig()


def _served(results: Results, name: str, batch: int, cores: int) -> Served:
    """Return the server of one model: a query is a batch, a core has one at a time."""
    host, near = (results[side, name, batch, cores] for side in ("host", "nmp"))
    dense = time_from_profile(_device(), MODELS[name], batch)
    n = host.trace["batches"]
    whole = EndToEnd(dense, host.ns / n, near.ns / n, lookups=host.trace["lookups"] / n)
    serving = ServingConfig(query_samples=batch, queries=5000)
    return Served(whole, lambda _: dense, serving, _arrival(cores))


def _measure(results: Results, values: Values) -> Finding:
    points = [_point(results, name, batch) for name in MODELS for batch in BATCHES]
    at = {(p["model"], p["batch"]): p for p in points}
    small = {name: (at[name, 8], results["host", name, 8, 1].trace) for name in MODELS}
    one, many = (_gains(at, key) for key in ("speedup_one_batch", "speedup_throughput"))
    all_batches = results["nmp", _HEAVIEST, BATCHES[-1], 1].trace
    ours = {
        "least": Ours(min(one.values()), small["RM1-small"][1]),
        "order": Ours(_in_order(one), all_batches),
        "batch-effect": Ours(_rising(one), all_batches),
        "knee": Ours(_knee(results), results["nmp", *_KNEE, CORES].trace),
    }
    for key, gains in (("most", many), ("most-one-batch", one)):
        most, best = max((gains[_HEAVIEST, batch], batch) for batch in BATCHES)
        ours[key] = Ours(most, results["nmp", _HEAVIEST, best, 1].trace)
    for name, (p, of) in small.items():
        ours[f"share-{name.lower()}"] = Ours(p["sls_share_on_host"], of)
        ours[f"{name.lower()}-batch-8"] = Ours(p["speedup_one_batch"], of)
    return Finding(ours, points, _chart(at, values, text_of(all_batches)), _remarks(at))


def _point(results: Results, name: str, batch: int) -> dict[str, Any]:
    host, near = (results[side, name, batch, 1] for side in ("host", "nmp"))
    one, many = (_served(results, name, batch, cores) for cores in (1, CORES))
    whole = one.batch
    rates = {side: many.server(side).throughput(many.load) for side in ("host", "nmp", "perfect")}
    return {
        "model": name,
        "batch": batch,
        "host_us": whole.host_ns / 1e3,
        "nmp_us": (whole.nmp_ns or 0.0) / 1e3,
        "speedup_one_batch": whole.speedup_over_host,
        "bound_one_batch": whole.amdahl_bound,
        "bound_reached": whole.bound_reached,
        "sls_share_on_host": whole.sls_host_ns / whole.host_ns,
        "host_queries_per_s": rates["host"][0],
        "host_limit": rates["host"][1],
        "nmp_queries_per_s": rates["nmp"][0],
        "nmp_limit": rates["nmp"][1],
        "speedup_throughput": rates["nmp"][0] / rates["host"][0],
        "bound_throughput": rates["perfect"][0] / rates["host"][0],
    } | point(near, host)


def _gains(at: dict[tuple[str, int], dict[str, Any]], key: str) -> dict[tuple[str, int], float]:
    return {where: p[key] for where, p in at.items()}


def _in_order(gain: dict[tuple[str, int], float]) -> float:
    names = tuple(MODELS)
    pairs = [(a, b, batch) for a, b in pairwise(names) for batch in BATCHES]
    return sum(gain[b, batch] > gain[a, batch] for a, b, batch in pairs) / len(pairs)


def _rising(gain: dict[tuple[str, int], float]) -> float:
    steps = [(name, a, b) for name in MODELS for a, b in pairwise(BATCHES)]
    return sum(gain[name, b] > gain[name, a] for name, a, b in steps) / len(steps)


def _knee(results: Results) -> float:
    """Return the ratio of rates whose 95th percentile stays within three times the host's own query."""
    served = _served(results, *_KNEE, CORES)
    host, near = served.server("host"), served.server("nmp")
    bound = _BOUND * host.alone_ns(_KNEE[1], _KNEE[1])
    return near.within(served.load, bound) / host.within(served.load, bound)


def _chart(at: dict[tuple[str, int], dict[str, Any]], values: Values, text: str) -> Chart:
    ways = (("speedup_throughput", f"{CORES} cores", False), ("speedup_one_batch", "one batch", True))
    marks = ((f"published,\n{what}", values.get(key)) for key, what in (("most", "best"), ("least", "least")))
    return Chart(
        "lines",
        f"Gain end to end by batch: {CORES} cores, or one batch in flight",
        "samples of a batch",
        "times the host",
        tuple(str(batch) for batch in BATCHES),
        tuple(
            Series(f"{name}, {way}", tuple(at[name, batch][key] for batch in BATCHES), dashed, colour)
            for key, way, dashed in ways
            for colour, name in enumerate(MODELS)
        ),
        tuple((label, value) for label, value in marks if value is not None),
        f"8 ranks, all mechanisms; RM2-large, 256: {text}",
    )


def _remarks(at: dict[tuple[str, int], dict[str, Any]]) -> list[str]:
    lines = []
    for name in MODELS:
        first, last = at[name, BATCHES[0]], at[name, BATCHES[-1]]
        lines.append(
            f"{name}, batch {BATCHES[0]} to {BATCHES[-1]}: SLS is {first['sls_share_on_host']:.0%} to "
            f"{last['sls_share_on_host']:.0%} of the host's time; one batch in flight gains "
            f"{first['speedup_one_batch']:.2f} to {last['speedup_one_batch']:.2f} x of at most "
            f"{first['bound_one_batch']:.2f} to {last['bound_one_batch']:.2f}; {CORES} cores gain "
            f"{first['speedup_throughput']:.2f} to {last['speedup_throughput']:.2f} x of at most "
            f"{first['bound_throughput']:.2f} to {last['bound_throughput']:.2f}."
        )
    return lines
