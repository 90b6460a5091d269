"""Audit DRAM commands by the hundred million: all standards, policies, refreshes and kinds of traffic in turn.

python validation/audit_commands.py [--commands 1e8] [--requests 200000]

Stops at the first violation, with exit code 1.
"""

import argparse
import itertools
import random
import sys
import time

import numpy as np

from recnmp._registry import library_names
from recnmp.library.dram import DramSpec, load_standard
from recnmp.memory.audit import audit
from recnmp.memory.replay import POLICIES, REFRESHES, ControllerOptions, replay
from recnmp.memory.requests import Requests


def traffic(kind: str, spec: DramSpec, ranks: int, n: int, seed: int) -> Requests:
    """Random or Zipf rows or streams, saturating or sparse, with or without writes, as ``kind`` says."""
    rng = np.random.default_rng(seed)
    org, lanes = spec.organization, ranks * spec.banks_per_rank
    number = np.arange(n)
    lane, row = rng.integers(0, lanes, n), rng.integers(0, org.rows.value, n)
    if "zipf" in kind:
        home = rng.zipf(1.2, n) % 4096
        lane, row = home % lanes, home * 7 % org.rows.value
    if "stream" in kind:
        lane, row = number % lanes, number // (lanes * org.bursts_per_row.value)
    gaps = rng.exponential(40, n).astype(np.int64) if "sparse" in kind else np.zeros(n, np.int64)
    write = rng.random(n) < (0.3 if "writes" in kind else 0.0)
    return Requests(
        np.array([0, n]),
        np.cumsum(gaps),
        lane.astype(np.int32),
        row.astype(np.int32),
        rng.integers(0, org.bursts_per_row.value, n, np.int32),
        write.astype(np.uint8),
        np.zeros(n, np.int32),
        1,
    )


KINDS = [" ".join(words) for words in itertools.product(
    ("random", "zipf", "stream"), ("saturated", "sparse"), ("reads", "writes"))]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=lambda text: int(float(text)), default=10**8)
    parser.add_argument("--requests", type=lambda text: int(float(text)), default=200_000)
    arguments = parser.parse_args()
    cases = [
        case
        for case in itertools.product(library_names("standards"), POLICIES, REFRESHES, (1, 2, 4, 8), KINDS)
        if case[3] == 1 or not load_standard(case[0]).single_rank
    ]
    random.Random(0).shuffle(cases)
    judged, started = 0, time.perf_counter()
    for seed, (name, policy, refresh, ranks, kind) in enumerate(itertools.cycle(cases)):
        if judged >= arguments.commands:
            break
        spec = load_standard(name)
        requests = traffic(kind, spec, ranks, arguments.requests, seed)
        timeline = replay(requests, spec, ControllerOptions(ranks, policy, refresh), record=True)
        report = audit(spec, ranks, timeline.commands[0], refresh=refresh)
        judged += len(timeline.commands[0])
        if report.count:
            sys.exit(f"{name} {policy} {refresh} {ranks} ranks, {kind}, seed {seed}: {report.first[0]}")
        if sys.stderr.isatty():
            rate = judged / (time.perf_counter() - started) / 1e6
            print(f"\r{judged:,} commands, {rate:.2f} M/s ", end="", file=sys.stderr)
    seconds = time.perf_counter() - started
    print(
        f"{judged:,} commands of {min(seed, len(cases))} of {len(cases)} cases, no violation, {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
