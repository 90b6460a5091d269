"""What a sweep costs beside its points: 500 small ones on one worker and on two.

Ranks, vector size, RankCache, scheduling and traces vary. Overhead per point is the workers' time from when they
were ready to the last point, less what the points themselves took in it; start-up is all before, planning 500 points
among it. CPU time is of the process that plans, hands out and writes. Both runs must give the same bytes.
"""

import argparse
import filecmp
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from measuring import machine

from recnmp.sweep.run import Where, run_sweep
from recnmp.sweep.store import Store
from recnmp.trace.storage import save_trace
from recnmp.trace.trace import POOLINGS, Calls, Table, Trace

TABLES, BATCHES, BAGS, POOLING_FACTOR, ENTRIES = 4, 2, 16, 20, 100_000
DIMS, SKEWS = (16, 64), (0.6, 0.8, 1.0, 1.2, 1.4)
SHAPES = {"memory.dimms_per_channel": [1, 1, 2, 4, 8], "memory.ranks_per_dimm": [1, 2, 2, 2, 2]}
CACHES = ["16 KiB", "32 KiB", "64 KiB", "128 KiB", "256 KiB"]


def make_trace(dim: int, skew: float) -> Trace:
    """Lookups by a Zipf law of ``skew``; two batches of four tables, bags of 20."""
    calls, per_call = TABLES * BATCHES, BAGS * POOLING_FACTOR
    table = np.arange(calls) % TABLES
    share = np.arange(1, ENTRIES + 1.0) ** -skew
    rng = np.random.default_rng(1)
    return Trace(
        table=np.repeat(table, per_call).astype(np.uint16),
        bag=np.repeat(np.arange(calls * BAGS), POOLING_FACTOR).astype(np.uint32),
        entry=rng.choice(ENTRIES, calls * per_call, p=share / share.sum()).astype(np.uint32),
        weight=None,
        tables=tuple(Table(f"table{t}", ENTRIES, dim) for t in range(TABLES)),
        calls=Calls(
            table=table.astype(np.uint16),
            first_bag=np.arange(calls) * BAGS,
            bags=np.full(calls, BAGS),
            batch=np.arange(calls) // TABLES,
            pooling=np.full(calls, POOLINGS.index("sum"), np.uint8),
        ),
        meta={"batch_size": BAGS},
    )


def write_sweep(folder: Path, traces: int) -> Path:
    """Write models, traces and the sweep: 5 shapes x 5 caches x 2 schedules x ``traces`` x 2 vector sizes."""
    models, files = [], []
    for dim in DIMS:
        model = {
            "source": "this benchmark",
            "tables": [{"count": TABLES, "entries": ENTRIES, "dim": dim, "pooling_factor": POOLING_FACTOR}],
            "bottom_mlp": [dim],
            "top_mlp": [1],
            "interaction": "cat",
        }
        (folder / f"dim{dim}.yaml").write_text(yaml.safe_dump(model | {"name": f"dim{dim}"}))
        for skew in SKEWS[:traces]:
            save_trace(make_trace(dim, skew), folder / f"dim{dim}-{skew}.parquet")
            models.append(f"dim{dim}.yaml")
            files.append(f"dim{dim}-{skew}.parquet")
    document = {
        "extends": "rank8.yaml",
        "mlp": {"kind": "none"},
        "functional_check": "off",
        "arrival": {"threads": 2, "order": "round_robin"},
        "model": models[0],
        "trace": {"file": files[0]},
        "sweep": {
            "axes": [
                {"zip": SHAPES},
                {
                    "grid": {
                        "cache.rank.size_bytes": CACHES,
                        "nmp.options.scheduling": ["arrival", "table_aware"],
                    }
                },
                {"zip": {"model": models, "trace.file": files}},
            ]
        },
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def measured(sweep: Path, out: Path, workers: int) -> dict[str, Any]:
    """Run it into an empty folder; returns what the manifest says of the run."""
    cpu = time.process_time()
    done = run_sweep(sweep, out, where=Where(workers=workers))
    cpu = time.process_time() - cpu
    assert not done.failed, done.failed
    told = Store(out).manifest()["last_run"]
    idle = told["seconds"] * workers - told["seconds_of_points"]
    return {
        "workers": workers,
        "points": told["points"],
        "seconds": told["seconds"],
        "points_per_s": told["points"] / told["seconds"],
        "ms_of_a_point": told["seconds_of_points"] / told["points"] * 1e3,
        "overhead_ms_per_point": idle / told["points"] * 1e3,
        "cpu_ms_per_point": cpu / told["points"] * 1e3,
        "start_s": told["seconds_to_start"],
        "peak_mib_of_a_worker": max(told["peak_memory_bytes_of_workers"]) / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument(
        "--traces", type=int, choices=range(1, 6), default=5, help="of each size: 100 points each"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep = write_sweep(folder, chosen.traces)
        rows = [measured(sweep, folder / f"by{workers}", workers) for workers in (1, 2)]
        same = all(
            filecmp.cmp(folder / "by1" / table, folder / "by2" / table, shallow=False)
            for table in ("results.csv", "results.parquet")
        )
    facts = {
        "tables_identical": same,
        "speed_over_one_worker": rows[1]["points_per_s"] / rows[0]["points_per_s"],
    }
    if chosen.json:
        print(json.dumps({"machine": machine(), "results": rows, **facts}, indent=1))
        return
    print(", ".join(f"{key} {value}" for key, value in machine().items()) + "\n")
    print(f"| {' | '.join(rows[0])} |\n|{'--:|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(f'{value:.4g}' for value in row.values())} |")
    print("\n" + ", ".join(f"{key} {value}" for key, value in facts.items()))


if __name__ == "__main__":
    main()
