"""The tick-by-tick twin issues exactly the commands of Ramulator 2.1.

Needs a folder of recorded runs named by RECNMP_GOLDEN_DRAM; ``reference.recorded`` tells what is in it.
"""

import os
from collections import Counter

import numpy as np
import pytest
from builders import DDR4
from reference.frfcfs_tick import TickResult, run
from reference.recorded import (
    load,
    logged_commands,
    logged_requests,
    logs_of,
    name_of_log,
    of_log,
    options,
    rows_of,
    standard,
)
from reference.traffic import Stream

from recnmp.library.dram import DramSpec
from recnmp.memory.audit import audit

FOLDER = os.environ.get("RECNMP_GOLDEN_DRAM", "")
LOGS = logs_of(FOLDER, "ramulator2_")

pytestmark = pytest.mark.external("RECNMP_GOLDEN_DRAM")


def replay(stream: Stream, config: str, ranks: int, spec: DramSpec) -> TickResult:
    """Run the twin in a recorded configuration."""
    how = options(config, ranks)
    return run(spec, ranks, stream.tolist(), policy=how.policy, refresh=how.refresh)


@pytest.mark.parametrize("log", LOGS, ids=name_of_log)
def test_commands_and_request_times_equal_a_recorded_run(log):
    stream, config, ranks = of_log(log)
    result = replay(stream, config, ranks, standard(DDR4, config))
    commands, recorded = result.as_commands(), logged_commands(log)
    for field in commands.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(commands, field), getattr(recorded, field), field)
    accepted, depart = logged_requests(log)
    np.testing.assert_array_equal(result.arrive, accepted)
    np.testing.assert_array_equal(result.depart, np.where(stream[:, 1] == 1, -1, depart))


@pytest.mark.parametrize("log", LOGS, ids=name_of_log)
def test_the_audit_finds_nothing_but_the_known_collisions_in_a_recorded_run(log):
    _, config, ranks = of_log(log)
    verdict = audit(DDR4, ranks, logged_commands(log), refresh=options(config, ranks).refresh)
    late_write = "other_rank: RD to WR, nCL + nBL + nRTRS - nCWL"
    assert set(verdict.by_rule) == ({"data bus", late_write} if "f_mix" in log.name else set())


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
    run_of = {"config": config, "standard": "DDR4", "trace": family, "ranks": ranks}
    [row] = [row for row in rows_of(FOLDER, "ramulator2") if run_of.items() <= row.items()]
    stream = load(FOLDER, trace)
    result = replay(stream, config, int(ranks), standard(DDR4, config))
    assert result.cycles_drain == int(row["cycles_drain"])
    assert result.arrive[-1] == int(row["last_inject"])
    issued = Counter(command.name for command in result.commands)
    for name in ("ACT", "PRE", "PREA", "RD", "WR", "REF"):
        assert issued[name] == int(row[f"cmd_{name}"] or 0), name
    native = [int(row[f"native_{kind}"]) for kind in ("hits", "misses", "conflicts")]
    assert [result.row_hits, result.row_misses, result.row_conflicts] == native
    latency = (np.array(result.depart) - np.array(result.arrive))[stream[:, 1] == 0]
    assert latency.mean() == pytest.approx(float(row["lat_avg"]), rel=1e-5)
    assert latency.max() == int(row["lat_max"])
    verdict = audit(DDR4, int(ranks), result.as_commands(), refresh=options(config, int(ranks)).refresh)
    assert verdict.first == ()
