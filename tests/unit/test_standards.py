"""Every shipped DRAM standard, by closed forms of its own timings."""

import numpy as np
import pytest

from recnmp._registry import library_names
from recnmp.errors import ConfigError
from recnmp.library import dram
from recnmp.library.dram import DramSpec, evaluate, load_standard
from recnmp.memory.replay import ControllerOptions, Timeline, replay
from recnmp.memory.requests import Requests

STANDARDS = library_names("standards")


def reads(spec: DramSpec, group: list[int], bank: list[int], row: list[int], every: int = 0) -> Timeline:
    """Read single bursts of one rank, one every ``every`` clocks, refresh off."""
    n = len(group)
    lane = np.array(group, np.int32) * spec.organization.banks_per_group.value + np.array(bank, np.int32)
    requests = Requests(
        np.array([0, n]),
        np.arange(n, dtype=np.int64) * every,
        lane.astype(np.int32),
        np.array(row, np.int32),
        np.zeros(n, np.int32),
        np.zeros(n, np.uint8),
        np.zeros(n, np.int32),
        1,
    )
    return replay(requests, spec, ControllerOptions(1, refresh="off"))


@pytest.mark.parametrize("name", STANDARDS)
def test_an_unloaded_read_takes_activation_and_column_latency(name):
    spec = load_standard(name)
    nRCD, nCL, nBL = (spec.cycles[n] for n in ("nRCD", "nCL", "nBL"))
    timeline = reads(spec, [0, 0], [0, 0], [5, 5], every=1000)
    # a request accepted in one clock can have its first command in the next
    assert list(timeline.depart - timeline.accepted) == [1 + nRCD + nCL + nBL, 1 + nCL + nBL]


@pytest.mark.parametrize("name", STANDARDS)
def test_row_hits_in_turn_over_the_bank_groups_reach_the_peak(name):
    spec = load_standard(name)
    groups, n = spec.organization.bank_groups.value, 4000
    timeline = reads(spec, [k % groups for k in range(n)], [0] * n, [0] * n)
    start_up = groups * spec.cycles["nRRD_L"] + spec.cycles["nRCD"] + spec.cycles["nCL"] + spec.cycles["nBL"]
    assert n * spec.cycles["nBL"] <= timeline.cycles <= n * spec.cycles["nBL"] + start_up


@pytest.mark.parametrize("name", STANDARDS)
def test_conflicts_in_one_bank_come_once_a_row_cycle(name):
    spec = load_standard(name)
    timeline = reads(spec, [0] * 100, [0] * 100, list(range(100)))
    first = 1 + spec.cycles["nRCD"] + spec.cycles["nCL"] + spec.cycles["nBL"]
    assert timeline.cycles == first + 99 * spec.cycles["nRC"]


def test_a_variant_keeps_what_it_does_not_state():
    fast, base = load_standard("ddr4_3200"), load_standard("ddr4_2400")
    assert fast.constraints == base.constraints
    assert fast.organization == base.organization
    assert (fast.cycles["nCL"], fast.cycles["nBL"]) == (22, base.cycles["nBL"])


@pytest.mark.parametrize("base", ["itself", "nothing", 7])
def test_extending_itself_or_nothing_is_an_error_with_its_place(base, tmp_path, monkeypatch):
    folder = tmp_path / "library" / "standards"
    folder.mkdir(parents=True)
    (folder / "itself.yaml").write_text(f"name: x\nextends: {base}\n")
    monkeypatch.setattr(dram, "PACKAGE", tmp_path)
    monkeypatch.setattr(dram, "library_names", lambda kind: ["itself"])
    with pytest.raises(ConfigError, match=r"itself\.yaml:2:10: extends: cannot extend"):
        load_standard("itself")


@pytest.mark.parametrize(
    "wait", ["nCL / 2", "nOPE + 1", "__import__('os')", "max()", "nCL if nBL else 1", "True"]
)
def test_a_wait_is_sums_products_and_max_of_timings_only(wait):
    with pytest.raises(ValueError, match="wait"):
        evaluate(wait, {"nCL": 16, "nBL": 4})


def test_a_wait_is_evaluated_by_the_usual_rules():
    assert evaluate("max(nCL, 2 * nBL + 1) - 3", {"nCL": 8, "nBL": 4}) == 6
