"""Speed of the RankCache: accesses per second of CPU time through ``recnmp.cache.lru.hits``, a cold cache every time.

``hot`` lines all fit, in any order, so every access moves lines within its set: the slowest case of an LRU cache.
"""

import numpy as np
from measuring import Work, compiling, cpu_seconds, interleaved, options, rates, report
from numpy.typing import NDArray

from recnmp.cache.lru import hits

STREAMS = ("random", "Zipf 1.05", "hot", "consecutive")
CACHES = {
    "8 KiB, 4 ways": (32, 4),
    "128 KiB, 4 ways": (512, 4),
    "1 MiB, 4 ways": (4096, 4),
    "128 KiB, 16 ways": (128, 16),
}
TARGET = 70.0  # million accesses/s, four ways


def make_stream(name: str, lines: int, accesses: int) -> NDArray[np.int64]:
    """Numbers of 64 B lines; ``lines`` is what the cache holds."""
    rng, memory = np.random.default_rng(1), 1 << 22
    if name == "random":
        return rng.integers(0, memory, accesses)
    if name == "hot":
        return rng.integers(0, lines, accesses)
    if name == "consecutive":
        return np.arange(accesses, dtype=np.int64)
    cumulative = np.cumsum(np.arange(1, memory + 1, dtype=float) ** -1.05)
    rank = np.minimum(np.searchsorted(cumulative, rng.random(accesses) * cumulative[-1]), memory - 1)
    return rng.permutation(memory)[rank]


def case(line: NDArray[np.int64], sets: int, ways: int) -> Work:
    return lambda: lambda: hits(line, sets, ways)


def main() -> None:
    chosen = options(str(__doc__), "accesses", 4_000_000)
    first_call = cpu_seconds(case(np.zeros(1, np.int64), 1, 1)())
    if chosen.first_call:
        print(first_call)
        return
    cases = {
        f"{name}, {cache}": case(make_stream(name, sets * ways, chosen.accesses), sets, ways)
        for name in STREAMS
        for cache, (sets, ways) in CACHES.items()
    }
    seconds = interleaved(cases, chosen.repeats)
    results = [
        {"case": name, **rates(of, chosen.accesses), "target": TARGET if "4 ways" in name else None}
        for name, of in seconds.items()
    ]
    facts = {"accesses": chosen.accesses, "repeats": chosen.repeats}
    if chosen.compile:
        facts |= compiling(__file__)
    report("RankCache", "million accesses/s", results, chosen.json, **facts)


if __name__ == "__main__":
    main()
