"""The host's gather simulated and measured: the same indices, vectors of 64, 128 and 256 B, one thread.

python validation/host_gather.py [--passes N]

Prints the table of validation/host_gather.md. The simulated columns come out the same everywhere; the measured one
is of the machine at hand, whose memory is another.
"""

import argparse
import datetime
from dataclasses import replace
from pathlib import Path

from recnmp.config import load_config
from recnmp.library.machine import this_machine
from recnmp.mlp.gather import measure_gather
from recnmp.nmp.ladder import ladder_on
from recnmp.trace.storage import load_trace

ROOT = Path(__file__).parents[1]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--passes", type=int, default=10, help="over the trace")
    chosen = options.parse_args()
    config = load_config(ROOT / "configs" / "rank8.yaml")
    trace = load_trace(ROOT / "traces" / "rm1.parquet")
    machine = this_machine()
    print(f"{machine.cpu_model}, {machine.cores} cores; {datetime.datetime.now(datetime.UTC).date()}\n")
    print(
        "| ns a lookup | bound by DRAM | + last-level cache | + one core's misses | measured | fastest sample "
        "| measured over one core's | CPU share |\n|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    for vector_bytes in (64, 128, 256):
        tables = tuple(replace(table, dim=vector_bytes // 4) for table in trace.tables)
        sized = replace(trace, tables=tables)
        rungs = [rung.ns / sized.lookups for rung in ladder_on(config, sized, 1)]
        (point,) = measure_gather(sized, dtypes=["fp32"], passes=chosen.passes).points
        measured = point.per_lookup
        cells = [*(f"{ns:.2f}" for ns in (*rungs, measured.median_ns, measured.min_ns))]
        ratio = measured.median_ns / rungs[-1]
        print(f"| {vector_bytes} B | {' | '.join(cells)} | {ratio:.2f} | {point.cpu_share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
