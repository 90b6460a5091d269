"""Random reads streamed through one DRAM controller: rate and peak memory, any number of them.

python benchmarks/streaming.py [--requests 100000000] [--ranks 1] [--chunk 1000000]
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from recnmp.library.dram import load_standard
from recnmp.memory.replay import ControllerOptions
from recnmp.memory.requests import Requests
from recnmp.memory.stream import replay_stream

SPEC = load_standard("ddr4_2400")


def random_reads(n: int, ranks: int, chunk: int) -> Iterator[Requests]:
    rng = np.random.default_rng(1)
    org, started = SPEC.organization, time.monotonic()
    for done in range(0, n, chunk):
        size = min(chunk, n - done)
        zeros = np.zeros(size, np.int64)
        yield Requests(
            np.array([0, size]),
            zeros,
            rng.integers(0, ranks * SPEC.banks_per_rank, size, np.int32),
            rng.integers(0, org.rows.value, size, np.int32),
            rng.integers(0, org.bursts_per_row.value, size, np.int32),
            zeros.astype(np.uint8),
            zeros.astype(np.int32),
            1,
        )
        if sys.stderr.isatty():
            rate = (done + size) / (time.monotonic() - started) / 1e6
            print(f"\r{(done + size) / n:.0%}, {rate:.2f} M requests/s ", end="", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=lambda text: int(float(text)), default=10**8)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--chunk", type=lambda text: int(float(text)), default=10**6)
    arguments = parser.parse_args()
    replay_stream(random_reads(1000, 1, 1000), SPEC, ControllerOptions(1), has_writes=False)  # compile
    wall, cpu = time.perf_counter(), time.process_time()
    totals = replay_stream(
        random_reads(arguments.requests, arguments.ranks, arguments.chunk),
        SPEC,
        ControllerOptions(arguments.ranks),
        has_writes=False,
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{totals.requests:,} random reads, {arguments.ranks} ranks of {SPEC.name}: {totals.cycles:,} clocks, "
        f"{totals.counts['RD']:,} RD, {wall:.0f} s wall, {cpu:.0f} s CPU, "
        f"{totals.requests / cpu / 1e6:.2f} M/s of CPU time, peak memory {peak:.0f} MiB"
    )


if __name__ == "__main__":
    main()
