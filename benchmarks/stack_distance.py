"""Speed of exact LRU curves: accesses per second of CPU time through ``recnmp.trace.reuse.distance.lru_curve``.

One pass gives the hits of every cache size. Streams are independent draws over entries that are numbered without
gaps before the clock starts; ``all of reuse_statistics`` also numbers them, counts reads and fits Zipf laws.
"""

import numpy as np
from measuring import Work, compiling, cpu_seconds, interleaved, options, rates, report
from numpy.typing import NDArray

from recnmp.trace.reuse import reuse_statistics
from recnmp.trace.reuse.distance import lru_curve
from recnmp.trace.trace import Calls, Table, Trace

STREAMS = {
    "Zipf 1.05 over 1 M": (1.05, 1_000_000),
    "Zipf 0.90 over 8 M": (0.90, 8_000_000),
    "uniform over 64 K": (0.0, 65_536),
    "uniform over 1 M": (0.0, 1_000_000),
}
TARGET = 5.0  # million accesses/s


def make_stream(exponent: float, entries: int, accesses: int) -> NDArray[np.int32]:
    rng = np.random.default_rng(1)
    cumulative = np.cumsum(np.arange(1, entries + 1, dtype=float) ** -exponent)
    rank = np.minimum(np.searchsorted(cumulative, rng.random(accesses) * cumulative[-1]), entries - 1)
    return np.unique(rng.permutation(entries)[rank], return_inverse=True)[1].astype(np.int32)


def make_trace(item: NDArray[np.int32]) -> Trace:
    n = len(item)
    calls = Calls(*(np.array([v], t) for v, t in ((0, "u2"), (0, "i8"), (n, "i8"), (0, "i8"), (0, "u1"))))
    tables = (Table("table0", int(item.max()) + 1, 32),)
    table, bag = np.zeros(n, np.uint16), np.arange(n, dtype=np.uint32)
    return Trace(table, bag, item.astype(np.uint32), None, tables, calls)


def case(item: NDArray[np.int32]) -> Work:
    return lambda: lambda: lru_curve(item)


def main() -> None:
    chosen = options(str(__doc__), "accesses", 10_000_000)
    first_call = cpu_seconds(case(np.zeros(1, np.int32))())
    if chosen.first_call:
        print(first_call)
        return
    streams = {name: make_stream(*law, chosen.accesses) for name, law in STREAMS.items()}
    cases = {name: case(item) for name, item in streams.items()}
    name = next(iter(STREAMS))
    trace = make_trace(streams[name])
    cases[f"{name}, all of reuse_statistics"] = lambda: lambda: reuse_statistics(trace)
    reuse_statistics(make_trace(np.zeros(1, np.int32)))  # its kernels are loaded before the clock starts
    seconds = interleaved(cases, chosen.repeats)
    results = [{"case": name, **rates(of, chosen.accesses), "target": TARGET} for name, of in seconds.items()]
    facts = {"accesses": chosen.accesses, "repeats": chosen.repeats}
    if chosen.compile:
        facts |= compiling(__file__)
    report("Exact LRU curves", "million accesses/s", results, chosen.json, **facts)


if __name__ == "__main__":
    main()
