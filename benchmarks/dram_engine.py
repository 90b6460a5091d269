"""Speed of the DRAM engine: requests scheduled per second of CPU time by one controller, queue always full.

``kernel`` cases time the compiled scheduler alone; ``replay`` cases the whole call, with the copying of
requests in and results out. The first call of a process, which compiles the kernel or loads it from disk, is
left out and reported apart.
"""

from collections.abc import Callable

import numpy as np
from measuring import Work, compiling, cpu_seconds, interleaved, options, rates, report
from numpy.typing import NDArray

from recnmp.library.dram import DramSpec, load_standard
from recnmp.memory import _kernels as kernel
from recnmp.memory.replay import (
    ControllerOptions,
    make_controllers,
    make_log,
    make_rules,
    make_work,
    replay,
)
from recnmp.memory.requests import Requests

RANKS = (1, 2, 4, 8)
TARGETS = {("random", 1): 2.0, ("random", 8): 1.0}  # million random reads per second
ENTRIES = 1 << 20  # of the popularity law


def places(pattern: str, n: int, lanes: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
    """Lane, row and column of ``n`` bursts."""
    i = np.arange(n)
    if pattern == "stream":  # over bank groups, a row at a time
        return (i // 512 * 4 + i % 4 * 4 + i // 512) % lanes, i // (512 * lanes // 4), i // 4 % 128
    if pattern == "random":
        return rng.integers(0, lanes, n), rng.integers(0, 1 << 16, n), rng.integers(0, 128, n)
    bursts = 4 if pattern == "4-burst" else 1
    popularity = np.cumsum(np.arange(1, ENTRIES + 1) ** -1.05)
    rank = np.searchsorted(popularity, rng.random(-(-n // bursts)) * popularity[-1])
    entry = np.repeat(rng.permutation(ENTRIES)[rank], bursts)[:n]
    burst = entry * bursts + i % bursts
    return burst // 128 % lanes, burst // 128 // lanes, burst % 128


def make_requests(pattern: str, n: int, ranks: int, writes: float, spec: DramSpec) -> Requests:
    """One controller's requests, all there from the start."""
    rng = np.random.default_rng(1)
    lane, row, column = places(pattern, n, ranks * spec.banks_per_rank, rng)
    return Requests(
        np.array([0, n]),
        np.zeros(n, np.int64),
        lane.astype(np.int32),
        row.astype(np.int32),
        column.astype(np.int32),
        (rng.random(n) < writes).astype(np.uint8),
        np.zeros(n, np.int32),
        1,
    )


def kernel_alone(requests: Requests, spec: DramSpec, chosen: ControllerOptions) -> Work:
    rules = make_rules(spec, chosen, bool(requests.write.any()))

    def prepare() -> Callable[[], object]:
        controllers = make_controllers(rules, chosen.refresh, requests.start)
        work, log = make_work(requests), make_log(0)
        return lambda: kernel.advance(rules, controllers, work, log, 0, len(requests), -1)

    return prepare


def whole_call(requests: Requests, spec: DramSpec, chosen: ControllerOptions) -> Work:
    return lambda: lambda: replay(requests, spec, chosen)


def main() -> None:
    chosen = options(str(__doc__), "requests", 200_000)
    spec = load_standard("ddr4_2400")
    one = make_requests("random", 10, 1, 0.5, spec)
    first_call = cpu_seconds(lambda: replay(one, spec, ControllerOptions(1)))
    if chosen.first_call:
        print(first_call)
        return
    cases: dict[str, Work] = {}
    targets: dict[str, float] = {}
    for mix, writes in (("reads", 0.0), ("30 % writes", 0.3)):
        for pattern in ("random", "stream", "zipf", "4-burst"):
            for ranks in RANKS:
                requests = make_requests(pattern, chosen.requests, ranks, writes, spec)
                controller = ControllerOptions(ranks)
                name = f"kernel, {pattern} {mix}, {ranks} ranks".replace(" 1 ranks", " 1 rank")
                cases[name] = kernel_alone(requests, spec, controller)
                if writes == 0:
                    targets[name] = TARGETS.get((pattern, ranks), 0.0)
                    if pattern == "random":
                        cases[name.replace("kernel", "replay")] = whole_call(requests, spec, controller)
    seconds = interleaved(cases, chosen.repeats)
    results = [
        {"case": name, **rates(times, chosen.requests), "target": targets.get(name)}
        for name, times in seconds.items()
    ]
    report(
        "DRAM engine, DDR4-2400, frfcfs, refresh on, queues of 32",
        "M requests/s",
        results,
        chosen.json,
        requests=chosen.requests,
        repeats=chosen.repeats,
        **(compiling(__file__) if chosen.compile else {}),
    )


if __name__ == "__main__":
    main()
