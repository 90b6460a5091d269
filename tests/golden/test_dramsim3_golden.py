"""The policy ``dramsim3`` makes exactly the schedules of DRAMsim3 (commit 2981759).

Needs a folder of recorded runs named by RECNMP_GOLDEN_DRAM; ``reference.recorded`` tells what is in it. The runs
drain their last writes. Some rows and logs are checked, or all with RECNMP_GOLDEN_ALL=1.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from reference.dramsim3_tick import run
from reference.recorded import (
    dramsim3_standard,
    load,
    logged_commands,
    logged_requests,
    logs_of,
    name_of_log,
    of_log,
    rows_of,
)
from reference.traffic import JITTED, as_requests

from recnmp.library.dram import ALL_BANK_COMMANDS
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.dramsim3 import Dramsim3Options, replay_dramsim3

FOLDER = os.environ.get("RECNMP_GOLDEN_DRAM", "")
ALL = os.environ.get("RECNMP_GOLDEN_ALL") == "1"
LOGS = logs_of(FOLDER, "dramsim3_")
SHORT = [log for log in LOGS if not log.name.partition("_n")[2].startswith("5000")]

pytestmark = pytest.mark.external("RECNMP_GOLDEN_DRAM")
needs_speed = pytest.mark.skipif(not JITTED, reason="a hundred thousand requests need compiled kernels")


def options(config: str, ranks: int) -> Dramsim3Options:
    """The controller of a recorded configuration: a window of 32 per rank, or queues as shipped."""
    refresh = "off" if config.endswith(".noref") else "staggered"
    if config.startswith("w32r"):
        return Dramsim3Options(ranks, transaction_queue=1, command_queue=32, per="rank", refresh=refresh)
    return Dramsim3Options(ranks, refresh=refresh)


def recorded_rows() -> list[dict[str, str]]:
    """Runs of DRAMsim3 in the folder's table, all or every ninth."""
    return rows_of(FOLDER, "dramsim3")[:: 1 if ALL else 9]


def assert_log_equals(commands: Commands, accepted, depart, log: Path) -> None:
    """Compare all but the request that a command serves, which the peer does not tell."""
    recorded = logged_commands(log)
    for field in list(commands.__dataclass_fields__)[:-1]:
        np.testing.assert_array_equal(getattr(commands, field), getattr(recorded, field), field)
    for ours, theirs in zip((accepted, depart), logged_requests(log), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@needs_speed
@pytest.mark.parametrize(
    "row", recorded_rows(), ids=lambda row: f"{row['trace']}-{row['ranks']}-{row['config']}"
)
def test_totals_equal_a_row_of_the_folder(row):
    stream = load(FOLDER, f"DDR4_{row['trace']}_R{row['ranks']}", int(row["n_req"]))
    how = options(row["config"], int(row["ranks"]))
    timeline = replay_dramsim3(as_requests(stream), dramsim3_standard(row["config"]), how)
    counts = timeline.counts
    assert timeline.cycles == int(row["cycles_drain"])
    assert timeline.accepted[-1] == int(row["last_inject"])
    for name in ALL_BANK_COMMANDS:
        assert counts[name] == int(row[f"cmd_{name}"] or 0), name
    answered = [counts[name] for name in ("merged", "forwarded", "absorbed")]
    assert answered == [int(row[name]) for name in ("rd_merged", "rd_forwarded", "wr_merged")]
    if int(row["n_rd"]):
        latency = (timeline.depart - timeline.accepted)[timeline.depart >= 0]
        assert latency.mean() == pytest.approx(float(row["lat_avg"]), rel=0, abs=5.1e-6)  # five places
        assert (latency.min(), latency.max()) == (int(row["lat_min"]), int(row["lat_max"]))


@pytest.mark.parametrize("log", LOGS if JITTED else SHORT, ids=name_of_log)
def test_commands_and_request_times_equal_a_log_of_the_folder(log):
    stream, config, ranks = of_log(log)
    how = options(config, ranks)
    timeline = replay_dramsim3(as_requests(stream), dramsim3_standard(config), how, record=True)
    assert_log_equals(timeline.commands[0], timeline.accepted, timeline.depart, log)
    assert audit(dramsim3_standard(config), ranks, timeline.commands[0], refresh=how.refresh).first == ()


@pytest.mark.parametrize("log", LOGS if ALL else SHORT, ids=name_of_log)
def test_the_twin_s_commands_and_request_times_equal_a_log_of_the_folder(log):
    stream, config, ranks = of_log(log)
    how = options(config, ranks)
    twin = run(
        dramsim3_standard(config),
        ranks,
        stream.tolist(),
        per=how.per,
        refresh=how.refresh,
        transactions=how.transaction_queue,
        commands=how.command_queue,
    )
    assert_log_equals(twin.as_commands(), twin.arrive, twin.depart, log)
