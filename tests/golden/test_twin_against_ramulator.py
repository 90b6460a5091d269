"""The tick-by-tick twin issues exactly the commands of Ramulator 2.1.

Needs recorded runs of Ramulator 2.1 in a folder named by RECNMP_GOLDEN_DRAM: request traces
``traces/DDR4_<family>_R<ranks>.npz``, command traces and request logs ``cmdtraces/*.csv.gz``, and run totals
``golden.csv``.
"""

import csv
import gzip
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from reference.frfcfs_tick import TickResult, run

from recnmp.library.dram import COMMANDS, DramSpec, load_standard
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands

FOLDER = os.environ.get("RECNMP_GOLDEN_DRAM", "")
LOGS = sorted(Path(FOLDER).glob("cmdtraces/DDR4_*__ramulator2_*.cmd.csv.gz")) if FOLDER else []
REFRESH = {"ref": "simultaneous", "noref": "off", "refstag": "staggered"}

pytestmark = pytest.mark.external("RECNMP_GOLDEN_DRAM")


def peer(spec: DramSpec) -> DramSpec:
    """The standard with Ramulator's gap from RD to a WR of another rank, which lets bursts collide."""
    document = spec.model_dump()
    for row in document["constraints"]:
        if (row["scope"], row["after"], row["before"]) == ("other_rank", ("RD",), ("WR",)):
            row["wait"] = "nBL + nRTRS"
    return DramSpec.model_validate(document)


def replay(
    trace: str, config: str, spec: DramSpec, count: int | None = None
) -> tuple[TickResult, np.ndarray]:
    """Run the twin on the first ``count`` requests of a trace; also return which of them are writes."""
    columns = np.load(Path(FOLDER) / "traces" / f"{trace}.npz")
    fields = [
        np.cumsum(columns["dt"].astype(np.int64)),
        *(columns[k] for k in ("wr", "ra", "bg", "ba", "row", "col")),
    ]
    requests = np.array([field[:count] for field in fields]).T.tolist()
    policy, refresh = config.split(".")[:2]
    result = run(
        spec,
        int(trace.rsplit("_R", 1)[1]),
        requests,
        policy={"frfcfs": "frfcfs", "rowhit": "frfcfs_rowhit"}[policy],
        refresh=REFRESH[refresh],
    )
    return result, fields[1][:count].astype(bool)


def read(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.name.removesuffix(".cmd.csv.gz"))
def test_commands_and_request_times_equal_a_recorded_run(log):
    trace, config = log.name.removesuffix(".cmd.csv.gz").split("__ramulator2_")
    trace, count = trace.rsplit("_n", 1)
    result, is_write = replay(trace, config, peer(load_standard("ddr4_2400")), int(count))
    recorded = [(int(cycle), name, *map(int, rest)) for cycle, name, *rest in read(log)]
    assert [tuple(command) for command in result.commands] == recorded
    requests = np.array(read(log.with_name(log.name.replace(".cmd.", ".req."))), np.int64)
    np.testing.assert_array_equal(result.arrive, requests[:, 2])
    np.testing.assert_array_equal(result.depart, np.where(is_write, -1, requests[:, 3]))


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.name.removesuffix(".cmd.csv.gz"))
def test_the_audit_finds_nothing_but_the_known_collisions_in_a_recorded_run(log):
    trace, config = log.name.removesuffix(".cmd.csv.gz").split("__ramulator2_")
    rows = [(cycle, COMMANDS.index(name), *rest) for cycle, name, *rest in read(log)]
    ranks = int(trace.split("_R")[1].split("_")[0])
    spec = load_standard("ddr4_2400")
    verdict = audit(spec, ranks, Commands(*np.array(rows, np.int64).T), refresh=REFRESH[config.split(".")[1]])
    late_write = "other_rank: RD to WR, nCL + nBL + nRTRS - nCWL"
    assert set(verdict.by_rule) == ({"data bus", late_write} if "f_mix" in trace else set())


ROWS = [  # recorded at full length: 20 000 requests, f_mix7030 100 000
    ("DDR4_d_bankconf_R8", "frfcfs.ref"),
    ("DDR4_d_bankconf_R8", "rowhit.refstag"),
    ("DDR4_d_bankconf_R2", "frfcfs.ref"),
    ("DDR4_g_lowint_R1", "frfcfs.noref"),
    ("DDR4_g_lowint_R2", "frfcfs.ref"),
    ("DDR4_g_lowint_R8", "rowhit.refstag"),
    ("DDR4_f_mix7030_R8", "frfcfs.ref.rtwfix"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("trace", "config"), ROWS)
def test_totals_equal_a_recorded_run_at_full_length_and_are_legal(trace, config):
    family, ranks = trace.removeprefix("DDR4_").rsplit("_R", 1)
    with (Path(FOLDER) / "golden.csv").open() as file:
        [row] = [
            row
            for row in csv.DictReader(file)
            if (row["sim"], row["config"], row["standard"]) == ("ramulator2", config, "DDR4")
            and (row["trace"], row["ranks"]) == (family, ranks)
        ]
    spec = load_standard("ddr4_2400")
    result, is_write = replay(trace, config, spec)
    assert result.cycles_drain == int(row["cycles_drain"])
    assert result.arrive[-1] == int(row["last_inject"])
    issued = Counter(command.name for command in result.commands)
    for name in ("ACT", "PRE", "PREA", "RD", "WR", "REF"):
        assert issued[name] == int(row[f"cmd_{name}"] or 0), name
    native = [int(row[f"native_{kind}"]) for kind in ("hits", "misses", "conflicts")]
    assert [result.row_hits, result.row_misses, result.row_conflicts] == native
    latency = (np.array(result.depart) - np.array(result.arrive))[~is_write]
    assert latency.mean() == pytest.approx(float(row["lat_avg"]), rel=1e-5)
    assert latency.max() == int(row["lat_max"])
    verdict = audit(spec, int(ranks), result.as_commands(), refresh=REFRESH[config.split(".")[1]])
    assert verdict.first == ()
