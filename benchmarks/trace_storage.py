"""Trace files: bits per lookup, lookups written and read per second of CPU time, peak memory while streaming.

python benchmarks/trace_storage.py [--lookups 200000000] [--folder FOLDER]

26 tables of 1,000,000 entries, Zipf 1.05, bags of 80. Writing is timed on lookups that are in memory already; every
part runs in a process of its own, whose peak memory is that of the whole process, Python and libraries included.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recnmp.trace.generate.draws import make_draws
from recnmp.trace.generate.spec import Zipf
from recnmp.trace.storage import iter_chunks
from recnmp.trace.trace import Calls, Table
from recnmp.trace.writer import TraceWriter

TABLES, ENTRIES, POOLING, BAGS = 26, 1_000_000, 80, 512
LAW = Zipf(kind="zipf", alpha=1.05)
PER_BATCH = TABLES * BAGS * POOLING
KEPT = 8  # batches drawn beforehand; entries of a later one are those of an earlier one, moved


def batches(lookups: int) -> Iterator[tuple[int, np.ndarray]]:
    """Number and entries of each batch; what they cost is not the writer's."""
    draws = make_draws(LAW, ENTRIES, np.random.default_rng(1))
    drawn = [draws.batch(np.full(TABLES * BAGS, POOLING)) for _ in range(KEPT)]
    for batch in range(-(-lookups // PER_BATCH)):
        yield batch, np.roll(drawn[batch % KEPT], batch)


def write(path: Path, lookups: int) -> float:
    seconds = 0.0
    table = np.repeat(np.arange(TABLES, dtype=np.uint16), BAGS * POOLING)
    number, bags = np.arange(TABLES), np.full(TABLES, BAGS)
    tables = [Table(f"t{t}", ENTRIES, 64) for t in number]
    start = time.process_time()
    with TraceWriter(path, tables) as writer:
        seconds += time.process_time() - start
        for batch, entry in batches(lookups):
            first = batch * TABLES * BAGS
            bag = np.repeat(np.arange(first, first + TABLES * BAGS, dtype=np.uint32), POOLING)
            start = time.process_time()
            writer.append(table, bag, entry)
            where = (number.astype(np.uint16), first + number * BAGS, bags, np.full(TABLES, batch))
            writer.add_calls(Calls(*where, np.zeros(TABLES, np.uint8)))
            seconds += time.process_time() - start
        start = time.process_time()
    return seconds + time.process_time() - start


def read(path: Path, verify: bool) -> float:
    start = time.process_time()
    for _ in iter_chunks(path, verify=verify):
        pass
    return time.process_time() - start


def timed(part: str, path: Path, lookups: int) -> None:
    """Run one part of it in this process and print its CPU seconds and its peak memory."""
    seconds = write(path, lookups) if part == "write" else read(path, verify=part == "read")
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lookups", type=lambda text: int(float(text)), default=200_000_000)
    parser.add_argument("--folder", type=Path, help="where the file lies meanwhile")
    parser.add_argument("--part", choices=["write", "read", "unverified"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        timed(chosen.part, chosen.folder / "a.parquet", chosen.lookups)
        return
    lookups = -(-chosen.lookups // PER_BATCH) * PER_BATCH
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        told = {}
        for part in ("write", "read", "unverified"):
            command = [
                sys.executable,
                __file__,
                "--part",
                part,
                "--folder",
                folder,
                "--lookups",
                str(lookups),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            told[part] = [float(word) for word in done.stdout.split()]
        size = (Path(folder) / "a.parquet").stat().st_size
    print(f"{lookups:,} lookups, {size:,} bytes: {8 * size / lookups:.1f} bits per lookup")
    names = {
        "write": "written, with digest",
        "read": "read, digest verified",
        "unverified": "read, not verified",
    }
    for part, (seconds, peak) in told.items():
        print(
            f"{names[part]}: {lookups / seconds / 1e6:.1f} M lookups/s of CPU time, peak memory {peak:.0f} MiB"
        )


if __name__ == "__main__":
    main()
