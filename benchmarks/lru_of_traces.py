"""Exact LRU curves of trace files: hits against a textbook cache at three sizes, and accesses per second of CPU time.

python benchmarks/lru_of_traces.py TRACE.parquet [...] [--sizes 256 2048 16384] [--repeats 5]

One cache for all tables of a trace. The textbook cache is an ordered dictionary. Ends with 1 where hits differ.
"""

import argparse
import statistics
import sys
from collections import OrderedDict
from pathlib import Path

from measuring import cpu_seconds

from recnmp.trace.reuse.distance import lru_curve
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.storage import load_trace


def textbook_hits(items: list[int], capacity: int) -> int:
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for item in items:
        if item in held:
            hits += 1
            held.move_to_end(item)
        else:
            if len(held) == capacity:
                held.popitem(last=False)
            held[item] = None
    return hits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 2048, 16384], help="entries of a cache")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    print(f"| trace | accesses | entries | {' | '.join(f'hits of {n:,}' for n in chosen.sizes)} | M/s |")
    print("|---|--:|--:|" + "--:|" * len(chosen.sizes) + "--:|")
    wrong = 0
    for file in chosen.traces:
        trace = load_trace(file)
        numbering = Numbering(trace.tables)
        numbering.see(trace.table, trace.entry)
        numbering.freeze()
        item = numbering.items(trace.table, trace.entry)
        curve = lru_curve(item)  # compiles
        seconds = [cpu_seconds(lambda item=item: lru_curve(item)) for _ in range(chosen.repeats)]
        cells = []
        for size in chosen.sizes:
            hits, theirs = curve.hits(size), textbook_hits(item.tolist(), size)
            cells.append(f"{hits:,}" if hits == theirs else f"**{hits:,}, not {theirs:,}**")
            wrong += hits != theirs
        rate = len(item) / statistics.median(seconds) / 1e6
        print(f"| {file.stem} | {len(item):,} | {numbering.count:,} | {' | '.join(cells)} | {rate:.1f} |")
    print(f"\n{wrong} of {len(chosen.traces) * len(chosen.sizes)} hits differ from a textbook cache's")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
