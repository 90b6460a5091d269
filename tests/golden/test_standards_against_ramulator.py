"""Standards with commands of several clocks make the schedules of Ramulator 2.1's one-bus controller.

``ramulator_standards.json`` holds totals up to the clock at which the last request is accepted, of runs of that
controller on the very constraint tables of the library. It judges the engine, not the tables.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from reference.traffic import JITTED

from recnmp.library.dram import COMMANDS, DramSpec, load_standard
from recnmp.memory.peer import until_last_accepted
from recnmp.memory.replay import ControllerOptions, replay
from recnmp.memory.requests import Requests

RECORDED = json.loads(Path(__file__).with_name("ramulator_standards.json").read_text())

needs_speed = pytest.mark.skipif(not JITTED, reason="runs of 5000 requests need compiled kernels")


def some_stream(spec: DramSpec, ranks: int, traffic: str, write_share: float) -> np.ndarray:
    """Writes, rank, bank group, bank, row and column, shape (5000, 6); a stream's bank group changes fastest."""
    rng, org, n = np.random.default_rng(3), spec.organization, RECORDED["requests"]
    groups, banks, rows = org.bank_groups.value, org.banks_per_group.value, org.rows.value
    limits = (ranks, groups, banks, rows, org.bursts_per_row.value)
    if traffic == "random":
        place = np.stack([rng.integers(0, limit, n) for limit in limits], axis=1)
    else:
        burst, group = np.divmod(np.arange(n), groups)
        burst, column = np.divmod(burst, org.bursts_per_row.value)
        burst, bank = np.divmod(burst, banks)
        row, rank = np.divmod(burst, ranks)
        place = np.stack([rank, group, bank, row, column], axis=1)
    return np.column_stack([rng.random(n) < write_share, place]).astype(np.int64)


@needs_speed
@pytest.mark.parametrize(
    "run", RECORDED["runs"], ids=lambda r: f"{r['standard']}-{r['traffic']}-{r['write_share']}-{r['ranks']}"
)
def test_totals_equal_a_recorded_run_of_the_same_table(run):
    spec, ranks = load_standard(run["standard"]), run["ranks"]
    stream = some_stream(spec, ranks, run["traffic"], run["write_share"])
    write, rank, group, bank, row, column = stream.T
    lane = rank * spec.banks_per_rank + group * spec.organization.banks_per_group.value + bank
    requests = Requests(
        start=np.array([0, len(stream)]),
        arrive=np.zeros(len(stream), np.int64),
        lane=lane.astype(np.int32),
        row=row.astype(np.int32),
        column=column.astype(np.int32),
        write=write.astype(np.uint8),
        group=np.zeros(len(stream), np.int32),
        groups=1,
    )
    timeline = replay(requests, spec, ControllerOptions(ranks), record=True)
    ours = until_last_accepted(timeline, requests.start)
    names = ("cycles", *COMMANDS, "row_hits", "row_misses", "row_conflicts")
    assert {name: ours[name] for name in names} == {name: run[name] for name in names}
    assert ours["read latency, clocks"] == pytest.approx(run["read_latency"], abs=1e-6)
