"""The DRAM engine makes exactly the schedules of Ramulator 2.1.

``ramulator_dram.json`` holds totals of recorded runs at 1, 2 and 8 ranks, on traces defined by their seeds.
More is checked with a folder of recorded runs named by RECNMP_GOLDEN_DRAM (``reference.recorded`` tells what is in
it): its logs, and every sixth row of its table, or all with RECNMP_GOLDEN_ALL=1.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from builders import DDR4
from reference.recorded import (
    PARTS,
    figures,
    fingerprint,
    load,
    logged_commands,
    logged_requests,
    logs_of,
    make,
    name_of_log,
    of_log,
    options,
    rows_of,
    standard,
)
from reference.traffic import JITTED, Stream, as_requests

from recnmp.library.dram import ALL_BANK_COMMANDS, load_standard
from recnmp.memory.audit import audit
from recnmp.memory.replay import replay

RUNS = json.loads(Path(__file__).with_name("ramulator_dram.json").read_text())["runs"]
SPECS = {"DDR4": DDR4, "DDR5": load_standard("ddr5_4800")}
FOLDER = os.environ.get("RECNMP_GOLDEN_DRAM", "")
ALL = os.environ.get("RECNMP_GOLDEN_ALL") == "1"
LOGS = logs_of(FOLDER, "ramulator2_")

needs_folder = pytest.mark.external("RECNMP_GOLDEN_DRAM")
needs_speed = pytest.mark.skipif(not JITTED, reason="a hundred thousand requests need compiled kernels")


def recorded_rows() -> list[dict[str, str]]:
    """Runs of Ramulator in the folder's table, all or every sixth."""
    return rows_of(FOLDER, "ramulator2")[:: 1 if ALL else 6]


def totals(stream: Stream, run: dict) -> dict[str, float]:
    requests = as_requests(stream, groups=PARTS[kind_of(run)][0])
    spec = standard(SPECS[kind_of(run)], run["config"])
    read_queue = int(run.get("rq") or run["read_queue"])
    return figures(replay(requests, spec, options(run["config"], int(run["ranks"]), read_queue)))


def kind_of(run: dict) -> str:
    return run.get("kind") or run["standard"]


def name_of(run: dict) -> str:
    return f"{kind_of(run)}-{run['trace']}-{run['ranks']}-{run['config']}"


def assert_totals_equal(ours: dict[str, float], run: dict) -> None:
    for name, value in ours.items():
        if run[name] not in (None, ""):
            assert value == pytest.approx(float(run[name]), rel=1e-6 if name == "lat_avg" else 0, abs=0), name


@needs_speed
@pytest.mark.parametrize("run", RUNS, ids=name_of)
def test_totals_equal_a_recorded_run(run):
    stream = make(run["trace"], run["ranks"], run["requests"], run["kind"])
    assert fingerprint(stream, run["ranks"], run["kind"]) == run["trace_sha1"]
    assert_totals_equal(totals(stream, run), run)


def test_recorded_runs_reach_every_command_and_every_configuration():
    for name in ALL_BANK_COMMANDS:
        assert any(run[f"cmd_{name}"] for run in RUNS)
    assert {run["ranks"] for run in RUNS} == {1, 2, 8}
    assert {run["config"].split(".")[0] for run in RUNS} == {"frfcfs", "rowhit"}
    assert {word for run in RUNS for word in run["config"].split(".")} >= {
        "ref",
        "noref",
        "refstag",
        "rtwfix",
    }
    assert any(run["wr_merged"] for run in RUNS)


@needs_folder
@needs_speed
@pytest.mark.parametrize("row", recorded_rows(), ids=name_of)
def test_totals_equal_a_row_of_the_folder(row):
    stream = load(FOLDER, f"{row['standard']}_{row['trace']}_R{row['ranks']}", int(row["n_req"]))
    assert_totals_equal(totals(stream, row), row)


@needs_folder
@pytest.mark.parametrize(
    "log",
    [log for log in LOGS if JITTED or not log.name.partition("_n")[2].startswith("5000")],
    ids=name_of_log,
)
def test_commands_and_request_times_equal_a_log_of_the_folder(log):
    stream, config, ranks = of_log(log)
    how = options(config, ranks)
    timeline = replay(as_requests(stream), standard(DDR4, config), how, record=True)
    commands, recorded = timeline.commands[0], logged_commands(log)
    for field in commands.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(commands, field), getattr(recorded, field), field)
    accepted, depart = logged_requests(log)
    np.testing.assert_array_equal(timeline.accepted, accepted)
    np.testing.assert_array_equal(timeline.depart, np.where(stream[:, 1] == 1, -1, depart))
    if not stream[:, 1].any():
        assert audit(DDR4, ranks, commands, refresh=how.refresh).first == ()
