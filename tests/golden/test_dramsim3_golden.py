"""The policy ``dramsim3`` makes exactly the schedules of DRAMsim3 (commit 2981759).

Needs recorded runs of DRAMsim3 in a folder named by RECNMP_GOLDEN_DRAM: request traces
``traces/DDR4_<family>_R<ranks>.npz``, command traces and request logs ``cmdtraces/*.csv.gz``, and run totals
``golden.csv``. The runs drain their last writes. Some rows and logs are checked, or all with
RECNMP_GOLDEN_ALL=1.
"""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from builders import DDR4
from reference.dramsim3_tick import run
from reference.traffic import JITTED, Stream, as_requests

from recnmp.library.dram import ALL_BANK_COMMANDS, COMMANDS, DramSpec
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.dramsim3 import Dramsim3Options, replay_dramsim3

FOLDER = os.environ.get("RECNMP_GOLDEN_DRAM", "")
ALL = os.environ.get("RECNMP_GOLDEN_ALL") == "1"
LOGS = sorted(Path(FOLDER).glob("cmdtraces/DDR4_*__dramsim3_*.cmd.csv.gz")) if FOLDER else []
SHORT = [log for log in LOGS if not log.name.partition("_n")[2].startswith("5000")]

pytestmark = pytest.mark.external("RECNMP_GOLDEN_DRAM")
needs_speed = pytest.mark.skipif(not JITTED, reason="a hundred thousand requests need compiled kernels")


def shipped() -> DramSpec:
    """The standard as in DRAMsim3's ``DDR4_8Gb_x8_2400.ini``."""
    document = DDR4.model_dump()
    document["tCK_ps"]["value"] = 830
    faster = {"nRTRS": 1, "nRFC": 420, "nREFI": 9360}
    for name, value in {**dict.fromkeys(("nCL", "nRCD", "nRP"), 17), "nRC": 56, **faster}.items():
        document["timings"][name]["value"] = value
    for row in document["constraints"]:
        if (row["scope"], row["after"], row["before"]) == ("rank", ("RD",), ("WR",)):
            row["wait"] = "nCL + nBL + nRTRS - nCWL"
    return DramSpec.model_validate(document)


def standard(config: str) -> DramSpec:
    return shipped() if config.startswith("stock") else DDR4


def options(config: str, ranks: int) -> Dramsim3Options:
    """The controller of a recorded configuration: a window of 32 per rank, or queues as shipped."""
    refresh = "off" if config.endswith(".noref") else "staggered"
    if config.startswith("w32r"):
        return Dramsim3Options(ranks, transaction_queue=1, command_queue=32, per="rank", refresh=refresh)
    return Dramsim3Options(ranks, refresh=refresh)


def recorded_rows() -> list[dict[str, str]]:
    """Runs in the folder's table, all or every ninth."""
    if not FOLDER:
        return []
    with (Path(FOLDER) / "golden.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["sim"], row["standard"]) == ("dramsim3", "DDR4")]
    assert len(rows) > 200
    return rows if ALL else rows[::9]


def load(trace: str, count: int) -> Stream:
    """The first requests of a trace of the folder."""
    columns = np.load(Path(FOLDER) / "traces" / f"{trace}.npz")
    fields = [columns[name][:count].astype(np.int64) for name in ("wr", "ra", "bg", "ba", "row", "col")]
    return np.column_stack([np.cumsum(columns["dt"][:count].astype(np.int64)), *fields])


def read(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.reader(file))[1:]


def parts(log: Path) -> tuple[Stream, str, int]:
    """The requests, configuration and ranks of a log."""
    trace, config = log.name.removesuffix(".cmd.csv.gz").split("__dramsim3_")
    trace, count = trace.rsplit("_n", 1)
    return load(trace, int(count)), config, int(trace.rsplit("_R", 1)[1])


def assert_log_equals(commands: Commands, accepted, depart, log: Path) -> None:
    """Compare all but the request that a command serves, which the peer does not tell."""
    names = list(commands.__dataclass_fields__)[:-1]
    ours = np.stack([getattr(commands, name) for name in names], axis=1)
    rows = [(cycle, COMMANDS.index(name), *rest[:-1]) for cycle, name, *rest in read(log)]
    np.testing.assert_array_equal(ours, np.array(rows, np.int64))
    requests = np.array(read(log.with_name(log.name.replace(".cmd.", ".req."))), np.int64)
    np.testing.assert_array_equal(accepted, requests[:, 2])
    np.testing.assert_array_equal(depart, requests[:, 3])


def name_of(path: Path) -> str:
    return path.name.removesuffix(".cmd.csv.gz")


@needs_speed
@pytest.mark.parametrize(
    "row", recorded_rows(), ids=lambda row: f"{row['trace']}-{row['ranks']}-{row['config']}"
)
def test_totals_equal_a_row_of_the_folder(row):
    stream = load(f"DDR4_{row['trace']}_R{row['ranks']}", int(row["n_req"]))
    how = options(row["config"], int(row["ranks"]))
    timeline = replay_dramsim3(as_requests(stream), standard(row["config"]), how)
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


@pytest.mark.parametrize("log", LOGS if JITTED else SHORT, ids=name_of)
def test_commands_and_request_times_equal_a_log_of_the_folder(log):
    stream, config, ranks = parts(log)
    how = options(config, ranks)
    timeline = replay_dramsim3(as_requests(stream), standard(config), how, record=True)
    assert_log_equals(timeline.commands[0], timeline.accepted, timeline.depart, log)
    assert audit(standard(config), ranks, timeline.commands[0], refresh=how.refresh).first == ()


@pytest.mark.parametrize("log", LOGS if ALL else SHORT, ids=name_of)
def test_the_twin_s_commands_and_request_times_equal_a_log_of_the_folder(log):
    stream, config, ranks = parts(log)
    how = options(config, ranks)
    twin = run(
        standard(config),
        ranks,
        stream.tolist(),
        per=how.per,
        refresh=how.refresh,
        transactions=how.transaction_queue,
        commands=how.command_queue,
    )
    assert_log_equals(twin.as_commands(), twin.arrive, twin.depart, log)
