"""Speed against Ramulator 2.1: the same requests on both, in interleaved pairs, in CPU time of each alone.

Timed are the simulations, not the reading of the trace: Ramulator's ``Simulation.run`` with its stock trace
front end, which stops when the last request is accepted, and all of ``recnmp.memory.replay.replay``, which goes
on until the last is served. Both run FR-FCFS on DDR4-2400 with refresh and queues of 32, always full. Ramulator
is not part of recnmp: ``--ramulator`` names an installation, as for ``recnmp memory compare``.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from measuring import cpu_seconds, machine

from recnmp.memory.formats import MemoryTrace
from recnmp.memory.peer import peer_command, run_ramulator
from recnmp.memory.replay import replay
from recnmp.memory.setup import Setup, make_requests
from recnmp.placement.place import make_mapping

RANKS = (1, 2, 4, 8)
TRAFFIC = ("random", "stream", "gather")
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


def measure(traffic: str, ranks: int, n: int, repeats: int, ramulator: Path) -> dict[str, Any]:
    """Time one case on both, turn by turn, and check that they did the same work."""
    setup = Setup(ranks=ranks, mapping="RoBaBgRaCo")
    trace = make_trace(traffic, n, setup)
    requests, _ = make_requests(trace, 1)
    command, environment = peer_command(ramulator)
    accepted = int(replay(requests, setup.spec, setup.controller).accepted.max())
    seconds: dict[str, list[float]] = {"recnmp": [], "ramulator": []}
    for _ in range(repeats):
        theirs = run_ramulator(trace, setup, command, environment, count_commands=False)["figures"]
        seconds["ramulator"].append(theirs["CPU seconds"])
        seconds["recnmp"].append(cpu_seconds(lambda: replay(requests, setup.spec, setup.controller)))
    if theirs["cycles"] != accepted:
        sys.exit(
            f"{traffic}, {ranks} ranks: accepted in {accepted} clocks, by Ramulator in {theirs['cycles']}"
        )
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    pairs = [r / o for o, r in zip(seconds["recnmp"], seconds["ramulator"], strict=True)]
    return {
        "case": f"{traffic}, {ranks} rank{'s' * (ranks != 1)}",
        "recnmp_requests_per_s": n / middle["recnmp"],
        "ramulator_requests_per_s": n / middle["ramulator"],
        "speedup": statistics.median(pairs),
        "speedup_min": min(pairs),
        "speedup_max": max(pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ramulator", type=Path, required=True, help="interpreter or package folder")
    parser.add_argument("--requests", type=int, default=200_000, help="per case (default 200000)")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of every case (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    chosen = parser.parse_args()
    if min(chosen.requests, chosen.repeats) < 1:
        parser.error("--requests and --repeats are at least 1")
    cases = [(traffic, ranks) for traffic in TRAFFIC for ranks in RANKS]
    results = [measure(*case, chosen.requests, chosen.repeats, chosen.ramulator) for case in cases]
    facts = machine() | {"requests": chosen.requests, "pairs": chosen.repeats}
    if chosen.json:
        print(json.dumps({"title": "against Ramulator 2.1", "machine": facts, "results": results}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in facts.items()) + "\n")
    print(
        "| reads, million per CPU second | recnmp | Ramulator 2.1 | times | least to most |\n|---|---|---|---|---|"
    )
    for result in results:
        ours, theirs = (result[f"{who}_requests_per_s"] / 1e6 for who in ("recnmp", "ramulator"))
        spread = f"{result['speedup_min']:.1f} to {result['speedup_max']:.1f}"
        print(f"| {result['case']} | {ours:.2f} | {theirs:.3f} | {result['speedup']:.1f} | {spread} |")


if __name__ == "__main__":
    main()
