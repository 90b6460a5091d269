"""AxDIMM, the near-memory DIMM that was built, on the 60 tables of its vendor's own benchmark (IEEE Micro 2022).

Two ranks, the host reading the same tables from the same DRAM. The measurements are of an FPGA prototype against a
server, whose cores, software and DRAM speed are not known; nothing here was fitted to them.
"""

from typing import Any

import numpy as np

from recnmp.config.schema import MemoryConfig, PlacementConfig
from recnmp.nmp.axdimm.options import Options
from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job, Outcome
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import Traffic, text_of, trace_columns

PLUGIN = True

ABOUT = (
    "shipped traces, whose indices are drawn with the reuse that Meta published for production-like "
    "tables: 60 tables of 64 B, the reference workload, and RM2 with 256 B. One channel of DDR4-2400 with "
    "one DIMM of two ranks; the host reads its tables from random pages with full queues and no cache. "
    "Energy leaves out the buffer's FPGA."
)

_MEMORY = MemoryConfig(dimms_per_channel=1, ranks_per_dimm=2)
_BETTER: dict[str, Any] = {"instruction_buffers": 2, "instruction_buffer_words": 8192}
_VARIANTS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "two smaller instruction buffers": _BETTER,
    "tables dealt to ranks": {"policy": "distribute"},
}
_TRACES = {"axdimm60": 1, "rm2": 2}
"""Shipped traces and their batches: 64 B entries (the reference workload) and 256 B."""

_BOUNDS = (2, 3, 5, 10)
"""Latency bounds of the load test, in times of the host's own gather."""

_HOST = (
    "the host here keeps both ranks busy and its bus 91 % full, as no real core does, while 64 B entries "
    "cap two ranks at 1.23 of a channel's peak (nFAW)"
)
_ENERGY = (
    "what the measurement covers is not known; ours prices DRAM commands, pins and adders alone, without "
    "the FPGA in the buffer, its SRAM and the pins between it and DRAM"
)
REASONS = {
    "latency": f"{_HOST}; traces, sums and software take the rest. With 256 B the same design is near 1.8",
    "bounded-throughput": f"{_HOST}; bound and load of the measurement are not known, ours are Poisson arrivals of "
    "whole batches and a 95th percentile within three times the host's own gather",
    "energy-saved": _ENERGY,
    "energy-saved-idd": _ENERGY,
}


def experiments(quick: bool) -> list[Experiment]:
    """Return the one experiment; the shipped traces are short, so ``quick`` takes them whole, too."""
    jobs: dict[Key, Job] = {}
    for name, batches in _TRACES.items():
        load = Traffic(
            "file", calls=min(batches, 1) if quick else batches, parallel=False, file=f"{name}.parquet"
        )
        jobs[name, "host"] = Job(load, "host", _MEMORY)
        for variant, options in _VARIANTS.items():
            pages = "coloured" if options.get("policy") == "distribute" else "random"
            jobs[name, variant] = Job(
                load, "axdimm", _MEMORY, PlacementConfig(pages=pages), options=Options(**options)
            )
    return [Experiment("two-ranks", "Two ranks against their host", jobs, _measure, REASONS)]


def _measure(results: Results, values: Values) -> Finding:
    points = []
    for (name, variant), outcome in results.items():
        base = results[name, "host"]
        if variant != "host":
            points.append(_point(outcome, base, str(variant)))
    host, near = results["axdimm60", "host"], results["axdimm60", "as shipped"]
    ours = {
        "latency": Ours(host.ns / near.ns, near.trace),
        "latency-256": Ours(
            results["rm2", "host"].ns / results["rm2", "as shipped"].ns, results["rm2", "host"].trace
        ),
        "bounded-throughput": Ours(_bounded_gain(host.ns, near.ns, 3), near.trace),
        "energy-saved": Ours(_saved(near, host, "recnmp_isca20"), near.trace),
        "energy-saved-idd": Ours(_saved(near, host, "idd"), near.trace),
    }
    series = tuple(
        Series(name, tuple(results[name, "host"].ns / results[name, v].ns for v in _VARIANTS))
        for name in _TRACES
    )
    published = values.get("latency")
    chart = Chart(
        "bars",
        "AxDIMM: speed-up of the gather over the host, two ranks",
        "what is built",
        "times the host",
        tuple(_VARIANTS),
        tuple(Series(f"{s.name}, {b} B", s.values) for s, b in zip(series, (64, 256), strict=True)),
        (("measured,\nup to", published),) if published else (),
        f"{text_of(near.trace)}; {text_of(results['rm2', 'host'].trace)}",
    )
    gains = ", ".join(f"{bound} x: {_bounded_gain(host.ns, near.ns, bound):.2f}" for bound in _BOUNDS)
    remark = (
        f"Throughput within a latency bound of so many times the host's gather: {gains} (1 thread, Poisson)."
    )
    return Finding(ours, points, chart, [remark])


def _point(outcome: Outcome, host: Outcome, variant: str) -> dict[str, Any]:
    share = outcome.details["time_share"]
    return {
        "variant": variant,
        "speedup_over_host": host.ns / outcome.ns,
        "host_bus_utilization": host.memory["bus_utilization"],
        "batch_load_imbalance": outcome.details["batch_load_imbalance"],
        **{f"{part}_share": share[part] for part in ("delivery", "return", "polling", "waiting")},
        "energy_saved": _saved(outcome, host, "recnmp_isca20"),
        "energy_saved_by_supply_currents": _saved(outcome, host, "idd"),
        **trace_columns(outcome.trace),
    }


def _saved(near: Outcome, host: Outcome, ledger: str) -> float:
    return 1 - sum(near.energy_pj[ledger].values()) / sum(host.energy_pj[ledger].values())


def _bounded_gain(host_ns: float, near_ns: float, bound: float) -> float:
    """Return the ratio of batch rates whose 95th percentile stays within ``bound`` times ``host_ns``."""
    return rate_within(bound * host_ns, near_ns) / rate_within(bound * host_ns, host_ns)


def rate_within(bound_ns: float, service_ns: float, arrivals: int = 20_000, seed: int = 1) -> float:
    """Return the highest rate [1/ns] of Poisson arrivals whose 95th percentile of latency is within the bound.

    One server, a constant time of service, first come first served; 0 where service alone takes longer.
    """
    if service_ns > bound_ns:
        return 0.0
    gaps = np.random.default_rng(seed).exponential(1.0, arrivals)
    low, high = 0.0, 1.0
    for _ in range(24):  # bisection of the load, to better than one in ten million
        load = (low + high) / 2
        # Lindley: waiting is what work has come less what time has passed, above its least so far
        surplus = np.cumsum(np.concatenate([[0.0], 1.0 - gaps[1:] / load]))
        waiting = surplus - np.minimum.accumulate(np.minimum(surplus, 0.0))
        late = np.quantile(waiting + 1.0, 0.95) * service_ns > bound_ns
        low, high = (low, load) if late else (load, high)
    return low / service_ns
