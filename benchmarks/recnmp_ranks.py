"""Speed of the near-memory simulation: lookups per second of CPU time through ``recnmp.nmp.recnmp.run``.

Everything that call does is timed: packets, encoded instructions, delivery, one DRAM engine per rank, results.
Trace and placement are made before. Eight tables, bags of 80 uniformly random lookups, no RankCache, so that
every burst of every lookup reaches DRAM. ``--alone 1`` repeats case by case instead of in turns; ``--threads N``
compares elapsed time of one thread and of N instead.
"""

import statistics
import time

import numpy as np
from measuring import Work, compiling, cpu_seconds, interleaved, machine, options, rates, report

from recnmp._threads import limit_threads
from recnmp.config.schema import CachesConfig, MemoryConfig, PlacementConfig
from recnmp.library.dram import load_standard
from recnmp.nmp.base import System
from recnmp.nmp.recnmp import Options, run
from recnmp.placement.place import place
from recnmp.trace.trace import POOLINGS, Calls, Table, Trace

TABLES, BAGS, POOLING_FACTOR = 8, 64, 80
DIMMS_AND_RANKS = {1: (1, 1), 2: (1, 2), 4: (2, 2), 8: (4, 2)}


def make_trace(lookups: int, bursts: int) -> Trace:
    """Calls of 64 bags over the tables in turn; entries of ``bursts`` bursts of 64 B."""
    calls = max(1, lookups // (BAGS * POOLING_FACTOR))
    per_call = BAGS * POOLING_FACTOR
    table = np.arange(calls) % TABLES
    entries = 1 << 20
    rng = np.random.default_rng(1)
    return Trace(
        table=np.repeat(table, per_call).astype(np.uint16),
        bag=np.repeat(np.arange(calls * BAGS), POOLING_FACTOR).astype(np.uint32),
        entry=rng.integers(0, entries, calls * per_call).astype(np.uint32),
        weight=None,
        tables=tuple(Table(f"table{t}", entries, 16 * bursts) for t in range(TABLES)),
        calls=Calls(
            table=table.astype(np.uint16),
            first_bag=np.arange(calls) * BAGS,
            bags=np.full(calls, BAGS),
            batch=np.arange(calls) // TABLES,
            pooling=np.full(calls, POOLINGS.index("sum"), np.uint8),
        ),
    )


def case(trace: Trace, ranks: int) -> Work:
    dimms, ranks_per_dimm = DIMMS_AND_RANKS[ranks]
    memory = MemoryConfig(dimms_per_channel=dimms, ranks_per_dimm=ranks_per_dimm)
    system = System(load_standard(memory.standard), memory, CachesConfig())
    placed = place(trace, memory, system.spec, PlacementConfig())
    return lambda: lambda: run(trace, placed, system, Options())


def compare_threads(cases: dict[str, Work], threads: int, lookups: int, repeats: int) -> None:
    """Print elapsed time of one thread and of ``threads``, each in every round, and the median of their ratios."""
    print(", ".join(f"{name} {value}" for name, value in machine().items()) + "\n")
    print(f"| case | 1 thread, ns a lookup | {threads} threads | ratio, median of {repeats} rounds |")
    print("|---|--:|--:|--:|")
    for name, prepare in cases.items():
        seconds: dict[int, list[float]] = {1: [], threads: []}
        for _ in range(repeats):
            for count, taken in seconds.items():
                limit_threads(count)
                timed, start = prepare(), time.perf_counter()
                timed()
                taken.append(time.perf_counter() - start)
        one, many = (statistics.median(taken) * 1e9 / lookups for taken in seconds.values())
        ratio = statistics.median(a / b for a, b in zip(*seconds.values(), strict=True))
        print(f"| {name} | {one:.0f} | {many:.0f} | {ratio:.2f} |")


def main() -> None:
    chosen = options(str(__doc__), "lookups", 400_000, threads=1, alone=0)
    limit_threads(1)
    first_call = cpu_seconds(case(make_trace(1, 1), 1)())
    if chosen.first_call:
        print(first_call)
        return
    traces = {bursts: make_trace(chosen.lookups, bursts) for bursts in (1, 2, 4)}
    cases = {
        f"{bursts}-burst entries, {ranks} rank{'s' * (ranks > 1)}": case(trace, ranks)
        for bursts, trace in traces.items()
        for ranks in DIMMS_AND_RANKS
    }
    lookups = traces[1].lookups
    if chosen.threads > 1:
        compare_threads(cases, chosen.threads, lookups, chosen.repeats)
        return
    rounds = [{name: work} for name, work in cases.items()] if chosen.alone else [cases]
    seconds = {name: times for turn in rounds for name, times in interleaved(turn, chosen.repeats).items()}
    report(
        "RecNMP, DDR4-2400, one channel, refresh on, no RankCache, all of recnmp.nmp.recnmp.run",
        "M lookups/s",
        [{"case": name, **rates(times, lookups)} for name, times in seconds.items()],
        chosen.json,
        lookups=lookups,
        repeats=chosen.repeats,
        **(compiling(__file__) if chosen.compile else {}),
    )


if __name__ == "__main__":
    main()
