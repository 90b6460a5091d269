"""Energies are those of DRAMsim3, which prints V * mA * clock and calls it pJ.

``dramsim3_energy.json`` holds totals of recorded runs and one short run whole, command by command. More is
checked with a folder of recorded runs named by RECNMP_GOLDEN_DRAM; ``reference.recorded`` tells what is in it.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from builders import DDR4
from reference.recorded import dramsim3_standard, logged_commands, logs_of, name_of_log, rows_of

from recnmp.library.dram import COMMANDS
from recnmp.library.energy import load_idd
from recnmp.memory.activity import RankActivity, active_cycles_per_rank
from recnmp.memory.commands import Commands
from recnmp.memory.energy import DramEnergy, idd_energy

RECORDED = json.loads(Path(__file__).with_name("dramsim3_energy.json").read_text())
FOLDER = os.environ.get("RECNMP_GOLDEN_DRAM", "")
IDD = load_idd("ddr4_2400_8gb_x8")
COMMAND_PARTS = {"act": "act_pre_pj", "rd": "read_pj", "wr": "write_pj", "ref": "refresh_pj"}
STANDBY_PARTS = {"actstb": "background_active_pj", "prestb": "background_idle_pj"}

needs_folder = pytest.mark.external("RECNMP_GOLDEN_DRAM")


def name_of(run: dict) -> str:
    return f"{run['trace']}-{run['ranks']}-{run['config']}"


def energy_of(run: dict) -> DramEnergy:
    counts = {name: int(run[f"cmd_{name}"]) for name in ("ACT", "RD", "WR", "REF")}
    cycles, active = int(run["d3_num_cycles"]), int(run["d3_rank_active_cycles"])
    activity = RankActivity.of_totals(counts, int(run["ranks"]), cycles, active)
    assert activity.idle_cycles.sum() == pytest.approx(
        int(run["d3_all_bank_idle_cycles"]), rel=1e-12, abs=1e-6
    )
    return idd_energy(activity, IDD, dramsim3_standard(run["config"]))


def assert_energy_is(energy: DramEnergy, run: dict) -> None:
    clock_ns = dramsim3_standard(run["config"]).tCK_ps.value / 1000
    for theirs, ours in (COMMAND_PARTS | STANDBY_PARTS).items():
        assert energy.parts_pj[ours] == pytest.approx(float(run[f"d3_e_{theirs}"]) * clock_ns, rel=1e-6), ours
    assert energy.total_pj == pytest.approx(float(run["d3_e_total"]) * clock_ns, rel=1e-6)
    assert energy.total_pj / 1000 == pytest.approx(float(run["d3_total_nJ"]), rel=1e-6)
    assert energy.mean_power_mw == pytest.approx(float(run["d3_avg_power_mW"]), rel=1e-6)


@pytest.mark.parametrize("run", RECORDED["runs"], ids=name_of)
def test_energy_of_a_recorded_run_is_theirs(run):
    assert_energy_is(energy_of(run), run)


def test_recorded_runs_reach_every_part_of_both_timings():
    for theirs in COMMAND_PARTS | STANDBY_PARTS:
        assert any(run[f"d3_e_{theirs}"] for run in RECORDED["runs"])
    assert {run["config"].partition(".")[0] for run in RECORDED["runs"]} == {"stock", "m", "w32r"}


def test_their_figures_are_not_picojoules():
    run = RECORDED["runs"][0]
    assert energy_of(run).total_pj == pytest.approx(0.833 * run["d3_e_total"], rel=1e-6)


def test_states_and_energy_of_a_whole_run_follow_from_its_commands():
    log = RECORDED["log"]
    cycle, name, rank, group, bank = zip(*log["commands"], strict=True)
    nothing = [-1] * len(cycle)
    codes = [COMMANDS.index(n) for n in name]
    commands = Commands(cycle, codes, rank, group, bank, nothing, nothing, nothing)
    activity = RankActivity.of_commands(commands, log["ranks"], log["cycles"])
    assert activity.active_cycles.tolist() == log["rank_active_cycles"]
    assert activity.idle_cycles.tolist() == log["all_bank_idle_cycles"]
    energy, ns = idd_energy(activity, IDD, DDR4), DDR4.tCK_ps.value / 1000
    active, idle = energy.background_active_pj_per_rank, energy.background_idle_pj_per_rank
    np.testing.assert_allclose(active / ns, log["act_stb_energy"], rtol=1e-12)
    np.testing.assert_allclose(idle / ns, log["pre_stb_energy"], rtol=1e-12)
    parts = {"act": "act_pre", "read": "read", "write": "write", "ref": "refresh"}
    for theirs, ours in parts.items():
        assert energy.parts_pj[f"{ours}_pj"] / ns == pytest.approx(log[f"{theirs}_energy"], rel=1e-12)
    assert energy.total_pj / ns == pytest.approx(log["total_energy"], rel=1e-12)
    assert energy.mean_power_mw == pytest.approx(log["average_power"], rel=1e-12)


@needs_folder
@pytest.mark.parametrize("row", rows_of(FOLDER, "dramsim3"), ids=name_of)
def test_energy_of_a_row_of_the_folder_is_theirs(row):
    assert_energy_is(energy_of(row), row)


@needs_folder
@pytest.mark.parametrize("log", logs_of(FOLDER, "dramsim3_m.noref"), ids=name_of_log)
def test_idle_clocks_of_a_log_of_the_folder_are_those_of_its_run(log):
    """Without refresh a rank is idle until its first ACT and, where it works one bank, between PRE and ACT."""
    trace, ranks = log.name.partition("__")[0].removeprefix("DDR4_").rsplit("_", 1)[0].rsplit("_R", 1)
    row = next(row for row in rows_of(FOLDER, "dramsim3") if name_of(row) == f"{trace}-{ranks}-m.noref")
    commands = logged_commands(log)
    end = int(commands.cycle[-1]) + 1
    idle = int(ranks) * end - active_cycles_per_rank(commands, int(ranks), end).sum()
    if trace == "d_bankconf":
        acts = commands.counts()["ACT"] - 1
        idle += DDR4.cycles["nRP"] * (int(row["cmd_ACT"]) - 1 - acts)
    assert idle == int(row["d3_all_bank_idle_cycles"])
