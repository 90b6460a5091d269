"""A long text trace through all of `recnmp memory replay`: rate and peak memory, reading included.

python benchmarks/trace_file.py [--requests 20000000] [--ranks 1] [--channels 1] [--writes 0] [--logs]

Addresses are random. A first short run compiles; the long one is timed in the same process. Peak memory is that of
the whole process, its code and the compiler's included.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from recnmp.memory.run import replay_trace
from recnmp.memory.setup import Setup
from recnmp.placement.place import make_mapping

AT_A_TIME = 50_000


def write_trace(path: Path, n: int, writes: float, setup: Setup) -> None:
    """``n`` lines of LD or ST with an address, a share of ``writes`` being ST."""
    rng = np.random.default_rng(1)
    bursts = 1 << make_mapping(setup.memory, setup.spec).bits
    size = setup.spec.organization.burst_bytes.value
    with path.open("w") as file:
        for done in range(0, n, AT_A_TIME):
            count = min(AT_A_TIME, n - done)
            address = rng.integers(0, bursts, count) * size
            words = np.where(rng.random(count) < writes, "ST", "LD")
            pairs = zip(words.tolist(), address.tolist(), strict=True)
            file.writelines([f"{word} {byte:#x}\n" for word, byte in pairs])


def peak_mib() -> float:
    """Most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=lambda text: int(float(text)), default=20_000_000)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--writes", type=float, default=0.0, help="share of writes")
    parser.add_argument("--logs", action="store_true", help="also write commands and requests as CSV")
    arguments = parser.parse_args()
    setup = Setup(ranks=arguments.ranks, channels=arguments.channels)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logs = {"commands": folder / "c.csv", "requests": folder / "r.csv"} if arguments.logs else {}
        write_trace(folder / "short.trace", 1000, arguments.writes, setup)
        replay_trace(folder / "short.trace", "ramulator", setup, **logs)
        write_trace(folder / "long.trace", arguments.requests, arguments.writes, setup)
        before, size = peak_mib(), (folder / "long.trace").stat().st_size
        wall, cpu = time.perf_counter(), time.process_time()
        found = replay_trace(folder / "long.trace", "ramulator", setup, **logs).document
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{found['requests']:,} requests ({found['writes']:,} writes) in {size / 1e6:.0f} MB of text, "
        f"{setup.channels} channels of {setup.ranks} ranks{', with logs' * arguments.logs}: "
        f"{found['cycles']:,} clocks, {wall:.1f} s wall, {cpu:.1f} s CPU, "
        f"{found['requests'] / wall / 1e6:.2f} M/s wall, {found['requests'] / cpu / 1e6:.2f} M/s of CPU time, "
        f"peak memory {peak_mib():.0f} MiB ({before:.0f} MiB before)"
    )


if __name__ == "__main__":
    main()
