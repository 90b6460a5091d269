"""End to end: the shipped models on eight ranks, dense part from a stored device profile."""

from typing import Any

from recnmp.library.device import load_device
from recnmp.mlp.profile import time_from_profile
from recnmp.nmp.recnmp import Options
from recnmp.reproduce.jobs import Job
from recnmp.reproduce.recnmp_isca20.setup import ALL, memory, point
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import Traffic
from recnmp.serving.end_to_end import EndToEnd

_MODELS = {"rm1": 8, "rm2": 2, "rm3": 16}
"""Models and the batches of their shipped traces, 64 samples each."""

_DEVICE, _BATCH = "xeon_2core_shared_2026", 64

REASONS = {
    "end-to-end": "layer sizes of the paper's models are not public and its host has 18 cores; ours is the "
    "shipped model whose gathers weigh most (91 % of the host's time; 74 % are recalled of the paper's), "
    "its dense part timed on one core of another CPU",
}


def experiment(quick: bool) -> Experiment:
    """Return the experiment; ``quick`` takes fewer batches."""
    jobs: dict[Key, Job] = {}
    options: dict[str, Any] = {key: value for key, value in ALL.items() if key != "cache"}
    for model, batches in _MODELS.items():
        load = Traffic(
            "file", calls=min(batches, 2) if quick else batches, parallel=False, file=f"{model}.parquet"
        )
        jobs["host", model] = Job(load, "host", memory("4x2"))
        jobs["nmp", model] = Job(
            load, "recnmp", memory("4x2"), cache=ALL["cache"], options=Options(**options)
        )
    return Experiment("end-to-end", "End to end on eight ranks, a batch of 64", jobs, _measure, REASONS)


def _measure(results: Results, _: Values) -> Finding:
    points, wholes = [], {}
    for model in _MODELS:
        host, near = results["host", model], results["nmp", model]
        dense = time_from_profile(load_device(_DEVICE), model, _BATCH)
        batches = host.trace["batches"]
        whole = EndToEnd(dense, host.ns / batches, near.ns / batches)
        wholes[model] = whole.speedup_over_host or 0.0
        added = {
            "end_to_end_speedup": whole.speedup_over_host,
            "gather_share_on_host": whole.sls_host_ns / whole.host_ns,
            "speedup_if_gather_took_no_time": whole.amdahl_bound,
        }
        points.append(point(near, host, model=model) | added)
    best = max(wholes, key=wholes.__getitem__)
    ours = {"end-to-end": Ours(wholes[best], results["nmp", best].trace)}
    remarks = [
        f"{p['model']}: gather {p['speedup_over_host']:.2f} x, end to end {p['end_to_end_speedup']:.2f} x of at "
        f"most {p['speedup_if_gather_took_no_time']:.2f} x; gathers take {p['gather_share_on_host']:.0%} of the "
        "host's time."
        for p in points
    ]
    return Finding(
        ours,
        points,
        None,
        [*remarks, f"Dense part: stored profile {_DEVICE}, one core, one batch at a time."],
    )
