"""Memory energy of a lookup: host against near memory, with and without mechanisms, by vector size."""

from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job, Outcome
from recnmp.reproduce.recnmp_isca20.mechanisms import rm1_traffic
from recnmp.reproduce.recnmp_isca20.setup import STEPS, host, near, traffic
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import text_of, trace_columns

_DIMS = {64: 16, 128: 32, 256: 64}

_GROUPS = {
    "activate": ("dram_activate",),
    "read, write": ("dram_column",),
    "data to host": ("io_data",),
    "instructions": ("io_instructions", "io_configuration"),
    "results": ("io_results",),
    "RankCache": ("rank_cache_lookups", "rank_cache_fills"),
    "adders": ("rank_adds", "dimm_adds"),
}
"""Parts that are shown, and the ledger's parts in each."""

_INSTRUCTIONS = (
    "the derived bound leaves instructions, results and adders out; a 79-bit instruction alone crosses the "
    "pins for 1.7 nJ, much beside a vector of 64 B"
)
REASONS = {
    "energy-saved": "the paper's split is not at hand; at its prices 44 % are saved without any cache, so "
    "its hits save less than ours or it counts what is not counted here: pins between DRAM and a DIMM's "
    "buffer, leakage of the units",
    "energy-saved-no-cache-64": _INSTRUCTIONS,
    "energy-saved-no-cache-128": _INSTRUCTIONS,
    "energy-saved-no-cache-256": _INSTRUCTIONS,
}


def experiment(quick: bool) -> Experiment:
    """Return the experiment; ``quick`` takes shorter traces."""
    jobs: dict[Key, Job] = {}
    for size, dim in _DIMS.items():
        load = traffic("random", quick, dim=dim)
        jobs["random", size, "host"] = host(load, "4x2")
        jobs["random", size, "base"] = near(load, "4x2")
    for name, load in (("fitted", traffic("skewed", quick, 64)), ("RM1", rm1_traffic(quick))):
        size = load.dim * 4
        jobs[name, size, "host"] = host(load, "4x2")
        for step, options in STEPS.items():
            jobs[name, size, step] = near(load, "4x2", **options)
    return Experiment(
        "energy", "Memory energy on eight ranks, at the paper's prices", jobs, _measure, REASONS
    )


def _measure(results: Results, _: Values) -> Finding:
    last = list(STEPS)[-1]
    ours = {
        "energy-saved": _saved(results, "fitted", 64, last),
        "energy-saved-128": _saved(results, "RM1", 128, last),
    }
    for size in _DIMS:
        ours[f"energy-saved-no-cache-{size}"] = _saved(results, "random", size, "base")
        base = results["random", size, "host"]
        ours[f"energy-host-{size}"] = Ours(_nj(base), base.trace)
    points = [
        {
            "vector_bytes": key[1],
            "runs": key[2],
            **{f"{group}_nj_per_lookup": _nj(outcome, *parts) for group, parts in _GROUPS.items()},
            "total_nj_per_lookup": _nj(outcome),
            "saved_against_host": None if key[2] == "host" else _saved(results, *key).value,
            "saved_by_supply_currents": None
            if key[2] == "host"
            else _saved(results, *key, ledger="idd").value,
            **trace_columns(outcome.trace),
        }
        for key, outcome in results.items()
    ]
    return Finding(ours, points, _chart(results), _remarks(results))


def _nj(outcome: Outcome, *parts: str, ledger: str = "recnmp_isca20") -> float:
    """Return the energy of a lookup [nJ]: of these parts, of all when there are none."""
    every = outcome.energy_pj[ledger]
    return float(sum(every[part] for part in parts or every) / 1e3 / outcome.trace["lookups"])


def _saved(results: Results, *key: str | int, ledger: str = "recnmp_isca20") -> Ours:
    name, size, _ = key
    base, outcome = results[name, size, "host"], results[key]
    return Ours(1 - _nj(outcome, ledger=ledger) / _nj(base, ledger=ledger), outcome.trace)


def _chart(results: Results) -> Chart:
    last = list(STEPS)[-1]
    traces: tuple[Key, ...] = (("random", 64, "host"), ("fitted", 64, "host"), ("RM1", 128, "host"))
    shown: dict[str, Key] = {}
    for size in _DIMS:
        shown[f"host\nrandom\n{size} B"] = "random", size, "host"
        shown[f"base\nrandom\n{size} B"] = "random", size, "base"
    for name, size in (("fitted", 64), ("RM1", 128)):
        shown[f"host\n{name}\n{size} B"] = name, size, "host"
        shown[f"base\n{name}\n{size} B"] = name, size, "base"
        shown[f"all\n{name}\n{size} B"] = name, size, last
    series = tuple(
        Series(group, tuple(_nj(results[key], *parts) for key in shown.values()))
        for group, parts in _GROUPS.items()
    )
    return Chart(
        "stacked",
        "Memory energy of a lookup, eight ranks, by the paper's prices",
        "random: random indices; base: no cache; all: every mechanism",
        "nJ per lookup",
        tuple(shown),
        series,
        caption="; ".join(text_of(results[key].trace) for key in traces),
    )


def _remarks(results: Results) -> list[str]:
    lines = []
    for name, size in (("fitted", 64), ("RM1", 128)):
        paper, currents = (
            ", ".join(
                f"{step} {_saved(results, name, size, step, ledger=ledger).value:.1%}" for step in STEPS
            )
            for ledger in ("recnmp_isca20", "idd")
        )
        lines += [
            f"Saved, {name}, {size} B, by the paper's prices: {paper}.",
            f"By supply currents of DDR4-2400 devices, standby over the run's time included: {currents}.",
        ]
    return lines
