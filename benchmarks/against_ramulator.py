"""Speed against Ramulator 2.1: the same requests on both, in interleaved pairs, in CPU time of each alone.

Timed are the simulations, not the reading of the trace: Ramulator's ``Simulation.run`` with its stock trace
front end, which stops when the last request is accepted, and all of ``recnmp.memory.replay.replay``, which goes
on until the last is served. Both run FR-FCFS on DDR4-2400 with refresh and queues of 32: always full, or offered
a request every few clocks. Up to the last acceptance every figure of both must be equal. Ramulator is not part of
recnmp: ``--ramulator`` names an installation, as for ``recnmp memory compare``.
"""

import argparse
import itertools
import json
import math
import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measuring import cpu_seconds, machine
from open_loop import accepted_every

from recnmp.memory.formats import MemoryTrace
from recnmp.memory.peer import peer_command, run_ramulator, until_last_accepted
from recnmp.memory.replay import replay
from recnmp.memory.setup import Setup, make_requests
from recnmp.placement.place import make_mapping

RANKS = (1, 2, 4, 8)
TRAFFIC = ("random", "stream", "gather")
GAPS = (1, 7, 10, 20, 50)  # clocks; one a clock keeps queues full
TABLES, ENTRIES, BURSTS, ALPHA = 8, 1 << 20, 2, 1.05  # of the gather: entries of 128 B, Zipf


def make_trace(traffic: str, n: int, setup: Setup) -> MemoryTrace:
    """Reads that are all there from the start, by address: random, one after the other, or embedding entries."""
    rng = np.random.default_rng(1)
    mapping = make_mapping(setup.memory, setup.spec)
    burst = np.arange(n)
    if traffic == "random":
        burst = rng.integers(0, 1 << mapping.bits, n)
    elif traffic == "gather":
        lookup = np.arange(-(-n // BURSTS))
        popularity = np.cumsum(np.arange(1, ENTRIES + 1) ** -ALPHA)
        rank = np.searchsorted(popularity, rng.random(len(lookup)) * popularity[-1])
        entry = lookup // 80 % TABLES * ENTRIES + rng.permutation(ENTRIES)[rank]
        burst = (np.repeat(entry, BURSTS) * BURSTS)[:n] + burst % BURSTS
    fields = mapping.decode(burst)
    org = setup.spec.organization
    lane = (fields["Ra"] * org.bank_groups.value + fields["Bg"]) * org.banks_per_group.value + fields["Ba"]
    columns = (fields["Ch"], lane, fields["Ro"], fields["Co"])
    channel, lane, row, column = (values.astype(np.int32) for values in columns)
    return MemoryTrace(np.zeros(n, np.int64), channel, lane, row, column, np.zeros(n, np.uint8))


def measure(traffic: str, ranks: int, gap: int, n: int, repeats: int, ramulator: Path) -> dict[str, Any]:
    """Time one case on both, turn by turn, and check that they did the same work."""
    setup = Setup(ranks=ranks, mapping="RoBaBgRaCo")
    trace = make_trace(traffic, n, setup)
    requests, _ = make_requests(trace, 1)
    if gap > 1:
        requests = replace(requests, arrive=accepted_every(gap, requests, setup.spec, setup.controller))
    command, environment = peer_command(ramulator)
    timeline = replay(requests, setup.spec, setup.controller, record=True)
    ours = until_last_accepted(timeline, requests.start)
    theirs = run_ramulator(trace, setup, command, environment, gap=gap)["figures"]
    check_equal(f"{traffic}, {ranks} ranks, every {gap} clocks", ours, theirs)
    seconds: dict[str, list[float]] = {"recnmp": [], "ramulator": []}
    for _ in range(repeats):
        theirs = run_ramulator(trace, setup, command, environment, count_commands=False, gap=gap)["figures"]
        seconds["ramulator"].append(theirs["CPU seconds"])
        seconds["recnmp"].append(cpu_seconds(lambda: replay(requests, setup.spec, setup.controller)))
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    pairs = [r / o for o, r in zip(seconds["recnmp"], seconds["ramulator"], strict=True)]
    return {
        "case": f"{traffic}, {ranks} rank{'s' * (ranks != 1)}",
        "gap": gap,
        "recnmp_requests_per_s": n / middle["recnmp"],
        "ramulator_requests_per_s": n / middle["ramulator"],
        "speedup": statistics.median(pairs),
        "speedup_min": min(pairs),
        "speedup_max": max(pairs),
    }


def check_equal(case: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> None:
    """End the program when the two differ in what both count."""
    for name in ours.keys() & theirs.keys():
        if not math.isclose(ours[name], theirs[name], rel_tol=1e-9):
            sys.exit(f"{case}: {name} is {ours[name]}, {theirs[name]} in Ramulator")


def full_queues(results: list[dict[str, Any]]) -> list[str]:
    """Return the table of the cases whose queues are always full."""
    lines = ["| reads, million per CPU second | recnmp | Ramulator 2.1 | times | least to most |"]
    lines.append("|---|--:|--:|--:|--:|")
    for result in results:
        if result["gap"] == 1:
            ours, theirs = (result[f"{who}_requests_per_s"] / 1e6 for who in ("recnmp", "ramulator"))
            spread = f"{result['speedup_min']:.1f} to {result['speedup_max']:.1f}"
            lines.append(
                f"| {result['case']} | {ours:.2f} | {theirs:.3f} | {result['speedup']:.1f} | {spread} |"
            )
    return lines


def open_loop(results: list[dict[str, Any]]) -> list[str]:
    """Return the table of the cases in which a request is offered every few clocks."""
    gaps = sorted({result["gap"] for result in results} - {1})
    lines = ["| times as fast, least to most | " + " | ".join(f"every {gap} clocks" for gap in gaps) + " |"]
    lines.append("|---" + "|--:" * len(gaps) + "|")
    for case in dict.fromkeys(result["case"] for result in results):
        mine = {result["gap"]: result for result in results if result["case"] == case}
        cells = ("{speedup:.1f} ({speedup_min:.1f} to {speedup_max:.1f})".format(**mine[g]) for g in gaps)
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ramulator", type=Path, required=True, help="interpreter or package folder")
    parser.add_argument("--requests", type=int, default=200_000, help="per case (default 200000)")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of every case (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    chosen = parser.parse_args()
    if min(chosen.requests, chosen.repeats) < 1:
        parser.error("--requests and --repeats are at least 1")
    results = []
    for case in itertools.product(TRAFFIC, RANKS, GAPS):
        results.append(measure(*case, chosen.requests, chosen.repeats, chosen.ramulator))
        if sys.stderr.isatty():
            print(f"{results[-1]['case']}, gap {case[2]}: {results[-1]['speedup']:.1f}", file=sys.stderr)
    facts = machine() | {"requests": chosen.requests, "pairs": chosen.repeats}
    if chosen.json:
        print(json.dumps({"title": "against Ramulator 2.1", "machine": facts, "results": results}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in facts.items()) + "\n")
    print("\n".join([*full_queues(results), "", *open_loop(results)]))


if __name__ == "__main__":
    main()
