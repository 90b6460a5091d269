"""Audit DRAM commands by the hundred million: every standard, policy, refresh, number of ranks and kind of traffic.

python validation/audit_commands.py [--commands 1e8] [--requests 12000] [--cases N] [--out FILE]

A case is one of each on one channel, with requests of its own. All cases are judged, and again with other requests
until there are as many commands as asked for; ``--cases`` takes the first so many of them in an order that mixes
them well. Ends at the first violation, with exit code 1.
"""

import argparse
import datetime
import functools
import itertools
import random
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recnmp._registry import library_names
from recnmp.library.dram import SAME_BANK, DramSpec, load_standard
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.dramsim3 import Dramsim3Options, replay_dramsim3
from recnmp.memory.options import ALL_REFRESHES, POLICIES, ControllerOptions
from recnmp.memory.replay import replay
from recnmp.memory.requests import Requests

RANKS = (1, 2, 4, 8)
KINDS = [" ".join(words) for words in itertools.product(
    ("random", "zipf", "stream"), ("saturated", "sparse"), ("reads", "writes"))]  # fmt: skip
DRAMSIM3 = "dramsim3"
HOW = {
    **{f"{policy}, {pages}": {"policy": policy, "page_policy": pages}
       for policy in POLICIES for pages in ("open", "closed")},
    "frfcfs, cap 4": {"policy": "frfcfs", "row_hit_cap": 4},
    DRAMSIM3: {},
}  # fmt: skip
"""Policies with what they may do besides, as options of their controllers."""

standard = functools.cache(load_standard)


class Case(NamedTuple):
    """One channel: its standard, a key of ``HOW``, its refresh and ranks, and a kind of traffic."""

    standard: str
    how: str
    refresh: str
    ranks: int
    kind: str

    def commands(self, requests: Requests) -> Commands:
        """Return the commands that the engine issues for ``requests``."""
        spec, more = standard(self.standard), HOW[self.how]
        if self.how == DRAMSIM3:
            options = Dramsim3Options(self.ranks, refresh=self.refresh)
            return replay_dramsim3(requests, spec, options, record=True).commands[0]
        options = ControllerOptions(self.ranks, refresh=self.refresh, **more)
        return replay(requests, spec, options, record=True).commands[0]


def can_be(case: Case) -> bool:
    """Tell whether the standard has such ranks and refresh, and ``dramsim3`` rules for the case and an end to it."""
    spec = standard(case.standard)
    if case.refresh == SAME_BANK and not spec.has_same_bank_refresh:
        return False
    if case.how == DRAMSIM3:
        follows = case.refresh in ("off", "staggered") and spec.bus_cycles.max() == 1
        # where reads and writes of one address meet, DRAMsim3 can wait for ever
        return follows and ("random" in case.kind or "reads" in case.kind)
    return case.ranks == 1 or not spec.single_rank


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


def judge(case: Case, n: int, seed: int) -> int:
    """Return the number of commands of a case, all of them legal; ends the program at the first that is not."""
    spec = standard(case.standard)
    commands = case.commands(traffic(case.kind, spec, case.ranks, n, seed))
    report = audit(spec, case.ranks, commands, refresh=case.refresh)
    if report.count:
        sys.exit(f"{', '.join(map(str, case))}, seed {seed}: {report.first[0]}")
    return len(commands)


def table(judged: dict[Case, int]) -> list[str]:
    """Return a line for each standard, a column for each policy: millions of commands."""
    lines = ["| million commands | " + " | ".join(HOW) + " | all |", "|---" + "|--:" * (len(HOW) + 1) + "|"]
    for name in [*sorted({case.standard for case in judged}), "all"]:
        of_standard = {case: n for case, n in judged.items() if name in (case.standard, "all")}
        cells = []
        for how in (*HOW, "all"):
            mine = [n for case, n in of_standard.items() if how in (case.how, "all")]
            cells.append(f"{sum(mine) / 1e6:.2f}" if mine else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=lambda text: int(float(text)), default=10**8)
    parser.add_argument("--requests", type=lambda text: int(float(text)), default=12_000, help="of a case")
    parser.add_argument("--cases", type=int, help="only the first so many")
    parser.add_argument("--out", type=Path, help="also write the table into this file")
    arguments = parser.parse_args()
    every = (
        Case(*words)
        for words in itertools.product(library_names("standards"), HOW, ALL_REFRESHES, RANKS, KINDS)
    )
    cases = [case for case in every if can_be(case)]
    random.Random(0).shuffle(cases)
    cases = cases[: arguments.cases]
    judged: dict[Case, int] = defaultdict(int)
    done, started = 0, time.perf_counter()
    for seed, case in enumerate(itertools.cycle(cases)):
        if seed >= len(cases) and (arguments.cases or done >= arguments.commands):
            break
        judged[case] += (n := judge(case, arguments.requests, seed))
        done += n
        if sys.stderr.isatty():
            print(f"\r{seed + 1} of {len(cases)} cases, {done:,} commands ", end="", file=sys.stderr)
    seconds = time.perf_counter() - started
    runs = f"{len(judged):,} cases ({seed:,} runs of {arguments.requests:,} requests)"
    told = f"{done:,} commands of {runs}, no violation; {datetime.date.today()}, {seconds:.0f} s."
    lines = [told, "", *table(judged)]
    print("\n".join(lines))
    if arguments.out:
        head = ["# Audit of the engine's commands", "", f"`python {' '.join(sys.argv)}`", ""]
        arguments.out.write_text("\n".join([*head, *__doc__.splitlines()[4:8], "", *lines]) + "\n")


if __name__ == "__main__":
    main()
