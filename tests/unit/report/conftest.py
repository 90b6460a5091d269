"""Result documents as a run would make them, for the tests of what is done with one."""

from typing import Any

import pytest


@pytest.fixture
def document() -> dict[str, Any]:
    """A run with near memory."""
    return _sections()


@pytest.fixture
def host_document() -> dict[str, Any]:
    """A run of the host alone."""
    document = _sections()
    document["config"]["nmp"] = {"kind": "host", "options": {}}
    document["sls"] |= {"nmp_ns": None, "speedup_over_host": None}
    document["memory"].pop("nmp")
    document["nmp"] = {}
    document["end_to_end"] |= {"nmp_ns": None, "speedup_over_host": None}
    document["end_to_end"]["bound_reached"] = None
    for unit in ("queries", "samples", "lookups"):
        document["end_to_end"][f"{unit}_per_s"]["nmp"] = None
    document["end_to_end"]["breakdown"]["nmp"] = None
    document["functional_check"] = {"status": "skipped", "reason": "nothing was pooled near memory"}
    return document


def _sections() -> dict[str, Any]:
    part = {"iqr_ns": 700.0, "min_ns": 4000.0, "repeats": 30}
    return {
        "format": "recnmp-result-1",
        "config": {
            "version": 1,
            "model": "rm1",
            "trace": {"file": "traces/rm1_small.parquet", "first_batch": 0, "batches": None},
            "memory": {"standard": "ddr4_2400", "channels": 1, "dimms_per_channel": 4, "ranks_per_dimm": 2},
            "nmp": {"kind": "recnmp", "options": {"poolings_per_packet": 8}},
        },
        "sls": {
            "host_ns": 3_512_345.5,
            "nmp_ns": 612_345.25,
            "speedup_over_host": 5.7359,
            "batches": 20,
            "lookups": 819_200,
            "host_baseline": "the host reads every lookup's bursts through the same DRAM with FR-FCFS, a "
            "full read queue and no cache, and adds at no cost",
            "host_ladder": [
                {"name": name, "host_ns": ns, "speedup_over_host": ns / 612_345.25, "how": how}
                for name, ns, how in (
                    ("dram_bound", 3_512_345.5, "no cache, read queues always full"),
                    ("llc_filtered", 1_812_345.5, "a last-level cache answers 48.4% of the bursts"),
                    ("measured", 9_012_345.5, "torch on a machine, 1 thread"),
                )
            ],
        },
        "memory": {
            "host": _memory(84_296_292, 1_638_400, 14.93, 0.7776, (819_812, 12_345, 806_243))
            | {"rank_load_imbalance": 1.291}
            | _by_rank_and_time(84_296_292, 19.2, 524_288, [700_000_000, 600_000_000, 0]),
            "nmp": _memory(14_696_286, 1_638_400, 85.64, 0.557, (819_990, 12_167, 806_243))
            | _by_rank_and_time(14_696_286, 153.6, 131_072, [900_000_000, 400_000_000, 857_600], near=True),
        },
        "nmp": {
            "kind": "recnmp",
            "packets": 12_800,
            "instructions": 819_200,
            "rank_load_imbalance": 1.347,
            "packet_load_imbalance": 1.512,
            "replication": None,
            "cache_hit_rate": 0.3412,
            "time_share": {"delivery": 0.212, "return": 0.034, "waiting": 0.754},
        },
        "mlp": {
            "method": "measured",
            "backend": "torch 2.13.0+cpu",
            "threads": 1,
            "batch_size": 64,
            "bottom_mlp": {"median_ns": 30_800.0, **part},
            "interaction": {"median_ns": 4_400.0, **part},
            "top_mlp": {"median_ns": 115_000.0, **part},
            "total_ns": 150_200.0,
            "stable": False,
            "unstable_because": "interaction spread 16%",
            "note": "",
        },
        "end_to_end": _end_to_end(),
        "trace": {
            "file": "rm1_small.parquet",
            "batches": 20,
            "batch_size": 64,
            "lookups": 819_200,
            "unique_share": 0.2341,
        },
        "functional_check": {"status": "passed", "bags": 10_240, "bit_exact": True},
        "provenance": {"recnmp": "0.1.0"},
    }


def _memory(cycles: int, requests: int, gb: float, bus: float, rows: tuple[int, int, int]) -> dict[str, Any]:
    hits, misses, conflicts = rows
    return {
        "cycles": cycles,
        "requests": requests,
        "row_hits": hits,
        "row_misses": misses,
        "row_conflicts": conflicts,
        "commands": {"ACT": misses + conflicts, "PRE": conflicts, "RD": requests, "WR": 0, "REF": 9_000},
        "gb_per_s": gb,
        "bus_utilization": bus,
    }


def _by_rank_and_time(
    cycles: int, peak: float, step: int, moved: list[int], *, near: bool = False
) -> dict[str, Any]:
    """Loads of two channels of two ranks, and a run whose bytes come in the first two steps and the last."""
    steps = -(-cycles // step)
    data = [*moved[:2], *[0] * (steps - 3), moved[2]]
    busy = [step // 2, *[step // 4] * (steps - 1)]
    return {
        "rank_loads": {"lookups": [[200, 180], [220, 200]], "bursts_read": [[400 - near, 360], [440, 400]]},
        "over_time": {"step_cycles": step, "step_ns": step * 0.833, "peak_gb_per_s": peak, "data_bytes": data}
        | ({"channel_cycles": {"delivery": busy, "return": busy}} if near else {}),
    }


def _end_to_end() -> dict[str, Any]:
    dense = {"bottom_mlp_ns": 30_800.0, "interaction_ns": 4_400.0, "top_mlp_ns": 115_000.0}
    return {
        "host_ns": 3_662_545.5,
        "nmp_ns": 731_745.25,
        "speedup_over_host": 5.0052,
        "amdahl_bound": 24.38,
        "bound_reached": 0.2442,
        "queries_per_s": {"host": 273.0, "nmp": 1_366.6},
        "samples_per_s": {"host": 17_474.2, "nmp": 87_462.1},
        "lookups_per_s": {"host": 11_183_488.0, "nmp": 55_975_744.0},
        "serving": None,
        "batch_size": 64,
        "batches_in_flight": 1,
        "breakdown": {
            "host": dense | {"sls_ns": 3_512_345.5, "overlap": "none", "sls_share": 0.959},
            "nmp": dense
            | {
                "sls_ns": 612_345.25,
                "overlap": "bottom_mlp",
                "sls_share": 0.7947,
                "hidden_ns": 30_800.0,
                "exposed_sls_ns": 581_545.25,
            },
        },
    }
