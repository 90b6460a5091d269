"""Speed of memoization: training bags to parts and merged clusters, in bags per second of CPU time.

Bags of 27 lookups on average over 20,000 entries in themes of 25, popular themes first; a fifth of the lookups are
from anywhere. The target is 100,000 bags in 60 s.
"""

import numpy as np
from measuring import Work, compiling, cpu_seconds, interleaved, options, rates, report

from recnmp.study.memo.bags import training_bags
from recnmp.study.memo.merging import cut, find_merges
from recnmp.study.memo.partition import partition
from recnmp.trace.trace import Calls, Table, Trace

ENTRIES, THEME, LENGTH, ENTRY_BYTES = 20_000, 25, 27, 256
BUDGETS = (1.25, 1.5, 2.0, 9.0)
TARGET = 0.1 / 60  # million bags/s


def make_trace(bags: int) -> Trace:
    rng = np.random.default_rng(1)
    length = rng.poisson(LENGTH, bags) + 1
    bag = np.repeat(np.arange(bags, dtype=np.uint32), length)
    theme = (rng.zipf(1.3, bags) % (ENTRIES // THEME))[bag]
    anywhere = (ENTRIES * rng.random(len(bag)) ** 3).astype(np.int64)
    entry = np.where(rng.random(len(bag)) < 0.8, theme * THEME + rng.integers(0, THEME, len(bag)), anywhere)
    calls = Calls(*(np.array([v], t) for v, t in ((0, "u2"), (0, "i8"), (bags, "i8"), (0, "i8"), (0, "u1"))))
    table = np.zeros(len(bag), np.uint16)
    return Trace(table, bag, entry.astype(np.uint32), None, (Table("table0", ENTRIES, 64),), calls)


def clusters(trace: Trace) -> list[int]:
    bags = training_bags(trace, (0,))
    part = partition(bags, "greedy", 128)
    merges = find_merges(bags, part, np.full(bags.items, ENTRY_BYTES), 18.0 * ENTRIES * ENTRY_BYTES)
    return cut(merges, ENTRIES * ENTRY_BYTES, BUDGETS)


def case(trace: Trace) -> Work:
    return lambda: lambda: clusters(trace)


def main() -> None:
    chosen = options(str(__doc__), "bags", 100_000)
    first_call = cpu_seconds(case(make_trace(2))())
    if chosen.first_call:
        print(first_call)
        return
    seconds = interleaved({"greedy parts of 128": case(make_trace(chosen.bags))}, chosen.repeats)
    results = [{"case": name, **rates(of, chosen.bags), "target": TARGET} for name, of in seconds.items()]
    whole = chosen.bags / results[0]["median"] / 1e6
    facts = {"bags": chosen.bags, "entries": ENTRIES, "repeats": chosen.repeats, "median_s": round(whole, 2)}
    if chosen.compile:
        facts |= compiling(__file__)
    report("Memoised clusters", "million bags/s", results, chosen.json, **facts)


if __name__ == "__main__":
    main()
