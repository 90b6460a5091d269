"""The DRAM engine makes exactly the schedules of Ramulator 2.1.

``ramulator_dram.json`` holds totals of recorded runs at 1, 2 and 8 ranks, on traces defined by their seeds.
More is checked with a folder of recorded runs named by RECNMP_GOLDEN_DRAM: request traces
``traces/DDR4_<family>_R<ranks>.npz``, command traces and request logs ``cmdtraces/*.csv.gz``, and run totals
``golden.csv``, of which every sixth row is checked, or all with RECNMP_GOLDEN_ALL=1.
"""

import csv
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from builders import DDR4
from reference.recorded import PARTS, figures, fingerprint, make, options, standard
from reference.traffic import JITTED, Stream, as_requests

from recnmp.library.dram import ALL_BANK_COMMANDS, COMMANDS, load_standard
from recnmp.memory.audit import audit
from recnmp.memory.replay import replay

RUNS = json.loads(Path(__file__).with_name("ramulator_dram.json").read_text())["runs"]
SPECS = {"DDR4": DDR4, "DDR5": load_standard("ddr5_4800")}
FOLDER = os.environ.get("RECNMP_GOLDEN_DRAM", "")
ALL = os.environ.get("RECNMP_GOLDEN_ALL") == "1"
LOGS = sorted(Path(FOLDER).glob("cmdtraces/DDR4_*__ramulator2_*.cmd.csv.gz")) if FOLDER else []

needs_folder = pytest.mark.external("RECNMP_GOLDEN_DRAM")
needs_speed = pytest.mark.skipif(not JITTED, reason="a hundred thousand requests need compiled kernels")


def recorded_rows() -> list[dict[str, str]]:
    """Runs of Ramulator in the folder's table, all or every sixth."""
    if not FOLDER:
        return []
    with (Path(FOLDER) / "golden.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["sim"] == "ramulator2"]
    assert len(rows) > 100
    return rows if ALL else rows[::6]


def load(trace: str, count: int) -> Stream:
    """The first requests of a trace of the folder."""
    columns = np.load(Path(FOLDER) / "traces" / f"{trace}.npz")
    fields = [columns[name][:count].astype(np.int64) for name in ("wr", "ra", "bg", "ba", "row", "col")]
    return np.column_stack([np.cumsum(columns["dt"][:count].astype(np.int64)), *fields])


def read(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.reader(file))[1:]


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
    stream = load(f"{row['standard']}_{row['trace']}_R{row['ranks']}", int(row["n_req"]))
    assert_totals_equal(totals(stream, row), row)


@needs_folder
@pytest.mark.parametrize(
    "log",
    [log for log in LOGS if JITTED or not log.name.partition("_n")[2].startswith("5000")],
    ids=lambda path: path.name.removesuffix(".cmd.csv.gz"),
)
def test_commands_and_request_times_equal_a_log_of_the_folder(log):
    trace, config = log.name.removesuffix(".cmd.csv.gz").split("__ramulator2_")
    trace, count = trace.rsplit("_n", 1)
    stream = load(trace, int(count))
    how = options(config, int(trace.rsplit("_R", 1)[1]))
    timeline = replay(as_requests(stream), standard(DDR4, config), how, record=True)
    commands = timeline.commands[0]
    ours = np.stack([getattr(commands, field) for field in commands.__dataclass_fields__], axis=1)
    rows = [(cycle, COMMANDS.index(name), *rest) for cycle, name, *rest in read(log)]
    np.testing.assert_array_equal(ours, np.array(rows, np.int64))
    requests = np.array(read(log.with_name(log.name.replace(".cmd.", ".req."))), np.int64)
    np.testing.assert_array_equal(timeline.accepted, requests[:, 2])
    np.testing.assert_array_equal(timeline.depart, np.where(stream[:, 1] == 1, -1, requests[:, 3]))
    if not stream[:, 1].any():
        assert audit(DDR4, how.ranks, commands, refresh=how.refresh).first == ()
